#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": instructions that a fault takes, counted by QEMU, without and
# with the module. One hart, one instruction a nanosecond.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

# per_fault ARGUMENT...: of bad_access; nanoseconds a fault
per_fault() {
	/programs/bad_access "$@" > /tmp/out || exit 1
	awk '{ printf "%.1f", $1 / $2 }' /tmp/out
}

samples() {
	say "sample bad-access-counted instructions $1 $(per_fault bad 10000)"
	say "sample minor-fault-counted kind=anonymous instructions $1 $(per_fault minor 10240)"
	say "sample minor-fault-counted kind=shared-file instructions $1 $(per_fault file 10240)"
	say "sample zero-page-fault-counted instructions $1 $(per_fault zero 10240)"
}

insmod /modules/rust_riscv.ko || exit 1
# The first faults fill caches and the page allocator's lists.
per_fault minor 10240 > /dev/null

i=0
while [ $i -lt "$PAIRS" ]; do
	samples c
	insmod /modules/rust_riscv_fault.ko || exit 1
	samples rust
	rmmod rust_riscv_fault || exit 1
	i=$((i + 1))
done
