#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make ledger": operations that patch text, with C and with Rust. QEMU's plugin
# counts their cost, and writes a line for each.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

t=/sys/kernel/tracing
d=/sys/kernel/debug/rust_riscv_ledger

# op NAME COMMAND...: one operation. The command marks its beginning and end.
op() {
	op_name=$1
	shift
	say "ledger $side $op_name"
	check "$side $op_name" "$@"
}

ledger() {
	op_of=$1
	shift
	op "$op_of" /programs/ledger "$@"
}

# put TEXT FILE: an operation that is not counted
put() {
	echo "$1" > "$2"
}

for m in $LOAD; do
	load "$m" || exit 1
done
echo 64 > $t/buffer_size_kb

say "functions $(wc -l < $t/available_filter_functions)"
define_kprobes 400 || { say "not ok probes: $i"; exit 1; }

load_provider() {
	ledger provider-load insmod /modules/rust_riscv_patch.ko "${PARAMS_rust_riscv_patch:-}"
}

# sides OPERATIONS LOAD: run them with C and, after LOAD, with Rust, ROUNDS times each
sides() {
	round=0
	while [ "$round" -lt "$ROUNDS" ]; do
		side=c
		"$1"
		side=rust
		$2 || exit 1
		"$1"
		check "rmmod rust_riscv_patch" rmmod rust_riscv_patch || exit 1
		round=$((round + 1))
	done
}

patching() {
	# Tell the plugin the current page tables.
	echo 1 > $d/tables
	# Repeated, since the kernel frees the init memory of the module just loaded at some time
	# after insmod, with a remote sfence.vma.
	pass=0
	while [ "$pass" -lt 5 ]; do
		for known in nothing flush call stop translations edit; do
			ledger known-$known write $d/$known 1
		done
		pass=$((pass + 1))
	done
	ledger ftrace-enable write $t/current_tracer function
	ledger ftrace-disable write $t/current_tracer nop
	ledger kprobes-arm write $t/events/kprobes/enable 1
	ledger kprobes-disarm write $t/events/kprobes/enable 0
	ledger key-enable write $d/key 1
	ledger key-disable write $d/key 0
	ledger keys-enable write $d/keys 1
	ledger keys-disable write $d/keys 0
	ledger module-load insmod /modules/rust_riscv_ledger_functions.ko
	ledger module-unload rmmod rust_riscv_ledger_functions
	check "$side tracer on" put function $t/current_tracer
	ledger module-load-traced insmod /modules/rust_riscv_ledger_functions.ko
	check "$side rmmod" rmmod rust_riscv_ledger_functions
	check "$side tracer off" put nop $t/current_tracer
}

bpf() {
	echo 1 > $d/tables
	for n in 1 100; do
		op bpf-attach-$n /programs/bpf_fentry attach $n
		op bpf-detach-$n /programs/bpf_fentry detach $n
	done
}

sides patching load_provider
# Last, since the kernel continues to free BPF programs for seconds.
sides bpf "load rust_riscv_patch"
