#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Frames that come back: a VM with two NICs, in a network whose uplink is a PF with VFs (its card returns broadcasts) and in one on a team
# without LACP (what one member sends, the other hears). The bridges must not look for the VM outside, and it must not hear itself; on its VF
# its frames do come by the uplink; killed, it leaves nothing for ever; in a network that is deleted and
# made anew, it is again. What the filters cost a packet: bench/run guard.
# Alone: it compares times
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/host-tools"

SECOND_MAC=52:54:00:12:34:57
OTHER_MAC=52:54:00:12:34:58

hosts_up() {
	peer_up
	cat >"$WORK/host.yaml" <<-'EOF'
		pools:
		- {resourceName: a, nicSelector: {pfNames: [pf0]}, numVfs: 2}
		- {resourceName: b, nicSelector: {pfNames: [pf1]}, numVfs: 1, deviceType: vfio-pci}
		networks:
		- {name: br0, uplinks: [pf0]}
		- {name: br1, uplinks: [team0], isolated: on}
		teams:
		- {name: team0, mode: balance-xor, members: [up0, up1]}
		modules: [vhost_net]
	EOF
	tandem host apply "$WORK/host.yaml" >/dev/null
	for nic in pf0 pf1 team0; do
		until [ "$(cat /sys/class/net/$nic/carrier)" = 1 ]; do sleep 0.2; done
	done
}

# broadcasts MAC: the guest's NIC with this address sends some.
# shellcheck disable=SC2016 # for the guest's shell
broadcasts() {
	guest "for d in /sys/class/net/*; do [ -e \$d/master ] || ! grep -qx $1 \$d/address || nic=\${d##*/}; done;" \
		'ip link set $nic up; arping -q -D -c 2 -I $nic 10.1.0.99' || true
}

# port_of BRIDGE MAC: where the bridge looks for it. (What a card has been told is "self".)
port_of() { bridge fdb show br "$1" | awk -v mac="$2" '$1 == mac && $3 !~ /^br/ && !/ self / { print $3; exit }'; }

# dropped UPLINK MAC: frames with this source that its filter has dropped; nothing when there is none.
dropped() { tc -s -j filter show dev "$1" ingress | jq -r ".[] | select(.options.keys.src_mac == \"$2\") | .options.actions[0].stats.drops"; }

guarded() { # BRIDGE MAC UPLINK
	local port
	port=$(port_of "$1" "$2")
	[[ $port = tandem* ]] && bridge fdb show br "$1" | grep -q "^$2 dev $port .*sticky" && [ -n "$(dropped "$3" "$2")" ]
}

not_guarded() { ! bridge fdb show br "$1" | grep -q "^$2 .*sticky" && [ -z "$(dropped "$3" "$2")" ]; }

on_its_emulated_path() {
	broadcasts "$GUEST_MAC"
	broadcasts "$SECOND_MAC"
	check "$1: PF with VFs: the MAC stays behind the tap" guarded br0 "$GUEST_MAC" pf0
	check "$1: team: the MAC stays behind the tap" guarded br1 "$SECOND_MAC" team0
	check "$1: the VM is reached" answers
}

frames() {
	local port
	guest_image 6.12
	vm_start web1 --net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf1,path=emulated,plug_timeout=30s,unplug_timeout=20s" \
		--net "id=net1,mode=emulated,mac=$SECOND_MAC,bridge=br1"
	console_wait '@up' 90
	on_its_emulated_path 'at first'
	printf 'came back and were dropped: %s by the PF, %s by the team\n' "$(dropped pf0 "$GUEST_MAC")" "$(dropped team0 "$SECOND_MAC")"
	check 'the card does return frames' test "$(dropped pf0 "$GUEST_MAC")" -gt 0
	check 'the team does' test "$(dropped team0 "$SECOND_MAC")" -gt 0
	port=$(port_of br1 "$SECOND_MAC")
	check 'the tap in the isolated network is isolated' test "$(cat "/sys/class/net/$port/brport/isolated")" = 1

	switch_nic vf
	for ((limit = SECONDS + 10; SECONDS < limit; )); do ! not_guarded br0 "$GUEST_MAC" pf0 || break; sleep 0.1; done # it settles first
	check 'on its VF: no entry, no filter' not_guarded br0 "$GUEST_MAC" pf0
	check 'on its VF: the VM is reached' answers
	check 'on its VF: the bridge finds it outside' test "$(port_of br0 "$GUEST_MAC")" = pf0
	switch_nic emulated
	on_its_emulated_path 'back again'

	# The control: what would be without it.
	port=$(port_of br0 "$GUEST_MAC")
	bridge fdb del "$GUEST_MAC" dev "$port" master
	tc filter del dev pf0 ingress
	bridge monitor fdb >"$WORK/moves" 2>&1 &
	local monitor=$!
	sleep 0.3
	broadcasts "$GUEST_MAC"
	kill "$monitor"
	check 'without it the bridge would look outside' grep -q "^$GUEST_MAC dev pf0 " "$WORK/moves"
}

has_no_port() { [ -z "$(port_of "$1" "$2")" ]; }

# in_one_table UPLINK: its filters have one priority and one mask, so that a frame is looked up once, however many there are.
in_one_table() {
	tc -j filter show dev "$1" ingress | jq -e '[.[] | select(.options.keys)]
		| length > 1 and ([.[] | [.kind, .pref, .protocol, (.options.keys | keys), (.options.keys.src_mac | contains("/"))]] | unique | length == 1)' >/dev/null
}

# another_in BRIDGE: a VM that never gets to its kernel's end, with one NIC. Sets OTHER_PID.
another_in() {
	tandem run --name web2 --memory size=128M --serial off --kernel "$WORK/vmlinuz" --net "id=net0,mode=emulated,mac=$OTHER_MAC,bridge=$1" \
		</dev/null 2>"$WORK/errors2" &
	OTHER_PID=$!
	not_there_for 20 has_no_port "$1" "$OTHER_MAC" || fail 'web2 does not start'
}

not_there_for() { # SECONDS COMMAND...: until it fails
	local limit=$((SECONDS + $1))
	while "${@:2}" && ((SECONDS < limit)); do sleep 0.1; done
	! "${@:2}"
}

not_in_one_table() { ! in_one_table "$1"; }

has_filter() { [ -n "$(dropped "$1" "$2")" ]; }

# Whoever deletes the bridge takes the VM off the network; apply makes it anew.
made_anew() {
	ip link del br0
	check 'the network was deleted: apply makes it' status_of 0 tandem host apply "$WORK/host.yaml"
	check 'and the VM is in it again' not_there_for 5 has_no_port br0 "$GUEST_MAC"
	check 'guarded as before' guarded br0 "$GUEST_MAC" pf0
	until [ "$(cat /sys/class/net/pf0/carrier)" = 1 ]; do sleep 0.2; done
	check 'and reached' answers
}

killed() {
	another_in br1
	check 'two VMs: their filters are one table' not_there_for 5 not_in_one_table team0
	kill -9 "$VM_PID"
	wait "$VM_PID" 2>/dev/null || true
	check 'killed: the network'"'"'s other VM takes its filter away' not_there_for 5 has_filter team0 "$SECOND_MAC"
	check 'killed: and keeps its own' has_filter team0 "$OTHER_MAC"
	tc filter del dev team0 ingress
	ip link set team0 nomaster
	ip link set team0 master br1
	sleep 2
	check 'an uplink that left and came back has the filter again' has_filter team0 "$OTHER_MAC"
	kill -9 "$OTHER_PID"
	wait "$OTHER_PID" 2>/dev/null || true
	check 'killed: without another VM a filter is left' has_filter team0 "$OTHER_MAC"
	check 'killed: apply says nothing of it' status_of 0 tandem host apply "$WORK/host.yaml"
	check 'killed: after it there is none' test -z "$(dropped team0 "$OTHER_MAC")"
	echo '{}' >"$WORK/nothing.yaml"
	tandem host apply "$WORK/nothing.yaml" >/dev/null
	check 'no network, no place for filters' test -z "$(tc qdisc show dev pf0 clsact)$(tc qdisc show dev up0 clsact)"
}

main() {
	hosts_up
	frames
	made_anew
	killed
	finish
}

main
