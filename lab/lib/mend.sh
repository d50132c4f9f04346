# shellcheck shell=bash
# Mends one fault of QEMU's in the private tree's copy, by which nested guests hang or die under TCG.
# needs common.sh
#
# When VMRUN injects an interrupt into a nested guest, QEMU's helper_vmrun delivers it at once and also leaves its
# vector in CPUState.exception_index. If QEMU then asks that CPU to leave its loop before the guest's next exit, as it
# does of all CPUs when its memory map changes (a VF enabled, reset or given to a guest: so at each flip), the loop takes
# the vector for an exception still to be delivered, and delivers it again: also where the guest has interrupts off. A
# timer's interrupt within its own handler then waits for a lock for ever. Seen with 11.1.3: kvm:kvm_exit shows
# intr_info 0x3ec (0xec being the timer's vector, as an exception), kvm:kvm_eoi a second end of interrupt without one in
# service. Nothing reads that store on this way, so it becomes a no-op.

MEND_NOP='\x66\x0f\x1f\x44\x00\x00' # 6 bytes long, as the store is

# mend_store QEMU: the address of the store before the call that delivers, `89 /r` with a displacement of 32 bits.
# Nothing if this QEMU has another shape.
mend_store() {
    objdump --disassemble=helper_vmrun --section=.text --insn-width=16 "$1" 2>/dev/null | awk '
        $8 == "mov" && $9 ~ /,-0x[0-9a-f]+\(%rbx\)$/ { store = $2 == "89" ? $1 : ""; line = NR }
        /call.*<do_interrupt_x86_hardirq/ && store != "" && NR - line < 12 { sub(":", "", store); found[++count] = store }
        END { if (count == 1) print found[1] }'
}

# mend_qemu QEMU: mends the file. Fails, and leaves it alone, if it has another shape: newer versions may be right.
mend_qemu() {
    local store section
    store=$(mend_store "$1")
    [[ -n $store ]] || return 1
    # Name, size, VMA, LMA, file offset.
    read -ra section < <(objdump --section-headers --section=.text "$1" | awk '$2 == ".text" { print $4, $6 }')
    # shellcheck disable=SC2059 # the escapes are wanted
    printf "$MEND_NOP" |
        dd of="$1" bs=1 conv=notrunc status=none seek=$((0x$store - 0x${section[0]} + 0x${section[1]}))
}
