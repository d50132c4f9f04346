/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memlock.h - would the kernel let this process pin so much more memory? VFIO charges pinned pages to the process's locked memory
 * (VmLck) and refuses them beyond RLIMIT_MEMLOCK, unless the process has CAP_IPC_LOCK. Asked before, so that the answer can name numbers.
 */
#ifndef TD_IOMMU_MEMLOCK_H
#define TD_IOMMU_MEMLOCK_H

#include "core/base.h"
#include "core/err.h"

struct td_memlock {
	uint64_t limit_bytes; /* UINT64_MAX: none */
	uint64_t locked_bytes;
	bool privileged; /* CAP_IPC_LOCK is effective: the limit does not hold */
};

void td_memlock_read(struct td_memlock *ret_memlock);
/* -EPERM with TD_REASON_MEMLOCK and the number needed. */
int td_memlock_check(const struct td_memlock *memlock, uint64_t need_bytes, struct td_err *err);

/* Picks VmLck and CapEff out of the text of /proc/self/status. */
void td_memlock_parse(const char *status, struct td_memlock *memlock);

#endif
