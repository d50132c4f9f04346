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
		--slurpfile noticed "$WORK/noticed.json" -f "$CHECKOUT/bench/inside/transparent-flip.jq" | samples transparent-flip "$1" "$2_"
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
