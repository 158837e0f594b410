#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Print the URI of the Debian mirror this machine's apt uses for its own
# release; nothing if there is none (Ubuntu, other distributions).
#
# The one whose suites name the release itself is the mirror with every suite;
# others only have suites such as "-security".

set -eu

[ -r /etc/os-release ] || exit 0
# shellcheck source=/dev/null
. /etc/os-release
[ "${ID:-}" = debian ] || exit 0
codename=${VERSION_CODENAME:-stable}

for f in /etc/apt/sources.list.d/*.sources; do
	[ -r "$f" ] || continue
	# A stanza may name several URIs and suites, over several lines.
	awk -v want="$codename" '
		function flush() {
			if (hit && uri != "" && enabled) { print uri; done = 1; exit }
			hit = 0; uri = ""; field = ""; enabled = 1
		}
		BEGIN { enabled = 1 }
		/^#/ { next }
		/^[ \t]*$/ { flush(); next }
		/^[A-Za-z-]+:/ { field = tolower($1); sub(/^[^:]*:[ \t]*/, "") }
		field == "enabled:" && tolower($1) == "no" { enabled = 0 }
		field == "uris:" && uri == "" { uri = $1 }
		field == "suites:" {
			for (i = 1; i <= NF; i++)
				if ($i == want || $i == "stable")
					hit = 1
		}
		END { if (!done) flush() }
	' "$f"
done | grep -v '^mirror+' | head -n 1 | grep . && exit 0

for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ -r "$f" ] || continue
	sed -n 's/^deb[ \t]\+\(\[[^]]*\][ \t]\+\)\?\([^ \t]\+\)[ \t]\+\([^ \t]\+\).*/\2 \3/p' "$f"
done | awk -v want="$codename" '$2 == want || $2 == "stable" { print $1; exit }'
