/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iommu_ops.h - what a kernel interface to the IOMMU does for iommu.c. Private to iommu/ and its tests.
 *
 * A backend maps what it is told and keeps no account of it: what is mapped, limits, counts and the text of a failed mapping are the
 * front's. Calls come from one thread at a time.
 */
#ifndef TD_IOMMU_IOMMU_OPS_H
#define TD_IOMMU_IOMMU_OPS_H

#include "iommu/iommu.h"

struct td_iommu_backend;

struct td_iommu_ops {
	/* The group's devices do DMA by these mappings from now on. first: no other group is in. The fd stays the caller's. */
	int (*add_group)(struct td_iommu_backend *backend, int group_fd, unsigned group, bool first, struct td_err *err);
	void (*remove_group)(struct td_iommu_backend *backend, int group_fd);
	/*
	 * Reading and writing, iova on the run's bytes at host. Guarantees: after 0 the pages are pinned until unmap(); after -errno
	 * nothing of the run is mapped. -ENOMEM: a limit on pinned memory. Whole pages; runs do not overlap.
	 */
	int (*map)(struct td_iommu_backend *backend, td_iova iova, void *host, uint64_t len_bytes);
	int (*unmap)(struct td_iommu_backend *backend, td_iova iova, uint64_t len_bytes); /* a run as it was mapped */
	void (*close)(struct td_iommu_backend *backend);				  /* nothing is mapped */
};

/* First in the struct of each backend. */
struct td_iommu_backend {
	const struct td_iommu_ops *ops;
};

/* iommu.c: takes the backend over, on failure too. */
int td_iommu_create_on(struct td_iommu_backend *backend, struct td_iommu **ret_iommu, struct td_err *err);

/* iommu_type1.c: opens the container (/dev/vfio/vfio). -ENOENT: TD_REASON_NO_IOMMU or TD_REASON_VFIO_DRIVER with what is missing. */
int td_iommu_type1_open(struct td_iommu_backend **ret_backend, struct td_err *err);

#endif
