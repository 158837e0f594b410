#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": instructions per fault, counted by QEMU, without and with the
# module. One hart, one instruction per nanosecond.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

# per_fault ARGUMENT...: runs bad_access, and sets ns to the nanoseconds per fault. Not to be used
# in $( ), where exit would end only the subshell.
per_fault() {
	/programs/bad_access "$@" > /tmp/out || exit 1
	ns=$(awk '{ printf "%.1f", $1 / $2 }' /tmp/out)
}

samples() {
	per_fault bad 10000
	say "sample bad-access-counted instructions $1 $ns"
	per_fault minor 10240
	say "sample minor-fault-counted kind=anonymous instructions $1 $ns"
	per_fault file 10240
	say "sample minor-fault-counted kind=shared-file instructions $1 $ns"
	per_fault zero 10240
	say "sample zero-page-fault-counted instructions $1 $ns"
}

insmod /modules/rust_riscv.ko || exit 1
# Warm-up: the first faults fill caches and the page allocator's lists.
per_fault minor 10240

i=0
while [ $i -lt "$PAIRS" ]; do
	samples c
	insmod /modules/rust_riscv_fault.ko || exit 1
	samples rust
	rmmod rust_riscv_fault || exit 1
	i=$((i + 1))
done
