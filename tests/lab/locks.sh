#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The VM's lock, measured (core/lock.h), while a failover NIC is flipped, warm and cold, and a transparent one; and while VMS (20) VMs share a
# network whose ports come and go ten times a second. The figures are shown; what fails is a build that does host work under the lock: it
# sleeps in every other hold. (In a machine under TCG, CPU time is what the machine outside took, too, and a start or stop of vhost, which the
# guest asks for, sleeps in it.)
# lab/host options: --build build/meter
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/nic-tools"

VMS=${VMS:-20} FLIPS=${FLIPS:-4}

# lock_of VM: what its lock went through.
lock_of() { tandem vm info "$1" --json | jq -c .lock; }

# held_well VM
held_well() {
	lock_of "$1" >"$WORK/lock"
	jq -e '.too_long * 10 <= .holds and .slept * 10 <= .holds' "$WORK/lock" >/dev/null
}

# check_lock VM WHAT
check_lock() {
	local status=0
	held_well "$1" || status=1
	check "$2: $(cat "$WORK/lock")" [ "$status" = 0 ]
}

# case_flips MODE
case_flips() {
	local mode=$1 flip
	vm_start "$mode" --cpus boot=2 --net "id=net0,mode=$mode,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=vf,unplug_timeout=20s"
	console_wait '@up' 90
	nic_wait .path vf 40
	nic_wait .state idle 20
	for ((flip = 0; flip < FLIPS; flip++)); do
		switch_nic emulated "$( ((flip % 2)) && echo --cold || echo --json)"
		sleep 1
		switch_nic vf
		sleep 1
	done
	check_lock "$mode" "$mode, $FLIPS flips there and back"
	grep -A16 '^tandem: ERROR: lock' "$WORK/errors" | head -n 60 || true
	vm_stop
}

case_ports() {
	local number pids=() end failed=0
	ip link set br0 alias tandem # ours: it is guarded
	for ((number = 0; number < VMS; number++)); do
		idle_vm "port$number" bridge=br0
		pids+=($!)
	done
	ip link add dummy0 type dummy
	end=$((SECONDS + 10))
	while ((SECONDS < end)); do
		ip link set dummy0 master br0
		sleep 0.05
		ip link set dummy0 nomaster
		sleep 0.05
	done
	for ((number = 0; number < VMS; number++)); do
		held_well "port$number" || { failed=$((failed + 1)) && cat "$WORK/lock" "$WORK/errors.port$number" | head -n 20; }
		cat "$WORK/lock" >>"$WORK/all"
	done
	check "$VMS VMs on a network whose ports come and go: $failed held their lock too often too long, longest $(jq -s 'map(.longest_cpu_ms) | max' "$WORK/all") ms" \
		[ "$failed" = 0 ]
	kill -KILL "${pids[@]}"
	wait "${pids[@]}" 2>/dev/null || true
}

network_up 2
guest_image 6.12
case_flips failover
case_flips transparent
case_ports
finish
