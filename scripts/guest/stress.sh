#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make stress": actors, each of which repeats one kind of operation that patches
# text, all at the same time. SEED determines what they do, and in which order.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

tracing=/sys/kernel/tracing
state=0

# random LIMIT: set r to a random number below LIMIT
random() {
	state=$(((state * 1103515245 + 12345) & 0x7fffffff))
	r=$(((state >> 8) % $1))
}

# one_of WORD...: set one to one of the words
one_of() {
	random $#
	shift "$r"
	one=$1
}

# must WHAT COMMAND...: run a command that must succeed
must() {
	say "op $actor $steps $1"
	must_what=$1
	shift
	"$@" > "/tmp/out.$actor" 2>&1 && return
	say "not ok stress.$actor: step $steps, $must_what: $(head -n 1 "/tmp/out.$actor")"
	touch /tmp/stop
	return 1
}

put() {
	echo "$1" > "$2"
}

append() {
	echo "$1" >> "$2"
}

# The provider is not loaded or unloaded while this lock is held.
hold() {
	until mkdir /tmp/held 2> /dev/null; do
		[ -e /tmp/stop ] && return 1
		usleep 20000
	done
}

release() {
	rmdir /tmp/held
}

tracer() {
	one_of "" instances/stress
	where=$tracing/$one
	random 7
	case $r in
	0) must "function ${one:-top}" put function "$where/current_tracer" ;;
	1) must "function_graph ${one:-top}" put function_graph "$where/current_tracer" ;;
	2 | 3)
		one_of 'vfs_*' '*lock*' 'sched*' '*alloc*' 'do_*' 'version_proc_show' '*page*'
		must "filter $one" put "$one" "$where/set_ftrace_filter"
		;;
	4)
		# All functions, but only briefly, so that the other actors make progress. In the
		# debug kernel, tracing the graph of all takes longer than a timer tick.
		if [ -n "$DEBUG" ]; then one=function; else one_of function function_graph; fi
		must "nop" put nop "$where/current_tracer" &&
			must "no filter" put "" "$where/set_ftrace_filter" &&
			must "all $one" put "$one" "$where/current_tracer" &&
			must "nop" put nop "$where/current_tracer" &&
			must "filter" put 'vfs_*' "$where/set_ftrace_filter"
		;;
	*) must "nop" put nop "$where/current_tracer" ;;
	esac
}

# Functions that are called often and less often, if this kernel has them.
probed="vfs_read vfs_write vfs_open do_sys_openat2 kernel_clone do_exit handle_mm_fault
	seq_read single_open version_proc_show unmap_region mmap_region free_pgtables
	wake_up_new_task copy_process path_openat"

kprobes() {
	events=$tracing/kprobe_events
	n=0
	for f in $probed; do
		n=$((n + 1))
		random 3
		case $r in
		0) must "kprobe $f" append "p:stress/p$n $f" $events ;;
		1) must "kretprobe $f" append "r:stress/r$n $f" $events ;;
		*) ;;
		esac
	done
	for _ in 1 2; do
		[ -d $tracing/events/stress ] || continue
		must "arm" put 1 $tracing/events/stress/enable
		random 300
		usleep $((r * 1000))
		must "disarm" put 0 $tracing/events/stress/enable
	done
	must "remove" remove_probes
}

remove_probes() {
	sed -n 's|^[pr][0-9]*:\(stress/[^ ]*\) .*|-:\1|p' $tracing/kprobe_events |
	while read -r line; do
		append "$line" $tracing/kprobe_events || return 1
	done
}

keys() {
	random 5
	if [ "$r" -eq 0 ]; then
		must "insmod test_static_key_base" insmod /modules/test_static_key_base.ko &&
			must "insmod test_static_keys" insmod /modules/test_static_keys.ko &&
			must "rmmod test_static_keys" rmmod test_static_keys &&
			must "rmmod test_static_key_base" rmmod test_static_key_base
		return
	fi
	one_of sched irq kmem timer syscalls rcu signal task workqueue
	[ -d "$tracing/events/$one" ] || return
	must "events $one on" put 1 "$tracing/events/$one/enable"
	must "events $one off" put 0 "$tracing/events/$one/enable"
}

# The program reports whether each run was counted. Without hooks, a process that executes
# the patched code could resume between two instructions.
bpf() {
	random 3
	[ -n "$HOOKED" ] || r=0
	runners=$r
	one_of "" "alone late" "alone medium" "alone medium"
	case $one in
	# QEMU before 10.1 fetches an instruction in halves, around which only Rust works.
	*medium) hold || return ;;
	esac
	# shellcheck disable=SC2086 # a list of words
	must "bpf_fentry 300 $runners $one" /programs/bpf_fentry 300 "$runners" $one
	case $one in
	*medium) release ;;
	esac
}

modules() {
	random 5
	case $r in
	0)
		must "modprobe ftrace-direct" modprobe ftrace-direct &&
			must "rmmod ftrace-direct" rmmod ftrace-direct
		return
		;;
	1) module=kprobe_example parameter=symbol=version_proc_show ;;
	2) module=kretprobe_example parameter=func=version_proc_show ;;
	3)
		say "op $actor $steps ftrace-ops"
		# It counts calls, and logs it if some are missing. Loading it always fails.
		insmod /modules/ftrace-ops.ko check_count=1 nr_function_calls=2000 \
			nr_ops_relevant=3 > /dev/null 2>&1
		return
		;;
	*)
		hold || return
		must "insmod rust_text_toggle" insmod /modules/rust_text_toggle.ko &&
			must "toggle" toggle &&
			must "rmmod rust_text_toggle" rmmod rust_text_toggle
		release
		return
		;;
	esac
	must "insmod $module" insmod "/modules/$module.ko" "$parameter" &&
		must "rmmod $module" rmmod "$module"
}

toggle() {
	for i in 1 0 1 0; do
		echo $i > /sys/kernel/debug/rust_text_toggle/on || return 1
	done
}

provider() {
	hold || return
	must "rmmod rust_riscv_patch" rmmod rust_riscv_patch
	random 500
	usleep $((r * 1000))
	# shellcheck disable=SC2154,SC2086 # set in /settings; a list of parameters
	must "insmod rust_riscv_patch" insmod /modules/rust_riscv_patch.ko \
		$PARAMS_rust_riscv_patch
	release
	random 2000
	usleep $((r * 1000))
}

# A hart stops shortly after its CPU is reported offline, and cannot be started before.
start_cpu() {
	for _ in $(seq 1500); do
		put 1 "$1/online" && return
		usleep 20000
	done
	return 1
}

hotplug() {
	random $(($(nproc --all) - 1))
	cpu=/sys/devices/system/cpu/cpu$((r + 1))
	must "offline ${cpu##*/}" put 0 "$cpu/online"
	random 200
	usleep $((r * 1000))
	must "online ${cpu##*/}" start_cpu "$cpu"
	# Text patching waits for this, and must make progress.
	random 2000
	usleep $((r * 1000))
}

faults() {
	random 10000
	must "fault_load 300 $r" /programs/fault_load 300 "$r"
}

actors="tracer kprobes keys bpf modules provider hotplug faults"

act() {
	actor=$1 state=$((SEED * 16 + $2)) steps=0
	while [ ! -e /tmp/stop ]; do
		steps=$((steps + 1))
		$actor
		echo $steps > "/tmp/steps.$actor"
	done
}

progress() {
	progress_line=
	for a in $actors; do
		steps=0
		[ -e "/tmp/steps.$a" ] && read -r steps < "/tmp/steps.$a"
		progress_line="$progress_line $a $steps"
	done
	say "progress $1 of $DURATION s:$progress_line"
}

for m in $LOAD; do
	load "$m" || exit 1
done
mkdir $tracing/instances/stress || exit 1
for top in $tracing $tracing/instances/stress; do
	echo 64 > "$top/buffer_size_kb"
	echo 'vfs_*' > "$top/set_ftrace_filter"
done

here=
grep -v '\[' $tracing/available_filter_functions > /tmp/functions
for f in $probed; do
	[ "$(grep -cx "$f" /tmp/functions)" -eq 1 ] && here="$here $f"
done
probed=$here
check "stress.functions to probe" test -n "$probed"

say "seed $SEED"
number=0
for a in $actors; do
	number=$((number + 1))
	act "$a" $number &
done

# seconds since boot
uptime() {
	cut -d. -f1 /proc/uptime
}
start=$(uptime)
while [ ! -e /tmp/stop ] && [ $(($(uptime) - start)) -lt "$DURATION" ]; do
	sleep 5
	progress $(($(uptime) - start))
done
touch /tmp/stop
wait
progress $(($(uptime) - start))

# Disable everything, in whatever state the actors have left it.
echo nop > $tracing/current_tracer
echo > $tracing/set_ftrace_filter
check "stress.instance" rmdir $tracing/instances/stress
check "stress.functions" test ! -s $tracing/enabled_functions
for a in $actors; do
	check "stress.$a made steps" test -s "/tmp/steps.$a"
done
check "stress.counts" /programs/bpf_fentry 500 0
cat /sys/kernel/debug/rust_riscv_patch/stats > /tmp/stats
send stats-after /tmp/stats
check "check_wx_pages" grep -q '^SUCCESS' /sys/kernel/debug/check_wx_pages

# shellcheck disable=SC2086 # a list of modules
unload_all $LOAD
