#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A transparent NIC flipped under a sequenced UDP stream each way, a checked TCP stream each way and pings: its guest must notice nothing.
# How to pass variables: lab/host -- env FLIPS=400 RATE=5000 RING=4096 tests/lab/transparent.sh
# FLIPS (12, of which every second is to the VF), RATE (500 packets/s each way), KERNEL (6.12), CPUS (2), PAUSE (0.4 s between flips),
# TCP (25 blocks of 4 KiB a second), PING (10 ms between two), COLD (1: gives the VF back each time), RING (256 receive descriptors)
# Alone: it counts packets
# Also: -- KERNEL=6.1 FLIPS=6
# Also: --kernel 7.3 -- KERNEL=7.3 FLIPS=6
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/transparent-tools"

FLIPS=${FLIPS:-12}

network_up 2
transparent_vm "${KERNEL:-6.12}" "${RING:-}"
transparent_flips "$FLIPS" "${RATE:-500}" "${PAUSE:-0.4}"
[[ -z ${LAB_OUT:-} ]] || cp "$WORK"/{info,stream,flips,noticed}.json "$WORK/console" "$WORK/errors" "$WORK/ping" "$LAB_OUT/"

jq -s -r -f "$CHECKOUT/tests/lab/flips-told.jq" "$WORK/flips.json"
jq -r '.flips[-12:][] | "to \(.to): pause \(.pause_ms) ms, own work \(.pause_cpu_ms) ms, total \(.total_ms) ms, blackout rx \(.blackout_rx_ms) tx \(.blackout_tx_ms), relayed \(.relayed), caught \(.caught), burned \(.burned)"' \
	"$WORK/info.json"
jq -r --argjson gaps 6 -f "$CHECKOUT/tests/lab/stream-told.jq" "$WORK/stream.json"
tail -n 1 "$WORK/ping"
jq -r '"\(.lost_by_flips) packets were lost within 0.3 s of a flip",
	(.discarded | "discarded by full queues: in the guest \(.guest), the host \(.host), the tap \(.tap), the VF \(.vf), outside \(.peer), its NIC \(.wire)")' \
	"$WORK/noticed.json"
unnoticed() { jq -e "$1" "$WORK/noticed.json" >/dev/null; }
check 'every flip was done' unnoticed '.flips_failed == 0'
check 'no flip lost a packet' unnoticed '.lost_by_flips == 0'
check 'one packet in a thousand was lost at most, flips or not' both_ways '.udp.lost * 1000 <= .udp.peer_sent'
check 'no packet came twice' both_ways '.udp.duplicated == 0'
check 'at most one packet a flip came out of order' both_ways ".udp.reordered <= $FLIPS"
check 'TCP content is intact' both_ways '.tcp.corrupt == 0'
check 'fewer than one ping in a hundred was lost' unnoticed '.pongs * 100 > .pings * 99'
check 'the driver'"'"'s counters never went back' unnoticed '.counters_back == 0'
check "the guest's link did not change: $(jq -c .link "$WORK/noticed.json")" unnoticed '.link[0] == .link[1]'
vm_stop
check 'the VF is given back' test -z "$(find /run/tandem -name 'undo-*')"
finish
