#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a guest, a PF and a host can do to a transparent NIC: each case leaves it on a working path, the VM running and the guest's link as it
# was.
# lab/host -- env ONLY="CASE…" tests/lab/transparent_faults.sh runs some of the cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/vf-tools"

# nic_vm: a VM with a transparent NIC, up: the case's before, if it was started alike, or a new one.
nic_vm() {
	if vm_reused "${MODULES-virtio_pci,igbvf}"; then
		to_vf
		return
	fi
	GUEST_CMDLINE="modules=${MODULES-virtio_pci,igbvf}" vm_start faults --cpus boot=2 \
		--net "id=net0,mode=transparent,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=vf"
	console_wait '@up' 90
}

on_vf() {
	nic_wait .path vf 40
	nic_wait .state idle 20
}

answers() { in_peer ping -c 3 -i 0.3 -W 3 "$GUEST_ADDRESS" >"$WORK/ping" || { cat "$WORK/ping"; return 1; }; }

# answers_soon SECONDS
answers_soon() {
	local limit=$((SECONDS + $1))
	until in_peer ping -c 1 -W 1 "$GUEST_ADDRESS" >/dev/null; do ((SECONDS < limit)) || return 1; done
}

switch_fails() {
	local output status=0
	output=$(tandem nic switch faults/net0 --to "$1" 2>&1) || status=$?
	[[ $status != 0 && $output == *"[$2]"* ]] || {
		printf '%s\n' "exit $status: $output"
		return 1
	}
}

to() { tandem nic switch faults/net0 --to "$@" >/dev/null; }
link_ups() { guest "dmesg | grep -c 'Link is Up'" || true; tr -d '\r\n' <<<"$GUEST_OUTPUT"; }

# flips_while COUNT COMMAND: so many flips while COMMAND runs in the guest again and again. What the guest undoes meanwhile may be refused.
flips_while() {
	local flip target
	guest_repeats "$2"
	for ((flip = 0; flip < $1; flip++)); do
		target=$( ((flip % 2)) && echo vf || echo emulated)
		tandem nic switch faults/net0 --to "$target" >>"$WORK/flips" 2>&1 || true
		sleep 0.3
	done
	guest_stops
}

# brought_up: the guest's interface as at its start, after COMMANDs that took it down.
brought_up() { guest "modprobe igbvf; sleep 0.5; ip addr add $GUEST_ADDRESS/24 dev eth0 2>/dev/null; ip link set eth0 up; sleep 2" || true; }

case_refusals() {
	local ups
	MODULES=virtio_pci nic_vm
	check 'no driver: refused, and it says so' switch_fails vf driver-down
	guest 'modprobe igbvf' || true
	sleep 1
	check 'its interface is down: refused' switch_fails vf driver-down
	brought_up
	nic_wait .path vf 20
	check 'with its interface up the NIC goes to the VF by itself' answers_soon 10
	ups=$(link_ups)
	check 'to emulated' to emulated
	ip link set pf0 down
	check 'a PF that is down is refused' switch_fails vf pf-down
	check 'the guest answers all the same' answers
	ip link set pf0 up
	on_vf
	check 'with the PF up it goes to the VF by itself, and the guest answers' answers
	check 'its link came up once' [ "$ups" = "$(link_ups)" ]
}

case_pf_down() {
	nic_vm
	on_vf
	answers_soon 5 || true
	ip link set pf0 down
	nic_wait .path emulated 5
	check 'the PF goes down below the VF: to emulated by itself' [ "$(nic_get '"\(.reason) \(.wanted)"')" = 'pf-down vf' ]
	check 'its driver starts anew, and the guest answers' answers_soon 20
	ip link set pf0 up
	on_vf
	check 'and back by itself: the guest answers there' answers_soon 5
}

# The cable of the bridge's uplink: the guest's own on the emulated path, no matter on the VF.
case_uplink() {
	nic_vm
	on_vf
	lab-link up0 off
	sleep 1
	check 'the uplink goes down: no matter to the VF' carrier 1 1
	check 'the guest answers there' answers_soon 5
	check 'no flip to a path without link' switch_fails emulated no-carrier
	check 'to emulated all the same' to emulated --force
	check 'there the guest has no link' carrier 0 5
	lab-link up0 on
	check 'the uplink comes up: it has one' carrier 1 10
	check 'and answers' answers_soon 10
	lab-link up0 off
	check 'and none again' carrier 0 5
	check 'to the VF' to vf
	check 'which has one' carrier 1 5
	check 'the guest answers there' answers_soon 5
	lab-link up0 on
}

case_interface_flaps() {
	nic_vm
	on_vf
	flips_while 16 'ip link set eth0 down; ip link set eth0 up; sleep 0.2'
	brought_up
	nic_wait .state idle 10
	to emulated || true
	check 'an interface that goes down and up amid flips: emulated path' answers_soon 15
	check 'to the VF' to vf
	check 'VF path' answers_soon 15
}

case_driver_reload() {
	nic_vm
	on_vf
	flips_while 12 'rmmod igbvf; modprobe igbvf; ip link set eth0 up; sleep 0.3'
	brought_up
	to emulated || true
	check 'a driver that is unloaded and loaded amid flips: emulated path' answers_soon 15
	check 'to the VF' to vf
	check 'VF path' answers_soon 15
	guest 'rmmod igbvf' || true
	check 'without a driver: to emulated' to emulated
	check 'and not back' switch_fails vf driver-down
	brought_up
	check 'with the driver again' answers_soon 15
}

case_filters_change() {
	nic_vm
	on_vf
	guest 'ip link add link eth0 name v7 type vlan id 7' || true
	flips_while 12 'ip link set eth0 promisc on; ip maddr add 01:00:5e:01:02:03 dev eth0; ip link set eth0 promisc off; ip maddr del 01:00:5e:01:02:03 dev eth0; ethtool -C eth0 rx-usecs 50 || true; sleep 0.05'
	check 'filters that change amid flips: emulated path' to_either emulated
	check 'the guest answers' answers_soon 5
	check 'VF path' to_either vf
	check 'the guest answers there' answers_soon 5
}

# to_either PATH: there, or there already.
to_either() { [ "$(nic_get .path)" = "$1" ] || to "$1"; }

# A guest that writes to the registers behind its driver's back.
case_registers_rewritten() {
	nic_vm
	on_vf
	guest "grep -il 0x10ca /sys/bus/pci/devices/*/device | head -n 1"
	BASE=$(guest 'head -n 1 $(dirname $(grep -il 0x10ca /sys/bus/pci/devices/*/device))/resource | cut -c1-18' && tr -d '\r\n' <<<"$GUEST_OUTPUT")
	# RDBAL, RDLEN, RDT, TDT, TDLEN, a reset, half a message, all of VMBMEM, EIMC
	flips_while 12 "b=$BASE; devmem \$((b + 0x2818)) 32 0xffffffff; devmem \$((b + 0x2808)) 32 0x10; devmem \$((b + 0x2800)) 32 0xdeadbe00; devmem \$((b + 0x3818)) 32 0x7777; devmem \$((b + 0x3808)) 32 0xfffffff0; devmem \$((b + 0xc40)) 32 1; devmem \$((b + 0x800)) 32 0xffffffff; devmem \$((b + 0xc40)) 32 5; devmem \$b 32 0x4000000; sleep 0.02"
	check 'registers rewritten amid flips: the VM runs' guest true
	guest 'rmmod igbvf' || true
	brought_up
	to_either emulated || true
	check 'a driver loaded anew has a working NIC: emulated path' answers_soon 20
	check 'VF path' to_either vf
	check 'the guest answers there' answers_soon 20
}

case_reboot() {
	nic_vm
	on_vf
	printf 'reboot -f\n' >&"$VM_IN"
	console_wait '@up' 90
	on_vf
	check 'after a reboot on hardware the NIC is on the VF again' answers_soon 10
	tandem nic switch faults/net0 --to emulated >/dev/null 2>&1 &
	printf 'reboot -f\n' >&"$VM_IN"
	console_wait '@up' 90
	check 'reboot amid a flip: the guest answers' answers_soon 10
}

case_pause() {
	nic_vm
	on_vf
	tandem vm pause faults >/dev/null
	check 'a VM that is paused is not flipped' switch_fails emulated vm-state
	tandem vm resume faults >/dev/null
	check 'it answers after the pause' answers_soon 5
	to emulated
	tandem vm pause faults >/dev/null
	sleep 0.5
	tandem vm resume faults >/dev/null
	check 'on the emulated path, too' answers_soon 5
}

case_vf_lost() {
	local ups
	nic_vm
	on_vf
	answers_soon 5 || true
	ups=$(link_ups)
	timeout 20 sh -c 'echo 0 >/sys/class/net/pf0/device/sriov_numvfs'
	check 'the host takes the VFs away: that goes on' [ "$(cat /sys/class/net/pf0/device/sriov_numvfs)" = 0 ]
	nic_wait .path emulated 10
	check 'reason' grep -qE '^(vf-lost|no-free-vf)$' <(nic_get .reason)
	check 'the guest answers' answers_soon 5
	check 'its link stayed up' [ "$ups" = "$(link_ups)" ]
	check 'no VF: the flip says so' switch_fails vf no-free-vf
	echo 2 >/sys/class/net/pf0/device/sriov_numvfs
	nic_wait .path vf 60
	check 'with VFs again it goes to the VF by itself, and the guest answers' answers_soon 5
}

# Each of these comes while flips are under way, so in one phase or another.
case_lost_amid_flips() {
	local round
	nic_vm
	for round in 1 2 3; do
		nic_wait .path vf 60
		nic_wait .state idle 20
		(for target in emulated vf emulated vf emulated vf; do
			tandem nic switch faults/net0 --to "$target" >/dev/null 2>&1 || true
		done) &
		sleep "0.0$((round * 3))"
		timeout 20 sh -c 'echo 0 >/sys/class/net/pf0/device/sriov_numvfs' || true
		wait $! || true
		nic_wait .path emulated 10
		check "VFs taken away amid flips, $round: the guest answers" answers_soon 10
		echo 2 >/sys/class/net/pf0/device/sriov_numvfs
	done
	nic_wait .path vf 60 # by itself: who asks for it meanwhile may be told that it is on its way
	nic_wait .state idle 20
}

case_killed() {
	local bdf driver
	nic_vm
	on_vf
	bdf=$(nic_get .vf.bdf)
	kill -KILL "$VM_PID"
	wait "$VM_PID" 2>/dev/null || true
	nic_vm
	on_vf
	check 'after kill -9 the next run has the VF again' answers_soon 10
	vm_stop
	driver=$(readlink "/sys/bus/pci/devices/$bdf/driver" || echo none)
	check "and gives it back: driver $driver" [ "${driver##*/}" != vfio-pci ]
	check 'no tap is left' [ -z "$(ls -d /sys/class/net/tandem* 2>/dev/null)" ]
}

case_meddled() {
	nic_vm
	on_vf
	vf_find
	meddled mac 52:54:00:aa:bb:cc
	check '  the guest answers' answers_soon 10
	meddled vlan 77
	check '  the guest answers' answers_soon 10
	put_back_soon
}

network_up 2
guest_image "${KERNEL:-6.12}" --add "$(command -v ethtool):/bin/ethtool"
for name in ${ONLY:-meddled refusals pf_down uplink interface_flaps driver_reload filters_change registers_rewritten reboot pause vf_lost lost_amid_flips killed}; do
	say "case $name ($SECONDS s)"
	"case_$name"
done
! vm_runs || vm_stop
finish
