#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": the cost of barriers. The module measures when it is loaded.

# shellcheck source-path=SCRIPTDIR/.. source=functions
. /functions

for m in $LOAD; do
	load "$m" || exit 1
done
while read -r line; do
	say "$line"
done < /sys/kernel/debug/rust_riscv_bench_barrier/samples
