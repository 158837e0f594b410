#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": instructions per site, with C and with Rust. In this guest an
# instruction takes one nanosecond.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

t=/sys/kernel/tracing

count() {
	ns=$(/programs/timed_write $t/current_tracer "$2") || exit 1
	say "sample $1 insns $side $(awk "BEGIN { print $ns / $all }")"
}

for m in $LOAD; do
	load "$m" || exit 1
done
rmmod rust_riscv_patch || exit 1
echo 64 > $t/buffer_size_kb
all=$(wc -l < $t/available_filter_functions)

pair=0
while [ "$pair" -lt "$PAIRS" ]; do
	for side in c rust; do
		# With one hart, writes are not repeated.
		[ "$side" = rust ] && { insmod /modules/rust_riscv_patch.ko || exit 1; }
		count ftrace-enable-insns function
		count ftrace-disable-insns nop
		[ "$side" = rust ] && { rmmod rust_riscv_patch || exit 1; }
	done
	pair=$((pair + 1))
done
