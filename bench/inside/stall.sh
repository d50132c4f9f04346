# shellcheck shell=bash disable=SC2034 # used by those that it includes
# SPDX-License-Identifier: Apache-2.0
# What a guest of STALL_MEMORY (1G; not prefaulted, 4 KiB pages) notices of cold flips to the VF and back: the longest stall of a 1 ms ticker and
# of 4 KiB reads of its disk. A machine under TCG pins some 50 MiB a second, so 4G, which a host pins in a second, takes two minutes a flip. Subjects: tandem, and before, the build that is compared (--before).
# needs nics.sh, samples.sh

STALL_MEMORY=${STALL_MEMORY:-1G} STALL_SECONDS=${STALL_SECONDS:-40}

# stall_once SUBJECT
stall_once() {
	local subject=$1 path=$PATH VMM_KIND=tandem
	[[ $subject == tandem ]] || PATH=$LAB_BEFORE:$PATH
	VM_MEMORY=$STALL_MEMORY GUEST_CMDLINE=modules=virtio_pci,virtio_blk,virtio_net,igbvf
	truncate -s 64M "$WORK/disk"
	vm_start bench --cpus boot=2 --disk "path=$WORK/disk" \
		--net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=emulated,warm=off,unplug_timeout=60s,plug_timeout=60s"
	console_wait '@up' 180
	sleep 5
	stall_during "$subject" rest sleep 10
	stall_during "$subject" flips stall_flips
	vm_stop
	PATH=$path
}

stall_flips() {
	local to
	for to in vf emulated; do
		if [[ $to == vf ]]; then tandem nic switch net0 --to vf; else tandem nic switch net0 --to emulated --cold; fi
		nic_wait_path "$to" 60
		sleep 2
	done
}

# stall_during SUBJECT WHAT COMMAND...: the guest's longest stalls while the command runs.
stall_during() {
	local subject=$1 what=$2 seconds=$STALL_SECONDS
	shift 2
	[[ $what != rest ]] || seconds=12
	guest "rm -f /stall; (tandem-stall $seconds /dev/vda >/stall.new; mv /stall.new /stall) >/dev/null 2>&1 &"
	sleep 1
	"$@" >&2
	until guest 'cat /stall' && [[ $GUEST_OUTPUT == *read_ms* ]]; do sleep 1; done
	printf '%s %s: %s\n' "$subject" "$what" "$GUEST_OUTPUT" >&2
	jq -r '"tick \(.tick_ms)", "read \(.read_ms)"' <<<"$GUEST_OUTPUT" | samples stall "$subject" "${what}_"
}

measure_stall() {
	network_up 2
	[[ -n ${LAB_BEFORE:-} ]] || say 'no build before is given (--before): it is measured alone'
	in_turn stall stall_once tandem ${LAB_BEFORE:+before} --
}
