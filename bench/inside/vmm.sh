# shellcheck shell=bash disable=SC2034 # used by those who include this
# SPDX-License-Identifier: Apache-2.0
# Starts and ends the virtual machine monitors that are compared, all with the same kernel, initrd, CPU model and memory. Knows how each
# is called; not what is measured.
# needs tests/lab/lib.sh, qmp.sh; $WORK/vmlinuz and initrd, on tmpfs

VMM_MEMORY_MIB=128
VM_MEMORY=${VMM_MEMORY_MIB}M
LOG_LEVEL=warn

# qemu_machine KIND: the arguments that make QEMU that kind of machine, and nothing it does not need.
qemu_machine() {
	case $1 in
	q35) printf '%s\n' -M q35,usb=off,smbus=off,vmport=off ;;
	microvm) printf '%s\n' -M microvm ;;
	esac
	printf '%s\n' -accel kvm -cpu host -nodefaults -no-user-config -no-reboot -display none -serial stdio
}

# vmm_start KIND CPUS [ARGUMENT...]: KIND is tandem, q35 or microvm; ARGUMENT is that VMM's own (NICs). Without NICs, the guest loads
# no modules.
vmm_start() {
	local kind=$1 cpus=$2
	local -a machine
	shift 2
	GUEST_CMDLINE=modules=
	(($# == 0)) || GUEST_CMDLINE=modules=virtio_pci,virtio_net,igbvf,igb
	VMM_KIND=$kind
	if [[ $kind == tandem ]]; then
		vm_start bench --cpus "boot=$cpus" "$@"
		return
	fi
	qmp_open
	mapfile -t machine < <(qemu_machine "$kind")
	vm_launch lab-qemu "${machine[@]}" -smp "$cpus" -m "$VMM_MEMORY_MIB" -kernel "$WORK/vmlinuz" -initrd "$WORK/initrd" \
		-append "$VM_CMDLINE $GUEST_CMDLINE" -chardev "pipe,id=qmp,path=$WORK/qmp" -object monitor-qmp,id=monitor,chardev=qmp "$@"
}

# vmm_kill: ends the VMM at once.
vmm_kill() {
	kill -KILL "$VM_PID" 2>/dev/null || true
	wait "$VM_PID" 2>/dev/null || true
	exec {VM_IN}>&- {VM_OUT}>&-
	[[ $VMM_KIND == tandem ]] || qmp_close
}

# kvm_exits: all exits of the VM so far (kvm_stat's counter `exits`: each return from the guest to KVM, whoever handles it).
kvm_exits() {
	local file
	for file in "/sys/kernel/debug/kvm/$VM_PID"-*/exits; do
		cat "$file"
		return
	done
}
