# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Sourced: step LOG MESSAGE COMMAND... runs a long command, shows the elapsed
# time, keeps its output in LOG and, when it fails, shows the end of it.

# A terminal gets one line that is rewritten, a log file one every half minute.
step() {
	step_log=$1 step_message=$2
	shift 2
	mkdir -p "$(dirname "$step_log")"
	step_start=$(date +%s)
	"$@" > "$step_log" 2>&1 < /dev/null &
	step_pid=$!
	trap 'kill "$step_pid" 2> /dev/null; exit 130' HUP INT TERM
	step_shown=-30
	while kill -0 "$step_pid" 2> /dev/null; do
		step_now=$(($(date +%s) - step_start))
		if [ -t 1 ]; then
			printf '\r[%3d:%02d] %s' $((step_now / 60)) $((step_now % 60)) "$step_message"
		elif [ $((step_now - step_shown)) -ge 30 ]; then
			printf '[%3d:%02d] %s\n' $((step_now / 60)) $((step_now % 60)) "$step_message"
			step_shown=$step_now
		fi
		sleep 0.2
	done
	step_rc=0
	wait "$step_pid" || step_rc=$?
	trap - HUP INT TERM
	step_now=$(($(date +%s) - step_start))
	[ -t 1 ] && printf '\r'
	if [ "$step_rc" -eq 0 ]; then
		printf '[%3d:%02d] %s: done\n' $((step_now / 60)) $((step_now % 60)) "$step_message"
	else
		printf '[%3d:%02d] %s: FAILED; the end of %s:\n' \
			$((step_now / 60)) $((step_now % 60)) "$step_message" "$step_log"
		tail -n 25 "$step_log" | sed 's/^/    /'
	fi
	return "$step_rc"
}
