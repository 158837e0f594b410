#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# "make run": toggle the sample's function on the first hart, while all other harts
# call it and check each return value. Then, with our hooks, enable and disable the
# function tracer with C and with Rust, alternating.

# shellcheck source-path=SCRIPTDIR source=functions
. /functions

toggle=/sys/kernel/debug/rust_text_toggle
stats=/sys/kernel/debug/rust_riscv_patch

# One child for each other hart. It reads without forking, so that it calls often.
reader() {
	old=0 new=0 other=0
	while [ ! -e /tmp/stop ]; do
		read -r v < $toggle/value
		case $v in
		"$before") old=$((old + 1)) ;;
		"$after") new=$((new + 1)) ;;
		*) other=$((other + 1)) ;;
		esac
	done
	echo "$old $new $other" > "/tmp/reader.$1"
}

# trace SIDE: measure enabling and disabling the tracer for all functions
trace() {
	trace_on=$(/programs/timed_write /sys/kernel/tracing/current_tracer function) &&
		trace_off=$(/programs/timed_write /sys/kernel/tracing/current_tracer nop) &&
		say "tracer $1 $trace_on $trace_off"
}

for m in $LOAD; do
	load "$m" || exit 1
done

echo 0 > $toggle/on && read -r before < $toggle/value || exit 1
echo 1 > $toggle/on && read -r after < $toggle/value || exit 1
say "answers $before $after"
[ "$before" != "$after" ] || exit 1

cpu=1
while [ "$cpu" -lt "$(nproc)" ]; do
	# shellcheck disable=SC2016 # expanded by the child
	before=$before after=$after toggle=$toggle reader $cpu &
	taskset -p $((1 << cpu)) $! > /dev/null
	cpu=$((cpu + 1))
done
taskset -p 1 $$ > /dev/null

i=0 wrong=0
start=$(cut -d' ' -f1 /proc/uptime)
while [ "$i" -lt "$TOGGLES" ]; do
	# The last eighth stops all other harts, to measure how long that takes. The edit
	# itself does not require it.
	[ "$i" -eq $((TOGGLES * 7 / 8)) ] && echo rendezvous > "$stats/strategy"
	echo $((i & 1)) > $toggle/on || wrong=$((wrong + 1))
	read -r v < $toggle/value
	if [ $((i & 1)) -eq 0 ]; then want=$before; else want=$after; fi
	[ "$v" = "$want" ] || wrong=$((wrong + 1))
	i=$((i + 1))
done
end=$(cut -d' ' -f1 /proc/uptime)
touch /tmp/stop
wait

say "toggled $i wrong $wrong seconds $start $end"
for f in /tmp/reader.*; do
	[ -e "$f" ] || continue
	read -r old new other < "$f"
	say "reader ${f##*.} old $old new $new other $other"
	[ "$other" -eq 0 ] || wrong=$((wrong + 1))
done

for f in "$stats"/*; do
	[ -f "$f" ] && send "stats-${f##*/}" "$f"
done
send interrupts /proc/interrupts
[ "$wrong" -eq 0 ] || exit 1

if [ -n "$HOOKED" ]; then
	# The sample uses the module that is unloaded and loaded here.
	# shellcheck disable=SC2086 # a list of modules
	set -- $LOAD
	shift $(($# - 1))
	unload "$1" || exit 1
	LOAD=${LOAD% *}
	say "functions $(wc -l < /sys/kernel/tracing/available_filter_functions)"
	# Reduce the time of grace periods that the tracer itself waits for.
	echo 1 > /sys/kernel/rcu_expedited
	pair=0
	while [ "$pair" -lt 3 ]; do
		check "rmmod rust_riscv_patch $pair" rmmod rust_riscv_patch || exit 1
		trace c || exit 1
		# shellcheck disable=SC2154,SC2086 # in /settings; a list of parameters
		check "insmod rust_riscv_patch $pair" insmod /modules/rust_riscv_patch.ko \
			$PARAMS_rust_riscv_patch || exit 1
		trace rust || exit 1
		pair=$((pair + 1))
	done
fi

# shellcheck disable=SC2086 # a list of modules
unload_all $LOAD || exit 1
