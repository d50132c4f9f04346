/* SPDX-License-Identifier: Apache-2.0 */
/* kvm.c - /dev/kvm, the VM's file descriptor, memslots and ioeventfds. */
#include "core/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/lock.h"

/* Newer than the headers of the oldest distribution we build on. */
#ifndef KVM_CAP_DISABLE_QUIRKS2
#define KVM_CAP_DISABLE_QUIRKS2 213
#endif
#define QUIRK_SLOT_ZAP_ALL (1U << 7) /* KVM_X86_QUIRK_SLOT_ZAP_ALL, Linux 6.12 */

/* In the 3..4 GiB hole, out of the way of the PCI windows: Intel hosts need four pages of guest-physical space for real mode. */
#define IDENTITY_MAP_ADDR 0xfeffc000ULL
#define TSS_ADDR	  0xfeffd000UL

#define VCPUS_MAX	  254U /* xAPIC IDs below the broadcast one */
#define CPUID_ENTRIES	  256U
#define PHYS_BITS_DEFAULT 36U

static const struct {
	int cap;
	const char *name;
} needed[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
	{KVM_CAP_PIT2, "KVM_CAP_PIT2"},
	{KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2"},
	{KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
	{KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
	{KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
	{KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
	{KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"},
	{KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK"},
};

static int has_cap(int fd, int cap)
{
	int r = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	return r < 0 ? 0 : r;
}

static int open_kvm(struct td_kvm *kvm, struct td_err *err)
{
	int version;

	kvm->fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm->fd < 0 && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
		return td_err_set(
			err, errno, TD_REASON_NO_KVM, "/dev/kvm: %s: this host offers no KVM", errno == ENOENT ? "missing" : "no device");
	if (kvm->fd < 0 && (errno == EACCES || errno == EPERM))
		return td_err_set(err, errno, TD_REASON_NO_KVM, "/dev/kvm: no permission for user %u", (unsigned)geteuid());
	if (kvm->fd < 0)
		return td_err_sys(err, errno, TD_REASON_NO_KVM, "/dev/kvm");
	version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);
	if (version < 0)
		return td_err_sys(err, errno, TD_REASON_NO_KVM, "/dev/kvm: is no KVM device");
	if (version != KVM_API_VERSION)
		return td_err_set(err, ENOTSUP, TD_REASON_KVM_CAP, "/dev/kvm: API version %d, not %d", version, KVM_API_VERSION);
	return 0;
}

static int check_caps(struct td_kvm *kvm, struct td_err *err)
{
	int r;

	for (size_t i = 0; i < TD_COUNT(needed); i++) {
		if (!has_cap(kvm->fd, needed[i].cap))
			return td_err_set(err, ENOTSUP, TD_REASON_KVM_CAP, "/dev/kvm: the host kernel has no %s", needed[i].name);
	}
	r = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (r <= 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "/dev/kvm: KVM_GET_VCPU_MMAP_SIZE");
	kvm->run_len_bytes = (size_t)r;
	r = has_cap(kvm->fd, KVM_CAP_MAX_VCPUS);
	kvm->vcpus_max = r > 0 ? TD_MIN((unsigned)r, VCPUS_MAX) : 4;
	return 0;
}

static int read_phys_bits(struct td_kvm *kvm, struct td_err *err)
{
	td_auto_free struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + CPUID_ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "kvm: no memory for CPUID");
	cpuid->nent = CPUID_ENTRIES;
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "/dev/kvm: KVM_GET_SUPPORTED_CPUID");
	kvm->phys_bits = PHYS_BITS_DEFAULT;
	for (unsigned i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0x80000008 && (cpuid->entries[i].eax & 0xff) >= PHYS_BITS_DEFAULT)
			kvm->phys_bits = cpuid->entries[i].eax & 0xff;
	}
	return 0;
}

static int make_vm(struct td_kvm *kvm, struct td_err *err)
{
	int tries = 0;

	do {
		kvm->vm_fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
	} while (kvm->vm_fd < 0 && errno == EINTR && ++tries < 100);
	if (kvm->vm_fd < 0)
		return td_err_sys(err, errno, TD_REASON_NO_KVM, "/dev/kvm: KVM_CREATE_VM");
	return 0;
}

static int make_irqchip(struct td_kvm *kvm, struct td_err *err)
{
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	uint64_t identity = IDENTITY_MAP_ADDR;

	if (ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "kvm: KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, TSS_ADDR) < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "kvm: KVM_SET_TSS_ADDR");
	if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "kvm: KVM_CREATE_IRQCHIP");
	if (ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return td_err_sys(err, errno, TD_REASON_KVM_CAP, "kvm: KVM_CREATE_PIT2");
	return 0;
}

/* With the quirk, deleting a memslot drops every mapping of the guest, and each flip would fault the guest in again. */
static void disable_slot_zap(struct td_kvm *kvm)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_DISABLE_QUIRKS2, .args[0] = QUIRK_SLOT_ZAP_ALL};

	if (!(has_cap(kvm->vm_fd, KVM_CAP_DISABLE_QUIRKS2) & (int)QUIRK_SLOT_ZAP_ALL))
		return;
	kvm->no_slot_zap = ioctl(kvm->vm_fd, KVM_ENABLE_CAP, &cap) == 0;
}

int td_kvm_init(struct td_kvm *kvm, struct td_err *err)
{
	int r;

	memset(kvm, 0, sizeof(*kvm));
	kvm->fd = -1;
	kvm->vm_fd = -1;
	r = open_kvm(kvm, err);
	if (r == 0)
		r = check_caps(kvm, err);
	if (r == 0)
		r = read_phys_bits(kvm, err);
	if (r == 0)
		r = make_vm(kvm, err);
	if (r == 0)
		r = make_irqchip(kvm, err);
	if (r < 0) {
		td_kvm_fini(kvm);
		return r;
	}
	disable_slot_zap(kvm);
	return 0;
}

void td_kvm_fini(struct td_kvm *kvm)
{
	td_cleanup_close(&kvm->vm_fd);
	td_cleanup_close(&kvm->fd);
	memset(kvm, 0, sizeof(*kvm));
	kvm->fd = -1;
	kvm->vm_fd = -1;
}

int td_kvm_change(struct td_kvm *kvm, unsigned long request, void *argument)
{
	int rc;

	td_lock_excuse();
	rc = ioctl(kvm->vm_fd, request, argument);
	td_lock_excuse_end();
	return rc;
}

int td_kvm_slot_add(struct td_kvm *kvm, td_gpa gpa, uint64_t len_bytes, void *host, uint32_t flags, unsigned *ret_slot)
{
	struct kvm_userspace_memory_region region = {
		.flags = flags, .guest_phys_addr = gpa.v, .memory_size = len_bytes, .userspace_addr = (uintptr_t)host};
	unsigned slot;

	if (len_bytes == 0)
		return -EINVAL; /* to KVM it would mean: delete */
	if (kvm->slots_used == UINT64_MAX)
		return -ENOSPC;
	slot = (unsigned)__builtin_ctzll(~kvm->slots_used);
	region.slot = slot;
	if (td_kvm_change(kvm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return -errno;
	kvm->slots_used |= 1ULL << slot;
	*ret_slot = slot;
	return 0;
}

void td_kvm_slot_del(struct td_kvm *kvm, unsigned slot)
{
	struct kvm_userspace_memory_region region = {.slot = slot};

	if (slot >= TD_KVM_SLOTS_MAX || !(kvm->slots_used & (1ULL << slot)))
		return;
	td_kvm_change(kvm, KVM_SET_USER_MEMORY_REGION, &region);
	kvm->slots_used &= ~(1ULL << slot);
}

static int ioeventfd_control(struct td_kvm *kvm, const struct td_ioeventfd *io, uint32_t flags)
{
	struct kvm_ioeventfd control = {.datamatch = io->value, .addr = io->addr, .len = io->width, .fd = io->fd, .flags = flags};

	if (io->pio)
		control.flags |= KVM_IOEVENTFD_FLAG_PIO;
	if (io->match)
		control.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
	return td_kvm_change(kvm, KVM_IOEVENTFD, &control) < 0 ? -errno : 0;
}

int td_kvm_ioeventfd_add(struct td_kvm *kvm, const struct td_ioeventfd *io)
{
	if (io->width == 0 && (io->match || !has_cap(kvm->vm_fd, KVM_CAP_IOEVENTFD_ANY_LENGTH)))
		return -EINVAL;
	return ioeventfd_control(kvm, io, 0);
}

void td_kvm_ioeventfd_del(struct td_kvm *kvm, const struct td_ioeventfd *io)
{
	ioeventfd_control(kvm, io, KVM_IOEVENTFD_FLAG_DEASSIGN);
}
