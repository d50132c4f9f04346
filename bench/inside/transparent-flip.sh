# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A transparent NIC under 500 and 5,000 packets/s each way, by guests of both kernels: what 80 flips a round do to its streams and what the
# guest notices, beside the same streams with two flips in a minute (plain): what a slow machine loses without any.
# needs samples.sh
. "$CHECKOUT/tests/lab/transparent-tools"

TRANSPARENT_KERNELS=(6.1 6.12) TRANSPARENT_RATES=(500 5000)
declare -A TRANSPARENT_RING=([5000]=4096)

# transparent_flip_samples SUBJECT PREFIX FLIPS
transparent_flip_samples() {
	jq -rn -L "$CHECKOUT/bench" --argjson flips "$3" --slurpfile records "$WORK/flips.json" --slurpfile stream "$WORK/stream.json" \
		--slurpfile noticed "$WORK/noticed.json" 'include "stream";
		$noticed[0] as $n
		| ($stream[0] | [to_guest, from_guest]) as $ways
		| ($records[] | "pause_\(.to) \(.pause_ms)", "work_\(.to) \(.pause_cpu_ms)", "done \(.total_ms)"),
		("vf", "emulated" | . as $to | "worst_\($to) \([$records[] | select(.to == $to) | .pause_ms] | max)"),
		"flips \($records | length)",
		"sent \($ways | map(.peer_sent) | add)",
		"to_lost \($ways[0] | .lost * 1000 / .peer_sent)",
		"from_lost \($ways[1] | .lost * 1000 / .peer_sent)",
		"discarded \(($n.discarded | add) * 1000 / ($ways | map(.peer_sent) | add))",
		"near_lost \($n.lost_by_flips)",
		"duplicated \($ways | map(.duplicated) | add)",
		"reordered \(($ways | map(.reordered) | max) / $flips)",
		"corrupt \($stream[0] | [.server, .client] | map(.tcp.corrupt) | add)",
		"pings_lost \(($n.pings - $n.pongs) * 1000 / $n.pings)",
		"noticed \(if $n.link[0] == $n.link[1] then 0 else 1 end)",
		"back \($n.counters_back)",
		"to_pace \($ways[0] | pace)",
		"from_pace \($ways[1] | pace)"' | samples transparent-flip "$1" "$2_"
}

# transparent_flip_run SUBJECT KERNEL RATE FLIPS PAUSE
transparent_flip_run() {
	printf 'transparent flips: Linux %s, %s packets/s, %s flips\n' "$2" "$3" "$4" >&2
	transparent_vm "$2" "${TRANSPARENT_RING[$3]:-}"
	transparent_flips "$4" "$3" "$5"
	transparent_flip_samples "$1" "${2}_$3" "$4"
	vm_stop
}

measure_transparent-flip() {
	local kernel rate
	network_up 2
	for kernel in "${TRANSPARENT_KERNELS[@]}"; do
		for rate in "${TRANSPARENT_RATES[@]}"; do
			transparent_flip_run plain "$kernel" "$rate" 2 30
			transparent_flip_run tandem "$kernel" "$rate" $((ROUNDS * 80)) 0.1
		done
	done
}
