#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can go wrong with a failover NIC: each case gives its reason code, leaves the NIC on a working path and the VM running.
# What is taken from it: nic_lost.sh; what dies: nic_deaths.sh. lab/host -- env ONLY="CASE…" tests/lab/nic_faults.sh runs some of the cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"
. "$(dirname "${BASH_SOURCE[0]}")/vf-tools"

# The guest's PCI slot of the VF.
find_slot() {
	guest 'for s in /sys/bus/pci/slots/*; do a=$(cat $s/address); [ "$(cat /sys/bus/pci/devices/$a.0/device 2>/dev/null)" = 0x10ca ] && echo $s; done; true'
	SLOT=$(grep -o '/sys/bus/pci/slots/[0-9]*' <<<"$GUEST_OUTPUT" | head -n 1)
}

case_refusals() {
	nic_vm
	check 'another VM with its MAC' refused mac-in-use 'mac 52:54:00:12:34:56: faults/net0 has it' tandem run --name second --memory size=64M \
		--kernel "$WORK/vmlinuz" --net "id=net0,mode=emulated,mac=$GUEST_MAC,bridge=br0"
	nic_vm unplug_timeout=20s
	on_vf
	check 'on the VF the guest answers' answers
	check 'already there: nothing changes' [ "$(tandem nic switch faults/net0 --to vf --json | jq .changed)" = false ]
	check 'to emulated' tandem nic switch faults/net0 --to emulated
	check 'the guest answers there' answers
	lab-link pf0 off
	sleep 0.5
	check 'a PF without link is refused' switch_fails vf no-carrier
	ip link set pf0 down
	check 'a PF that is down is refused' switch_fails vf pf-down
	check 'and the guest still answers' answers
	ip link set pf0 up
	lab-link pf0 on
	on_vf
	check 'with link again it goes to the VF by itself, and answers there' answers
}

pause_fails() {
	local output status=0
	output=$(tandem vm pause faults 2>&1) || status=$?
	[[ $status != 0 && $output == *"[$1]"* ]]
}

case_no_guest_driver() {
	GUEST_CMDLINE=modules=virtio_pci nic_vm
	check 'no driver for the emulated NIC: the VF stays hidden' switch_fails vf standby-refused
	check 'the state says so' [ "$(nic_get .path)/$(nic_get .standby)" = emulated/false ]
	vm_stop
	GUEST_CMDLINE=modules=virtio_pci,virtio_net nic_vm plug_timeout=8s # three commands long
	check 'no driver for the VF: the flip waits' switch_fails vf flip-busy
	check 'amid a flip there is no pause' pause_fails flip-busy
	check 'another wish is refused, and not kept' switch_fails emulated flip-busy
	check 'not kept' [ "$(nic_get .wanted)" = vf ]
	nic_wait '.flips[-1].reason' plug-timeout 30
	check 'which says what may lack it' grep -q 'no driver took the VF within 8000 ms.*cloud kernels lack igbvf and iavf' "$WORK/errors"
	nic_wait .vf.state warm 20
	check 'the guest answers' answers
	guest 'modprobe igbvf'
	nic_wait .state idle 20
	check 'with its driver loaded: to the VF' tandem nic switch faults/net0 --to vf
	check 'the guest answers there' answers
}

# The guest's virtio NIC is taken by a few writes to its registers (virtio 1.2 §3.1.1, §4.1.4.3), with these features above bit 31: no
# stock driver declines STANDBY.
take_by_hand() {
	# shellcheck disable=SC2016 # for the guest's shell
	guest 'd=$(dirname $(grep -l 0x1041 /sys/bus/pci/devices/*/device)); [ ! -e $d/driver ] || echo ${d##*/} >$d/driver/unbind;' \
		'echo 1 >$d/enable; b=$(sed -n 3p $d/resource | cut -c1-18);' \
		'w() { devmem $((b + $1)) $2 $3; }; w 20 8 0; w 20 8 1; w 20 8 3; w 0 32 1; devmem $((b + 4)) 32;' \
		"w 8 32 0; w 12 32 0; w 8 32 1; w 12 32 $1;" 'w 20 8 11; devmem $((b + 20)) 8; w 20 8 15'
}

# Is there a VF in the guest?
guest_sees_vf() { guest 'grep -q 0x10ca /sys/bus/pci/devices/*/device'; }

case_declined() {
	local high standby=$((1 << 30)) version_1=1
	GUEST_CMDLINE=modules= nic_vm
	take_by_hand $version_1
	high=$(head -n 1 <<<"$GUEST_OUTPUT")
	check 'STANDBY is offered' [ $((high & standby)) != 0 ]
	nic_wait .reason standby-refused 10
	check 'a driver that declines it: the VF stays hidden' switch_fails vf standby-refused
	check 'the guest does not see it' not guest_sees_vf
	check 'the state says so' [ "$(nic_get '"\(.path) \(.standby) \(.vf.state)"')" = 'emulated false warm' ]
	take_by_hand $((version_1 | standby))
	sleep 1
	check 'a driver that accepts it gets the VF' guest_sees_vf
}

# The flip that the guest holds up is made when the guest is ready.
case_interface_down() {
	VM_CMDLINE=${VM_CMDLINE/address=/none=} nic_vm plug_timeout=2s
	nic_wait .reason driver-down 40
	check 'the interface is down: the VF is there, on the emulated path' [ "$(nic_get '"\(.path) \(.vf.state)"')" = 'emulated plugged' ]
	check 'to the VF: the same' switch_fails vf driver-down
	check 'to emulated: the guest gives the VF up' tandem nic switch faults/net0 --to emulated
	check 'it did' [ "$(nic_get .vf.state)" = warm ]
	check 'to the VF again: the same' switch_fails vf driver-down
	guest "ip addr add $GUEST_ADDRESS/24 dev eth0; ip link set eth0 up"
	on_vf
	check 'the interface comes up: the guest answers on the VF' answers
	check 'the reason is gone' [ "$(nic_get .reason)" = none ]
	guest 'ip link set eth0 down'
	check 'down again: to emulated' tandem nic switch faults/net0 --to emulated
	guest 'ip link set eth0 up'
	check 'and up: the guest answers there' answers
	check 'to the VF' tandem nic switch faults/net0 --to vf
	check 'and there' answers
}

case_guest_ejects() {
	nic_vm unplug_timeout=20s
	on_vf
	find_slot
	guest "echo 0 >$SLOT/power" || true
	nic_wait .path emulated 20
	check 'a guest that gives the VF up by itself: reason' [ "$(nic_get .reason)" = flip-aborted ]
	check 'the guest answers' answers
	check 'and back' tandem nic switch faults/net0 --to vf
}

case_driver_unload() {
	nic_vm unplug_timeout=20s
	on_vf
	guest 'rmmod virtio_net' || true
	nic_wait .path emulated 20
	check 'the VF went with the virtio driver' [ "$(nic_get .vf.state)" = warm ]
	guest 'modprobe virtio_net'
	guest_address
	on_vf
	check 'with the driver back the NIC is on the VF again' answers
}

case_reboot() {
	local before
	nic_vm unplug_timeout=20s
	on_vf
	printf 'reboot -f\n' >&"$VM_IN"
	console_wait '@up' 90
	on_vf
	check 'after a reboot the NIC is on the VF again' answers
	# One that surely comes amid a flip, as its guest does not answer.
	guest_deaf
	before=$(nic_get '.flips | length')
	tandem nic switch faults/net0 --to emulated >/dev/null 2>&1 &
	nic_wait .state quiesce 5
	printf 'reboot -f\n' >&"$VM_IN"
	console_wait '@up' 90
	check 'reboot amid a flip: it is aborted' [ "$(nic_get ".flips[$before] | \"\(.to) \(.reason)\"")" = 'emulated flip-aborted' ]
	nic_wait .state idle 10
	check 'the guest answers' answers
	check 'to the VF' tandem nic switch faults/net0 --to vf
	check 'the guest answers there' answers
}

# Another program changes the VF's settings. QEMU's card and igb know no trust and no link state.
case_meddled() {
	local changes
	nic_vm unplug_timeout=20s,plug_timeout=30s
	on_vf
	vf_find
	meddled vlan 77
	check '  the guest answers' answers
	meddled spoofchk off
	meddled mac 52:54:00:aa:bb:cc
	check '  the guest answers' answers
	meddled max_tx_rate 100
	put_back_soon
	changes=$(nic_get .vf.changed_by_others)
	switch_nic emulated
	ip link set pf0 vf "$VF" vlan 77 # of a VF that waits for the next flip
	switch_nic vf
	check 'a flip there and back keeps the VLAN' [ "$(vf_said | jq '.vlan_list[0].vlan // .vlan // 0')" = 0 ]
	check '  and it was counted' [ "$(nic_get .vf.changed_by_others)" -gt "$changes" ]
	check '  the guest answers' answers
	changes=$(nic_get .vf.changed_by_others)
	switch_nic emulated
	switch_nic vf
	sleep 1
	check 'what flips change is not counted' [ "$(nic_get .vf.changed_by_others)" = "$changes" ]
}

network_up 2
guest_image
for name in ${ONLY:-meddled refusals guest_ejects driver_unload reboot no_guest_driver declined interface_down}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	"case_$name"
done
vm_stop
finish
