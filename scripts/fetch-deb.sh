#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Download one Debian package from any suite and architecture and unpack it,
# without changing the machine's own package state.
#
# usage: fetch-deb.sh SUITE ARCH PACKAGE DIR
#
# apt checks the archive's signature and the package's checksum. DIR contains the
# unpacked files and a file named VERSION. If ARCH is "source", PACKAGE is a source
# package, and the files are those of its authors, without Debian's changes. The
# mirror is the machine's; DEBIAN_MIRROR= names another one. Downloads go to
# DIR.fetch, which is removed at the end, or by the next run.

set -eu

export LC_ALL=C

if [ $# -ne 4 ]; then
	echo "usage: $0 SUITE ARCH PACKAGE DIR" >&2
	exit 2
fi

suite=$1 arch=$2 package=$3 dir=$4
here=$(cd "$(dirname "$0")" && pwd)

keyring=
for k in /usr/share/keyrings/debian-archive-keyring.gpg \
	 /usr/share/keyrings/debian-archive-keyring.pgp; do
	if [ -r "$k" ]; then
		keyring=$k
		break
	fi
done
if [ -z "$keyring" ]; then
	echo "fetch-deb: no Debian archive keyring (package debian-archive-keyring)" >&2
	exit 1
fi

mirror=${DEBIAN_MIRROR:-$("$here/apt-mirror.sh")}
if [ -z "$mirror" ]; then
	echo "fetch-deb: no Debian mirror in apt's sources; set DEBIAN_MIRROR=" >&2
	exit 1
fi

# One state folder per suite and architecture, so that a broken index of one
# suite does not affect the others.
state=$dir.fetch
rm -rf "$state"
mkdir -p "$state"
state=$(cd "$state" && pwd)
trap 'rm -rf "$state"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$state/lists/partial" "$state/cache/archives/partial" "$state/deb"
: > "$state/status"
source=
if [ "$arch" = source ]; then
	source=1
	arch=$(dpkg --print-architecture)
	echo "deb-src [signed-by=$keyring] $mirror $suite main" > "$state/sources.list"
else
	echo "deb [arch=$arch signed-by=$keyring] $mirror $suite main" > "$state/sources.list"
fi

apt() {
	apt-get -q \
		-o APT::Architecture="$arch" \
		-o APT::Architectures="$arch" \
		-o APT::Sandbox::User="$(id -un)" \
		-o Dir::Etc::sourcelist="$state/sources.list" \
		-o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferences=/dev/null \
		-o Dir::Etc::preferencesparts=/dev/null \
		-o Dir::State="$state" \
		-o Dir::State::lists="$state/lists" \
		-o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" \
		-o Acquire::Languages=none \
		-o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
		-o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false \
		-o Acquire::Retries=3 \
		"$@"
}

# apt-get update succeeds when an index is missing; the download then fails.
apt -o APT::Update::Error-Mode=any update
mkdir -p "$dir"

if [ -n "$source" ]; then
	(cd "$state/deb" && apt --tar-only --download-only source "$package")
	tarball=$(find "$state/deb" -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)
	[ -n "$tarball" ] || exit 1
	tar -x -f "$tarball" -C "$dir" --strip-components=1
	tarball=${tarball##*/*_}
	echo "${tarball%.orig.tar.*}" > "$dir/VERSION"
	exit
fi

(cd "$state/deb" && apt download "$package")

deb=$(find "$state/deb" -name '*.deb' | head -n 1)
[ -n "$deb" ] || exit 1

dpkg-deb -x "$deb" "$dir"
dpkg-deb -f "$deb" Version > "$dir/VERSION"
