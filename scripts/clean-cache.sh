#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Remove the cache, and only what is ours in it.

set -eu

cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-riscv}
for d in src kernels busybox herd7 tools apt-backports; do
	# Read-only folders of a source tree cannot be emptied.
	[ -d "$cache/$d" ] && chmod -R u+w "$cache/$d"
	rm -rf "${cache:?}/$d"
done
rm -f "$cache"/*.lock
rmdir "$cache" 2> /dev/null || :
echo "$cache is gone"
