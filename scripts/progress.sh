# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Sourced: step LOG MESSAGE COMMAND... runs a long command, shows the elapsed
# time, keeps its output in LOG and, when it fails, shows the end of it.
#
# A step that is interrupted kills all processes that it has started. With
# step_unbroken=1 it waits for them instead, for commands that must be completed.

step_unbroken=
step_pid=

# started_by PID: the process, and all processes that it has started.
started_by() {
	echo "$1"
	# shellcheck disable=SC2013 # words, not lines
	for step_child in $(cat "/proc/$1/task/"*/children 2> /dev/null); do
		started_by "$step_child"
	done
}

step_interrupted() {
	# A second signal is not handled.
	trap - HUP INT TERM
	[ -n "$step_pid" ] || exit 130
	if [ -n "$step_unbroken" ]; then
		printf '\ninterrupted: waiting for "%s" to end, which must not stop half way\n' \
			"$step_message"
		wait "$step_pid" || :
	else
		for step_child in $(started_by "$step_pid"); do
			# Processes that sudo started belong to root.
			kill "$step_child" 2> /dev/null ||
				sudo -n sh -c 'kill "$0"' "$step_child" 2> /dev/null || :
		done
		wait "$step_pid" 2> /dev/null || :
		printf '\ninterrupted\n'
	fi
	exit 130
}

# Rewrites one line on a terminal; writes one line each half minute to a log file.
step() {
	step_log=$1 step_message=$2
	shift 2
	mkdir -p "$(dirname "$step_log")"
	step_start=$(date +%s)
	step_pid=
	trap step_interrupted HUP INT TERM
	"$@" > "$step_log" 2>&1 < /dev/null &
	step_pid=$!
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
