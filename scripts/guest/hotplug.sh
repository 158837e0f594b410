#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The SBI IPI state: taking it over, giving it back, and the late variant, during
# CPU hotplug, and with the kernel's own hotplug test.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

cpu=/sys/devices/system/cpu
debugfs=/sys/kernel/debug
meter=$debugfs/rust_riscv_cpuhp_meter
c=irqchip/sbi-ipi:starting
rust=rust_riscv/sbi-ipi:starting
late=rust_riscv/sbi-ipi:late

holds() {
	grep ": $1$" $cpu/hotplug/states
}

holds_not() {
	! holds "$1"
}

logged() {
	dmesg | grep -q "$1"
}

# refused MODULE WORDS PARAMETERS...: check that loading fails with this message
refused() {
	module=$1 words=$2
	shift 2
	if insmod "/modules/$module.ko" "$@" > /tmp/refused 2>&1; then
		echo "was loaded"
		return 1
	fi
	cat /tmp/refused
	grep -q "$words" /tmp/refused
}

# Check that the SBI IPI is enabled on each online CPU.
all_enabled() {
	read -r enabled < $meter/ipi_enabled
	echo "enabled on $enabled CPUs of $(cat $cpu/online)"
	[ "$enabled" = "$(nproc)" ]
}

# A hart stops shortly after its CPU is reported offline, and cannot be started until then.
online() {
	until [ "$(cat "$cpu/cpu$1/online")" = 1 ]; do
		echo 1 > "$cpu/cpu$1/online"
	done 2> /dev/null
}

cycle_all() {
	n=1
	while [ -d "$cpu/cpu$n" ]; do
		echo 0 > "$cpu/cpu$n/online" || return 1
		online $n
		n=$((n + 1))
	done
}

# selftest NAME: run the kernel's own test on all CPUs. It starts a CPU as soon as it is
# offline, which fails if the hart has not stopped yet, so the test is tried three times.
selftest() {
	for _ in 1 2 3; do
		UID=0 sh /programs/cpu-on-off-test.sh -a > "/tmp/selftest.$1" 2>&1
		echo "status $?" >> "/tmp/selftest.$1"
		grep -q "^status 0$" "/tmp/selftest.$1" && break
		# Bring the CPUs online that it could not start.
		n=1
		while [ -d "$cpu/cpu$n" ]; do
			online $n
			n=$((n + 1))
		done
	done
	sed -i "s/^pid [0-9]*/pid/" "/tmp/selftest.$1"
	tail -n 3 "/tmp/selftest.$1"
	grep -q "^status 0$" "/tmp/selftest.$1"
}

# Print the longest of three response times in milliseconds: the median of five tries,
# since another interrupt may wake up a CPU that stalls. Fails if one cannot be measured.
stall() {
	for _ in 1 2 3 4 5; do
		cat $meter/stall
	done > /tmp/stalls
	if [ "$(grep -c "^call [0-9]" /tmp/stalls)" != 5 ]; then
		grep -v "^call [0-9]" /tmp/stalls
		return 1
	fi
	awk '{ m = $2; if ($4 > m) m = $4; if ($6 > m) m = $6; print int(m / 1000000) }' \
		/tmp/stalls | sort -n | sed -n 3p
}

# A stall lasts until the CPU's hotplug thread wakes up, or the watchdog acts.
stalls() {
	ms=$(stall) || { echo "$ms"; return 1; }
	echo "answers after $ms ms"
	[ "$ms" -ge 300 ]
}

answers() {
	ms=$(stall) || { echo "$ms"; return 1; }
	echo "answers after $ms ms"
	[ "$ms" -lt 300 ]
}

# counted CPU: bring the CPU online once more, and check the module's counters for it
counted() {
	before=$(sed -n "s/^cpu $1: onlined=\([0-9]*\) .*/\1/p" $debugfs/rust_riscv_sbi_ipi/cpus)
	echo 0 > "$cpu/cpu$1/online" && online "$1" || return 1
	line=$(grep "^cpu $1: " $debugfs/rust_riscv_sbi_ipi/cpus)
	echo "$line, before: $before"
	echo "$line" | grep -q "onlined=$((${before:-0} + 1)) first_ipi_ns=[1-9][0-9]* pending=0$"
}

# hand_over_while_cpus_cycle TIMES
hand_over_while_cpus_cycle() {
	(while [ ! -e /tmp/stop ]; do cycle_all || exit 1; done) &
	i=0
	while [ $i -lt "$1" ]; do
		rmmod rust_riscv_sbi_ipi && insmod /modules/rust_riscv_sbi_ipi.ko || return 1
		i=$((i + 1))
	done
	touch /tmp/stop
	wait $!
}

kunit() {
	say "begin kunit rust_riscv_kunit_cpuhp"
	load rust_riscv_kunit_cpuhp
	say "end kunit rust_riscv_kunit_cpuhp"
	unload rust_riscv_kunit_cpuhp
}

load rust_riscv && load rust_riscv_patch && load rust_riscv_cpuhp_meter || exit 1

if ! logged "providing IPIs using SBI"; then
	check "sbi_ipi.no_sbi_ipis" refused rust_riscv_sbi_ipi "No such device"
	check "sbi_ipi.error_is_logged" logged "not delivered by SBI"
	exit 0
fi

check "selftest.c" selftest c
check "sbi_ipi.c_answers" answers
load rust_riscv_sbi_ipi || exit 1
check "sbi_ipi.taken" holds $rust
check "sbi_ipi.c_gone" holds_not $c
check "sbi_ipi.cycle" cycle_all
# Without IPIs the guest cannot continue: report only this failure.
check "sbi_ipi.all_enabled" all_enabled || exit 1
check "sbi_ipi.answers" answers
check "sbi_ipi.counted" counted 1
check "selftest.rust" selftest rust
check "selftest.same" cmp /tmp/selftest.c /tmp/selftest.rust

load rust_cpuhp_observer
check "observer.cycle" cycle_all
dmesg | sed -n 's/.*rust_cpuhp_observer: cpu 1: \(up\|down\) \([A-Za-z]*\).*/\1 \2/p' > /tmp/order
printf '%s\n' 'down Third' 'down Second' 'down First' 'up First' 'up Second' 'up Third' \
	> /tmp/expected
check "observer.order" cmp /tmp/order /tmp/expected
unload rust_cpuhp_observer

kunit

if [ "$HOOKED" = 1 ]; then
	check "sbi_ipi.hand_over" hand_over_while_cpus_cycle 10
	check "sbi_ipi.all_enabled_after_hand_over" all_enabled || exit 1
	unload rust_riscv_sbi_ipi
	check "sbi_ipi.given_back" holds $c || exit 1
	check "sbi_ipi.cycle_given_back" cycle_all
	check "sbi_ipi.all_enabled_given_back" all_enabled

	check "insmod late" insmod /modules/rust_riscv_sbi_ipi.ko late=1
	check "late.holds" holds $late
	check "late.c_gone" holds_not $c
	check "late.stalls" stalls
	unload rust_riscv_sbi_ipi
	check "late.given_back" holds $c
	check "late.c_answers" answers

	# Another module takes the state over, and keeps it.
	unload rust_riscv_cpuhp_meter
	check "insmod taker" insmod /modules/rust_riscv_cpuhp_meter.ko take=1
	check "sbi_ipi.busy" refused rust_riscv_sbi_ipi "resource busy"
	check "sbi_ipi.owner_is_logged" logged 'the state is owned by "rust_riscv_meter:take"'
	check "sbi_ipi.busy_late" refused rust_riscv_sbi_ipi "resource busy" late=1
	check "sbi_ipi.cycle_busy" cycle_all
	check "sbi_ipi.all_enabled_busy" all_enabled
else
	check "sbi_ipi.permanent_is_logged" logged "the module is permanent"
	if rmmod rust_riscv_sbi_ipi 2> /dev/null; then
		say "not ok sbi_ipi.pinned: it was removed"
	else
		say "ok sbi_ipi.pinned"
	fi
	check "sbi_ipi.kept" holds $rust
	check "sbi_ipi.cycle_kept" cycle_all
	check "sbi_ipi.all_enabled_kept" all_enabled
fi
