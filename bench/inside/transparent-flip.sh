# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A transparent NIC under 500, 1,000 and 5,000 packets/s each way (the latter two in bursts, one each 4 ms), in guests of both kernels: what the
# flips of all rounds do to the streams, and what the guest notices. A lab host without real virtualisation carries 1,000/s on either path; of
# 5,000/s it loses some on the emulated path, flips or not. Plain is the same with two flips a round: what a slow machine loses by itself.
# needs samples.sh
. "$CHECKOUT/tests/lab/transparent-tools"

TRANSPARENT_KERNELS=(6.1 6.12) TRANSPARENT_RATES=(500 1000 5000)
declare -A TRANSPARENT_RING=([1000]=4096 [5000]=4096) TRANSPARENT_FLIPS=([500]=400 [1000]=200 [5000]=400)

# transparent_flip_samples SUBJECT PREFIX
transparent_flip_samples() {
	jq -rn -L "$CHECKOUT/bench" --slurpfile records "$WORK/flips.json" --slurpfile stream "$WORK/stream.json" \
		--slurpfile noticed "$WORK/noticed.json" 'include "stream";
		$noticed[0] as $n
		| ($stream[0] | [to_guest, from_guest]) as $ways
		| ($records | map(select(.ok and .changed))) as $done
		| ($done[] | "pause_\(.to) \(.pause_ms)", "work_\(.to) \(.pause_cpu_ms)", "total_\(.to) \(.total_ms)"),
		($done[] | select(.to == "vf") | "rest_vf \(.rest_ms)"),
		"flips \($done | length)",
		"failed \($n.flips_failed)",
		"sent \($ways | map(.peer_sent) | add)",
		"near_lost \($n.lost_by_flips)",
		"to_lost \($ways[0].lost)",
		"from_lost \($ways[1].lost)",
		"discarded \($n.discarded | del(.tap, .vf) | add)",
		"tap_dropped \($n.discarded.tap)",
		"ring_full \($n.discarded.vf)",
		"duplicated \($ways | map(.duplicated) | add)",
		"reordered \(($ways | map(.reordered) | max) / ([$done | length, 1] | max))",
		"corrupt \($stream[0] | [.server, .client] | map(.tcp.corrupt) | add)",
		"pings_lost \($n.pings - $n.pongs)",
		"noticed \(if $n.link[0] == $n.link[1] then 0 else 1 end)",
		"back \($n.counters_back)",
		"to_pace \($ways[0] | pace)",
		"from_pace \($ways[1] | pace)"' | samples transparent-flip "$1" "$2_"
}

# transparent_flip_once SUBJECT KERNEL RATE
transparent_flip_once() {
	local flips=$(((TRANSPARENT_FLIPS[$3] + 2 * ROUNDS - 1) / (2 * ROUNDS) * 2)) pause=0.1
	[[ $1 == tandem ]] || flips=2 pause=10
	transparent_vm "$2" "${TRANSPARENT_RING[$3]:-}"
	transparent_flips "$flips" "$3" "$pause"
	transparent_flip_samples "$1" "${2}_$3"
	vm_stop
}

measure_transparent-flip() {
	local kernel rate
	network_up 2
	for kernel in "${TRANSPARENT_KERNELS[@]}"; do
		for rate in "${TRANSPARENT_RATES[@]}"; do
			in_turn "transparent flips, Linux $kernel, $rate packets/s" transparent_flip_once tandem plain -- "$kernel" "$rate"
		done
	done
}
