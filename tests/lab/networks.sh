#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A NIC's tap in its network: its VLAN is the VF's on a bridge that tells VLANs apart, also when that is made anew; bridges that cannot be in
# it are refused; VLANs by their tags; no VM lowers its bridge's MTU; and a tap that is deleted is made anew, beside one of others that has
# its name by then.
# lab/host -- env ONLY="CASE…" tests/lab/networks.sh: some of the cases: vlan refused tagged mtu lost lost_name
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"

PLAIN_ADDRESS=10.1.0.9 # of the peer, outside VLAN 100

tap() { nic_get .tap; }
is_health() { [ "$(nic_get .emulated.health)" = "$1" ]; }
mtu_is() { [ "$(cat "/sys/class/net/$1/mtu")" = "$2" ]; }

# start NAME KEYS: a VM with one NIC, up.
start() {
	vm_start "$1" --net "id=net0,mac=$GUEST_MAC,$2"
	console_wait '@up' 90
}

# vlans_of PORT: "1 PVID untagged, 100"
vlans_of() {
	bridge -j vlan show dev "$1" | jq -r '[.[0].vlans[] | [(.vlan | tostring), (.flags // [] | map(if . == "Egress Untagged" then "untagged" else . end)[])] | join(" ")] | join(", ")'
}

# bridge_aware: br0, which tells VLANs apart; its uplink has 100 by tags.
bridge_aware() {
	ip link del br0
	ip link add br0 type bridge mcast_snooping 0 vlan_filtering 1
	ip link set up0 master br0
	bridge vlan add dev up0 vid 100
	ip link set br0 up
}

bridge_plain() {
	ip link del br0
	ip link add br0 type bridge mcast_snooping 0
	ip link set up0 master br0
	ip link set br0 up
}

peer_in_vlan() {
	in_peer ip link add link wire0 name wire0.100 type vlan id 100
	in_peer ip link set wire0.100 up
	in_peer ip address del "$PEER_ADDRESS/24" dev wire0
	in_peer ip address add "$PEER_ADDRESS/24" dev wire0.100
	in_peer ip address add "$PLAIN_ADDRESS/24" dev wire0 noprefixroute
}

peer_plain() {
	in_peer ip link del wire0.100
	in_peer ip address flush dev wire0
	in_peer ip address add "$PEER_ADDRESS/24" dev wire0
}

from_plain() { in_peer ping -q -c 2 -i 0.3 -W 1 -I wire0 "$GUEST_ADDRESS" >/dev/null 2>&1; }

in_vlan_100_only() {
	check "$1: the guest answers in VLAN 100" answers
	check '  and not without a tag' not from_plain
}

case_vlan() {
	local tap
	bridge_aware
	peer_in_vlan
	start vlan "mode=failover,pf=pf0,path=vf,bridge=br0,vlan=100"
	on_vf
	tap=$(tap)
	check "the tap is in VLAN 100 alone" [ "$(vlans_of "$tap")" = '100 PVID untagged' ]
	check '  and its path works' is_health ok
	in_vlan_100_only 'on the VF'
	switch_nic emulated
	in_vlan_100_only 'on the emulated path'
	bridge_aware
	check 'a bridge that is made anew has the tap' soon 10 is_health ok
	check '  in VLAN 100 alone' [ "$(vlans_of "$tap")" = '100 PVID untagged' ]
	in_vlan_100_only 'by that one'
	switch_nic vf
	in_vlan_100_only 'on the VF again'
	vm_stop
	peer_plain
	bridge_plain
}

case_refused() {
	small_vm
	ip link add link up0 name up0.100 type vlan id 100
	ip link add br100 type bridge
	ip link set up0.100 master br100
	check 'a bridge that is in no VLAN' refused vlan-missing 'vlan_filtering 1' "${VM[@]}" --net bridge=br0,vlan=100
	check 'so too with a VF' refused vlan-missing 'vlan_filtering 1' "${VM[@]}" --net bridge=br0,vlan=100,pf=pf0
	check 'one that is in another' refused vlan-missing 'VLAN 200' "${VM[@]}" --net bridge=br100,vlan=200
	check 'a VF that would be in none' refused config-value 'vlan: 100' "${VM[@]}" --net bridge=br100,pf=pf0
	check 'tags on a bridge that does not tell them apart' refused vlan-missing 'vlan_filtering 1' "${VM[@]}" --net bridge=br0,vlans=7:20-29
	check 'tags for a VF' refused config-value 'one VLAN' "${VM[@]}" --net bridge=br0,pf=pf0,vlans=7
	ip link del br100
	ip link del up0.100
}

case_tagged() {
	bridge_aware
	start tagged "mode=emulated,bridge=br0,vlans=100:200-201"
	check 'VLANs by their tags, and the default one without' [ "$(vlans_of "$(tap)")" = '1 PVID untagged, 100, 200, 201' ]
	check '  the guest answers in that' answers
	check '  and its path works' is_health ok
	vm_stop
	start tagged "mode=emulated,bridge=br0,vlan=5,vlans=100"
	check 'with one of the NIC' [ "$(vlans_of "$(tap)")" = '5 PVID untagged, 100' ]
	check '  which no uplink has' is_health vlan-missing
	vm_stop
	bridge_plain
}

case_mtu() {
	local tap
	ip link set up0 mtu 9000
	bridge_plain
	mtu_is br0 9000 || fail 'br0 has not the MTU of its uplink'
	start mtu "mode=emulated,bridge=br0"
	tap=$(tap)
	check 'a VM does not lower the MTU of its bridge' mtu_is br0 9000
	check '  its tap has it' mtu_is "$tap" 9000
	check '  the guest has its own' guest '[ $(cat /sys/class/net/eth0/mtu) = 1500 ]'
	ip link set br0 mtu 4000
	check 'its tap follows down' soon 5 mtu_is "$tap" 4000
	ip link set br0 mtu 9000
	check '  and up' soon 5 mtu_is "$tap" 9000
	check '  the guest answers' answers
	ip link set br0 mtu 1400
	check 'one too small for the guest is said' soon 5 is_health mtu-too-small
	ip link set br0 mtu 9000
	vm_stop
	check 'at its end the bridge has its MTU' mtu_is br0 9000
	ip link set up0 mtu 1500
	bridge_plain
}

index_of() { cat "/sys/class/net/$1/ifindex"; }
is_another() { [ "$(index_of "$(tap)" 2>/dev/null)" != "$1" ] && is_health ok; }
carrier_changes() { guest 'cat /sys/class/net/eth0/carrier_changes' && printf '%s' "$GUEST_OUTPUT"; }

# Deleted under traffic, twice; the guest is not told.
case_lost() {
	local keys tap index changes
	for keys in vhost=on vhost=off,queues=2 model=igbvf; do
		printf '%s\n' "$keys:"
		start lost "mode=emulated,bridge=br0,$keys"
		changes=$(carrier_changes)
		stream_start 60
		sleep 1
		for _ in 1 2; do
			tap=$(tap) index=$(index_of "$(tap)")
			ip link del "$tap"
			check "tap $tap was deleted: it is made anew" soon 5 is_another "$index"
			check '  by its name, in its bridge' [ "$(tap) $(basename "$(readlink "/sys/class/net/$(tap)/master")")" = "$tap br0" ]
			sleep 1
		done
		stream_check 2
		check 'the guest answers' answers
		check '  and has noticed nothing' [ "$(carrier_changes)" = "$changes" ]
		check 'what it counts goes on' [ "$(nic_get .counters.tx_packets)" -gt 100 ]
		vm_stop
	done
}

# taken NAME: a tap is deleted, and its name is another's before its VM can do anything.
taken() {
	kill -STOP "$VM_PID"
	ip link del "$1"
	ip tuntap add "$1" mode tap
	kill -CONT "$VM_PID"
}

left_alone() { [ ! -e "/sys/class/net/$1/master" ] && ! bridge fdb show dev "$1" | grep -qi "$GUEST_MAC"; }

case_lost_name() {
	local tap
	ip link set br0 alias tandem # so that its MAC is entered there
	start name "mode=failover,pf=pf0,path=vf,bridge=br0,tap=mine0"
	on_vf
	taken mine0
	check 'the name that it was given is another'"'"'s: it is lost' soon 5 is_health tap-lost
	check '  no flip leads there' not tandem nic switch name/net0 --to emulated
	check '  the other is left alone' left_alone mine0
	check '  the guest answers on its VF' answers
	ip tuntap del mine0 mode tap
	check 'the name is free: it is made anew' soon 10 is_health ok
	switch_nic emulated
	check 'the guest answers by it' answers
	taken mine0
	check 'again, on the emulated path' soon 5 is_health tap-lost
	tandem nic switch name/net0 --to vf >/dev/null || true
	check '  the other is left alone by a flip, too' left_alone mine0
	ip tuntap del mine0 mode tap
	soon 10 is_health ok || true
	check 'the guest answers' answers
	vm_stop
	start name "mode=emulated,bridge=br0"
	tap=$(tap)
	taken "$tap"
	check "a name that nobody gave is another's: another will do" soon 5 is_health ok
	check '  it is not that' [ "$(tap)" != "$tap" ]
	check '  which is left alone' left_alone "$tap"
	check 'the guest answers' answers
	ip tuntap del "$tap" mode tap
	vm_stop
	ip link set br0 alias ''
}

# What needs a kernel with VLANs, which is not where unit tests run.
case_units() {
	local test
	test=$(dirname "$(command -v tandem)")/tests/host_port_test
	[ -x "$test" ] || fail "$test is not built"
	check 'unit tests of ports' "$test"
}

network_up 2
guest_image
for name in ${ONLY:-units vlan refused tagged mtu lost lost_name}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	in_peer ip neigh flush all
	"case_$name"
done
finish
