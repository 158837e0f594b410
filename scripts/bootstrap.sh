#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Find the tools a Rust kernel for RISC-V needs, install what is missing, and
# write where they are to OUT as KEY=value lines.
#
# usage: bootstrap.sh OUT [cargo]
#
# cargo is looked for only by those who need it. INSTALL=0 installs nothing.
# LLVM=-19 asks for one LLVM; RUSTC=, CARGO=, BINDGEN=, QEMU=, OPENSBI= and
# BUSYBOX= name a tool of one's own.

set -eu

out=${1:?usage: bootstrap.sh OUT [cargo]}
more=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rust-riscv}
logs=$(dirname "$out")/logs
tools=$cache/tools

# The oldest that will do: Documentation/process/changes.rst, and what we saw work.
min_llvm=17
min_rustc=1.85
min_bindgen=0.71.1
min_qemu=8.0
# What is installed where there is none.
new_llvm=-19
new_bindgen=0.73.2

# shellcheck source-path=SCRIPTDIR source=progress.sh
. "$here/progress.sh"

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

# A kernel build compiles core from source: a rustc without it is of no use.
find_rustc() {
	rustc=
	for r in ${RUSTC:-} /usr/bin/rustc "$(command -v rustc || :)" "$HOME/.cargo/bin/rustc"; do
		[ -x "$r" ] || continue
		root=$("$r" --print sysroot 2> /dev/null) || continue
		[ -e "$root/lib/rustlib/src/rust/library/core/src/lib.rs" ] || continue
		v=$("$r" --version | cut -d' ' -f2)
		at_least "$v" "$min_rustc" || continue
		rustc=$r rustc_version=$v
		return 0
	done
	want rustc
}

find_bindgen() {
	bindgen=
	for b in ${BINDGEN:-} "$tools/bin/bindgen" "$(command -v bindgen || :)" \
		 "$HOME/.cargo/bin/bindgen"; do
		[ -x "$b" ] || continue
		v=$("$b" --version 2> /dev/null | cut -d' ' -f2) || continue
		at_least "$v" "$min_bindgen" || continue
		bindgen=$b bindgen_version=$v
		return 0
	done
	want bindgen
}

find_cargo() {
	cargo=${CARGO:-$(command -v cargo || :)}
	[ -n "$cargo" ] || [ ! -x "$HOME/.cargo/bin/cargo" ] || cargo=$HOME/.cargo/bin/cargo
	[ -n "$cargo" ] || [ "$more" != cargo ] || want cargo
}

find_qemu() {
	qemu=${QEMU:-$(command -v qemu-system-riscv64 || :)}
	if [ -n "$qemu" ]; then
		qemu_version=$("$qemu" --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
		at_least "$qemu_version" "$min_qemu" || qemu=
	fi
	[ -n "$qemu" ] || want qemu

	opensbi=
	for f in ${OPENSBI:-} \
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
	# depmod is in sbin, where a user's PATH does not look.
	[ -x /sbin/depmod ] || [ -x /usr/sbin/depmod ] || want depmod
	if ! command -v cc > /dev/null; then
		# Whether the headers are there, only a compiler can tell.
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
	find_rest
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		env DEBIAN_FRONTEND=noninteractive "$@"
	else
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	fi
}

apt_update() {
	as_root apt-get update
}

apt_install() {
	as_root apt-get install -y --no-install-recommends "$@"
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

cargo_package() {
	# It fetches over https.
	echo ca-certificates
	if [ -n "$cargo" ]; then
		:
	elif have_candidate cargo-web "$min_rustc"; then
		echo cargo-web
	else
		echo cargo
	fi
}

packages_for() {
	for m in $missing; do
		case $m in
		llvm) echo "clang$new_llvm lld$new_llvm llvm$new_llvm libclang$new_llvm-dev" ;;
		rustc)
			if have_candidate rustc-web "$min_rustc"; then
				echo rustc-web rust-web-src
			else
				echo rustc rust-src
			fi ;;
		bindgen)
			echo "libclang$new_llvm-dev"
			if have_candidate bindgen "$min_bindgen"; then
				echo bindgen
			else
				cargo_package
			fi ;;
		cargo) cargo_package ;;
		qemu)
			if have_candidate qemu-system-riscv "$min_qemu"; then
				echo qemu-system-riscv
			elif have_candidate qemu-system-misc "$min_qemu"; then
				echo qemu-system-misc
			fi ;;
		xz) echo xz-utils ;;
		depmod) echo kmod ;;
		cc) echo gcc libc6-dev ;;
		libelf) echo libelf-dev ;;
		libssl) echo libssl-dev ;;
		libc) echo libc6-dev ;;
		opensbi) have_candidate opensbi 1.0 && echo opensbi ;;
		*) echo "$m" ;;
		esac
	done
}

# The release's own QEMU is too old for an IMSIC machine on Debian 12. Its
# backports may not be among the machine's sources: use them for this only.
backported_qemu() {
	# shellcheck source=/dev/null
	. /etc/os-release
	mirror=$("$here/apt-mirror.sh")
	[ -n "$mirror" ] || return 1
	state=$cache/apt-backports
	mkdir -p "$state/lists/partial"
	for s in "$VERSION_CODENAME" "$VERSION_CODENAME-backports"; do
		echo "deb $mirror $s main"
	done > "$state/sources.list"
	set -- -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State::lists="$state/lists" -o Acquire::Languages=none \
		-o Acquire::Retries=3
	as_root apt-get "$@" update
	as_root apt-get "$@" install -y --no-install-recommends \
		-t "$VERSION_CODENAME-backports" qemu-system-misc qemu-system-riscv opensbi
}

cargo_bindgen() {
	"$cargo" install --locked --root "$tools" --version "$new_bindgen" bindgen-cli
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
	*) echo "$1" ;;
	esac
}

give_up() {
	echo "These tools are missing:" >&2
	for m in $missing; do
		echo "  - $(how_to "$m")" >&2
	done
	echo "$1" >&2
	exit 1
}

install_all() {
	[ "${INSTALL:-1}" = 0 ] && give_up "INSTALL=0 forbids installing them."
	id_like=
	if [ -r /etc/os-release ]; then
		id_like=$(sed -n 's/^ID=//p' /etc/os-release)
	fi
	[ "$id_like" = debian ] ||
		give_up "They are installed by this script on Debian only: please install them, and run this again."
	[ "$(id -u)" -eq 0 ] || command -v sudo > /dev/null ||
		give_up "Installing them takes root or sudo."

	step "$logs/apt-update.log" "reading the package lists" apt_update
	# shellcheck disable=SC2046 # a list of packages
	set -- $(packages_for)
	if [ $# -gt 0 ]; then
		echo "missing:$missing"
		step "$logs/apt-install.log" "installing $# packages" apt_install "$@"
	fi
	find_all
	case " $missing " in
	*" qemu "* | *" opensbi "*)
		step "$logs/apt-qemu.log" "installing QEMU from backports" backported_qemu ;;
	esac
	case " $missing " in
	*" bindgen "*)
		step "$logs/bindgen.log" "building bindgen $new_bindgen" cargo_bindgen ;;
	esac
	find_all
	[ -z "$missing" ] || give_up "Installing them did not help; the logs are in $logs."
}

find_all
[ -z "$missing" ] || install_all

rustdoc=$(dirname "$rustc")/rustdoc
mkdir -p "$(dirname "$out")"
cat > "$out.$$" << END
LLVM=${llvm:-1}
RUSTC=$rustc
RUSTDOC=$rustdoc
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
