#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two VMs of one host in one network, on each pair of paths: both emulated (by the bridge, not by its uplink), both on VFs (by the card), one
# on a VF and one emulated: with an uplink of its own (by the switch outside) and with the VFs' own PF as uplink (by the card's switch, which
# must be told; and what is if it is not).
# Alone: it counts packets
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/host-tools"

SECOND_ADDRESS=10.1.0.3 SECOND_MAC=52:54:00:12:34:57

write_host() { # FILE UPLINK
	cat >"$1" <<-EOF
		pools: [{resourceName: a, nicSelector: {pfNames: [pf0]}, numVfs: 3, deviceType: vfio-pci}]
		networks: [{name: br0, uplinks: [$2]}]
		modules: [vhost_net]
	EOF
}

hosts_up() {
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || true
	in_peer sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 || true
	ip -n peer link set wire0 up
	write_host "$WORK/own.yaml" up0
	write_host "$WORK/shared.yaml" pf0
	tandem host apply "$WORK/own.yaml" >/dev/null
	until [ "$(cat /sys/class/net/pf0/carrier)$(cat /sys/class/net/up0/carrier)" = 11 ]; do sleep 0.2; done
}

nic() { printf 'id=net0,mode=failover,mac=%s,bridge=br0,pf=pf0,path=emulated,plug_timeout=30s,unplug_timeout=20s' "$1"; }

guests_up() {
	guest_image 6.12
	export VM_MEMORY=160M
	vm_start web1 --net "$(nic "$GUEST_MAC")"
	FIRST_PID=$VM_PID FIRST_IN=$VM_IN FIRST_OUT=$VM_OUT
	VM_CMDLINE=${VM_CMDLINE/"$GUEST_ADDRESS"/"$SECOND_ADDRESS"}
	cp "$WORK/errors" "$WORK/errors1"
	vm_start web2 --net "$(nic "$SECOND_MAC")"
	console_wait '@up' 120
	SECOND_PID=$VM_PID
	# From here on guest is the first one.
	VM_PID=$FIRST_PID VM_IN=$FIRST_IN VM_OUT=$FIRST_OUT
	console_wait '@up' 120
}

# on PATH PATH: where the two VMs are.
on() {
	local vm path=$1
	for vm in web1 web2; do
		export VM_NAME=$vm # nic_get's
		[ "$(nic_get .path)" = "$path" ] || switch_nic "$path"
		path=$2
	done
}

# reaches [COUNT]: does the first VM hear from the second? Old answers of ARP say nothing.
# shellcheck disable=SC2120 # check passes it on
reaches() {
	guest "arp -d $SECOND_ADDRESS 2>/dev/null; ping -c ${1:-5} -i 0.2 -W 2 $SECOND_ADDRESS" || return 1
	! grep -q ' 100% packet loss' <<<"$GUEST_OUTPUT"
}

sent_by() { cat "/sys/class/net/$1/statistics/tx_packets"; }

own_uplink() {
	local before
	on emulated emulated
	reaches >/dev/null || true
	before=$(sent_by up0)
	check 'emulated to emulated: reached' reaches 20
	check 'emulated to emulated: stays on the bridge' test $(($(sent_by up0) - before)) -le 5
	on vf emulated
	check 'VF to emulated, the bridge has an uplink of its own: reached' reaches
	on emulated vf
	check 'emulated to VF, the bridge has an uplink of its own: reached' reaches
	on vf vf
	before=$(in_peer cat /sys/class/net/wire0/statistics/rx_packets)
	check 'VF to VF: reached' reaches 20
	printf 'VF to VF: the switch outside saw %d frames of 40\n' $(($(in_peer cat /sys/class/net/wire0/statistics/rx_packets) - before))
}

card_knows() { bridge fdb show dev pf0 | grep -q "^$1 .*self permanent"; }

shared_card() {
	on emulated emulated
	check 'the uplink changes to the PF of the VFs, under the VMs' status_of 0 tandem host apply "$WORK/shared.yaml"
	until [ "$(cat /sys/class/net/pf0/carrier)" = 1 ]; do sleep 0.2; done
	check 'the card knows both VMs behind its PF' card_knows "$GUEST_MAC"
	check '  (the other)' card_knows "$SECOND_MAC"
	check 'emulated to emulated: reached' reaches
	on vf emulated
	check 'VF to emulated, through the PF: reached' reaches
	check 'the card no longer has the VM on its VF behind the PF' eval '! card_knows "$GUEST_MAC"'
	on emulated vf
	check 'emulated to VF, through the PF: reached' reaches
	# What is where the card is not told. Other cards may be kinder, so this is a figure, not a check.
	on vf emulated
	bridge fdb del "$SECOND_MAC" dev pf0 self
	if reaches; then echo 'not told: this card finds it all the same'; else echo 'not told: not reached'; fi
	tandem host apply "$WORK/shared.yaml" >/dev/null
	check 'apply tells the card again' card_knows "$SECOND_MAC"
	tandem host doctor --json >"$WORK/doctor.json" || true
	check 'doctor names the card' jq -e 'any(.findings[]; .reason == "uplink-is-vf-pool" and .object == "pf0")' "$WORK/doctor.json"
	on emulated emulated
}

main() {
	hosts_up
	guests_up
	own_uplink
	shared_card
	kill -9 "$SECOND_PID"
	wait "$SECOND_PID" 2>/dev/null || true
	sleep 3
	check 'killed: the other VM has the card forget its address' eval '! card_knows "$SECOND_MAC"'
	tandem host apply "$WORK/shared.yaml" >/dev/null
	VM_PID=$FIRST_PID
	vm_stop
	check 'ended: nor the other' eval '! card_knows "$GUEST_MAC"'
	finish
}

main
