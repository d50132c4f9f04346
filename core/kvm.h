/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm.h - the KVM file descriptors of one VM, its memslots and its ioeventfds. Source: Linux Documentation/virt/kvm/api.rst.
 * vCPUs are in vcpu.h, interrupt routing in irq.h.
 */
#ifndef TD_CORE_KVM_H
#define TD_CORE_KVM_H

#include "core/base.h"
#include "core/err.h"

#define TD_KVM_SLOTS_MAX 64

struct td_kvm {
	int fd; /* /dev/kvm */
	int vm_fd;
	size_t run_len_bytes; /* of the mapping of struct kvm_run */
	unsigned vcpus_max;
	unsigned phys_bits;  /* guest-physical address width, CPUID 0x80000008 */
	uint64_t slots_used; /* bit n: memslot n is taken */
	bool no_slot_zap;    /* KVM_X86_QUIRK_SLOT_ZAP_ALL is off: deleting a slot leaves the other mappings alone */
};

/* Opens /dev/kvm, makes the VM with in-kernel irqchip (PIC, IOAPIC, LAPICs) and PIT, checks every capability that tandem needs, by name. */
int td_kvm_init(struct td_kvm *kvm, struct td_err *err);
void td_kvm_fini(struct td_kvm *kvm);

/*
 * Makes host memory appear at gpa. flags: KVM_MEM_READONLY, KVM_MEM_LOG_DIRTY_PAGES or 0. *ret_slot is the memslot to delete later.
 * host must stay mapped until then. -ENOSPC: no slot free; -EEXIST: overlaps another. Caller holds the VM's lock.
 */
int td_kvm_slot_add(struct td_kvm *kvm, td_gpa gpa, uint64_t len_bytes, void *host, uint32_t flags, unsigned *ret_slot);
void td_kvm_slot_del(struct td_kvm *kvm, unsigned slot);

/* An eventfd that KVM signals instead of exiting when the guest writes to this address. */
struct td_ioeventfd {
	uint64_t addr;
	uint32_t width; /* 1, 2, 4, 8; 0: any width (fast MMIO; not with match) */
	bool pio;
	bool match; /* only when the value written equals `value` */
	uint64_t value;
	int fd; /* not owned */
};

int td_kvm_ioeventfd_add(struct td_kvm *kvm, const struct td_ioeventfd *io);
void td_kvm_ioeventfd_del(struct td_kvm *kvm, const struct td_ioeventfd *io);

/* ioctl(2) of the VM for a change that KVM tells all vCPUs of, and waits for: a guest's own doing, so the VM's lock may be held (lock.h).
 */
int td_kvm_change(struct td_kvm *kvm, unsigned long request, void *argument);

#endif
