#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The part of bare.sh that needs root: create the machine, run the command there,
# and remove the machine. Ends when standard input is closed.

set -eu

me=$(readlink -f "$0")
here=$(dirname "$me")

# A machine's folder is locked while it is in use. One that is not locked is from a
# run that was killed; its mounts ended with their namespace.
new_folder() {
	for d in "$tmp"/rust-riscv-bare.*; do
		if [ ! -d "$d" ] || [ -L "$d" ] || [ "$(stat -c %u "$d")" != 0 ]; then
			continue
		fi
		if grep -q " $d/" /proc/self/mountinfo; then
			echo "bare: something is mounted in $d: left alone"
			continue
		fi
		# shellcheck disable=SC2094 # a folder, opened for its lock
		(
			flock -n 9 || exit 0
			echo "bare: removing what a killed run left, $d"
			rm -rf --one-file-system "$d"
		) 9< "$d" || :
	done
	while :; do
		dir=$(mktemp -d "$tmp/rust-riscv-bare.XXXXXX")
		exec 9< "$dir"
		flock 9
		# Before it was locked, another run may have removed it as unused.
		[ ! -d "$dir" ] || break
	done
	export dir
}

# In namespaces of our own, where / must be private, or mounts would reach the
# machine. In a chroot / need not be a mount point: there, be in a mount of it.
private() {
	if unshare --mount true 2> /dev/null; then
		exec unshare --mount --pid --fork --kill-child sh "$me" --inside "$@"
	fi
	# On a folder that exists anyway: a mount point could not be removed from outside.
	export at="$2" seen
	seen=$(printf '%s' "$at" | sed 's/ /\\040/g')
	# shellcheck disable=SC2016 # for the inner shell
	exec unshare --mount --propagation unchanged --pid --fork --kill-child sh -euc '
		mount --rbind / "$at"
		if grep -F " $seen " /proc/self/mountinfo | grep -q shared:; then
			umount --recursive --lazy "$at"
			rmdir "$dir"
			echo "bare: this is a chroot with shared mounts: mount --make-rprivate / outside"
			exit 1
		fi
		mount --make-rprivate "$at"
		exec chroot "$at" "$@"
	' sh sh "$me" --inside "$@"
}

finish() {
	rc=$?
	trap '' HUP INT TERM
	[ ! -e "$dir/ended" ] || rc=130
	kill -s KILL -- -1 2> /dev/null || :
	awk -v d="$dir/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		while read -r m; do
			umount --lazy "$(printf %b "$m")" || :
		done
	rm -rf --one-file-system "$dir"
	exit "$rc"
}

in_root() {
	chroot "$root" "$@"
}

make_root() {
	include=git,make,passwd
	[ "$user" = root ] || include=$include,sudo
	[ -z "$lang" ] || include=$include,locales
	case $mirror in https:*) include=$include,ca-certificates ;; esac
	set -- "deb $mirror $suite main"
	case $suite in
	sid | unstable) ;;
	*)
		set -- "$@" "deb $mirror $suite-updates main"
		[ -z "$security" ] || set -- "$@" "deb $security $suite-security main" ;;
	esac
	# Its hooks use file descriptors of one digit, so those must be free.
	exec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-
	mmdebstrap --mode=root --format=directory --variant=minbase --include="$include" \
		--aptopt="$stage/apt.conf" "$suite" "$root" "$@"
}

# Print what to do about a failure of mmdebstrap.
explain() {
	if grep -qE 'is expired|is not valid yet' "$1"; then
		echo "bare: $mirror: its Release file of $suite has expired, or the clock is wrong."
		echo "bare: DEBIAN_MIRROR= names another mirror; apt's Acquire::Check-Valid-Until"
		echo "bare: \"false\" takes an old one."
	elif grep -qE 'does not have a Release file|404 +Not Found|Hash Sum mismatch' "$1"; then
		echo "bare: $mirror has no complete $suite: DEBIAN_MIRROR= names another mirror."
	elif grep -qE 'NO_PUBKEY|is not signed|EXPKEYSIG' "$1"; then
		echo "bare: this machine's debian-archive-keyring does not know $suite: upgrade it."
	elif grep -qE 'Could not resolve|Could not connect|Connection timed out' "$1"; then
		echo "bare: $mirror is not to be reached."
	fi
}

furnish() {
	for f in hosts resolv.conf; do
		[ ! -e "/etc/$f" ] || cp --remove-destination -L "/etc/$f" "$root/etc/$f"
	done
	[ ! -s "$stage/apt.conf" ] || cp "$stage/apt.conf" "$root/etc/apt/apt.conf.d/99bare"
	[ ! -e "$stage/ca.crt" ] ||
		install -D -m 644 "$stage/ca.crt" "$root/usr/local/share/bare/ca.crt"
	[ -z "$lang" ] || in_root localedef -i "${lang%.*}" -f "${lang#*.}" "$lang"
	home=/root
	if [ "$user" != root ]; then
		home=/home/$user
		in_root useradd --create-home --shell /bin/bash "$user"
		echo "$user ALL=(ALL) NOPASSWD: ALL" > "$root/etc/sudoers.d/$user"
	fi
	cp -a "$stage/project" "$root$home/$folder"
	[ ! -s "$stage/cargo.toml" ] ||
		install -D -m 644 "$stage/cargo.toml" "$root$home/.cargo/config.toml"
	in_root chown -R "$user:" "$home"

	mount --bind "$root" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount --make-rslave "$root/dev"
	[ ! -d "$root/dev/shm" ] || mount -t tmpfs tmpfs "$root/dev/shm"
}

# Print the files that sudo left in the user's home, which the user cannot remove.
look_for_leftovers() {
	[ "$user" != root ] || return 0
	left=$(find "$root$home" ! -uid "$(in_root id -u "$user")" -prune -print | head -n 5)
	if [ -n "$left" ]; then
		echo "$left" | sed "s|^$root|bare: in the user's home, but not the user's own: |"
	else
		echo "bare: all in the user's home is the user's own"
	fi
}

inside() {
	trap finish EXIT
	trap : HUP INT TERM PIPE
	exec 7<&0 < /dev/null
	{
		read -r _ <&7 || :
		: > "$dir/ended"
		kill -s KILL -- -1
	} 9<&- &
	root=$dir/root
	set -a
	# shellcheck source=/dev/null
	. "$stage/environment"
	set +a

	# shellcheck source-path=SCRIPTDIR source=progress.sh
	. "$here/progress.sh"
	if ! step "$dir/mmdebstrap.log" "making a minimal $suite" make_root; then
		explain "$dir/mmdebstrap.log"
		exit 1
	fi
	trap : HUP INT TERM
	furnish
	# Last first, in front of the command.
	# shellcheck disable=SC2016 # for the inner shell
	set -- sh -c 'cd "$0" && exec "$@"' "$home/$folder" "$@"
	while IFS='=' read -r name _; do
		eval "set -- \"$name=\$$name\" \"\$@\""
	done < "$stage/environment"
	[ -z "$lang" ] || set -- "LANG=$lang" "$@"
	rc=0
	chroot --userspec="$user:" "$root" env -i HOME="$home" USER="$user" LOGNAME="$user" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		TERM="${TERM:-dumb}" "$@" 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&- || rc=$?
	look_for_leftovers
	exit "$rc"
}

if [ "$1" = --inside ]; then
	shift
	stage=$2 suite=$3 user=$4 folder=$5 lang=$6 mirror=$7 security=$8
	shift 8
	inside "$@"
else
	tmp=$1
	case $tmp in
	*[!A-Za-z0-9/_.+-]*) echo "bare: BARE_TMP=$tmp has odd characters in its name"; exit 1 ;;
	esac
	new_folder
	private "$@"
fi
