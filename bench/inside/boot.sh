# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# exec to the first line of the guest's init, and KVM exits until then. One CPU and two.
# needs tests/lab/lib.sh, vmm.sh, samples.sh

boot_once() {
	local kind=$1 cpus=$2 keep=$3 exits
	vmm_start "$kind" "$cpus"
	console_wait '@init' 180
	exits=$(kvm_exits)
	vmm_kill
	[[ $keep == keep ]] || return 0
	sample boot "$kind" "init_ms_${cpus}cpu" $(((CONSOLE_US - VM_STARTED_US) / 1000))
	sample boot "$kind" "init_exits_${cpus}cpu" "$exits"
}

measure_boot() {
	local kind cpus
	# What is read for the first time comes slowly: not counted.
	for kind in tandem q35 microvm; do boot_once "$kind" 1 drop; done
	for cpus in 1 2; do
		in_turn "boot, $cpus CPU" boot_once tandem q35 microvm -- "$cpus" keep
	done
}
