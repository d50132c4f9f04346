/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem.h - guest RAM: one shared memfd, mapped once, and the one function that turns a checked guest-physical range into a pointer.
 * Does not know KVM or the IOMMU; both map the runs that stand in `region`.
 *
 * Map: RAM from 0 up to TD_MEM_HOLE_START, the rest from 4 GiB up, so one run up to 3 GiB and two above. The legacy hole at
 * 640 KiB..1 MiB is RAM too (one memslot fewer); the memory map given to the guest reserves it.
 */
#ifndef TD_CORE_MEM_H
#define TD_CORE_MEM_H

#include "core/base.h"
#include "core/err.h"

#define TD_MEM_HOLE_START (3ULL * TD_GIB) /* MMIO hole: 3..4 GiB */
#define TD_MEM_HOLE_END	  (4ULL * TD_GIB)
#define TD_MEM_MIN_BYTES  (1ULL * TD_MIB)
#define TD_MEM_MAX_BYTES  (4096ULL * TD_GIB)
#define TD_MEM_REGIONS	  2

struct td_mem_config {
	uint64_t size_bytes; /* multiple of 4 KiB (of 2 MiB with hugepages), TD_MEM_MIN_BYTES..TD_MEM_MAX_BYTES */
	bool hugepages;	     /* hugetlbfs pages of 2 MiB, reserved at creation */
	bool thp;	     /* transparent huge pages: fewer faults in the guest and on the host; needs CAP_SYS_ADMIN on most hosts */
	bool prefault;	     /* touch all pages now, with threads */
	bool pinned;	     /* a VF will pin all of it before the guest runs: is there room? */
};

struct td_mem_region {
	td_gpa gpa;
	uint64_t len_bytes;
	uint8_t *host;
};

struct td_mem {
	int fd; /* owned; the runs stand in it one behind the other, from offset 0 */
	uint64_t size_bytes;
	bool hugepages; /* of hugetlbfs: the host has set all of it aside */
	unsigned region_count;
	struct td_mem_region region[TD_MEM_REGIONS]; /* ascending by gpa; one contiguous host mapping */
};

/* -EINVAL (size); -ENOMEM, TD_REASON_NO_MEMORY: with the numbers of what is needed and what the host has, before anything is taken. */
int td_mem_init(struct td_mem *mem, const struct td_mem_config *config, struct td_err *err);
void td_mem_fini(struct td_mem *mem);

/* How much of it the host has still to find when all of it is pinned: what the guest has not touched yet. Any thread; asks the kernel. */
uint64_t td_mem_absent_bytes(const struct td_mem *mem);

/* The host pointer of [gpa, gpa + len), or NULL when any byte of it is not RAM. len 0 is valid inside RAM. Any thread. */
void *td_mem_ptr(const struct td_mem *mem, td_gpa gpa, uint64_t len_bytes);

/* Copies; false and nothing copied when the range is not wholly RAM. */
bool td_mem_read(const struct td_mem *mem, td_gpa gpa, void *to, uint64_t len_bytes);
bool td_mem_write(const struct td_mem *mem, td_gpa gpa, const void *from, uint64_t len_bytes);

/* The first guest-physical address above all RAM and above 4 GiB: where the 64-bit MMIO window may start. */
td_gpa td_mem_top(const struct td_mem *mem);

#endif
