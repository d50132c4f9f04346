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
	local kind=$1 prefix=$2 to=$3 result=$WORK/stream.json stream
	in_peer tandem-stream --connect "$GUEST_ADDRESS" flow --rate 1000 --duration "$FLIP_SECONDS" >"$result" &
	stream=$!
	sleep "$FLIP_LEAD"
	nic_switch "$to"
	wait "$stream" || fail "$kind: the stream did not end well"
	jq -c --arg subject "$kind" --arg what "$prefix" '{$subject, $what, stream: .}' "$result" >>"$LAB_OUT/streams"
	flip_samples "$kind" "$prefix" "$result"
}

# flip_samples KIND PREFIX FILE
flip_samples() {
	local name value
	while read -r name value; do
		sample flip "$1" "$2_$name" "$value"
	done < <(jq -r '[.client.udp, .server.udp] as $ends
		| "lost \($ends | map(.lost) | add)",
		"duplicated \($ends | map(.duplicated) | add)",
		"reordered \($ends | map(.reordered) | add)",
		"blackout \([$ends[].gaps[0].ms // 1 | . - 1] | max)"' "$3")
	sample flip "$1" "$2_done" $(((SWITCH_DONE_US - SWITCH_REQUESTED_US) / 1000))
}

measure_flip() {
	local cpus
	network_up 2
	for cpus in 2 1; do
		in_turn "flips, $cpus CPU" flip_once tandem q35 -- "$cpus"
	done
}
