#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A failover NIC whose guest does not answer, whose guest's drivers come and go amid flips, whose PF goes, whose VM is killed at any moment:
# everything is bounded, the VM runs on, and the host is as it was before.
# lab/host -- env ONLY="CASE…" tests/lab/nic_deaths.sh runs some of the cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"

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
	check 'and goes cold, as it was asked' soon 5 [ "$(nic_get .vf)" = null ]
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
	vm_stop
}

# flips_while COUNT COMMAND: so many flips while COMMAND runs in the guest again and again. What the guest undoes meanwhile may be refused.
flips_while() {
	local flip target
	guest "(while [ ! -e /tmp/enough ]; do $2; done) >/dev/null 2>&1 &"
	for ((flip = 0; flip < $1; flip++)); do
		target=$( ((flip % 2)) && echo vf || echo emulated)
		timeout 30 tandem nic switch faults/net0 --to "$target" >>"$WORK/flips" 2>&1 || true
	done
	guest 'touch /tmp/enough; sleep 2; rm -f /tmp/enough; modprobe virtio_net; modprobe igbvf; true'
	check "$1 flips: the NIC comes to rest" soon 20 nic_idle
}

nic_idle() { [ "$(nic_get .state)" = idle ]; }

# on_path PATH: there, or there already, and the guest answers.
on_path() {
	[ "$(nic_get .path)" = "$1" ] || tandem nic switch faults/net0 --to "$1" >/dev/null || return 1
	soon 5 in_peer ping -c 1 -W 1 "$GUEST_ADDRESS" >/dev/null && answers
}

case_driver_reload() {
	nic_vm plug_timeout=3s
	on_vf
	flips_while 8 'rmmod igbvf; modprobe igbvf; sleep 0.4'
	check 'the VF driver comes and goes amid flips: emulated path' on_path emulated
	check 'VF path' on_path vf
	flips_while 6 'rmmod virtio_net; sleep 0.2; modprobe virtio_net; sleep 0.4; for n in eth0 eth1; do ip link set $n up; done'
	guest_address
	check 'the other driver does: emulated path' on_path emulated
	check 'VF path' on_path vf
	vm_stop
}

# A reset that surely comes amid a flip, as its guest does not answer.
case_reboot_amid_flip() {
	nic_vm unplug_timeout=20s
	on_vf
	guest_deaf
	tandem nic switch faults/net0 --to emulated >/dev/null 2>&1 &
	nic_wait .state quiesce 5
	printf 'reboot -f\n' >&"$VM_IN"
	console_wait '@up' 90
	check 'reboot amid a flip: it is aborted' [ "$(nic_get '.flips[0:2] | map(.reason) | index("flip-aborted") != null')" = true ]
	nic_wait .state idle 10
	check 'the guest answers' answers
	check 'to the VF' on_path vf
	vm_stop
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
	check 'the VM runs, and says why' grep -qE '^(vf-lost|pf-missing)$' <(nic_get .reason)
	check 'the guest answers' answers
	check 'to the VF: it says what is missing' switch_fails vf pf-missing
	pf_bind
	returns_to_vf
	vm_stop
}

# killed TEXT DELAY: kill -9 after a while; what is left is undone by any command that looks.
killed() {
	sleep "$2"
	kill -KILL "$VM_PID"
	wait "$VM_PID" 2>/dev/null || true
	exec {VM_IN}>&- {VM_OUT}>&-
	tandem vm kill faults >/dev/null 2>&1 || true
	check "$1, $2 s: the host is as it was" diff <(printf '%s\n' "$BEFORE") <(host_state)
}

start_only() { vm_start faults --cpus boot=2 --net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=vf"; }

case_killed() {
	local delay
	BEFORE=$(host_state)
	for delay in 0.02 0.1 0.2 0.4 0.8; do
		start_only
		killed 'kill -9 at start' "$delay"
	done
	for delay in 0.03 0.2; do
		nic_vm
		on_vf
		tandem nic switch faults/net0 --to emulated >/dev/null 2>&1 &
		killed 'kill -9 amid a flip to emulated' "$delay"
		wait $! || true
	done
	for delay in 0.05 0.4; do
		nic_vm
		on_vf
		switch_faults emulated
		tandem nic switch faults/net0 --to vf >/dev/null 2>&1 &
		killed 'kill -9 amid a flip to the VF' "$delay"
		wait $! || true
	done
	for delay in 0.01 0.1; do
		start_only
		sleep 1
		kill -TERM "$VM_PID"
		kill -TERM "$VM_PID"
		killed 'kill -9 at shutdown' "$delay"
	done
	nic_vm
	on_vf
	kill -KILL "$VM_PID"
	wait "$VM_PID" 2>/dev/null || true
	nic_vm
	on_vf
	check 'the next one needs no other command: it has its VF, and its guest answers' answers
	vm_stop
	check 'and gives it back' diff <(printf '%s\n' "$BEFORE") <(host_state)
}

switch_faults() { tandem nic switch faults/net0 --to "$1" >/dev/null; }

network_up 2
guest_image
for name in ${ONLY:-deaf driver_reload reboot_amid_flip pf_unbound killed}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	"case_$name"
done
finish
