/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vcpu_cpuid.c - the guest's CPUID: what KVM supports on this host, with the topology of our VM: one socket, one thread a core, APIC ID =
 * index. Sources: Intel SDM vol. 2A CPUID, AMD APM vol. 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/vcpu_parts.h"

#define LEAF1_EDX_HTT	       (1U << 28)
#define LEAF1_ECX_X2APIC       (1U << 21)
#define LEAF1_ECX_TSC_DEADLINE (1U << 24)
#define LEAF1_ECX_OSXSAVE      (1U << 27) /* follows CR4: KVM sets it */
#define LEAF1_ECX_HYPERVISOR   (1U << 31)
#define AMD1_ECX_CMP_LEGACY    (1U << 1)
#define TOPOLOGY_SMT	       (1U << 8)
#define TOPOLOGY_CORE	       (2U << 8)

struct kvm_cpuid2 *td_vcpu_cpuid_read(int kvm_fd, struct td_err *err)
{
	td_auto_free struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + TD_VCPU_CPUID_ENTRIES * sizeof(cpuid->entries[0]));

	if (!cpuid) {
		td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "vcpu: no memory for CPUID");
		return NULL;
	}
	cpuid->nent = TD_VCPU_CPUID_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		td_err_sys(err, errno, TD_REASON_KVM_CAP, "vcpu: KVM_GET_SUPPORTED_CPUID");
		return NULL;
	}
	return td_take_ptr(cpuid);
}

/* The number of APIC ID bits that tell `cpus` CPUs apart. */
static uint32_t id_bits(unsigned cpus)
{
	return cpus <= 1 ? 0 : 32U - (uint32_t)__builtin_clz(cpus - 1);
}

static void set_leaf1(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus, bool tsc_deadline)
{
	uint32_t ids = 1U << id_bits(cpus);

	entry->ebx = (entry->ebx & 0xffffU) | (TD_MIN(ids, 255U) << 16) | (index << 24);
	entry->ecx |= LEAF1_ECX_X2APIC | LEAF1_ECX_HYPERVISOR;
	entry->ecx &= ~(LEAF1_ECX_OSXSAVE | LEAF1_ECX_TSC_DEADLINE);
	if (tsc_deadline)
		entry->ecx |= LEAF1_ECX_TSC_DEADLINE;
	entry->edx &= ~LEAF1_EDX_HTT;
	if (cpus > 1)
		entry->edx |= LEAF1_EDX_HTT;
}

/* Leaves 4 (Intel) and 0x8000001d (AMD) describe one cache each: level 3 and up is shared by the socket, the rest is private. */
static void set_cache(struct kvm_cpuid_entry2 *entry, unsigned cpus, bool intel)
{
	uint32_t level = (entry->eax >> 5) & 7U;
	uint32_t sharing = level >= 3 ? (1U << id_bits(cpus)) - 1 : 0;

	if ((entry->eax & 0x1fU) == 0)
		return;
	entry->eax &= intel ? 0x3fffU : 0xfc003fffU;
	entry->eax |= TD_MIN(sharing, 0xfffU) << 14;
	if (intel)
		entry->eax |= TD_MIN((1U << id_bits(cpus)) - 1, 63U) << 26;
}

/* Leaf 0xb: a level of one thread a core, a level of all cores, then none. */
static void set_topology(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus)
{
	static const uint32_t kind[] = {TOPOLOGY_SMT, TOPOLOGY_CORE};

	entry->eax = entry->ebx = 0;
	entry->ecx = entry->index;
	entry->edx = index;
	if (entry->index >= TD_COUNT(kind))
		return;
	entry->eax = entry->index == 0 ? 0 : id_bits(cpus);
	entry->ebx = entry->index == 0 ? 1 : cpus;
	entry->ecx |= kind[entry->index];
}

static void set_entry(struct kvm_cpuid_entry2 *entry, unsigned index, unsigned cpus, bool tsc_deadline)
{
	switch (entry->function) {
	case 1:
		set_leaf1(entry, index, cpus, tsc_deadline);
		break;
	case 4:
		set_cache(entry, cpus, true);
		break;
	case 0xb:
		set_topology(entry, index, cpus);
		break;
	case 0x1f: /* the host's dies and modules: 0xb says all there is to say */
		entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
		break;
	case 0x80000001:
		entry->ecx &= ~AMD1_ECX_CMP_LEGACY;
		break;
	case 0x80000008:
		entry->ecx = (entry->ecx & ~0xf0ffU) | (id_bits(cpus) << 12) | (cpus - 1);
		break;
	case 0x8000001d:
		set_cache(entry, cpus, false);
		break;
	case 0x8000001e:
		entry->eax = index;
		entry->ebx = index & 0xffU; /* one thread a core */
		entry->ecx = 0;		    /* one node */
		break;
	default:
		break;
	}
}

static struct kvm_cpuid_entry2 *find_entry(struct kvm_cpuid2 *cpuid, uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	}
	return NULL;
}

/* KVM lists as many subleaves of 0xb as the host has; we need two and an end, where the leaf exists at all. */
static void complete_topology(struct kvm_cpuid2 *cpuid)
{
	if (!find_entry(cpuid, 0xb, 0))
		return;
	for (uint32_t index = 1; index <= 2; index++) {
		if (find_entry(cpuid, 0xb, index) || cpuid->nent >= TD_VCPU_CPUID_ENTRIES)
			continue;
		cpuid->entries[cpuid->nent++] =
			(struct kvm_cpuid_entry2){.function = 0xb, .index = index, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX};
	}
}

void td_vcpu_cpuid_set_cpu(struct kvm_cpuid2 *cpuid, unsigned index, unsigned cpus, bool tsc_deadline)
{
	complete_topology(cpuid);
	for (unsigned i = 0; i < cpuid->nent; i++)
		set_entry(&cpuid->entries[i], index, cpus, tsc_deadline);
}
