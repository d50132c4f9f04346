# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The software 82576 VF beside QEMU's emulated 82576, both on a tap: small packets, TCP, round trip, exits per packet.
# needs net.sh

# model_samples KIND MODE
model_samples() {
	local kind=$1 mode=$2
	stream up --proto tcp --count 50 >"$WORK/warm.json" || fail "$kind: no traffic"
	net_sample "$kind" "${mode}_udp_in" .server.per_s up --size 64 --count 20000
	net_sample "$kind" "${mode}_udp_out" .client.per_s down --size 64 --count 20000
	net_sample "$kind" "${mode}_tcp_in" .server.mbit_per_s up --proto tcp --count 200
	net_sample "$kind" "${mode}_tcp_out" .client.mbit_per_s down --proto tcp --count 200
	net_sample "$kind" "${mode}_rtt" .client.us.p50 rtt --count 1000
	net_exits "$kind" "$mode"
	net_busy_exits "$kind" "$mode" up --size 64 --count 20000
}

measure_model() {
	network_up 2
	# VMs of one kind differ by a quarter under emulation: two of each a round.
	in_turn 'software VF' nic_vm_sampled tandem q35 q35 tandem -- model_samples model
}
