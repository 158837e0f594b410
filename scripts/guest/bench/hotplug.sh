#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make bench": bringing CPUs online, with the SBI IPI state in C, in Rust, and set up
# too late. A sample of the first IPI is the median of several. A sample of a cycle is
# the shortest time to go offline plus the shortest time to come online, of several:
# most of both is waiting for ticks and grace periods, whose number is random.

# shellcheck source-path=SCRIPTDIR source=../functions
. /functions

meter=/sys/kernel/debug/rust_riscv_cpuhp_meter
state=/sys/devices/system/cpu/hotplug/states

# measure FILE TIMES: print this many measurements, the shortest first
measure() {
	i=0
	while [ $i -lt "$2" ]; do
		read -r value < $meter/"$1"
		case $value in
		error*) say "not ok measure $1: $value" ;;
		*) echo "$value" ;;
		esac
		i=$((i + 1))
	done | sort -n
}

# cycle TIMES: print the shortest time to go offline plus the shortest to come online
cycle() {
	measure cycle "$1" | awk 'NR == 1 || $1 < down { down = $1 } NR == 1 || $2 < up { up = $2 }
		END { printf "%d\n", down + up }'
}

median() {
	measure "$@" | sed -n "$((($2 + 1) / 2))p"
}

# holds NAME: check that the state has this name, so that the right side is measured
holds() {
	grep -q ": $1$" $state || { say "not ok state: $1 is not there"; exit 1; }
}

sample() {
	holds "$2"
	say "sample hotplug-cycle ns $1 $(cycle 25)"
	say "sample first-ipi against=c ns $1 $(median first_ipi 11)"
}

load rust_riscv && load rust_riscv_cpuhp_meter || exit 1

pair=0
while [ $pair -lt "$PAIRS" ]; do
	sample c irqchip/sbi-ipi:starting
	insmod /modules/rust_riscv_sbi_ipi.ko || exit 1
	sample rust rust_riscv/sbi-ipi:starting
	say "sample first-ipi against=late ns rust $(median first_ipi_asleep 1)"
	rmmod rust_riscv_sbi_ipi

	insmod /modules/rust_riscv_sbi_ipi.ko late=1 || exit 1
	holds rust_riscv/sbi-ipi:late
	say "sample first-ipi against=late ns late $(median first_ipi_asleep 1)"
	say "sample first-ipi-idle against=late ns late $(median first_ipi 5)"
	rmmod rust_riscv_sbi_ipi
	insmod /modules/rust_riscv_sbi_ipi.ko || exit 1
	say "sample first-ipi-idle against=late ns rust $(median first_ipi 5)"
	rmmod rust_riscv_sbi_ipi
	pair=$((pair + 1))
done
