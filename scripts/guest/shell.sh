#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make shell": load the modules, and run a shell on the console.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

for m in $LOAD; do
	load "$m"
done

cat << END

The modules are loaded; debugfs is at /sys/kernel/debug, tracefs at
/sys/kernel/tracing. "exit" or ctrl-d powers off; ctrl-a x ends QEMU.

END
setsid cttyhack sh -l
