# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Sourced by scripts beside it: runs apt and dpkg as root, in a step of
# progress.sh, waiting for whoever holds their locks.

# shellcheck source-path=SCRIPTDIR source=progress.sh
. "$(dirname "$0")/progress.sh"

# What apt and dpkg say is read here: in one language.
export LC_ALL=C

# The script's own output, where a step's goes to a log.
exec 3>&1

# as_root VARIABLE=VALUE... COMMAND...
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env "$@"
	else
		sudo env "$@"
	fi
}

# Run apt or dpkg as root, after whoever holds their locks, and say for whom it waits.
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

# Nothing of the user's is removed for our sake.
apt_get() {
	patient apt-get -o Acquire::Retries=3 install -y --no-install-recommends --no-remove "$@"
}
