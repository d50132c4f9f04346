#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# VMs of other kinds than the rest of the scenarios': a VF alone, one CPU, Debian 12's kernel, no vhost, VLANs, two failover NICs, cold flips,
# boot after boot. Each case gives the host back as it was.
# lab/host -- env ONLY="CASE…" BOOTS=20 COLD=10 tests/lab/variants.sh: some cases; more boots than 2, more cold flips than 2.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# start NET...: a VM named v, up.
start() {
	vm_start v --cpus "boot=${CPUS:-2}" "$@"
	console_wait '@up' 90
}

# power_off: the guest does it; the VM ends by itself, with status 0.
power_off() {
	local status=0
	printf 'poweroff -f\n' >&"$VM_IN"
	timeout 20 tail -f --pid="$VM_PID" /dev/null || fail 'the guest powered off, and the VM goes on'
	wait "$VM_PID" || status=$?
	exec {VM_IN}>&- {VM_OUT}>&-
	check 'the guest powers off: exit status 0' [ "$status" = 0 ]
}

on_vf() {
	nic_wait .path vf 40
	nic_wait .state idle 20
}

# failover [KEYS]: the keys of a failover NIC.
failover() { printf 'id=net0,mode=failover,mac=%s,pf=pf0,path=vf,unplug_timeout=20s,plug_timeout=30s,%s' "$GUEST_MAC" "${1:-bridge=br0}"; }

# flips_both_ways: twice each, under a stream.
flips_both_ways() {
	on_vf
	stream_start 60
	sleep 1.5
	for _ in 1 2; do
		switch_nic emulated
		sleep 1
		switch_nic vf
		sleep 1
	done
	stream_check
	check 'the guest answers' answers
}

case_vf_alone() {
	start --net "id=net0,mode=vf,mac=$GUEST_MAC,pf=pf0"
	check 'the guest answers' answers
	check 'one path, and no flip' [ "$(nic_get '"\(.path) \(.mode)"')" = 'vf vf' ]
	check 'a switch says so' not tandem nic switch v/net0 --to emulated
	printf 'reboot -f\n' >&"$VM_IN"
	console_wait '@up' 90
	check 'after a reboot the guest answers' answers
	power_off
}

case_one_cpu() {
	CPUS=1 start --net "$(failover)"
	RATE=250 flips_both_ways # an emulated CPU's share
	power_off
}

case_old_kernel_no_vhost() {
	guest_image 6.1
	start --net "$(failover bridge=br0,vhost=off)"
	guest 'uname -r'
	check "kernel ${GUEST_OUTPUT%$'\n'}" [ "${GUEST_OUTPUT:0:4}" = 6.1. ]
	check 'no vhost' [ "$(nic_get .vhost)" = false ]
	RATE=250 flips_both_ways # what user space brings to a slow guest
	power_off
	guest_image
}

# igbvf loses its carrier whenever it opens its VF anew, and looks for it after 2 s at the latest. Then the guest sends by its standby, where
# the outside follows it and it hears nothing.
case_carrier() {
	local time
	start --net "$(failover)"
	on_vf
	stream_start 60
	sleep 1.5
	for time in 1 2 3; do
		guest 'for n in /sys/class/net/*; do [ ! -e $n/device/vendor ] || vf=${n##*/}; done; ip link set $vf down; sleep 0.1; ip link set $vf up'
		sleep 3
		check "time $time: it is on its VF" [ "$(nic_get '"\(.path) \(.state)"')" = 'vf idle' ]
	done
	stream_check 8 # those that came to the VF before the guest sent again; if what comes by the standby then were not relayed, a quarter
	check 'the guest answers' answers
	check 'to emulated' tandem nic switch v/net0 --to emulated
	guest 'dmesg -c >/dev/null'
	check 'to the VF' tandem nic switch v/net0 --to vf
	sleep 1.5
	guest 'dmesg | grep -o "Link is [A-Z][a-z]*" | tail -n 2 | tr "\n" "."; echo'
	check 'one that sends nothing finds its link once more, in case that its queue was stopped' grep -q 'Down.Link is Up' <<<"$GUEST_OUTPUT"
	check 'the guest answers' answers
	power_off
}

# The emulated path's bridge stands in the VLAN by its port, the VF's frames get the tag from the card.
vlan_up() {
	ip link add link up0 name up0.100 type vlan id 100
	ip link add br100 type bridge mcast_snooping 0
	ip link set up0.100 master br100 up
	ip link set br100 up
	in_peer ip link add link wire0 name wire0.100 type vlan id 100
	in_peer ip link set wire0.100 up
	in_peer ip address del "$PEER_ADDRESS/24" dev wire0
	in_peer ip address add "$PEER_ADDRESS/24" dev wire0.100
}

vlan_down() {
	in_peer ip link del wire0.100
	in_peer ip address add "$PEER_ADDRESS/24" dev wire0
	ip link del br100
	ip link del up0.100
}

case_vlan() {
	vlan_up
	start --net "$(failover bridge=br100,vlan=100)"
	on_vf
	check 'on the VF the guest answers' answers
	switch_nic emulated
	check 'on the emulated path the guest answers' answers
	switch_nic vf
	check 'and on the VF again' answers
	power_off
	vlan_down
}

# What is late comes to the other path with the tag that this one wants.
case_vlan_transparent() {
	vlan_up
	GUEST_CMDLINE='modules=virtio_pci,igbvf' start --net "id=net0,mode=transparent,mac=$GUEST_MAC,pf=pf0,path=vf,bridge=br100,vlan=100"
	on_vf
	check 'on the VF the guest answers' answers
	flips_both_ways
	check 'frames were relayed, with the tag' [ "$(nic_get '[.flips[] | select(.to == "vf") | .relayed] | add')" -gt 0 ]
	power_off
	vlan_down
}

# What somebody else has left on a VF is no VM's, and is theirs again afterwards.
case_vlan_left() {
	local left
	ip link set pf0 vf 0 vlan 100
	ip link set pf0 vf 1 vlan 100
	left=$(host_state)
	start --net "$(failover "bridge=br0,vlan=0")"
	on_vf
	check 'a VLAN that was left on the VF is off' [ "$(ip link show pf0 | grep -c 'vlan 100')" = 1 ]
	power_off
	check 'and on again behind the VM' diff <(printf '%s\n' "$left") <(host_state)
	ip link set pf0 vf 0 vlan 0
	ip link set pf0 vf 1 vlan 0
}

case_two_nics() {
	local second=52:54:00:12:34:57
	start --net "$(failover)" --net "id=net1,mode=failover,mac=$second,bridge=br0,pf=pf0,path=vf"
	on_vf
	guest "for d in /sys/class/net/*; do [ -e \$d/master ] || ! grep -q $second \$d/address || n=\${d##*/}; done;" \
		'ip addr add 10.1.1.2/24 dev $n; ip link set $n up'
	in_peer ip address add 10.1.1.1/24 dev wire0
	nic_wait .path vf 40 net1
	nic_wait .state idle 20 net1
	check 'each has a VF of its own' [ "$(tandem nic list --json | jq '[.[].vf.bdf] | unique | length')" = 2 ]
	check 'both answer' answers
	check 'by both' answers 10.1.1.2
	tandem nic switch v/net1 --to emulated >/dev/null &
	switch_nic emulated
	check 'both are on the emulated path' wait $!
	check 'the first answers' answers
	check 'the second answers' answers 10.1.1.2
	switch_nic vf
	check 'one on each path' [ "$(tandem nic list --json | jq -c '[.[].path]')" = '["vf","emulated"]' ]
	check 'the first answers' answers
	check 'the second answers' answers 10.1.1.2
	in_peer ip address del 10.1.1.1/24 dev wire0
	power_off
}

# flip_fails TO REASON
flip_fails() {
	! tandem nic switch v/net0 --to "$1" --json >"$WORK/flip.json" 2>/dev/null &&
		jq -e --arg reason "$2" '.ok == false and .error.reason == $reason and .flip.ok == false and .flip.reason == $reason' \
			"$WORK/flip.json" >/dev/null
}

case_cold() {
	local flip
	start --net "$(failover)"
	on_vf
	for ((flip = 0; flip < ${COLD:-2}; flip += 2)); do
		switch_nic emulated --cold
		nic_wait .vf null 10
		[ "$(ls /dev/vfio)" = vfio ] || fail "the VF's group is held after a cold flip"
		switch_nic vf
		sleep 0.5
	done
	switch_nic emulated --cold
	switch_nic vf
	check "a VF given up can be had again at once" on_vf
	switch_nic vf
	check 'a switch to where it is already changes nothing' [ "$(jq -c '[.ok, .changed]' "$WORK/flip.json")" = '[true,false]' ]
	switch_nic emulated
	ip link set pf0 down
	check 'a flip that fails says so in JSON, with its record' flip_fails vf pf-down
	ip link set pf0 up
	check "${COLD:-2} flips, half of them cold: the guest answers" answers
	power_off
}

case_boots() {
	local boot
	for ((boot = 1; boot <= ${BOOTS:-2}; boot++)); do
		start --net "$(failover)"
		on_vf
		check "boot $boot: the guest answers" answers
		power_off
	done
}

not() { ! "$@" >/dev/null 2>&1; }

# Frames held back, also by vhost-net, which is not where unit tests run.
case_held_frames() {
	local test
	test=$(dirname "$(command -v tandem)")/tests/emul_virtio_net_test
	[ -x "$test" ] || fail "$test is not built"
	check 'frames held back stay so over a pause' "$test"
}

network_up 2
guest_image
for name in ${ONLY:-held_frames vf_alone one_cpu old_kernel_no_vhost carrier vlan vlan_transparent vlan_left two_nics cold boots}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	before=$(host_state)
	# A guest with two NICs answers for both addresses on either; who remembers the other's MAC address asks the next guest in vain.
	in_peer ip neigh flush dev wire0
	"case_$name"
	check 'the host is as it was' diff <(printf '%s\n' "$before") <(host_state)
done
finish
