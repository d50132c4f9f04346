#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The software 82576 VF alone, under the guest's stock igbvf, kernels 6.1, 6.12 and 7.3: frames small and large both ways, offloads on and off,
# ring and frame sizes, a VLAN, the interface and the driver up and down. No VF is in use in the host.
# KERNELS ("6.12 6.1 7.3")
# Alone: it keeps both CPUs busy
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

HOST_ADDRESS=10.1.0.9 # on the bridge: large frames needn't leave the machine
VLAN=100 VLAN_HOST=10.9.0.1 VLAN_GUEST=10.9.0.2

# vlan_modules KERNEL: WORK/modules with what VLANs need in a guest.
vlan_modules() {
	local kernel file
	kernel=$(kernel_dir "$1")
	mkdir -p "$WORK/modules"
	for file in net/llc/llc net/802/stp net/802/mrp net/802/garp net/8021q/8021q; do
		cp "$kernel/kernel/$file".ko* "$WORK/modules/"
	done
	for file in "$WORK/modules/"*.xz; do [ ! -e "$file" ] || xz -df "$file"; done
}

# explain WHAT: what both sides know when nothing came through. Status 1.
explain() {
	say "$1"
	nic_get . || true
	guest 'cat /sys/class/net/eth0/carrier /sys/class/net/eth0/operstate; real-tc -s qdisc show dev eth0; ethtool -S eth0; grep eth0 /proc/interrupts; dmesg | tail -n 5' || true
	printf '%s' "$GUEST_OUTPUT" >&2
	return 1
}

pinged() { busybox ping -q -c 3 -i 0.2 -W 2 "$@" >/dev/null; }
answers() { pinged "$@" || explain "no answer to ping $*"; }
unanswered() { ! pinged "$@"; }

# streams ADDRESS: UDP and checked TCP, both ways at once, nothing lost but what floods; then bulk each way.
streams() {
	local kind
	for kind in 'flow --rate 200 --tcp 50 --duration 3' 'up --proto tcp --count 40' 'down --proto tcp --count 40'; do
		# shellcheck disable=SC2086 # words are wanted
		timeout 60 tandem-stream --connect "$1" $kind >"$WORK/${kind%% *}.json" ||
			{ explain "tandem-stream $kind: exit status $?" || return 1; }
	done
	jq -es '(.[0] | [.client, .server | .tcp.corrupt, .tcp.send_error, .tcp.receive_error, .udp.duplicated, .udp.bad] | add == 0) and
		(.[1:] | map(.server.bytes // .client.bytes) | all(. > 1000000))' "$WORK/flow.json" "$WORK/up.json" "$WORK/down.json" >/dev/null ||
		{ cat "$WORK/flow.json" "$WORK/up.json" "$WORK/down.json" >&2 && explain 'streams came through, but not well'; }
}

# fragments: of /proc/net/snmp's text, what this kernel's IP has cut up.
fragments() {
	tr -d '\r' | awk '$1 == "Ip:" && !at { for (i = 2; i <= NF; i++) if ($i == "FragCreates") at = i; next } $1 == "Ip:" { print $at }'
}

fragments_of_both() {
	guest 'cat /proc/net/snmp' && fragments <<<"$GUEST_OUTPUT"
	fragments </proc/net/snmp
}

# bursts ADDRESS: datagrams that one end's kernel takes apart, not into fragments, and the other's may put together.
bursts() {
	local cut
	cut=$(fragments_of_both)
	timeout 60 tandem-stream --connect "$1" flow --rate 1000 --burst 20 --size 1000 --duration 2 >"$WORK/bursts.json" ||
		{ explain "tandem-stream: exit status $?" || return 1; }
	jq -e '[.client, .server | .udp] | all(.received > 200 and .received * 2 > .peer_sent and .send_errors == 0 and .duplicated == 0 and
		.bad == 0)' "$WORK/bursts.json" >/dev/null || { cat "$WORK/bursts.json" >&2 && explain 'bursts came, but not well'; } || return 1
	[ "$cut" = "$(fragments_of_both)" ] || explain 'bursts went as fragments'
}

resized() { # MTU
	guest "ip link set eth0 mtu $1" && carrier 1 20
}

try() {
	local kernel=$1 round
	vlan_modules "$kernel"
	guest_image "$kernel" --add /usr/sbin/ethtool:/bin/ethtool --add /usr/sbin/tc:/bin/real-tc --add "$WORK/modules:/m"
	GUEST_CMDLINE=modules=igbvf vm_start model --cpus boot=2 --net "id=net0,mode=emulated,model=igbvf,mac=$GUEST_MAC,bridge=br0,mtu=9000"
	console_wait '@up' 120
	carrier 1 20 || fail 'no link'
	check "$kernel: small and middling frames" answers "$GUEST_ADDRESS"
	check "$kernel: frames longer than the driver asked for are dropped" unanswered -s 4000 "$GUEST_ADDRESS"
	check "$kernel: streams" streams "$GUEST_ADDRESS"
	check "$kernel: bursts" bursts "$GUEST_ADDRESS"
	guest 'ethtool -K eth0 tso off'
	check "$kernel: streams without segmentation offload" streams "$GUEST_ADDRESS"
	guest 'ethtool -K eth0 tx off rx off'
	check "$kernel: streams without checksum offload" streams "$GUEST_ADDRESS"
	guest 'ethtool -K eth0 tx on rx on tso on >/dev/null; ethtool -G eth0 rx 128 tx 80'
	carrier 1 20 || fail 'no link after the rings changed'
	check "$kernel: streams with small rings" streams "$GUEST_ADDRESS"
	check "$kernel: MTU 9000" resized 9000
	check "$kernel: large frames" answers -s 8900 "$GUEST_ADDRESS"
	check "$kernel: streams of large frames" streams "$GUEST_ADDRESS"
	check "$kernel: MTU 600" resized 600
	check "$kernel: streams of short frames" streams "$GUEST_ADDRESS"
	check "$kernel: MTU 1500" resized 1500
	guest "for m in llc stp mrp garp 8021q; do insmod /m/\$m.ko; done; vconfig add eth0 $VLAN >/dev/null; ip link set eth0.$VLAN up; ip addr add $VLAN_GUEST/24 dev eth0.$VLAN"
	check "$kernel: a VLAN" answers "$VLAN_GUEST"
	check "$kernel: streams in a VLAN" streams "$VLAN_GUEST"
	guest "vconfig rem eth0.$VLAN >/dev/null"
	for round in 1 2 3; do
		guest 'ip link set eth0 down; ip link set eth0 up'
		check "$kernel: down and up, $round" carrier 1 20
	done
	guest "rmmod igbvf; modprobe igbvf; ip link set eth0 up; ip addr add $GUEST_ADDRESS/24 dev eth0"
	check "$kernel: the driver loaded anew" carrier 1 20
	check "$kernel: answers" answers "$GUEST_ADDRESS"
	guest "dmesg | grep -ciE 'Tx Unit Hang|reset adapter|PF still|transmit queue'" || true
	check "$kernel: the driver is content" [ "${GUEST_OUTPUT%%[!0-9]*}" = 0 ]
	grep -i 'queue stopped' "$WORK/errors" && check "$kernel: the model is content" false
	vm_stop
}

network_up 1
ip link set up0 mtu 9000
ip link set br0 mtu 9000
ip address add "$HOST_ADDRESS/24" dev br0
ip link add link br0 name br0.$VLAN type vlan id $VLAN
ip address add $VLAN_HOST/24 dev br0.$VLAN
ip link set br0.$VLAN up
for kernel in ${KERNELS:-6.12 6.1 7.3}; do try "$kernel"; done
finish
