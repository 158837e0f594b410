# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Functions that run apt and dpkg as root, in a step of progress.sh, and wait until
# other processes release their locks. Sourced by scripts in this folder.

# shellcheck source-path=SCRIPTDIR source=progress.sh
. "$(dirname "$0")/progress.sh"

# The output of apt and dpkg is parsed here, so it must be in English.
export LC_ALL=C

# The script's own output; that of a step goes to a log.
exec 3>&1

# as_root VARIABLE=VALUE... COMMAND...
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env "$@"
	else
		sudo env "$@"
	fi
}

# Run apt or dpkg as root when their locks are free, and print for which process it waits.
patient() {
	told=
	while :; do
		rc=0
		as_root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" || rc=$?
		[ "$rc" -ne 0 ] || return 0
		held=$(tail -n 5 "$step_log" | sed -n \
			-e 's/.*Could not get lock \([^ ]*\)\. It is held by /\1 is held by /p' \
			-e 's/.*Could not get lock \([^ ]*\).*/\1 is held by another process/p' \
			-e 's/.*\(dpkg [^ ]* *lock\) was locked by /\1 is held by /p' | head -n 1)
		[ -n "$held" ] || return "$rc"
		[ "$held" = "$told" ] || printf '\nwaiting: %s\n' "$held" >&3
		told=$held
		sleep 1
	done
}

apt_update() {
	patient apt-get -o Acquire::Retries=3 update
}

# Does not remove packages of the user.
apt_get() {
	patient apt-get -o Acquire::Retries=3 install -y --no-install-recommends --no-remove "$@"
}
