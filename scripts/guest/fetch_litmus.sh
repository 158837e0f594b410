#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Litmus tests of instruction fetch, on the harts of this guest.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

# As send() does it, but line by line: in Spike the program runs for minutes.
say "begin fetch"
# shellcheck disable=SC2086 # a list of options
{ /programs/fetch_litmus $OPTIONS 2>&1; echo $? > /tmp/status; } |
	awk '{ print "guest-fetch: " $0; fflush() }' > /dev/kmsg
say "end fetch"
say "result $(cat /tmp/status)"
