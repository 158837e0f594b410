# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Sourced: lock -s|-x FILE WHAT waits for other runs that hold the lock FILE, which are
# described by WHAT they do. With -x this run holds it alone, and is named to those that
# wait. Child processes inherit the lock, since they may outlive the script if it is killed.

command -v flock > /dev/null || {
	echo "flock is missing: please install util-linux" >&2
	exit 1
}

lock() {
	while :; do
		exec 9>> "$2"
		if ! flock -n "$1" 9; then
			echo "waiting for another run that $3$(sed 's/^/: /' "$2")"
			flock "$1" 9
		fi
		# "make clean-cache" removes it.
		[ "$(stat -Lc %i /proc/self/fd/9)" != "$(stat -c %i "$2" 2> /dev/null)" ] || break
	done
	[ "$1" = -s ] || echo "process $$ in $PWD" > "$2" || :
}
