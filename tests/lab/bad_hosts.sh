#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can be wrong with a host, or with what a VM is told to use of it: each case ends with one clear line, its reason code and what to do,
# and leaves the host as it was. Where a VM can do with less, it runs.
# lab/host options: --no-acs pf1
# (Without it the case of a group that is not viable says that it can't be tried.)
# lab/host -- env ONLY="CASE…" tests/lab/bad_hosts.sh runs some of the cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A driverless VF, and one that the host's own driver has. That one has its MAC from the PF: igbvf makes one up otherwise, another with each
# probe, which a busy PF does not always take notice of.
set_up_vfs() {
	local bdf
	modprobe igbvf
	ip link set pf0 vf 1 mac 52:54:00:1a:00:11
	bdf=$(basename "$(readlink /sys/class/net/pf0/device/virtfn1)")
	echo igbvf >"/sys/bus/pci/devices/$bdf/driver_override"
	echo "$bdf" >/sys/bus/pci/drivers_probe
	echo >"/sys/bus/pci/devices/$bdf/driver_override"
	[ -e "/sys/bus/pci/devices/$bdf/driver" ] || fail "igbvf does not take $bdf"
	VF0=$(basename "$(readlink /sys/class/net/pf0/device/virtfn0)") VF1=$bdf
}

# without FILE REASON PATTERN COMMAND...: refused, while a file of /dev is away.
without() {
	local file=$1 status=0
	shift
	mv "$file" "$file.away"
	refused "$@" || status=$?
	mv "$file.away" "$file"
	return $status
}

# until_running NAME
until_running() {
	local limit=$((SECONDS + 60))
	until [ "$(tandem vm info "$1" --json 2>/dev/null | jq -r .state)" = running ]; do
		((SECONDS < limit)) || fail "VM $1 does not run"
		sleep 0.1
	done
}

# runs TEXT COMMAND...: a VM that comes to run, is killed, and leaves the host as it was.
runs() {
	local text=$1 before after
	shift
	before=$(host_state)
	"$@" </dev/null >"$WORK/output" 2>&1 &
	until_running small
	tandem vm kill small
	wait $! || true
	after=$(host_state)
	check "$text" test "$after" = "$before"
}

case_kvm() {
	check 'no /dev/kvm' without /dev/kvm no-kvm 'missing' "${VM[@]}"
	install -d -o nobody "$WORK/nobody"
	check 'no permission for /dev/kvm' refused no-kvm 'no permission' setpriv --reuid nobody --clear-groups \
		env TANDEM_RUN_DIR="$WORK/nobody" "${VM[@]}"
	mount --bind /dev/null /dev/kvm
	check '/dev/kvm is something else' refused no-kvm '/dev/kvm' "${VM[@]}"
	umount /dev/kvm
}

case_files() {
	local file
	: >"$WORK/empty"
	head -c 100000 "$WORK/vmlinuz" >"$WORK/short"
	mkfifo "$WORK/fifo"
	for file in text empty short; do
		check "a kernel that is none: $file" refused kernel-image "$file" "${VM[@]}" --kernel "$WORK/$file"
	done
	check 'a kernel that is a directory' refused kernel-image 'not a regular file' "${VM[@]}" --kernel "$WORK"
	check 'a kernel that is a FIFO' refused kernel-image 'not a regular file' "${VM[@]}" --kernel "$WORK/fifo"
	check 'no kernel there' refused kernel-image 'No such file' "${VM[@]}" --kernel "$WORK/absent"
	check 'no initrd there' refused initrd 'No such file' "${VM[@]}" --initramfs "$WORK/absent"
	truncate -s 80M "$WORK/large"
	check 'an initrd larger than the guest' refused no-memory 'with initrd*needs * MiB*has 128: give it more' "${VM[@]}" --initramfs "$WORK/large"
	check 'no disk there' refused disk 'No such file' "${VM[@]}" --disk "path=$WORK/absent"
	check 'a disk that is a directory' refused disk "$WORK" "${VM[@]}" --disk "path=$WORK"
	check 'a disk of no whole sectors' refused disk 'not a multiple' "${VM[@]}" --disk "path=$WORK/text"
	printf 'QFI\xfb\0\0\0\3' | dd of="$WORK/qcow2" bs=64k conv=sync status=none
	check 'a disk that is a qcow2 image' refused disk-format 'qcow2*qemu-img convert -O raw' "${VM[@]}" --disk "path=$WORK/qcow2"
	gzip -c "$WORK/text" >"$WORK/text.gz"
	check 'a disk that is compressed' refused disk-format 'gzip -d' "${VM[@]}" --disk "path=$WORK/text.gz"
	runs 'format=raw takes it as it is' "${VM[@]}" --disk "path=$WORK/qcow2,format=raw"
	check 'a VM file that is not there' refused config-file 'No such file' tandem run "$WORK/absent.yaml"
	check 'a serial file that cannot be made' refused serial '/proc/nowhere' "${VM[@]}" --serial mode=file,file=/proc/nowhere/x
}

# In MiB: what programs can have without swapping.
available() { awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo; }

case_memory() {
	local need much
	check 'memory larger than the host' refused no-memory 'more than the host has' "${VM[@]}" --memory size=2T
	check 'no huge pages' refused no-memory '32 missing' "${VM[@]}" --memory size=64M,hugepages=on
	check 'memory too small for the kernel' refused no-memory 'needs * MiB*the guest has 16: give it more' "${VM[@]}" --memory size=16M
	need=$(sed -n 's/.*needs \([0-9]*\) MiB.*/\1/p' "$WORK/output")
	check "1 MiB less than it says is refused, too" refused no-memory "needs $need MiB" "${VM[@]}" --memory "size=$((need - 1))M"
	much=$(($(available) + 100))
	check 'more than is free, prefaulted' refused no-memory "needed, * available on the host" "${VM[@]}" --memory "size=${much}M,prefault=on"
	check 'more than is free, for a VF' refused no-memory "a VF pins all*needed, * available" "${VM[@]}" --memory "size=${much}M" \
		--net mode=vf,pf=pf0
	check 'for a failover NIC too' refused no-memory "a VF pins all*needed, * available" "${VM[@]}" --memory "size=${much}M" \
		--net mode=failover,pf=pf0,bridge=br0
	runs 'with an emulated NIC it runs' "${VM[@]}" --memory "size=${much}M" --net bridge=br0
	check 'more CPUs than KVM allows' refused config-value 'cpus' "${VM[@]}" --cpus boot=255
}

flip_fails() {
	local output status=0
	output=$(tandem nic switch net0 --to vf 2>&1) || status=$?
	printf '      %s\n' "$output"
	[[ $status != 0 && $output == *"$1"* ]]
}

# It runs as long as no VF pins its memory.
case_memory_flip() {
	VM_MEMORY=$(($(available) + 100))M vm_start large --net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=emulated"
	console_wait '@up' 90
	check 'a flip that would pin more than is free is refused' flip_fails 'available on the host [no-memory]'
	check 'the NIC stays where it is' [ "$(nic_get '"\(.path) \(.state)"')" = 'emulated idle' ]
	check 'the guest answers' answers
	vm_stop
}

case_run_directory() {
	check 'a run directory that cannot be made' refused run-directory '/proc/none' env TANDEM_RUN_DIR=/proc/none "${VM[@]}"
	check 'a run directory that is a file' refused run-directory "$WORK/text" env TANDEM_RUN_DIR="$WORK/text" "${VM[@]}"
	mkdir -p "$WORK/full"
	mount -t tmpfs -o nr_inodes=2 full "$WORK/full"
	check 'a run directory without room' refused run-directory "$WORK/full" env TANDEM_RUN_DIR="$WORK/full" "${VM[@]}"
	umount "$WORK/full"
}

case_emulated() {
	check 'no such bridge' refused bridge nosuch "${VM[@]}" --net bridge=nosuch
	check 'no bridge' refused bridge 'up1 is no bridge' "${VM[@]}" --net bridge=up1
	ip link add taken0 type dummy
	ip tuntap add taken1 mode tap
	check 'the tap is an interface of another kind' refused tap-exists taken0 "${VM[@]}" --net tap=taken0,bridge=br0
	check 'the tap is a tap of others' refused tap-exists taken1 "${VM[@]}" --net tap=taken1,bridge=br0
	ip link del taken0
	ip tuntap del taken1 mode tap
	check 'no /dev/net/tun' without /dev/net/tun tap tun "${VM[@]}" --net bridge=br0
	check 'vhost=on and no /dev/vhost-net' without /dev/vhost-net vhost '/dev/vhost-net' "${VM[@]}" --net bridge=br0,vhost=on
	check 'the second NIC fails: the first goes too' refused bridge nosuch "${VM[@]}" --net bridge=br0 --net bridge=nosuch
}

case_vf() {
	local lock=(--net "mode=vf,pf=pf0") nic=(--net "mode=vf,vf=$VF0") other=(--net "mode=vf,vf=$VF1")
	check 'no such PF' refused pf-missing nosuch "${VM[@]}" --net mode=vf,pf=nosuch
	check 'no SR-IOV' refused no-sriov up0 "${VM[@]}" --net mode=vf,pf=up0
	check 'no such VF' refused no-free-vf '0000:77:00.0' "${VM[@]}" --net mode=vf,vf=0000:77:00.0
	check 'a PF is no VF' refused no-sriov 'no virtual function' "${VM[@]}" --net \
		"mode=vf,vf=$(basename "$(readlink /sys/class/net/pf0/device)")"
	check 'the VF of the host'"'"'s driver goes back to it' refused bridge nosuch "${VM[@]}" "${other[@]}" --net bridge=nosuch
	check 'and after a kernel that is none' refused kernel-image text "${VM[@]}" "${nic[@]}" "${other[@]}" --kernel "$WORK/text"
	ip link set "$(ls "/sys/bus/pci/devices/$VF1/net")" up
	check 'the host uses the VF' refused vf-busy 'is up' "${VM[@]}" "${other[@]}"
	check 'none of two is free' refused no-free-vf 'none of 2' "${VM[@]}" "${lock[@]}" "${lock[@]}"
	ip link set "$(ls "/sys/bus/pci/devices/$VF1/net")" down
	ip link set pf0 down
	check 'the PF is down' refused pf-down pf0 "${VM[@]}" "${nic[@]}"
	ip link set pf0 up
}

case_drivers() {
	modprobe -r vfio-pci
	check 'no vfio-pci' refused vfio-driver vfio-pci "${VM[@]}" --net mode=vf,pf=pf0
	modprobe vfio-pci
	check 'no /dev/vfio/vfio' without /dev/vfio/vfio vfio-driver /dev/vfio/vfio "${VM[@]}" --net mode=vf,pf=pf0
}

case_memlock() {
	local limited=(setpriv --bounding-set -ipc_lock --inh-caps -ipc_lock) number
	check 'memlock too low' refused memlock-too-low 'ulimit -l' prlimit --memlock=1048576 "${limited[@]}" "${VM[@]}" --net mode=vf,pf=pf0
	check 'for a failover NIC too' refused memlock-too-low 'ulimit -l' prlimit --memlock=1048576 "${limited[@]}" "${VM[@]}" \
		--net mode=failover,pf=pf0,bridge=br0
	number=$(sed -n 's/.*ulimit -l \([0-9]*\).*/\1/p' "$WORK/output")
	check "one page less than the $number KiB it names" refused memlock-too-low 'ulimit -l' \
		prlimit --memlock=$(((number - 4) * 1024)) "${limited[@]}" "${VM[@]}" --net mode=vf,pf=pf0
	runs 'as much as it names will do' prlimit --memlock=$((number * 1024)) "${limited[@]}" "${VM[@]}" --net mode=vf,pf=pf0
}

case_group() {
	local bdf
	echo 0 >/sys/class/net/pf1/device/sriov_drivers_autoprobe
	echo 1 >/sys/class/net/pf1/device/sriov_numvfs
	ip link set pf1 up
	bdf=$(basename "$(readlink /sys/class/net/pf1/device)")
	if [ -e "/sys/class/net/pf1/device/virtfn0/iommu_group/devices/$bdf" ]; then
		check 'a group that holds the PF' refused group-not-viable "$bdf (driver igb)" "${VM[@]}" --net mode=vf,pf=pf1
	else
		say 'not tried: a group that is not viable (see the options at the top)'
	fi
	echo 0 >/sys/class/net/pf1/device/sriov_numvfs
	check 'no VFs' refused no-free-vf 'has no VFs' "${VM[@]}" --net mode=vf,pf=pf1
}

case_held() {
	truncate -s 1M "$WORK/image"
	"${VM[@]}" --net "mode=vf,vf=$VF0" --disk "path=$WORK/image" </dev/null >"$WORK/held" 2>&1 &
	until_running small
	check 'its image is in use' refused disk-in-use "$WORK/image is in use by another VM" "${VM[@]}" --name small2 --disk "path=$WORK/image"
	check 'a VM of this name runs' refused control-socket-in-use 'small' "${VM[@]}"
	check 'its VF is held' refused vf-busy 'held by VM small' "${VM[@]}" --name small2 --net "mode=vf,vf=$VF0"
	check 'two are wanted, one is free' refused no-free-vf 'held by VM small' "${VM[@]}" --name small2 --net mode=vf,pf=pf0 --net mode=vf,pf=pf0
	tandem vm kill small
	wait $! || true
}

# A NIC that takes any VF leaves those that other NICs name.
case_exact() {
	runs 'any VF of the PF, then exactly its first' "${VM[@]}" --net mode=vf,pf=pf0 --net "mode=vf,vf=$VF0"
	check 'two take any, one the first: one too many' refused no-free-vf 'VF 0 is kept for another NIC' "${VM[@]}" \
		--net mode=vf,pf=pf0 --net mode=vf,pf=pf0 --net "mode=vf,vf=$VF0"
}

kill_fails() {
	! tandem vm kill small --json >"$WORK/kill.json" 2>/dev/null &&
		jq -e '.ok == false and .error.reason == "cleanup" and (.error.text | contains("small"))' "$WORK/kill.json" >/dev/null
}

# What could not be given back is not forgotten when the VM takes it again.
case_undo_fails() {
	local nic=(--net "mode=vf,vf=$VF1") before
	before=$(host_state)
	"${VM[@]}" "${nic[@]}" </dev/null >"$WORK/output" 2>&1 &
	until_running small
	rmmod igbvf
	check 'kill says that it could not give all back' kill_fails
	wait $! || true
	check 'the driver of before is gone: it is said' grep -q "$VF1: bind to igbvf" "$WORK/output"
	check 'and stays in the journal' [ -e "/run/tandem/small/undo-$VF1.json" ]
	"${VM[@]}" "${nic[@]}" </dev/null >"$WORK/output" 2>&1 &
	until_running small
	modprobe igbvf
	tandem vm kill small
	wait $! || true
	check 'the next VM takes the VF, and gives it back to where it came from' diff <(printf '%s\n' "$before") <(host_state)
}

case_no_vhost() {
	mv /dev/vhost-net /dev/vhost-net.away
	vm_start less --net "id=net0,mode=failover,mac=$GUEST_MAC,bridge=br0,pf=pf0,path=emulated"
	console_wait '@up' 90
	mv /dev/vhost-net.away /dev/vhost-net
	check 'vhost=auto without /dev/vhost-net: in user space' [ "$(nic_get '"\(.path) \(.vhost)"')" = 'emulated false' ]
	check 'the guest answers' answers
	vm_stop
}

network_up 2
guest_image
printf 'no kernel\n' >"$WORK/text"
small_vm
set_up_vfs
for name in ${ONLY:-kvm files memory memory_flip run_directory emulated vf drivers memlock group held exact undo_fails no_vhost}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	"case_$name"
done
finish
