#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Programs that cause page faults, with C and with Rust in one boot. The host
# compares their output.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

stats=/sys/kernel/debug/rust_riscv_fault/stats
trace=/sys/kernel/tracing

# run NAME COMMAND...: run it, and report its output and its status
run() {
	name=$1
	shift
	"$@" > /tmp/out 2>&1
	say "result $side $name: $?"
	send "$side-$name" /tmp/out
}

# The cause of each fault at the addresses that the program chooses.
causes() {
	echo > $trace/trace
	echo 1 > $trace/events/exceptions/page_fault_user/enable
	/programs/faults causes || return
	echo 0 > $trace/events/exceptions/page_fault_user/enable
	sed -n 's/^ *faults-.*page_fault_user: //p' $trace/trace | grep 'address=0x1000'
}

# counted KIND: the sum over causes and CPUs
counted() {
	awk -v kind="$1=" '{ for (i = 1; i <= NF; i++)
		if (index($i, kind) == 1) sum += substr($i, length(kind) + 1) }
		END { print sum + 0 }' $stats
}

all() {
	run table /programs/faults table
	run causes causes
	run gc-1 /programs/faults gc "$GC" 1
	run gc-8 /programs/faults gc "$GC" 8
	run race /programs/faults race "$RACE" 4
	for test in $SELFTESTS; do
		run "selftest-$test" timeout 300 "/selftests/$test"
	done
}

load rust_riscv || exit 1

side=c
all

load rust_riscv_fault || exit 1
if [ ! -e /sys/module/rust_riscv_fault ]; then exit 1; fi

if [ "$HOOKED" = 0 ]; then
	dmesg | grep -q "the fault path of this kernel is not hooked" ||
		say "not ok stock: the module does not say that nothing is hooked"
	unload rust_riscv_fault
	unload rust_riscv
	exit 0
fi

side=rust
before=$(counted signalled)
all
after=$(counted signalled)
# Each round of the collectors counts as one.
[ $((after - before)) -ge $((2 * GC)) ] || say "not ok signals: $before, then $after"
check "stats allowed" [ "$(counted allowed)" -gt 0 ]
check "stats no_vma" [ "$(counted no_vma)" -gt 0 ]
check "stats retry" [ "$(counted retry)" -eq 0 ]
send stats $stats

# Load and unload the module while programs fault.
side=alternating
/programs/faults gc "$GC" 4 > /tmp/alternating 2>&1 &
i=0
while [ $i -lt "$RELOADS" ]; do
	rmmod rust_riscv_fault || say "not ok rmmod $i"
	insmod /modules/rust_riscv_fault.ko || say "not ok insmod $i"
	i=$((i + 1))
done
wait $!
say "result $side gc: $?"
send $side-gc /tmp/alternating

unload rust_riscv_fault
unload rust_riscv
