#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every checker that is there; those that are not are named, and do not fail.

cd "$(dirname "$0")/.." || exit 1

rc=0
config=$(mktemp -d)
trap 'rm -rf "$config"' EXIT

kernel=$(find "${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-riscv}/kernels" \
	-mindepth 1 -maxdepth 1 -name '*-ordinary-*' 2> /dev/null | head -n 1)

# The kernel's own style.
if [ -n "$kernel" ]; then
	cp "$kernel/.rustfmt.toml" "$config/rustfmt.toml"
else
	echo 'edition = "2021"' > "$config/rustfmt.toml"
fi

# Shell scripts by their first lines, since the guest's have no suffix.
shell=$(grep -rlE '^(#!/bin/sh|# shellcheck shell=sh)$' scripts .ci)
rust=$(find rust samples -name '*.rs' ! -name '*_generated.rs')
c=$(find rust samples include -name '*.[ch]' ! -name '*_generated.c')

# check NAME TOOL COMMAND...
check() {
	name=$1 tool=$2
	shift 2
	if ! command -v "$tool" > /dev/null; then
		echo "$name: not here, not run"
		return
	fi
	"$@"
	case $? in
	0) echo "$name: clean" ;;
	77) echo "$name: not run" ;;
	*) echo "$name: FAILED"; rc=1 ;;
	esac
}

# shellcheck disable=SC2086 # lists of files
{
	check shellcheck shellcheck shellcheck -x $shell
	check ruff ruff ruff check -q scripts
	check rustfmt rustfmt rustfmt --check --config-path "$config" $rust
	if [ -n "$kernel" ]; then
		check checkpatch perl perl "$kernel/scripts/checkpatch.pl" --no-tree --strict \
			--terse --no-summary --file $c
		# From standard input: a file that git knows is taken for source. No history to find
		# the commits in that are fixed.
		for p in scripts/hooks/*.patch; do
			check "checkpatch ${p##*/}" perl perl "$kernel/scripts/checkpatch.pl" \
				--no-tree --strict --terse --no-summary \
				--ignore FILE_PATH_CHANGES,UNKNOWN_COMMIT_ID - < "$p"
		done
	else
		echo "checkpatch: no kernel in the cache, not run (make kernel)"
	fi
	check clippy clippy-driver scripts/clippy.py
}
exit $rc
