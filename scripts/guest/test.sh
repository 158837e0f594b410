#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make test": load all modules, run each KUnit module, dump the page tables,
# unload all modules.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

for m in $LOAD; do
	load "$m" || exit 1
done

# Failures that a test injects (fail-nth) should also apply to allocations that may
# sleep, and should not print a stack trace.
failslab=/sys/kernel/debug/failslab
if [ -d $failslab ]; then
	echo N > $failslab/ignore-gfp-wait
	echo 0 > $failslab/verbose
	# Otherwise page allocations for recording stacks would fail, not those of the test.
	echo 20 > /sys/kernel/debug/fail_page_alloc/min-order
fi

# Each suite has marks of its own in the log, so that a crash does not hide other suites.
for m in $KUNIT; do
	say "begin kunit $m"
	load "$m"
	say "end kunit $m"
done

# Litmus tests on this guest's harts, on all pairs of adjacent ones.
for m in $LITMUS; do
	load "$m" || continue
	send litmus "/sys/kernel/debug/$m/results"
	unload "$m"
done

# Check that the module knows whether harts fetch atomically: from its parameter if the host
# has set it, otherwise from the ISA strings.
fetch_is_known() {
	# shellcheck disable=SC2154 # in /settings
	case " $PARAMS_rust_riscv_patch " in
	*" atomic_fetch=0 "*) fetch=0 ;;
	*) if grep -q '^isa.*ziccif' /proc/cpuinfo; then fetch=1; else fetch=0; fi ;;
	esac
	grep "^atomic_fetch:" /sys/kernel/debug/rust_riscv_patch/stats
	grep -q "^atomic_fetch: $fetch\$" /sys/kernel/debug/rust_riscv_patch/stats
}
check "atomic_fetch" fetch_is_known

# prints COUNT: have the module print its debug messages, and check how many there are in the log
prints() {
	echo 1 > "$lines" || return 1
	printed=$(dmesg | grep -c "rust_riscv_kunit_engine: debug line")
	echo "$printed messages, not $1"
	[ "$printed" -eq "$1" ]
}

# Dynamic debug changes the keys of a query 64 at a time: of 70, a whole batch and a part of one.
dynamic_debug() {
	control=/sys/kernel/debug/dynamic_debug/control
	prints 0 && echo "module rust_riscv_kunit_engine +p" > $control && prints 70 &&
		echo "module rust_riscv_kunit_engine -p" > $control && prints 70
}
lines=/sys/module/rust_riscv_kunit_engine/parameters/debug_lines
if [ -e /sys/kernel/debug/dynamic_debug/control ] && [ -e $lines ]; then
	check "dynamic_debug" dynamic_debug
fi

# Check that a kernel with KASLR is not where it is linked to: the host gives it a seed.
text_is_elsewhere() {
	text=$(sed -n 's/^\([0-9a-f]*\) . _text$/\1/p' /proc/kallsyms)
	echo "_text is at ${text:=nowhere}"
	[ "$text" != nowhere ] && [ "$text" != ffffffff80000000 ]
}
if zcat /proc/config.gz | grep -q '^CONFIG_RANDOMIZE_BASE=y'; then
	check "kaslr" text_is_elsewhere
fi

if [ -n "$CHECK_PAGES" ]; then
	send pages /sys/kernel/debug/kernel_page_tables
	check "check_wx_pages" grep -q '^SUCCESS' /sys/kernel/debug/check_wx_pages
fi

loaded=
for m in $LOAD $KUNIT; do
	grep -q "^$m " /proc/modules && loaded="$loaded $m"
done
# shellcheck disable=SC2086 # a list of modules
unload_all $loaded

dmesg > /tmp/dmesg

# Log lines must contain symbols instead of kernel addresses. %p prints error pointers, the addresses
# of the last page, as they are.
log_has_symbols() {
	if sed -E 's/f{13}[0-9a-f]{3}/LAST PAGE/g' /tmp/dmesg |
	   grep -E 'rust_[a-z_]+: (.*[^0-9A-Za-z_])?(0x)?ff[0-9a-f]{14}'; then
		return 1
	fi
	if ! grep -q 'rust_riscv_patch: .* at [A-Za-z_][^ ]*+0x' /tmp/dmesg; then
		echo "no line that names text"
		return 1
	fi
}

# Suites cannot check this, since they run while their module is loaded.
case " $KUNIT " in
*" rust_riscv_kunit_engine "*)
	check "loading_module" grep -q "edit while loading: refused" /tmp/dmesg
	check "unloading_module" grep -q "edit while unloading: refused" /tmp/dmesg
	check "log_has_symbols" log_has_symbols
	;;
esac
