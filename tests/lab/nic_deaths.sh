#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A failover NIC whose guest's drivers come and go amid flips, and one whose VM is killed at any moment: the VM runs on, the host is as it was
# before.
# lab/host -- env ONLY="CASE…" tests/lab/nic_deaths.sh runs some of the cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"

# flips_while COUNT COMMAND: so many flips while COMMAND runs in the guest again and again. What the guest undoes meanwhile may be refused.
flips_while() {
	local flip target
	guest_repeats "$2"
	for ((flip = 0; flip < $1; flip++)); do
		target=$( ((flip % 2)) && echo vf || echo emulated)
		timeout 30 tandem nic switch faults/net0 --to "$target" >>"$WORK/flips" 2>&1 || true
	done
	guest_stops
	guest 'modprobe virtio_net; modprobe igbvf; true'
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
	guest 'rmmod igbvf'
	nic_wait .reason driver-down 10
	check 'the VF driver is unloaded: it is said, and the guest is on its standby' soon 10 answers
	guest 'modprobe igbvf'
	nic_wait .reason none 20
	check 'it is loaded again: nothing to say' soon 10 answers
	guest 'ip link set eth0 down'
	nic_wait .reason driver-down 10
	guest 'ip link set eth0 up'
	guest_address
	nic_wait .reason none 20
	check 'its interface was down: so too' soon 10 answers
	flips_while 4 'rmmod igbvf; modprobe igbvf; sleep 0.4'
	check 'the VF driver comes and goes amid flips: emulated path' on_path emulated
	check 'VF path' on_path vf
	flips_while 4 'rmmod virtio_net; sleep 0.2; modprobe virtio_net; sleep 0.4; for n in eth0 eth1; do ip link set $n up; done'
	guest_address
	check 'the other driver does: emulated path' on_path emulated
	check 'VF path' on_path vf
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
	for delay in 0.05 0.2 0.5; do
		start_only
		killed 'kill -9 at start' "$delay"
	done
	nic_vm
	on_vf
	tandem nic switch faults/net0 --to emulated >/dev/null 2>&1 &
	killed 'kill -9 amid a flip to emulated' 0.1
	wait $! || true
	nic_vm
	on_vf
	tandem nic switch faults/net0 --to emulated >/dev/null
	tandem nic switch faults/net0 --to vf >/dev/null 2>&1 &
	killed 'kill -9 amid a flip to the VF' 0.2
	wait $! || true
	start_only
	sleep 1
	kill -TERM "$VM_PID"
	kill -TERM "$VM_PID"
	killed 'kill -9 at shutdown' 0.05
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

network_up 2
guest_image
for name in ${ONLY:-driver_reload killed}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	"case_$name"
done
finish
