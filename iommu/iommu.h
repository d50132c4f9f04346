/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iommu.h - the IO address space of one VM: guest RAM as devices see it, IOVA = GPA. RAM is mapped only while a VF is attached, in one
 * call for each of its runs (core/mem.h). Only RAM is: a VF's BARs are not, so no device can reach another's registers (peer to peer), and
 * a slip of the guest's driver there is an IOMMU fault instead of a write into hardware. The kernel's interface is a backend's
 * (iommu_ops.h); VFIO type 1 is the one there is.
 */
#ifndef TD_IOMMU_IOMMU_H
#define TD_IOMMU_IOMMU_H

#include "core/base.h"
#include "core/err.h"
#include "core/mem.h"

struct td_iommu;

struct td_iommu_stats {
	uint64_t map_calls, unmap_calls, mapped_bytes;
	uint64_t last_map_ns; /* what the last td_iommu_map_ram() took: pinning and, where needed, faulting in */
};

/* -ENOENT: TD_REASON_NO_IOMMU or TD_REASON_VFIO_DRIVER with what is missing. */
int td_iommu_create(struct td_iommu **ret_iommu, struct td_err *err);
void td_iommu_destroy(struct td_iommu *iommu);

/*
 * Tells KVM from now on which groups do DMA into the guest (its "kvm-vfio" device: caching of guest pages where DMA does not snoop). Before
 * the first group; harmless again; a kernel without it is used without. The VM stays open in the kernel until td_iommu_destroy().
 */
void td_iommu_tell_kvm(struct td_iommu *iommu, int vm_fd);

/*
 * Puts an open VFIO group into the address space. TD_REASON_IRQ_REMAP: the host does not remap interrupts. The group's fd stays the
 * caller's. When the last one leaves, RAM is unmapped.
 */
int td_iommu_add_group(struct td_iommu *iommu, int group_fd, unsigned group, struct td_err *err);
void td_iommu_remove_group(struct td_iommu *iommu, int group_fd);

/*
 * Maps all RAM, and checks RLIMIT_MEMLOCK and the host's free memory before: TD_REASON_MEMLOCK and TD_REASON_NO_MEMORY name what is needed
 * and what there is. Harmless when mapped. On failure nothing stays mapped.
 */
int td_iommu_map_ram(struct td_iommu *iommu, const struct td_mem *mem, struct td_err *err);
void td_iommu_unmap_ram(struct td_iommu *iommu);

void td_iommu_stats(const struct td_iommu *iommu, struct td_iommu_stats *ret_stats);

#endif
