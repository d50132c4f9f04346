/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bus.h - who answers which guest address: a sorted set of regions for port IO and one for MMIO.
 * All calls are made with the VM's lock held (vm.h). Regions are embedded by their owner.
 */
#ifndef TD_CORE_BUS_H
#define TD_CORE_BUS_H

#include "core/base.h"
#include "core/err.h"

/* One access of the guest. value: little-endian number, the low `width` bytes count; a read puts its result there. */
struct td_access {
	uint64_t offset; /* from the start of the region; on the bus itself, the address */
	uint8_t width;	 /* 1, 2, 4, 8 (8: MMIO only) */
	bool write;
	uint64_t value;
};

/* FAULT: the guest broke the device's rules (counted; reads give all ones). UNCLAIMED: nothing there (counted and logged with a limit). */
enum td_result { TD_FAULT, TD_UNCLAIMED, TD_DONE };

struct td_io_region {
	const char *name;
	uint64_t base, len;
	enum td_result (*access)(struct td_io_region *region, struct td_access *access);
	bool active; /* stands on a bus */
};

struct td_bus {
	struct td_io_region **region; /* ascending by base, disjoint */
	unsigned count, room;
};

int td_bus_add(struct td_bus *bus, struct td_io_region *region);     /* -EEXIST: overlaps; -EINVAL: empty or wraps */
void td_bus_remove(struct td_bus *bus, struct td_io_region *region); /* harmless when not active */
void td_bus_fini(struct td_bus *bus);

/* An access that crosses the region's end is UNCLAIMED. A region handler sees offset relative to its base. */
enum td_result td_bus_dispatch(struct td_bus *bus, struct td_access *access);

/* All ones of an access's width: what a read of nothing gives. */
static inline uint64_t td_access_ones(const struct td_access *access)
{
	return access->width >= 8 ? ~0ULL : (1ULL << (access->width * 8U)) - 1;
}

#endif
