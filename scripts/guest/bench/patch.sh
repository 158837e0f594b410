#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": text patching with C and with Rust, alternating.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

t=/sys/kernel/tracing
bench=/sys/kernel/debug/rust_riscv_bench_patch
stats=/sys/kernel/debug/rust_riscv_patch

# sample NAME KEYS... NANOSECONDS: a sample of the side that currently patches
sample() {
	sample_what=
	while [ $# -gt 1 ]; do
		sample_what="$sample_what $1"
		shift
	done
	say "sample$sample_what ms $side $(awk "BEGIN { print $1 / 1e6 }")"
}

# timed NAME KEYS -- FILE [TEXT]: one sample of writing or reading a file
timed() {
	timed_what=
	while [ "$1" != -- ]; do
		timed_what="$timed_what $1"
		shift
	done
	shift
	timed_ns=$(/programs/timed_write "$@") || {
		say "not ok $timed_what: $side: writing $*"
		exit 1
	}
	# shellcheck disable=SC2086 # a list of words
	sample $timed_what "$timed_ns"
}

# A debugfs file that measures, and returns nanoseconds when read.
measured() {
	measured_ns=$(cat "$bench/$2") || exit 1
	# shellcheck disable=SC2086 # a list of words
	sample $1 "$measured_ns"
}

use() {
	side=$1
	if [ "$side" = rust ]; then
		# shellcheck disable=SC2154,SC2086 # in /settings; a list of parameters
		insmod /modules/rust_riscv_patch.ko $PARAMS_rust_riscv_patch || exit 1
	else
		rmmod rust_riscv_patch || exit 1
	fi
}

# Reduce the tracer's own cost, which is not that of patching: clearing its buffer, and
# the grace periods that it waits for, 50 ms in total with 8 idle harts.
echo 64 > $t/buffer_size_kb
rcu=/sys/kernel/rcu_expedited

all=$(wc -l < $t/available_filter_functions)
say "functions $all"
define_kprobes 400 || exit 1

for m in $LOAD; do
	load "$m" || exit 1
done
rmmod rust_riscv_patch || exit 1

pair=0
while [ "$pair" -lt "$PAIRS" ]; do
	for s in c rust; do
		[ "$s" = rust ] && use rust
		side=$s
		echo 1 > $rcu
		# shellcheck disable=SC2153 # in /settings
		for sites in $SITES; do
			if [ "$sites" = all ]; then
				n="$all all=yes"
				echo > $t/set_ftrace_filter
			else
				n=$sites
				awk -v n="$n" 'NF == 1 { print $1 } ++k == n { exit }' \
					$t/available_filter_functions > $t/set_ftrace_filter
			fi
			# shellcheck disable=SC2086 # a list of words
			timed ftrace-enable sites=$n -- $t/current_tracer function
			# shellcheck disable=SC2086 # as above
			timed ftrace-disable sites=$n -- $t/current_tracer nop
		done
		echo > $t/set_ftrace_filter
		echo 0 > $rcu
		# The same, for these.
		timed ftrace-enable-waiting "sites=$all" -- $t/current_tracer function
		timed ftrace-disable-waiting "sites=$all" -- $t/current_tracer nop
		if [ -n "$PROBES" ]; then
			timed kprobes-arm probes=400 -- $t/events/kprobes/enable 1
			timed kprobes-disarm probes=400 -- $t/events/kprobes/enable 0
			measured "static-key sites=1000" static_key
			measured single-edit single_edit
		fi
		[ -n "$STOPS" ] && measured "stop-window edits=4096" stop_window
		if [ -n "$PROBES" ]; then
			[ "$s" = rust ] && echo rendezvous > $stats/strategy
			measured rendezvous-1 single_edit
		fi
		[ "$s" = rust ] && use c
	done
	pair=$((pair + 1))
done

# Last, since the kernel continues to free BPF programs for seconds.
pair=0
while [ -n "$PROBES" ] && [ "$pair" -lt "$PAIRS" ]; do
	for s in c rust; do
		[ "$s" = rust ] && use rust
		side=$s
		bpf=$(/programs/bpf_fentry time 5) || {
			say "not ok bpf-attach: $side: $bpf"
			exit 1
		}
		sample bpf-attach "${bpf% *}"
		sample bpf-detach "${bpf#* }"
		[ "$s" = rust ] && use c
	done
	pair=$((pair + 1))
done
