# SPDX-License-Identifier: GPL-2.0
#
# Makes a KUnit suite of the examples in the documentation comments of Rust
# files, as scripts/rustdoc_test_gen.rs does for the kernel crate. Each becomes a
# test that is named after its file and line, except those with an attribute
# (```ignore).

BEGIN {
	print "// Generated from documentation comments."
	print "#[kunit_tests(rust_riscv_examples)]"
	print "mod examples {"
}

FNR == 1 {
	inside = 0
	name = FILENAME
	sub(/.*\/rust\//, "", name)
	sub(/\.rs$/, "", name)
	gsub(/[^a-z0-9]/, "_", name)
}

/^ *\/\/[\/!] ```/ {
	if (inside) {
		if (taken)
			emit()
		inside = 0
	} else {
		inside = 1
		taken = /```$/
		line = FNR
		body = ""
		result = ""
	}
	next
}

inside {
	sub(/^ *\/\/[\/!] ?/, "")
	# Lines that rustdoc does not show.
	sub(/^# /, "")
	body = body "        " $0 "\n"
	# What an example with a "?" in it ends with; of any error.
	if (/^Ok::<.*>\(\(\)\)$/)
		result = " -> core::result::Result<(), impl core::fmt::Debug>"
}

function emit() {
	print "    #[test]"
	print "    #[allow(unused, clippy::all)]"
	print "    fn " name "_" line "()" result " {"
	print "        use kernel::prelude::*;"
	printf "%s", body
	print "    }"
	print ""
	count++
}

END {
	print "}"
	if (!count) {
		print "no examples" > "/dev/stderr"
		exit 1
	}
}
