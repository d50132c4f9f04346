#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A failover NIC flipped under a sequenced stream of 300 packets/s each way and a checked TCP stream: what each flip lost, repeated and
# stalled, and how long it took.
# Variables are handed into the lab host so:
#     lab/host -- env FLIPS=500 PAUSE=0.4 tests/lab/flip.sh
# FLIPS (10, of which every second is to the VF), CPUS (2), KERNEL (6.12), VHOST (on), COLD (1: gives the VF back each time),
# TCP (25 blocks of 4 KiB a second), PAUSE (1.2 s between flips), RATE (300 packets/s: what is more than a slow
# machine's guest can take is lost at any time; bench/run flip has 1,000). The limits of unplug and plug are far above their
# defaults: on a machine that runs other things too, the guest may take longer.
# Alone: it counts packets
# Also: -- KERNEL=6.1 FLIPS=6
# Also: --kernel 7.3 -- KERNEL=7.3 FLIPS=6
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FLIPS=${FLIPS:-10} RATE=${RATE:-300} PAUSE=${PAUSE:-1.2} dropped=0

# flip_row NUMBER TO RECORD
flip_row() {
	jq -r --arg n "$1" '[$n, .to, (if .ok then "ok" else .reason end), .total_ms, .phases.quiesce, .phases.swap, .phases.verify,
		.marks.driver_down // "-", .marks.driver_gone // "-", .blackout_rx_ms // "-", .blackout_tx_ms // "-", .relayed, .kicks] | @tsv' <<<"$2"
}

network_up 2
guest_image "${KERNEL:-6.12}"
vm_start flip --cpus "boot=${CPUS:-2}" --net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=vf,vhost=${VHOST:-on},unplug_timeout=20s,plug_timeout=30s"
console_wait '@up' 90
say "$CONSOLE_LINE"
nic_wait .path vf 30
nic_wait .state idle 30
sleep 2
stream_start $((10 + FLIPS * 6))
sleep 3
for ((flip = 1; flip <= FLIPS; flip++)); do
	to=$( ((flip % 2)) && echo emulated || echo vf)
	cold=()
	[[ -z ${COLD:-} || $to == vf ]] || cold=(--cold)
	switch_nic "$to" "${cold[@]}"
	sleep "$PAUSE"
	# While igbvf's carrier is back and its queueing discipline is not, the guest's kernel discards what it would send by its VF.
	[ "$to" = emulated ] || { guest 'cat /sys/class/net/eth0/statistics/tx_dropped' && dropped=$((dropped + ${GUEST_OUTPUT%%[!0-9]*})); }
done
sleep 2
stream_check
by_flips=$(lost_by_flips)
check "$by_flips packets were lost by $FLIPS flips: five a flip at most" test "$by_flips" -le $((FLIPS * 5))
tandem nic info flip/net0 --json >"$WORK/info.json"
[[ -z ${LAB_OUT:-} ]] || cp "$WORK"/{info,stream}.json "$WORK/console" "$WORK/errors" "$LAB_OUT/"

printf '#\tto\tresult\ttotal\tquiesce\tswap\tverify\tdown\tgone\trx\ttx\trelayed\tkicks\n'
jq -c '.flips[]' "$WORK/info.json" | {
	number=0
	while read -r record; do flip_row "$((number++))" "$record"; done
}
jq -r --argjson gaps 12 -f "$CHECKOUT/tests/lab/stream-told.jq" "$WORK/stream.json"
say "of what was lost from the guest, and of its TCP, its own kernel dropped $dropped"
check 'the guest answers' answers
guest 'ip link; dmesg | tail -n 20' || true
printf '%s\n' "$GUEST_OUTPUT" >"${LAB_OUT:-$WORK}/guest"
vm_stop
finish
