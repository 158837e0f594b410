#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Remove the cache, but only files that our scripts have created.

set -eu

cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-riscv}
if [ ! -e "$cache" ]; then
	echo "there is no $cache"
	exit 0
fi

# Not while another run uses it.
for l in "$cache"/*.lock; do
	[ -e "$l" ] || continue
	if ! flock -n "$l" true; then
		echo "another run is at work in $cache ($l); nothing was removed" >&2
		exit 1
	fi
done

left=
for d in src kernels busybox guest_bash herd7 libc headers tools checkouts apt-backports rvsim \
	 $(cd "$cache" 2> /dev/null && ls -d lint-* spike-* 2> /dev/null); do
	for f in "$cache/$d" "$cache/$d.partial" "$cache/$d.partial.fetch" "$cache/$d.fetch"; do
		[ -e "$f" ] || continue
		# Read-only folders of a source tree cannot be emptied.
		chmod -R u+w "$f" 2> /dev/null || :
		rm -rf "$f" 2> /dev/null || :
		# Owned by root, if a run with sudo created them.
		if [ -e "$f" ] && [ "$(id -u)" -ne 0 ] && command -v sudo > /dev/null; then
			echo "some of $f is root's: removing it with sudo"
			sudo rm -rf "$f" || :
		fi
		[ ! -e "$f" ] || left="$left $d"
	done
done
rm -f "$cache"/*.lock "$cache/installing"

if [ -n "$left" ]; then
	echo "could not be removed from $cache:$left" >&2
	exit 1
fi
if rmdir "$cache" 2> /dev/null; then
	echo "$cache is gone"
else
	echo "$cache is empty but for what is not ours:"
	ls -A "$cache"
fi
