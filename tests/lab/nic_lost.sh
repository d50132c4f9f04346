#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can be taken from a failover NIC: its PF's link, its VF, its PF, its guest's ear. It leaves the VF within a bounded time, says why, and
# returns by itself when it can.
# lab/host -- env ONLY="CASE…" tests/lab/nic_lost.sh runs some of the cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"

case_link_lost() {
	nic_vm unplug_timeout=10s # igbvf waits for answers of a PF that is down, on its way out
	on_vf
	check 'on the VF the guest answers' answers
	lab-link pf0 off
	leaves_vf no-carrier 'pf pf0 has lost its link'
	lab-link pf0 on
	returns_to_vf
	ip link set pf0 down
	leaves_vf pf-down 'pf pf0 was taken down'
	ip link set pf0 up
	returns_to_vf
}

case_vf_lost() {
	local warning
	nic_vm
	on_vf
	check 'the host takes the VFs away: that goes on' take_vfs
	nic_wait .path emulated 10
	check 'reason' grep -qE '^(vf-lost|no-free-vf)$' <(nic_get .reason)
	check 'the guest answers' answers
	check 'no VF: the flip says so' switch_fails vf no-free-vf
	make_vfs
	returns_to_vf
	# A guest that can't answer while its VF is taken away has no VF afterwards.
	warning=$(tandem vm pause faults 2>&1 >/dev/null)
	check 'pause names the VF whose DMA goes on' [ "${warning##*: }" = net0-vf ]
	check 'a paused VM is not flipped' switch_fails emulated vm-state
	check 'the host takes the VFs away: that goes on' take_vfs
	sleep 3
	tandem vm resume faults >/dev/null
	check 'once it runs again, the guest lets go of what is not there' soon 10 not guest_has_vf_driver
	check 'and answers' answers
	make_vfs
	returns_to_vf
}

nic_cold() { [ "$(nic_get .vf)" = null ]; }

# Nobody takes the unplug request: bounded, said, and the guest has its VF as before.
case_deaf() {
	local start
	nic_vm unplug_timeout=1s
	on_vf
	guest_deaf
	start=$SECONDS
	check 'an unplug that is not acknowledged: unplug-timeout' switch_fails emulated unplug-timeout
	check 'within its limit' [ $((SECONDS - start)) -le 3 ]
	check 'it has its VF' [ "$(nic_get '"\(.path) \(.state) \(.vf.state)"')" = 'vf idle plugged' ]
	check 'and answers there' answers
	check 'the same, cold' switch_fails emulated unplug-timeout --cold
	guest_hears
	nic_wait .path emulated 10
	check 'it hears late: the NIC follows' [ "$(nic_get .reason)" = unplug-timeout ]
	check 'and goes cold, as it was asked' soon 5 nic_cold
	check 'the guest answers' answers
	check 'and back' tandem nic switch faults/net0 --to vf
	check 'the guest answers there' answers
	guest_deaf
	start=$SECONDS
	check 'the host takes the VFs away: that goes on' take_vfs
	check 'and soon' [ $((SECONDS - start)) -le 5 ]
	guest_hears
	check 'it hears late: no VF is left in it' soon 10 not guest_has_vf_driver
	check 'the guest answers' answers
	make_vfs
	returns_to_vf
}

pf_unbind() {
	PF_BDF=$(basename "$(readlink -f /sys/class/net/pf0/device)")
	timeout 30 sh -c "echo $PF_BDF >/sys/bus/pci/drivers/igb/unbind"
}

pf_bind() {
	local name
	echo "$PF_BDF" >/sys/bus/pci/drivers/igb/bind
	name=$(ls "/sys/bus/pci/devices/$PF_BDF/net")
	[ "$name" = pf0 ] || ip link set "$name" name pf0
	ip link set pf0 up
	echo 0 >/sys/class/net/pf0/device/sriov_drivers_autoprobe
	make_vfs
}

case_pf_unbound() {
	nic_vm
	on_vf
	check 'the PF is unbound: that goes on' pf_unbind
	nic_wait .path emulated 10
	check 'the VM runs, and says why' grep -qE '^(vf-lost|pf-missing|no-free-vf)$' <(nic_get .reason)
	check 'the guest answers' answers
	check 'to the VF: it says what is missing' switch_fails vf pf-missing
	pf_bind
	returns_to_vf
}

# neighbour_up: the card's other VF, in a namespace of its own.
neighbour_up() {
	local bdf name
	bdf=$(basename "$(readlink /sys/class/net/pf0/device/virtfn1)")
	modprobe igbvf
	echo igbvf >"/sys/bus/pci/devices/$bdf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	name=$(ls "/sys/bus/pci/devices/$bdf/net")
	ip netns add neighbour
	ip link set "$name" netns neighbour
	ip -n neighbour address add 10.1.0.3/24 dev "$name"
	ip -n neighbour link set "$name" up
}

neighbour_down() {
	ip netns del neighbour
	rmmod igbvf
	echo >"/sys/bus/pci/devices/$(basename "$(readlink /sys/class/net/pf0/device/virtfn1)")/driver_override"
}

hears_neighbour() { soon 10 ip netns exec neighbour ping -c 1 -W 1 "$GUEST_ADDRESS" >/dev/null; }

# What another VF of the card sends to the guest goes to its VF by the card's own switch, for as long as that has a filter for it.
case_neighbour() {
	nic_vm unplug_timeout=1s
	on_vf
	neighbour_up
	check 'on the VF the guest hears its neighbour on the card' hears_neighbour
	check 'to emulated' tandem nic switch faults/net0 --to emulated
	check 'and there' hears_neighbour
	check 'to the VF' tandem nic switch faults/net0 --to vf
	check 'and on the VF again' hears_neighbour
	guest_deaf
	guest 'rmmod igbvf' || true
	check 'a VF without driver that is not given up: unplug-timeout' switch_fails emulated unplug-timeout
	check 'the guest hears its neighbour all the same' hears_neighbour
	guest_hears
	neighbour_down
}

network_up 2
guest_image
for name in ${ONLY:-link_lost vf_lost pf_unbound deaf neighbour}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	"case_$name"
done
vm_stop
finish
