/* SPDX-License-Identifier: Apache-2.0 */
/* bus.c - regions in an array sorted by base; a look-up is a binary search. */
#include "core/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The index of the first region whose base is above addr. */
static unsigned upper_bound(const struct td_bus *bus, uint64_t addr)
{
	unsigned low = 0, high = bus->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (bus->region[middle]->base <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int make_room(struct td_bus *bus)
{
	unsigned room = bus->room ? bus->room * 2 : 16;
	struct td_io_region **grown;

	if (bus->count < bus->room)
		return 0;
	grown = realloc(bus->region, room * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	bus->region = grown;
	bus->room = room;
	return 0;
}

int td_bus_add(struct td_bus *bus, struct td_io_region *region)
{
	uint64_t last = region->base + region->len - 1; /* inclusive: a region may end at 2^64 */
	unsigned at;
	int r;

	if (region->active)
		return -EEXIST;
	if (region->len == 0 || last < region->base)
		return -EINVAL;
	at = upper_bound(bus, region->base);
	if (at > 0 && bus->region[at - 1]->base + (bus->region[at - 1]->len - 1) >= region->base)
		return -EEXIST;
	if (at < bus->count && bus->region[at]->base <= last)
		return -EEXIST;
	r = make_room(bus);
	if (r < 0)
		return r;
	memmove(&bus->region[at + 1], &bus->region[at], (bus->count - at) * sizeof(struct td_io_region *));
	bus->region[at] = region;
	bus->count++;
	region->active = true;
	return 0;
}

void td_bus_remove(struct td_bus *bus, struct td_io_region *region)
{
	unsigned at;

	if (!region->active)
		return;
	at = upper_bound(bus, region->base);
	if (at == 0 || bus->region[at - 1] != region)
		return;
	bus->count--;
	memmove(&bus->region[at - 1], &bus->region[at], (bus->count - (at - 1)) * sizeof(struct td_io_region *));
	region->active = false;
}

void td_bus_fini(struct td_bus *bus)
{
	for (unsigned i = 0; i < bus->count; i++)
		bus->region[i]->active = false;
	free(bus->region);
	memset(bus, 0, sizeof(*bus));
}

enum td_result td_bus_dispatch(struct td_bus *bus, struct td_access *access)
{
	unsigned at = upper_bound(bus, access->offset);
	uint64_t address = access->offset;
	struct td_io_region *region;
	enum td_result result;

	if (at == 0)
		return TD_UNCLAIMED;
	region = bus->region[at - 1];
	if (!td_range_ok(address - region->base, access->width, region->len))
		return TD_UNCLAIMED;
	access->offset = address - region->base;
	result = region->access(region, access);
	access->offset = address;
	return result;
}
