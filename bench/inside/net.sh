# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Throughput, round trip and exits per packet of the VF, vhost-net and user-space paths, to and from the outside world.
# needs nics.sh, samples.sh, exits.sh

# The slowest path needs some 10 s for what is asked of it: after 120 its traffic stands.
stream() { in_peer tandem-stream --connect "$GUEST_ADDRESS" "$@" --limit 120; }

# net_sample KIND METRIC FILTER ARGUMENT...: a session of tandem-stream; FILTER takes the figure out of its report.
net_sample() {
	local kind=$1 metric=$2 filter=$3 value
	shift 3
	stream "$@" >"$WORK/stream.json" || fail "$kind: $metric: no traffic"
	value=$(jq -r "$filter" "$WORK/stream.json")
	sample net "$kind" "$metric" "$value"
}

# net_exits KIND MODE: at an even pace, 1,000 packets/s each way, for 5 s.
net_exits() {
	local packets
	exits_start
	stream flow --rate 1000 --duration 5 >"$WORK/stream.json" || fail "$1: no traffic"
	exits_stop
	packets=$(jq '[.client.udp, .server.udp | .received] | add' "$WORK/stream.json")
	sample net "$1" "$2_kvm_exits" "$(awk -v n="$KVM_EXITS" -v p="$packets" 'BEGIN { printf "%.5f", n / p }')"
	sample net "$1" "$2_user_exits" "$(awk -v n="$USER_EXITS" -v p="$packets" 'BEGIN { printf "%.5f", n / p }')"
}

# net_busy_exits KIND MODE ARGUMENT...: KVM exits per packet of a session of tandem-stream that sends as fast as it can.
net_busy_exits() {
	local kind=$1 mode=$2 packets
	shift 2
	exits_start
	stream "$@" >"$WORK/stream.json" || fail "$kind: no traffic"
	exits_stop
	packets=$(jq '[.client, .server | .received // 0] | add' "$WORK/stream.json")
	sample net "$kind" "${mode}_busy_exits" "$(awk -v n="$KVM_EXITS" -v p="$packets" 'BEGIN { printf "%.5f", n / p }')"
}

# net_samples KIND MODE
net_samples() {
	local kind=$1 mode=$2
	stream up --proto tcp --count 50 >"$WORK/warm.json" || fail "$kind: no traffic"
	net_sample "$kind" "${mode}_tcp_in" .server.mbit_per_s up --proto tcp --count 400
	net_sample "$kind" "${mode}_tcp_out" .client.mbit_per_s down --proto tcp --count 400
	net_sample "$kind" "${mode}_rtt" .client.us.p50 rtt --count 1000
	net_exits "$kind" "$mode"
}

measure_net() {
	local mode
	network_up 2
	for mode in vf vhost user; do
		in_turn "$mode path" nic_vm_sampled tandem q35 -- net_samples "$mode"
	done
}
