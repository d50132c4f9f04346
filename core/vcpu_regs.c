/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_regs.c - registers after power-on (Intel SDM vol. 3A table 9-1) and at the boot entry. At a reset of a running guest everything that
 * lets KVM write into guest RAM by itself (kvm-clock, async page faults, steal time, PV EOI) is switched off too.
 */
#include <asm/kvm_para.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/log.h"
#include "core/vcpu_parts.h"
#include "core/vm.h"

#define SELECTOR_CODE 0x10U
#define SELECTOR_DATA 0x18U

#define CR0_PE	 (1ULL << 0)
#define CR0_ET	 (1ULL << 4)
#define CR0_NW	 (1ULL << 29)
#define CR0_CD	 (1ULL << 30)
#define CR0_PG	 (1ULL << 31)
#define CR4_PAE	 (1ULL << 5)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)

#define APIC_BASE    0xfee00000ULL
#define APIC_ENABLED (1ULL << 11)
#define APIC_BSP     (1ULL << 8)

#define RFLAGS_ALWAYS 2ULL

#define MSR_MISC_ENABLE		0x1a0U
#define MISC_ENABLE_FAST_STRING 1ULL
#define MSR_MTRR_DEF_TYPE	0x2ffU
#define MTRR_ON_WRITE_BACK	0x806ULL /* no variable ranges: PAT alone makes MMIO uncached */

static const struct kvm_msr_entry reset_msrs[] = {
	{.index = 0x3b /* TSC_ADJUST */},
	{.index = 0x10 /* TSC: the guest's clock starts with it. KVM keeps CPUs in step that are all set to 0 */},
	{.index = 0x174 /* SYSENTER_CS */},
	{.index = 0x175 /* SYSENTER_ESP */},
	{.index = 0x176 /* SYSENTER_EIP */},
	{.index = 0x277 /* PAT */, .data = 0x0007040600070406ULL},
	{.index = 0xc0000081U /* STAR */},
	{.index = 0xc0000082U /* LSTAR */},
	{.index = 0xc0000083U /* CSTAR */},
	{.index = 0xc0000084U /* FMASK */},
	{.index = 0xc0000102U /* KERNEL_GS_BASE */},
	{.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRING},
	{.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ON_WRITE_BACK},
	{.index = 0x6e0 /* TSC_DEADLINE */},
	{.index = MSR_KVM_SYSTEM_TIME_NEW},
	{.index = MSR_KVM_SYSTEM_TIME},
	{.index = MSR_KVM_WALL_CLOCK_NEW},
	{.index = MSR_KVM_ASYNC_PF_EN},
	{.index = MSR_KVM_STEAL_TIME},
	{.index = MSR_KVM_PV_EOI_EN},
};

/* Each alone: an MSR that this host does not know must not keep the others from being set. */
static void set_msrs(int fd)
{
	_Alignas(struct kvm_msrs) char buffer[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)] = {0};
	struct kvm_msrs *one = (struct kvm_msrs *)(void *)buffer;

	one->nmsrs = 1;
	for (size_t i = 0; i < TD_COUNT(reset_msrs); i++) {
		one->entries[0] = reset_msrs[i];
		ioctl(fd, KVM_SET_MSRS, one);
	}
}

static struct kvm_segment flat_segment(uint16_t selector, bool code, bool is64)
{
	return (struct kvm_segment){.limit = 0xffffffffU,
		.selector = selector,
		.type = code ? 0xb : 0x3, /* accessed; code: execute and read, data: read and write */
		.present = 1,
		.db = !is64,
		.s = 1,
		.l = is64,
		.g = 1};
}

/* After power-on: real mode at 0xfff0 below 4 GiB. */
static void power_on_sregs(struct kvm_sregs *sregs, bool is_bsp)
{
	struct kvm_segment data = {.limit = 0xffff, .type = 3, .present = 1, .s = 1};

	memset(sregs, 0, sizeof(*sregs));
	sregs->cs = (struct kvm_segment){.base = 0xffff0000U, .limit = 0xffff, .selector = 0xf000, .type = 0xb, .present = 1, .s = 1};
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){.limit = 0xffff, .type = 0xb, .present = 1};
	sregs->ldt = (struct kvm_segment){.limit = 0xffff, .type = 2, .present = 1};
	sregs->gdt.limit = sregs->idt.limit = 0xffff;
	sregs->cr0 = CR0_ET | CR0_NW | CR0_CD;
	sregs->apic_base = APIC_BASE | APIC_ENABLED | (is_bsp ? APIC_BSP : 0);
}

static void entry_sregs(struct kvm_sregs *sregs, const struct td_boot_entry *entry)
{
	bool is64 = entry->mode == TD_BOOT_LONG64;

	sregs->cs = flat_segment(SELECTOR_CODE, true, is64);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = flat_segment(SELECTOR_DATA, false, false);
	sregs->tr = (struct kvm_segment){.limit = 0x67, .type = 0xb, .present = 1};
	sregs->gdt.base = TD_BOOT_GDT;
	sregs->gdt.limit = 4 * 8 - 1;
	sregs->idt.limit = 0;
	sregs->cr0 = CR0_PE | CR0_ET;
	if (!is64)
		return;
	sregs->cr0 |= CR0_PG;
	sregs->cr4 = CR4_PAE;
	sregs->cr3 = entry->cr3;
	sregs->efer = EFER_LME | EFER_LMA;
}

static int set_core_regs(struct td_vcpu *vcpu, const struct td_boot_entry *entry)
{
	struct kvm_regs regs = {.rflags = RFLAGS_ALWAYS, .rip = 0xfff0};
	struct kvm_sregs sregs;

	power_on_sregs(&sregs, vcpu->index == 0);
	if (vcpu->index == 0) {
		entry_sregs(&sregs, entry);
		regs.rip = entry->rip;
		regs.rsi = entry->rsi;
		regs.rax = entry->rax;
		regs.rbx = entry->rbx;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static int set_fpu(int fd)
{
	struct kvm_fpu fpu = {.fcw = 0x37f, .mxcsr = 0x1f80};
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs[0] = {.xcr = 0, .value = 1}};
	struct kvm_debugregs debug = {.dr6 = 0xffff0ff0U, .dr7 = 0x400};

	ioctl(fd, KVM_SET_XCRS, &xcrs); /* hosts without XSAVE refuse it, and need none */
	if (ioctl(fd, KVM_SET_FPU, &fpu) < 0 || ioctl(fd, KVM_SET_DEBUGREGS, &debug) < 0)
		return -errno;
	return 0;
}

static void apic_put(struct kvm_lapic_state *lapic, unsigned offset, uint32_t value)
{
	memcpy(lapic->regs + offset, &value, sizeof(value));
}

static int set_lapic(const struct td_vcpu *vcpu)
{
	static const unsigned masked[] = {0x2f0, 0x320, 0x330, 0x340, 0x350, 0x360, 0x370}; /* the LVTs: CMCI, timer … error */
	struct kvm_lapic_state lapic;
	uint32_t version;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) < 0)
		return -errno;
	memcpy(&version, lapic.regs + 0x30, sizeof(version));
	memset(&lapic, 0, sizeof(lapic));
	apic_put(&lapic, 0x20, vcpu->index << 24); /* ID */
	apic_put(&lapic, 0x30, version);
	apic_put(&lapic, 0xe0, 0xffffffffU); /* DFR: flat */
	apic_put(&lapic, 0xf0, 0xff);	     /* SPIV: off */
	for (size_t i = 0; i < TD_COUNT(masked); i++)
		apic_put(&lapic, masked[i], 0x10000);
	if (vcpu->index == 0)
		apic_put(&lapic, 0x350, 0x700); /* LINT0: the PIC, as firmware leaves it */
	return ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) < 0 ? -errno : 0;
}

static int set_run_state(const struct td_vcpu *vcpu)
{
	struct kvm_mp_state mp = {.mp_state = vcpu->index == 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED};
	struct kvm_vcpu_events events = {.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW};

	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) < 0 || ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp) < 0)
		return -errno;
	return 0;
}

int td_vcpu_regs_reset(struct td_vcpu *vcpu, const struct td_boot_entry *entry, struct td_err *err)
{
	int r = set_run_state(vcpu);

	if (r == 0)
		r = set_core_regs(vcpu, entry);
	if (r == 0)
		r = set_fpu(vcpu->fd);
	if (r == 0)
		r = set_lapic(vcpu);
	if (r < 0)
		return td_err_sys(err, -r, TD_REASON_KVM_CAP, "vcpu %u: set registers", vcpu->index);
	set_msrs(vcpu->fd);
	return 0;
}

void td_vcpu_regs_log(struct td_vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return;
	td_error("vcpu %u: rip %#llx rflags %#llx rsp %#llx cs %#x base %#llx cr0 %#llx cr2 %#llx cr3 %#llx cr4 %#llx efer %#llx",
		vcpu->index, regs.rip, regs.rflags, regs.rsp, sregs.cs.selector, sregs.cs.base, sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4,
		sregs.efer);
	td_error("vcpu %u: rax %#llx rbx %#llx rcx %#llx rdx %#llx rsi %#llx rdi %#llx rbp %#llx", vcpu->index, regs.rax, regs.rbx,
		regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp);
}
