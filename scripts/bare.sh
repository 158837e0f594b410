#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run a command on a bare machine: a new, minimal Debian that has git and make
# and nothing else, in a clone of HEAD (or a copy, if the tree is not a git
# checkout), with an empty home and cache, as a new user has.
#
# usage: bare.sh [--user] [--lang LANG] [--folder NAME] SUITE [--user] COMMAND...
#        bare.sh --check
#
# --user runs it as a user with sudo instead of root, LANG is the machine's
# locale, NAME the name of the clone. The exit status is COMMAND's.
# --check fails with a message if this machine cannot create bare machines.
#
# The machine is a folder in BARE_TMP (/var/tmp), which takes some GiB and is
# removed after the command. Its mounts and processes are in separate namespaces,
# which end with this script, even if it is killed.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")

# shellcheck source-path=SCRIPTDIR source=progress.sh
. "$here/progress.sh"

usage() {
	sed -n 's/^# \(usage: \|       \)\(bare.sh.*\)/\1\2/p' "$0" >&2
	exit 2
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Quoted, for a shell.
quoted() {
	printf "'"
	printf '%s' "$1" | sed "s/'/'\\\\''/g"
	printf "'"
}

is_root() {
	[ "$(id -u)" -eq 0 ] || sudo -n true 2> /dev/null || { [ -t 0 ] && sudo -v; }
}

# Print why bare machines cannot be created here, if so.
unable() {
	if ! command -v apt-get > /dev/null; then
		echo "no apt-get: this takes a machine with apt"
	elif [ -z "$mirror" ]; then
		echo "no Debian mirror in apt's sources; DEBIAN_MIRROR= names one"
	elif ! ls /usr/share/keyrings/debian-archive-keyring.* > /dev/null 2>&1; then
		echo "no Debian archive keyring: apt-get install debian-archive-keyring"
	elif ! is_root; then
		echo "neither root nor sudo without a password"
	elif ! why=$(as_root unshare --mount --propagation unchanged --pid --fork true 2>&1); then
		echo "no namespaces for mounts and processes: $why"
	elif ! command -v mmdebstrap > /dev/null && [ "${INSTALL:-1}" = 0 ]; then
		echo "mmdebstrap is missing, and INSTALL=0 forbids installing it"
	fi
}

# shellcheck disable=SC2317 # called by step
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
		install -y --no-install-recommends "$@"
}

# shellcheck disable=SC2317 # called by step
install_mmdebstrap() {
	apt_install mmdebstrap && return
	as_root apt-get -o DPkg::Lock::Timeout=600 update
	apt_install mmdebstrap
}

# The machine gets a fresh clone, without uncommitted changes and build output.
take_tree() {
	if [ ! -e "$top/.git" ]; then
		mkdir "$stage/project"
		tar -C "$top" -c --exclude=./build --exclude=./.git . | tar -C "$stage/project" -x
		return
	fi
	# The checkout may be another user's.
	printf '[safe]\n\tdirectory = *\n' > "$stage/gitconfig"
	GIT_CONFIG_GLOBAL=$stage/gitconfig \
		git clone --quiet --no-local --depth 1 "$top" "$stage/project"
	[ -z "$(GIT_CONFIG_GLOBAL=$stage/gitconfig git -C "$top" status --porcelain)" ] ||
		echo "bare: changes that are not committed are not in it"
}

# How this machine accesses the network: the bare machine uses the same.
take_environment() {
	bundle=
	for f in "${SSL_CERT_FILE:-}" "${CURL_CA_BUNDLE:-}" "${GIT_SSL_CAINFO:-}" "${PIP_CERT:-}" \
		 "${REQUESTS_CA_BUNDLE:-}" "${CARGO_HTTP_CAINFO:-}"; do
		[ -z "$bundle" ] && [ -r "$f" ] && bundle=$f
	done
	# Certificates that an administrator has added are in the machine's bundle.
	own=$(find /usr/local/share/ca-certificates -name '*.crt' 2> /dev/null || :)
	if [ -z "$bundle" ] && [ -n "$own" ]; then
		bundle=/etc/ssl/certs/ca-certificates.crt
	fi
	env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/\1/p' | sort -u | while read -r name; do
		case $name in
		*_proxy | *_PROXY | DEBIAN_MIRROR | \
		CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTRIES_* | CARGO_REGISTRY_* | \
		CARGO_SOURCE_* | \
		PIP_INDEX_URL | PIP_EXTRA_INDEX_URL | PIP_TRUSTED_HOST | PIP_DEFAULT_TIMEOUT)
			eval "value=\$$name"
			[ -z "$value" ] || echo "$name=$(quoted "$value")" ;;
		esac
	done > "$stage/environment"
	if [ -n "$bundle" ]; then
		cp "$bundle" "$stage/ca.crt"
		for name in SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO PIP_CERT \
			    REQUESTS_CA_BUNDLE CARGO_HTTP_CAINFO; do
			echo "$name=/usr/local/share/bare/ca.crt"
		done >> "$stage/environment"
	fi

	apt-config dump |
		grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|https?::Proxy(::.*)?) ' |
		grep -v ' "";$' > "$stage/apt.conf" || :
	# sudo keeps no proxy variables.
	for p in http https; do
		eval "value=\${${p}_proxy:-}"
		[ -z "$value" ] || echo "Acquire::$p::Proxy \"$value\";" >> "$stage/apt.conf"
	done

	# Of cargo's configuration, where crates come from.
	config=${CARGO_HOME:-$HOME/.cargo}/config.toml
	[ ! -r "$config" ] || awk '
		/^[ \t]*\[/ { keep = /^[ \t]*\[(source|registries|registry|http|net)[].]/ }
		keep' "$config" > "$stage/cargo.toml"
}

user=root folder=project
lang='' suite=''
while [ $# -gt 0 ]; do
	case $1 in
	--check) suite=check; shift; break ;;
	--user) user=newcomer ;;
	--lang) lang=${2:?--lang without a locale}; shift ;;
	--folder) folder=${2:?--folder without a name}; shift ;;
	-*) usage ;;
	*) [ -z "$suite" ] || break; suite=$1 ;;
	esac
	shift
done

mirror=${DEBIAN_MIRROR:-$("$here/apt-mirror.sh")}
reason=$(unable)
if [ "$suite" = check ]; then
	[ -z "$reason" ] || { echo "$reason"; exit 1; }
	exit 0
fi
if [ -z "$suite" ] || [ $# -eq 0 ]; then
	usage
fi
[ -z "$reason" ] || { echo "bare: $reason" >&2; exit 2; }

name=$suite
[ "$user" = root ] || name=$suite-user
log=$top/build/logs/bare-$name.log
stage=$top/build/bare/$name
mkdir -p "$top/build/logs" "$top/build/bare"

exec 6> "$top/build/bare/$name.lock"
flock -n 6 || { echo "bare: waiting for another run of $name in this tree"; flock 6; }

# Possibly from a run that was killed. There are no mounts in it.
rm -rf "$stage"
mkdir "$stage"
trap 'rm -rf "$stage"' EXIT
trap 'exit 130' HUP INT TERM

as=root
[ "$user" = root ] || as="a user with sudo"
echo "bare: making a Debian $suite, a minute or two; then, as $as: $*"
echo "bare: the log is $log"
command -v mmdebstrap > /dev/null ||
	step "$top/build/logs/mmdebstrap.log" "installing mmdebstrap" install_mmdebstrap
take_tree
take_environment
# shellcheck disable=SC2016 # apt's own variables
security=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2> /dev/null |
	   awk '$2 ~ /-security$/ { print $1; exit }')
# When the other end is closed, by this script or because it was killed, it ends.
mkfifo "$stage/alive"
exec 8<> "$stage/alive"
trap 'exec 8>&-' HUP INT TERM
(
	exec 6>&- 8>&-
	rc=0
	as_root sh "$here/bare-root.sh" "${BARE_TMP:-/var/tmp}" "$stage" "$suite" "$user" \
		"$folder" "$lang" "$mirror" "$security" "$@" < "$stage/alive" 2>&1 || rc=$?
	echo "$rc" > "$stage/status"
) | (
	trap '' HUP INT TERM
	exec tee "$log" 6>&- 8>&-
) &
job=$!
while kill -0 "$job" 2> /dev/null; do
	wait "$job" || :
done
[ -s "$stage/status" ] || exit 130
exit "$(cat "$stage/status")"
