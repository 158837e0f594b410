#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of users of text patching: with C, then with Rust in the
# same boot. Prints "result SIDE NAME: RESULT" for the host to compare.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

cd /tmp || exit 1

# result NAME RESULT
result() {
	say "result $side $1: $2"
}

# status NAME COMMAND...: report the exit status as the result
status() {
	status_name=$1
	shift
	"$@" > /tmp/output 2>&1
	result "$status_name" "status $?"
}

# mark: write a mark to the kernel's log; since_mark: print the log since the last mark
mark() {
	mark=$((${mark:-0} + 1))
	echo "mark $mark" > /dev/kmsg
}
since_mark() {
	dmesg | sed "1,/mark $mark\$/d"
}

ftracetest() {
	# Folders or tests, relative to the current folder.
	# shellcheck disable=SC2086 # a list of tests, or nothing
	bash /selftests/ftrace/ftracetest -l "/tmp/ftrace-$side" $FTRACETESTS 2>&1 |
	while read -r line; do
		case $line in
		\[*\])
			result ftrace "$line"
			say "progress $side: $line"
			;;
		esac
	done
	# The log of a failed test; the host prints it if the sides differ.
	for log in "/tmp/ftrace-$side"/*-log.*; do
		[ -e "$log" ] || continue
		tail -n 30 "$log" > /tmp/log
		log=${log##*/}
		send "$side-${log%%-*}" /tmp/log
	done
}

kunit() {
	for m in $SUITES; do
		say "begin kunit $side-$m"
		status "insmod $m" insmod "/modules/$m.ko"
		say "end kunit $side-$m"
		status "rmmod $m" rmmod "$m"
	done
	# The suite for RISC-V is built in: as a module it has a relocation that the loader rejects.
	suite=/sys/kernel/debug/kunit/kprobes_riscv
	echo 1 > $suite/run
	sed -n 's/^ *\(ok\|not ok\) [0-9]* \([^ ]*\).*/\2: \1/p' $suite/results > /tmp/output
	while read -r line; do
		result "kunit kprobes_riscv.${line%%:*}" "${line#*: }"
	done < /tmp/output
}

static_keys() {
	for m in test_static_key_base test_static_keys; do
		status "insmod $m" insmod "/modules/$m.ko"
	done
	for m in test_static_keys test_static_key_base; do
		status "rmmod $m" rmmod "$m"
	done
}

# The sample counts calls of its tracers itself. Loading it always fails, so busybox's
# insmod tries the other system call: it runs twice.
ftrace_ops() {
	for parameters in nr_ops_relevant=0 nr_ops_relevant=1 nr_ops_relevant=2 \
		"nr_ops_irrelevant=1 nr_ops_relevant=0" nr_ops_irrelevant=1 \
		nr_ops_irrelevant=10 "nr_ops_relevant=10 nr_ops_irrelevant=10" \
		"assist_recursion=1 assist_rcu=1" save_regs=1; do
		mark
		# shellcheck disable=SC2086 # a list of parameters
		insmod /modules/ftrace-ops.ko check_count=1 nr_function_calls=20000 $parameters \
			> /dev/null 2>&1
		rc=$?
		since_mark > /tmp/log
		result "ftrace-ops $parameters" \
			"status $rc, $(grep -c 'Attempted 20000 calls' /tmp/log) runs, $(
			grep -c 'Counter called' /tmp/log) wrong counts"
	done
}

# A function that is only called when /proc/version is read.
function=version_proc_show

read_version() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		cat /proc/version > /dev/null
	done
}

kprobes() {
	mark
	status "insmod kprobe_example" insmod /modules/kprobe_example.ko symbol=$function
	read_version
	status "rmmod kprobe_example" rmmod kprobe_example
	read_version
	since_mark > /tmp/log
	result kprobe_example "$(grep -c "handler_pre: <$function>" /tmp/log) before, $(
		grep -c "handler_post: <$function>" /tmp/log) after"

	mark
	status "insmod kretprobe_example" insmod /modules/kretprobe_example.ko func=$function
	read_version
	status "rmmod kretprobe_example" rmmod kretprobe_example
	read_version
	since_mark > /tmp/log
	result kretprobe_example "$(grep -c "$function returned 0 and took" /tmp/log) returns, $(
		grep -o 'Missed probing .* instances' /tmp/log)"
}

# The counters of attached BPF programs. Nothing else executes the target if two
# instructions are patched by stopping all CPUs.
bpf() {
	runners=0
	[ -n "$HOOKED" ] && runners=2
	check "bpf with $side" /programs/bpf_fentry 500 $runners
	late=
	[ "$side" = c ] && late=late
	check "bpf, alone, with $side" /programs/bpf_fentry 500 $runners alone $late
	# QEMU before 10.1 fetches an instruction in halves, around which only Rust works.
	# shellcheck disable=SC2154 # set in /settings
	case $side-$PARAMS_rust_riscv_patch in
	c-*atomic_fetch=0*) runners=0 ;;
	esac
	check "bpf, alone, medium, with $side" /programs/bpf_fentry 500 $runners alone medium $late
	[ "$side" = c ] && runners=0
	check "bpf, long, with $side" /programs/bpf_fentry 500 $runners long
}

everything() {
	side=$1
	say "begin side $side"
	bpf
	static_keys
	kunit
	ftrace_ops
	kprobes
	ftracetest
	say "end side $side"
}

everything c

for m in $LOAD; do
	load "$m" || exit 1
done
cat /sys/kernel/debug/rust_riscv_patch/stats > /tmp/stats
send stats-before /tmp/stats
everything rust
cat /sys/kernel/debug/rust_riscv_patch/stats > /tmp/stats
send stats-after /tmp/stats

# shellcheck disable=SC2086 # a list of modules
unload_all $LOAD
