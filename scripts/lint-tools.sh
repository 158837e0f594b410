#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Find the checkers of "make lint", install missing ones, and write their paths
# to OUT as KEY=value lines.
#
# usage: lint-tools.sh OUT RUSTC
#
# clippy and rustfmt are those in the folder of RUSTC: another clippy cannot read
# its metadata. Packages from PyPI are installed in a virtual environment in the
# cache, in the versions of lint-requirements.txt. INSTALL=0 installs nothing.

set -eu

out=${1:?usage: lint-tools.sh OUT RUSTC}
rustc=${2:?usage: lint-tools.sh OUT RUSTC}
here=$(cd "$(dirname "$0")" && pwd)
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-riscv}
logs=$(dirname "$out")/logs
bin=$(dirname "$rustc")
pins=$here/lint-requirements.txt
# One per interpreter: the distribution may be upgraded while the cache exists.
venv=$cache/lint-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')

# shellcheck source-path=SCRIPTDIR source=apt.sh
. "$here/apt.sh"
# shellcheck source-path=SCRIPTDIR source=lock.sh
. "$here/lock.sh"

# The commit, "(ac68faa20 2026-05-25)", is only in the version of rustc.
same_version() {
	[ -x "$bin/clippy-driver" ] &&
		[ "$("$bin/clippy-driver" --rustc --version)" = "$("$rustc" --version)" ]
}

find_all() {
	missing=
	same_version || missing="$missing clippy"
	[ -x "$bin/rustfmt" ] || missing="$missing rustfmt"
	command -v shellcheck > /dev/null || missing="$missing shellcheck"
	cmp -s "$pins" "$venv/pins" ||
		python3 -c 'import ensurepip, venv' 2> /dev/null || missing="$missing venv"
}

how_to() {
	case $1 in
	clippy) echo "clippy-driver beside $rustc, of its version (rustup component add clippy)" ;;
	rustfmt) echo "rustfmt beside $rustc (rustup component add rustfmt)" ;;
	venv) echo "Python's modules venv and ensurepip (python3-venv)" ;;
	*) echo "$1" ;;
	esac
}

give_up() {
	echo "The checkers of make lint are missing:" >&2
	for m in $missing; do
		echo "  - $(how_to "$m")" >&2
	done
	echo "$1" >&2
	exit 1
}

# The packages of the rustc that is used: rustc-web has clippy and rustfmt of its own.
packages_for() {
	case $(dpkg -S "$rustc" 2> /dev/null) in
	rustc-web:*) clippy=rust-web-clippy rustfmt=rustfmt-web ;;
	rustc:*) clippy=rust-clippy rustfmt=rustfmt ;;
	*) clippy='' rustfmt='' ;;
	esac
	for m in $missing; do
		case $m in
		clippy) echo "$clippy" ;;
		rustfmt) echo "$rustfmt" ;;
		venv) echo python3-venv ;;
		*) echo "$m" ;;
		esac
	done
}

install_packages() {
	[ "${INSTALL:-1}" = 0 ] && give_up "INSTALL=0 forbids installing them."
	grep -qs '^ID=debian$' /etc/os-release ||
		give_up "They are installed by this script on Debian only: please install them, and run this again."
	[ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null ||
		give_up "Installing them takes root or sudo."
	# shellcheck disable=SC2046 # a list of packages
	set -- $(packages_for)
	step "$logs/apt-update.log" "reading the package lists" apt_update ||
		echo "Some package lists could not be read; going on with those that could."
	# Stopped half way, it would leave packages that are not configured.
	step_unbroken=1
	step "$logs/apt-lint.log" "installing$missing" apt_get "$@"
	step_unbroken=
	find_all
	[ -z "$missing" ] || give_up "Installing them did not help; the logs are in $logs."
}

# The pins are copied last: an environment without them was interrupted.
make_venv() {
	rm -rf "$venv"
	python3 -m venv "$venv"
	"$venv/bin/pip" install --disable-pip-version-check --only-binary :all: --no-deps -r "$pins"
	cp "$pins" "$venv/pins"
}

# One run at a time: two would make the same environment.
mkdir -p "$cache"
lock -x "$cache/lint.lock" "looks for the checkers of make lint"

find_all
[ -z "$missing" ] || install_packages
if ! cmp -s "$pins" "$venv/pins"; then
	if [ "${INSTALL:-1}" = 0 ]; then
		missing='ruff mypy sphinx'
		give_up "INSTALL=0 forbids installing them."
	fi
	step "$logs/lint-venv.log" "installing ruff, mypy and Sphinx from PyPI" make_venv
fi

mkdir -p "$(dirname "$out")"
cat > "$out.$$" << END
CLIPPY_DRIVER=$bin/clippy-driver
RUSTFMT=$bin/rustfmt
SHELLCHECK=$(command -v shellcheck)
RUFF=$venv/bin/ruff
MYPY=$venv/bin/mypy
SPHINX=$venv/bin/sphinx-build
END
mv "$out.$$" "$out"
