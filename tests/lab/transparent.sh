#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A transparent NIC flipped under a sequenced UDP stream each way, a checked TCP stream each way and pings: its guest must notice nothing.
# How to pass variables: lab/host -- env FLIPS=400 RATE=5000 tests/lab/transparent.sh
# FLIPS (12, of which every second is to the VF), RATE (500 packets/s each way), KERNEL (6.12), CPUS (2), PAUSE (0.4 s between flips),
# TCP (25 blocks of 4 KiB a second), PING (0.01 s between two), COLD (1: gives the VF back each time)
# Alone: it counts packets
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FLIPS=${FLIPS:-12} PAUSE=${PAUSE:-0.4} PING=${PING:-0.01}

# ethtool_counters: "NAME VALUE" of the guest's driver, by its own words.
ethtool_counters() {
	guest "ethtool -S eth0" || fail "ethtool -S in the guest"
	tr -d '\r' <<<"$GUEST_OUTPUT" | sed -n 's/^ *\([a-z_0-9]*\): \([0-9]*\)$/\1 \2/p' | sort
}

card_missed() { ethtool -S pf0 | awk '/rx_missed_errors:|rx_no_buffer_count:/ { sum += $2 } END { print sum + 0 }'; }

# Packets that the sender's own queueing discipline has dropped, of the words of "tc -s qdisc show".
qdisc_dropped() { sed -n 's/.*(dropped \([0-9]*\),.*/\1/p' | awk '{ sum += $1 } END { print sum + 0 }'; }

# grown OLD NEW: no counter went back.
grown() { [ -s "$1" ] && join "$1" "$2" | awk '$3 < $2 { print; bad = 1 } END { exit bad }'; }

# link_story: what the guest's kernel said and counts about its link and its driver.
link_story() {
	guest "cat /sys/class/net/eth0/carrier_changes; dmesg | grep -c 'Link is Up'; dmesg | grep -ciE 'Link is Down|reset adapter|Tx Unit Hang|PF still'" || true
	tr -d '\r' <<<"$GUEST_OUTPUT" | tr '\n' ' '
}

network_up 2
guest_image "${KERNEL:-6.12}" --add "$(command -v ethtool):/bin/ethtool" --add "$(command -v tc):/bin/tc"
GUEST_CMDLINE="modules=virtio_pci,igbvf" vm_start transparent --cpus "boot=${CPUS:-2}" \
	--net "id=net0,mode=transparent,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=vf,unplug_timeout=20s"
console_wait '@up' 60
say "$CONSOLE_LINE"
nic_wait .path vf 30
nic_wait .state idle 30
sleep 3
before=$(link_story)
outside_missed_before=$(in_peer cat /sys/class/net/wire0/statistics/rx_missed_errors)
card_missed_before=$(card_missed)
ethtool_counters >"$WORK/counters"
ip netns exec peer ping -q -i "$PING" -W 2 "$GUEST_ADDRESS" >"$WORK/ping" 2>&1 &
ping=$!
ip netns exec peer tandem-stream --connect "$GUEST_ADDRESS" flow --rate "${RATE:-500}" --tcp "${TCP:-25}" --duration "$(awk "BEGIN { print int(20 + $FLIPS * (4 + $PAUSE)) }")" >"$WORK/stream.json" &
stream=$!
sleep 2
backwards=0
for ((flip = 1; flip <= FLIPS; flip++)); do
	to=$( ((flip % 2)) && echo emulated || echo vf)
	cold=()
	[[ -z ${COLD:-} || $to == vf ]] || cold=(--cold)
	switch_nic "$to" "${cold[@]}"
	if ((flip % 10 < 2)); then
		ethtool_counters >"$WORK/counters.new"
		grown "$WORK/counters" "$WORK/counters.new" >>"$WORK/backwards" || backwards=$((backwards + 1))
		mv "$WORK/counters.new" "$WORK/counters"
	fi
	sleep "$PAUSE"
done
sleep 2
kill -INT "$ping"
kill -TERM "$stream"
wait "$stream" || fail "the stream did not end well"
wait "$ping" || true
tandem nic info transparent/net0 --json >"$WORK/info.json"
[[ -z ${LAB_OUT:-} ]] || cp "$WORK"/{info,stream,flips}.json "$WORK/console" "$WORK/errors" "$WORK/ping" "$LAB_OUT/"
after=$(link_story)

jq -s -r 'def median: sort | .[length / 2 | floor]; def side($to): map(select(.to == $to));
	("vf", "emulated") as $to | side($to) | "to \($to): \(length) flips, pause median \(map(.pause_ms) | median) ms, worst \(map(.pause_ms) | max) ms, " +
	"own work median \(map(.pause_cpu_ms) | median) ms, worst \(map(.pause_cpu_ms) | max) ms, sending held back median \(map(.tx_held_ms) | median) ms, worst \(map(.tx_held_ms) | max) ms, request to done median \(map(.total_ms) | median) ms, worst \(map(.total_ms) | max) ms"' \
	"$WORK/flips.json"
jq -r '.flips[-12:][] | "to \(.to): pause \(.pause_ms) ms, own work \(.pause_cpu_ms) ms, total \(.total_ms) ms, blackout rx \(.blackout_rx_ms) tx \(.blackout_tx_ms), relayed \(.relayed), caught \(.caught), burned \(.burned)"' \
	"$WORK/info.json"
jq -r '["to guest", .server], ["from guest", .client] | .[0] as $d | .[1] | "\($d): sent \(.udp.peer_sent) lost \(.udp.lost) " +
	"duplicated \(.udp.duplicated) reordered \(.udp.reordered), longest gaps \([.udp.gaps[:6][] | "\(.ms) ms (\(.missing))"] | join(", ")), " +
	"TCP corrupt \(.tcp.corrupt), stall \(.tcp.gaps[0].ms // 0) ms"' "$WORK/stream.json"
tail -n 3 "$WORK/ping"
outside_missed=$(in_peer cat /sys/class/net/wire0/statistics/rx_missed_errors)
printf "missed by the outside's NIC: %d; dropped by the full tap: %d; by the card, for want of buffers: %d\n" \
	"$((outside_missed - outside_missed_before))" "$(jq .counters.rx_dropped "$WORK/info.json")" "$(($(card_missed) - card_missed_before))"
guest 'tc -s qdisc show dev eth0' || true
printf "dropped by the queueing disciplines of the outside: %s; of the guest: %s\n" \
	"$(in_peer tc -s qdisc show dev wire0 | qdisc_dropped)" "$(qdisc_dropped <<<"$GUEST_OUTPUT")"
by_flips=$(lost_by_flips)
say "$by_flips packets were lost within 0.3 s of a flip"
both() { jq -e --argjson flips "$FLIPS" "[.server, .client] | all($1)" "$WORK/stream.json" >/dev/null; }
check 'no flip lost a packet' test "$by_flips" = 0
check 'one packet in a thousand was lost at most, flips or not' both '.udp.lost * 1000 <= .udp.peer_sent'
check 'no packet came twice' both '.udp.duplicated == 0'
check 'at most one packet a flip came out of order' both '.udp.reordered <= $flips'
check 'TCP content is intact' both '.tcp.corrupt == 0'
check 'fewer than one ping in a hundred was lost' awk '/packets transmitted/ { good = $4 * 100 > $1 * 99 } END { exit !good }' "$WORK/ping"
check 'the driver'"'"'s counters never went back' test "$backwards" = 0
check "the guest's link did not change: $before" test "$before" = "$after"
vm_stop
check 'the VF is given back' test -z "$(find /run/tandem -name 'undo-*')"
finish
