#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a guest has besides VFs, asked of real guests: disks, entropy, a NIC of several queues by either datapath; huge pages and prefaulted
# memory; kernels that are no bzImage. And unit tests that need KVM or bonding, where it is sure to be there.
# lab/host -- env ONLY="CASE…" tests/lab/devices.sh: some cases.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

TESTS=$(dirname "$(command -v tandem)")/tests
TINY=(tandem run --memory size=16M --serial off --kernel)

# unit_test NAME: passes, and skips nothing.
unit_test() {
	"$TESTS/$1_test" >"$WORK/unit" 2>&1 && ! grep -q SKIPPED "$WORK/unit" && return 0
	cat "$WORK/unit" >&2
	return 1
}

case_unit_tests() {
	local test
	for test in core_vm emul_virtio_pci vfio_vfio_pci host_watch; do check "$test, none of it skipped" unit_test "$test"; done
}

# asked COMMAND VALUE: what the guest's command says. On failure, what it said.
asked() {
	guest "$1" || true
	[ "${GUEST_OUTPUT%$'\n'}" = "$2" ] || {
		printf '%s: %s' "$1" "$GUEST_OUTPUT" >&2
		return 1
	}
}

sum() { md5sum | cut -c1-32; }

# part FILE: the sum of the 1 MiB of it that the guest writes.
part() { dd if="$1" bs=64k skip=1 count=16 status=none | sum; }

start() {
	VM_MEMORY=${MEMORY:-256M} GUEST_CMDLINE=modules=virtio_pci,virtio_net,virtio_blk,virtio_rng vm_start d --cpus boot=2 "$@"
	console_wait '@up' 90
}

free_huge() { cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages; }

# Disk by disk: plain, read-only, and direct on a device of 4096-byte blocks. In a guest whose memory is of huge pages.
case_disks() {
	local loop file written
	for file in plain fixed blocks; do head -c 4M /dev/urandom >"$WORK/$file.raw"; done
	modprobe loop
	loop=$(losetup --find --show --sector-size 4096 "$WORK/blocks.raw")
	echo 160 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	MEMORY=256M,hugepages=on,prefault=on start --rng on --disk "path=$WORK/plain.raw" --disk "path=$WORK/fixed.raw,readonly=on" \
		--disk "path=$loop,direct=on"
	check "256M of huge pages are taken at once: $(free_huge) of 160 are left" [ "$(free_huge)" = 32 ]

	check 'a disk reads' asked 'md5sum </dev/vda | cut -c1-32' "$(sum <"$WORK/plain.raw")"
	guest 'dd if=/dev/urandom of=/tmp/new bs=64k count=16 2>/dev/null; md5sum </tmp/new | cut -c1-32'
	written=${GUEST_OUTPUT%$'\n'}
	guest 'dd if=/tmp/new of=/dev/vda bs=64k seek=1 conv=fsync 2>/dev/null' || true
	check 'it writes' [ "$(part "$WORK/plain.raw")" = "$written" ]
	check 'and was flushed' guest 'set -- $(cat /sys/block/vda/stat); [ "${16}" -gt 0 ]'

	check 'a read-only disk says so' asked 'cat /sys/block/vdb/ro' 1
	check 'it takes no write' asked 'dd if=/tmp/new of=/dev/vdb bs=64k count=1 conv=fsync 2>/dev/null && echo taken || echo refused' refused
	check 'and reads' asked 'md5sum </dev/vdb | cut -c1-32' "$(sum <"$WORK/fixed.raw")"

	check 'a direct disk has the blocks of its device' asked 'cat /sys/block/vdc/queue/logical_block_size' 4096
	check 'it reads' asked 'md5sum </dev/vdc | cut -c1-32' "$(sum <"$loop")"
	guest 'dd if=/tmp/new of=/dev/vdc bs=64k seek=1 conv=fsync 2>/dev/null' || true
	blockdev --flushbufs "$loop"
	check 'it writes' [ "$(part "$loop")" = "$written" ]

	check 'there is entropy' asked 'cat /sys/devices/virtual/misc/hw_random/rng_current' virtio_rng.0
	check 'as much as is asked for' asked 'dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c' 64
	vm_stop
	check 'huge pages are given back' [ "$(free_huge)" = 160 ]
	echo 0 >/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
	losetup --detach "$loop"
}

# zs FILE FORMAT: the image holds 1 MiB of 'Z' where the guest wrote it.
zs() { qemu-io -r -f "$2" -c 'read -P 0x5a 64k 1M' "$1" | grep -q '1048576/1048576' && ! qemu-io -r -f "$2" -c 'read -P 0x5a 64k 1M' "$1" | grep -q failed; }

# refused_disk REASON PATTERN ARGUMENT...: a second VM is not begun.
refused_disk() {
	local reason=$1 pattern=$2 status=0 output
	shift 2
	output=$(timeout -s QUIT -k 5 20 "${TINY[@]}" "$WORK/idle" --name second --disk "$@" </dev/null 2>&1) || status=$?
	printf '      %s\n' "${output%%$'\n'*}"
	# shellcheck disable=SC2053 # a glob is wanted
	[[ $status = 1 && ${output%%$'\n'*} == tandem:*$pattern*"[$reason]" ]]
}

guest_fails() { ! guest "$1"; }

servers() { pgrep -xc qemu-nbd || true; }

# no_server SECONDS
no_server() {
	local limit=$((SECONDS + $1))
	until [ "$(servers)" = 0 ]; do
		((SECONDS < limit)) || return 1
		sleep 0.1
	done
}

# Images of other formats, by qemu-nbd: each is written by the guest, and read by others then.
case_images() {
	local format letter formats=(qcow2 vmdk vhdx vdi vpc) disks=() pid
	multiboot "$WORK/idle" f4 eb fd # hlt; jmp
	for format in "${formats[@]}"; do
		qemu-img create -q -f "$format" "$WORK/image.$format" 64M
		disks+=(--disk "path=$WORK/image.$format,format=${format/vpc/vhd}")
	done
	qemu-img create -q -f qcow2 -b "$WORK/image.qcow2" -F qcow2 "$WORK/top.qcow2"
	cp "$WORK/image.qcow2" "$WORK/fixed.qcow2"
	start "${disks[@]}" --disk "path=$WORK/fixed.qcow2,format=qcow2,readonly=on"
	check 'each disk has a server' [ "$(servers)" = 6 ]
	for letter in a b c d e; do
		check "disk $letter takes a write and a flush" \
			guest "tr '\\0' Z </dev/zero | dd of=/dev/vd$letter bs=64k seek=1 count=16 iflag=fullblock conv=fsync 2>/dev/null"
		check 'and reads it' asked "dd if=/dev/vd$letter bs=64k skip=1 count=16 2>/dev/null | tr -d Z | wc -c" 0
	done
	check 'a read-only one says so' asked 'cat /sys/block/vdf/ro' 1
	check 'it takes no write' asked 'dd if=/dev/zero of=/dev/vdf bs=64k count=1 conv=fsync 2>/dev/null && echo taken || echo refused' refused
	check 'a second VM is refused the image' refused_disk disk-in-use 'is in use by another VM' "path=$WORK/image.qcow2,format=qcow2"
	check 'and the file as a raw disk' refused_disk disk-in-use 'is in use by another VM' "path=$WORK/image.qcow2,format=raw"
	vm_stop
	check 'the servers end with the VM' [ "$(servers)" = 0 ]
	for format in "${formats[@]}"; do check "what was written is in the $format image" zs "$WORK/image.$format" "$format"; done
	check 'the qcow2 image is whole' qemu-img check -q -f qcow2 "$WORK/image.qcow2"

	start --disk "path=$WORK/top.qcow2,format=qcow2"
	check 'an image with a backing file shows what is below' asked 'dd if=/dev/vda bs=64k skip=1 count=16 2>/dev/null | tr -d Z | wc -c' 0
	pid=$(pgrep -x qemu-nbd)
	kill -KILL "$pid"
	check 'its server is killed: the guest has an error' guest_fails 'dd if=/dev/vda of=/dev/null bs=64k skip=40 count=1 iflag=direct 2>/dev/null'
	check 'and goes on' asked 'echo $((6 * 7))' 42
	check 'and it is said' grep -q 'disk0: qemu-nbd has ended' "$WORK/errors"
	vm_stop

	start --disk "path=$WORK/top.qcow2,format=qcow2"
	kill -KILL "$VM_PID"
	wait "$VM_PID" 2>/dev/null || true
	check 'tandem is killed: the server ends too' no_server 5
	tandem vm kill d || true

	check 'a qcow2 image is no VMDK' refused_disk disk-format 'holds qcow2, not vmdk' "path=$WORK/image.qcow2,format=vmdk"
	check 'nor a raw disk' refused_disk disk-format 'say format=qcow2' "path=$WORK/image.qcow2"
	head -c 8 "$WORK/image.qcow2" >"$WORK/cut.qcow2"
	check 'a broken image is told by its server' refused_disk disk 'disk0: qemu-nbd: ' "path=$WORK/cut.qcow2,format=qcow2"
	mv /usr/bin/qemu-nbd /usr/bin/qemu-nbd.away
	check 'no qemu-nbd' refused_disk disk 'qemu-nbd is missing: apt-get install qemu-utils' "path=$WORK/image.qcow2,format=qcow2"
	mv /usr/bin/qemu-nbd.away /usr/bin/qemu-nbd
}

# Each CPU sends by the queue of its own, and what comes back comes by the same.
both_queues() {
	local queue count
	guest "taskset 1 ping -c 20 -i 0.05 $PEER_ADDRESS >/dev/null && taskset 2 ping -c 20 -i 0.05 $PEER_ADDRESS >/dev/null" || return 1
	for queue in 0 1; do
		guest "awk '/input.$queue\$/ { print \$2 + \$3 }' /proc/interrupts"
		count=${GUEST_OUTPUT%$'\n'}
		printf '      queue %s: %s interrupts\n' "$queue" "$count"
		[ "${count:-0}" -ge 10 ] || return 1
	done
}

case_queues() {
	local vhost
	for vhost in on off; do
		start --net "id=net0,mode=emulated,mac=$GUEST_MAC,bridge=br0,queues=2,vhost=$vhost"
		check "vhost=$vhost: it is so" [ "$(nic_get .vhost)" = "$([ $vhost = on ] && echo true || echo false)" ]
		check "vhost=$vhost: the guest answers" answers
		check "vhost=$vhost: both queues carry traffic" both_queues
		vm_stop
	done
}

case_pvh() {
	local kernel
	kernel=$(kernel_dir 6.12)
	vm_launch tandem run --name p --memory size=256M --kernel "$kernel/vmlinux" --initramfs "$WORK/initrd" --serial tty \
		--cmdline "$VM_CMDLINE modules="
	console_wait '@up' 90
	check 'an ELF kernel boots by PVH, with its initrd' asked 'echo $((6 * 7))' 42
	vm_stop
}

# le32 NUMBER...: as they stand in a file.
le32() {
	local number
	for number; do
		# shellcheck disable=SC2059 # the escapes are wanted
		printf "$(printf '\\x%02x' $((number & 255)) $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255)))"
	done
}

# multiboot FILE BYTE...: an image of these instructions, which begin 32 bytes behind 1 MiB.
multiboot() {
	local file=$1
	shift
	{
		le32 0x1badb002 0x10000 0xe4514ffe 0x100000 0x100000 0 0 0x100020
		# shellcheck disable=SC2059 # the escapes are wanted
		printf "$(printf '\\x%s' "$@")"
		head -c 64 /dev/zero
	} >"$file"
}

case_multiboot() {
	local status=0
	multiboot "$WORK/exit" b0 15 e6 f4 f4 # mov al, 21; out 0xf4, al; hlt
	timeout 20 "${TINY[@]}" "$WORK/exit" --debug-exit 0xf4 </dev/null || status=$?
	check "a Multiboot image that writes 21 to the debug exit: exit status $status" [ "$status" = 43 ]
}

# busy PID: what it has used of CPUs, in hundredths of a second.
busy() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# A guest that does nothing but triple-fault is not let reset for ever.
case_reset_loop() {
	local pid before limit=$((SECONDS + 30))
	multiboot "$WORK/fault" 0f 0b # ud2, and there is no IDT
	tandem run --name looper --memory size=16M --serial off --kernel "$WORK/fault" </dev/null 2>"$WORK/looper" &
	pid=$!
	until [ "$(tandem vm info looper --json 2>/dev/null | jq -r .state)" = paused ]; do
		((SECONDS < limit)) || break
		sleep 0.1
	done
	check 'a guest that resets again and again is paused, with the reason' \
		[ "$(tandem vm list --json | jq -r '.[] | select(.name == "looper") | "\(.state) \(.reason) \(.reboots)"')" = 'paused reset-loop 5' ]
	check 'the list shows it' grep -Eq '^looper +paused +reset-loop +5 ' <(tandem vm list)
	check 'and the message' grep -q 'looper: paused.*reset 5 times.*tandem vm resume.*\[reset-loop\]' "$WORK/looper"
	before=$(busy $pid)
	sleep 2
	check "it uses no CPU then: $before, $(busy $pid) hundredths of a second" [ $(($(busy $pid) - before)) -le 1 ]
	check 'it may try again' tandem vm resume looper
	limit=$((SECONDS + 30))
	until [ "$(tandem vm info looper --json | jq -r '"\(.state) \(.reboots)"')" = 'paused 10' ]; do
		((SECONDS < limit)) || break
		sleep 0.1
	done
	check 'and is paused again' [ "$(tandem vm info looper --json | jq -r '"\(.state) \(.reason) \(.reboots)"')" = 'paused reset-loop 10' ]
	tandem vm kill looper
	wait $pid || true
}

# resident MEMORY: KiB of its memory that the process of a VM has, whose guest does nothing.
resident() {
	local pid kib
	tandem run --name r --memory "$1" --serial off --kernel "$WORK/idle" </dev/null &
	pid=$!
	sleep 1.5
	kib=$(awk '/^RssShmem/ { print $2 }' "/proc/$pid/status")
	kill -TERM "$pid"
	sleep 0.3
	kill -TERM "$pid" 2>/dev/null || true
	wait "$pid" || true
	echo "$kib"
}

case_prefault() {
	local before after
	multiboot "$WORK/idle" f4 eb fd # hlt; jmp
	before=$(resident size=64M)
	after=$(resident size=64M,prefault=on)
	check "64M of memory: $before KiB are there when a guest does nothing" [ "$before" -lt 4096 ]
	check "$after KiB with prefault=on" [ "$after" -ge 65536 ]
}

network_up 1
guest_image
for name in ${ONLY:-unit_tests multiboot reset_loop prefault pvh disks images queues}; do
	printf -- '-- %s (%s s)\n' "$name" $SECONDS
	before=$(host_state)
	"case_$name"
	check 'the host is as it was' diff <(printf '%s\n' "$before") <(host_state)
done
printf -- '-- end (%s s)\n' $SECONDS
finish
