# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# VF -> emulated -> VF under 1,000 packets/s each way, one session of the stream a flip: what it lost, repeated and reordered, the
# longest silence, and how long the request took. Counts of both directions are added; of the silences the longer one counts.
# needs nics.sh, samples.sh

FLIP_SECONDS=7 FLIP_LEAD=2

# flip_once KIND CPUS: one VM; both flips, twice.
flip_once() {
	local kind=$1 cpus=$2 to
	nic_vm_start "$kind" "$cpus" failover
	for to in emulated vf emulated vf; do
		flip_measure "$kind" "${cpus}cpu_$to" "$to"
		nic_wait_path "$to" 30
		sleep 1
	done
	nic_vm_stop
}

# flip_measure KIND PREFIX PATH
flip_measure() {
	local kind=$1 prefix=$2 to=$3 stream offset_us
	offset_us=$(monotonic_offset_us)
	in_peer tandem-stream --connect "$GUEST_ADDRESS" flow --rate 1000 --duration "$FLIP_SECONDS" >"$WORK/stream.json" &
	stream=$!
	sleep "$FLIP_LEAD"
	nic_switch "$to"
	wait "$stream" || fail "$kind: the stream did not end well"
	jq -c --arg subject "$kind" --arg what "$prefix" '{$subject, $what, stream: .}' "$WORK/stream.json" >>"$LAB_OUT/streams"
	sample flip "$kind" "${prefix}_done" $(((SWITCH_DONE_US - SWITCH_REQUESTED_US) / 1000))
	flip_samples "$kind" "$prefix" $((SWITCH_REQUESTED_US - offset_us))
}

# flip_samples KIND PREFIX REQUESTED
flip_samples() {
	jq -r -L "$CHECKOUT/bench" --argjson requested "$3" -f "$CHECKOUT/bench/inside/flip.jq" "$WORK/stream.json" | samples flip "$1" "$2_"
}

measure_flip() {
	local cpus
	network_up 2
	for cpus in 2 1; do
		in_turn "flips, $cpus CPU" flip_once tandem q35 -- "$cpus"
	done
}
