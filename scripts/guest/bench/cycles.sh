#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make cycles": operations whose cycles are counted, with C and with Rust. The guest
# boots in QEMU. At each "checkpoint" a snapshot of it is taken, from which rvsim
# continues until "measured". "measure" announces the next timed_write, which marks
# where rvsim begins and ends to count. A "sample" is a measurement by the guest
# itself, as in "make bench". Its clock has ticks of 140 cycles.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

# No console: rvsim has none that a driver can write to.
exec < /dev/null > /dev/null 2>&1

t=/sys/kernel/tracing
bench=/sys/kernel/debug/rust_riscv_bench_patch
meter=/sys/kernel/debug/rust_riscv_cpuhp_meter
side=c

# measured NAME KEYS -- FILE [TEXT]: an operation whose cycles the host counts
measured() {
	measured_what=
	while [ "$1" != -- ]; do
		measured_what="$measured_what $1"
		shift
	done
	shift
	say "measure$measured_what $side"
	# shellcheck disable=SC2086 # -p or nothing
	taskset 1 /programs/timed_write $pause "$@" > /tmp/out || {
		say "not ok$measured_what: $side: writing $*"
		exit 1
	}
	pause=
}

# sampled NAME KEYS NANOSECONDS: report a measurement by the guest
sampled() {
	sampled_what=
	while [ $# -gt 1 ]; do
		sampled_what="$sampled_what $1"
		shift
	done
	case $1 in
	'' | *[!0-9]*)
		say "not ok$sampled_what: $side: $1"
		exit 1
		;;
	esac
	say "sample$sampled_what ns $side $1"
}

# sections MODULE: print the addresses of its code
sections() {
	for file in /sys/module/"$1"/sections/.*text*; do
		# Not with "read", which reads single bytes: the file only returns the first.
		say "section $1 ${file##*/} $(cat "$file")"
	done
}

# use SIDE MODULE: select the side, and load or unload the module
use() {
	side=$1
	if [ "$side" = rust ]; then
		eval "use_params=\${PARAMS_$2:-}"
		# shellcheck disable=SC2154,SC2086 # set by eval; a list of parameters
		insmod "/modules/$2.ko" $use_params || exit 1
		sections "$2"
	else
		rmmod "$2" || exit 1
	fi
}

# run WHAT: run a function in rvsim, from its first timed_write or its beginning on
run() {
	say "checkpoint $1-$side"
	case $1 in
	ftrace | kprobes) pause=-p ;;
	*) taskset 1 /programs/pause ;;
	esac
	"$1"
	say "measured $1-$side"
}

# Trace only some adjacent functions, to save time.
filter() {
	sites=$all
	# shellcheck disable=SC2153 # in /settings
	[ "$SITES" = all ] && return
	seq 4001 $((4000 + SITES)) > $t/set_ftrace_filter
	sites=$(wc -l < $t/set_ftrace_filter)
}

ftrace() {
	measured ftrace-enable "sites=$sites" -- $t/current_tracer function
	measured ftrace-disable "sites=$sites" -- $t/current_tracer nop
}

kprobes() {
	measured kprobes-arm probes=400 -- $t/events/kprobes/enable 1
	measured kprobes-disarm probes=400 -- $t/events/kprobes/enable 0
}

key() {
	sampled static-key sites=1000 "$(cat $bench/static_key)"
}

edit() {
	if [ "$side" = rust ]; then
		echo rendezvous > /sys/kernel/debug/rust_riscv_patch/strategy || exit 1
	fi
	sampled rendezvous-1 "$(cat $bench/few_edits)"
}

# The program prints the nanoseconds to attach and to detach.
bpf() {
	pair=$(/programs/bpf_fentry time 2)
	sampled bpf-attach "${pair% *}"
	sampled bpf-detach "${pair#* }"
}

# The program prints nanoseconds and the number of faults.
faults() {
	pair=$(/programs/bad_access bad 1024)
	sampled bad-access "$((${pair% *} / ${pair#* }))"
	pair=$(/programs/bad_access minor 1024)
	sampled minor-fault "$((${pair% *} / ${pair#* }))"
}

# The nanoseconds to go offline and to come online, and until an IPI is answered.
hotplug() {
	pair=$(cat $meter/cycle)
	case $pair in
	error*) say "not ok hotplug-cycle: $side: $pair"; exit 1 ;;
	esac
	sampled hotplug-cycle "$((${pair% *} + ${pair#* }))"
	sampled first-ipi "$(cat $meter/first_ipi)"
}

for m in $LOAD; do
	load "$m" || exit 1
done
sections rust_riscv
sections rust_riscv_bench_patch
echo 64 > $t/buffer_size_kb
read -r all rest < $t/dyn_ftrace_total_info
say "functions $all $rest"
# shellcheck disable=SC2153 # in /settings
for what in $MEASURE; do
	case $what in
	faults) module=rust_riscv_fault ;;
	hotplug) module=rust_riscv_sbi_ipi ;;
	*) module=rust_riscv_patch ;;
	esac
	case $what in
	ftrace) filter ;;
	kprobes) define_kprobes 400 || exit 1 ;;
	esac
	run "$what"
	use rust "$module"
	run "$what"
	use c "$module"
done
