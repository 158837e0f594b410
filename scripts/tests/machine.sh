#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests of the shell scripts that prepare a machine. They need neither root nor
# network, and take some seconds. Prints "test NAME ... ok" or "... FAILED", and ends with
# "N passed, N failed".

set -u

scripts=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# report NAME STATUS
report() {
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
		echo "test $1 ... ok"
	else
		failed=$((failed + 1))
		echo "test $1 ... FAILED"
		sed 's/^/    /' "$work/log"
	fi
}

# bootstrap VARIABLE=VALUE...: its output is in $work/log
bootstrap() {
	env CACHE="$work/cache" INSTALL=0 "$@" "$scripts/bootstrap.sh" "$work/out/toolchain" \
		> "$work/log" 2>&1
}

says() {
	grep -q -- "$1" "$work/log"
}

# until_true SECONDS COMMAND...
until_true() {
	left=$(($1 * 10))
	shift
	until "$@"; do
		left=$((left - 1))
		[ "$left" -gt 0 ] || return 1
		sleep 0.1
	done
}

cache_with_a_space_is_refused() {
	bootstrap CACHE="$work/a b" && return 1
	says 'no spaces, colons' && [ ! -e "$work/a b" ]
}

what_sudo_left_is_named() {
	mkdir -p "$work/cache/tools"
	chmod a-w "$work/cache/tools"
	if [ "$(id -u)" -eq 0 ]; then
		# Root may write anywhere, so run it as another user.
		chmod 755 "$work"
		mkdir -p "$work/out"
		cp -r "$scripts" "$work/scripts"
		chmod -R a+rX "$work"
		setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent \
			CACHE="$work/cache" INSTALL=0 "$work/scripts/bootstrap.sh" \
			"$work/out/toolchain" > "$work/log" 2>&1
	else
		bootstrap
	fi
	rc=$?
	chmod u+w "$work/cache/tools"
	[ "$rc" -ne 0 ] && says 'is not yours to write'
}

# A run waits for another one that installs packages, and names it.
second_run_waits() {
	mkdir -p "$work/cache"
	echo "process 1234 in /somewhere" > "$work/cache/bootstrap.lock"
	exec 8>> "$work/cache/bootstrap.lock"
	flock 8
	# Without our lock.
	{ exec 8>&-; bootstrap; } &
	pid=$!
	rc=0
	until_true 10 says 'waiting for another run.*process 1234 in /somewhere' || rc=1
	kill -0 "$pid" 2> /dev/null || rc=1
	exec 8>&-
	wait "$pid"
	return "$rc"
}

# Two runs do not make the same environment of checkers.
second_lint_waits() {
	mkdir -p "$work/cache"
	exec 8>> "$work/cache/lint.lock"
	flock 8
	{
		exec 8>&-
		env CACHE="$work/cache" INSTALL=0 "$scripts/lint-tools.sh" "$work/out/lint-tools" \
			/nowhere/rustc > "$work/log" 2>&1
	} &
	pid=$!
	rc=0
	until_true 10 says 'waiting for another run' || rc=1
	kill -0 "$pid" 2> /dev/null || rc=1
	exec 8>&-
	wait "$pid" && rc=1
	says 'INSTALL=0 forbids' || rc=1
	return "$rc"
}

# An interrupted step leaves no running processes.
interrupted_step_ends_all() {
	cat > "$work/script" << END
. "$scripts/progress.sh"
nested() { sh -c 'sleep 300 & echo \$! > "$work/pid"; wait'; :; }
step "$work/step.log" "a step" nested
END
	rm -f "$work/pid"
	sh "$work/script" > "$work/log" 2>&1 &
	pid=$!
	until_true 10 test -s "$work/pid" || return 1
	kill -TERM "$pid"
	wait "$pid"
	[ $? -eq 130 ] && until_true 10 dead "$(cat "$work/pid")"
}

# Also if the parent, such as a container's first process, never waits for it.
dead() {
	! kill -0 "$1" 2> /dev/null || grep -qs '^State:.*zombie' "/proc/$1/status"
}

# A step that must be completed is waited for.
unbroken_step_ends_by_itself() {
	cat > "$work/script" << END
. "$scripts/progress.sh"
work() { : > "$work/begun"; until [ -e "$work/go" ]; do sleep 0.1; done; : > "$work/ended"; }
step_unbroken=1
step "$work/step.log" "a step" work
END
	rm -f "$work/begun" "$work/go" "$work/ended"
	sh "$work/script" > "$work/log" 2>&1 &
	pid=$!
	until_true 10 test -e "$work/begun" || return 1
	kill -TERM "$pid"
	rc=0
	until_true 10 says 'interrupted: waiting for "a step"' || rc=1
	: > "$work/go"
	wait "$pid"
	[ $? -eq 130 ] && [ -e "$work/ended" ] && [ "$rc" -eq 0 ]
}

clean_cache_removes_all_of_ours() {
	rm -rf "$work/cache"
	for d in src kernels busybox guest_bash herd7 libc tools checkouts spike-1.0; do
		mkdir -p "$work/cache/$d/folder" "$work/cache/$d.partial"
		chmod a-w "$work/cache/$d/folder"
	done
	: > "$work/cache/kernels.lock"
	CACHE="$work/cache" "$scripts/clean-cache.sh" > "$work/log" 2>&1
	[ ! -e "$work/cache" ] && says 'is gone'
}

clean_cache_leaves_what_is_not_ours() {
	mkdir -p "$work/cache/src" "$work/cache/theirs"
	CACHE="$work/cache" "$scripts/clean-cache.sh" > "$work/log" 2>&1
	! says 'is gone' && says theirs && [ -e "$work/cache/theirs" ] && [ ! -e "$work/cache/src" ]
}

clean_cache_waits_for_nobody() {
	mkdir -p "$work/cache/src"
	exec 8>> "$work/cache/src.lock"
	flock 8
	CACHE="$work/cache" "$scripts/clean-cache.sh" > "$work/log" 2>&1
	rc=$?
	exec 8>&-
	[ "$rc" -ne 0 ] && [ -e "$work/cache/src" ] && says 'another run'
}

# The modules that a user is given, in the order they depend on each other.
dkms_has_all_modules() {
	sed -n 's/^BUILT_MODULE_NAME\[\([0-9]*\)\]="\(.*\)"/\1 \2/p' "$scripts/../dkms.conf" > "$work/log"
	i=0
	for m in rust_riscv rust_riscv_patch rust_riscv_fault rust_riscv_sbi_ipi; do
		grep -qx "$i $m" "$work/log" || return 1
		i=$((i + 1))
	done
	[ "$(wc -l < "$work/log")" -eq "$i" ]
}

kdir_in_a_folder_with_a_space() {
	mkdir -p "$work/a folder"
	cp "$scripts/../Makefile" "$work/a folder"
	make -C "$work/a folder" modules KDIR=/nowhere > "$work/log" 2>&1 && return 1
	says 'no spaces or colons'
}

for t in cache_with_a_space_is_refused what_sudo_left_is_named second_run_waits \
	 second_lint_waits interrupted_step_ends_all unbroken_step_ends_by_itself \
	 clean_cache_removes_all_of_ours clean_cache_leaves_what_is_not_ours clean_cache_waits_for_nobody \
	 dkms_has_all_modules kdir_in_a_folder_with_a_space; do
	: > "$work/log"
	"$t"
	report "$t" $?
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
