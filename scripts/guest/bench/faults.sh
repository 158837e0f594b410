#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": the time per fault: without the module, with it, and with the behaviour
# of older kernels, which looked up the VMA again under mmap_lock. Forbidden accesses in
# 1, 4 and 8 threads, alone and together with a thread that takes mmap_lock for writing
# in a loop. Time is the number of instructions of all harts: on a host with few CPUs,
# real time is dominated by spinning on locks whose holders are preempted.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

# per_fault ARGUMENT...: runs bad_access, and sets ns to the nanoseconds per fault. Not to be used
# in $( ), where exit would end only the subshell.
per_fault() {
	/programs/bad_access "$@" > /tmp/out || exit 1
	ns=$(awk '{ printf "%.1f", $1 / $2 }' /tmp/out)
}

# bad SIDE: measures forbidden accesses; the keys come first, as they are part of the figure's name
bad() {
	# Wait for deferred work of insmod and rmmod.
	per_fault bad 20000
	for threads in 1 4 8; do
		for writer in no yes; do
			[ $writer = yes ] && lock=lock || lock=
			# shellcheck disable=SC2086 # nothing, or a word
			per_fault bad $((100000 / threads)) $threads $lock
			case $1 in
			c) say "sample bad-access against=c threads=$threads writer=$writer ns c $ns" ;;
			older) say "sample bad-access against=mmap_lock threads=$threads writer=$writer ns older $ns" ;;
			rust)
				say "sample bad-access against=c threads=$threads writer=$writer ns rust $ns"
				say "sample bad-access against=mmap_lock threads=$threads writer=$writer ns rust $ns"
				;;
			esac
		done
	done
}

insmod /modules/rust_riscv.ko || exit 1
per_fault minor 10240

i=0
while [ $i -lt "$PAIRS" ]; do
	bad c
	per_fault minor 102400
	say "sample minor-fault ns c $ns"
	insmod /modules/rust_riscv_fault.ko || exit 1
	bad rust
	per_fault minor 102400
	say "sample minor-fault ns rust $ns"
	rmmod rust_riscv_fault || exit 1
	insmod /modules/rust_riscv_fault.ko retry_under_mmap_lock=1 || exit 1
	bad older
	rmmod rust_riscv_fault || exit 1
	i=$((i + 1))
done
