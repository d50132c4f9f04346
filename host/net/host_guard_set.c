/* SPDX-License-Identifier: Apache-2.0 */
/* host_guard_set.c - sets of MAC addresses as the kernel lists them: of any size, and each asked for by halves. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/net/host_guard_parts.h"

static int compare_members(const void *a, const void *b)
{
	const struct td_host_guard_member *one = a, *two = b;
	int order = memcmp(one->mac, two->mac, sizeof(one->mac));

	return order ? order : (one->link > two->link) - (one->link < two->link);
}

void td_host_guard_set_add(struct td_host_guard_set *set, const struct td_host_guard_member *member)
{
	if (set->count == set->room) {
		unsigned room = set->room ? set->room * 2 : 32;
		struct td_host_guard_member *more = reallocarray(set->member, room, sizeof(*more));

		set->no_memory = set->no_memory || !more;
		if (!more)
			return;
		set->member = more;
		set->room = room;
	}
	set->member[set->count++] = *member;
}

int td_host_guard_set_close(struct td_host_guard_set *set)
{
	unsigned kept = 0;

	if (set->no_memory)
		return -ENOMEM;
	if (set->count)
		qsort(set->member, set->count, sizeof(*set->member), compare_members);
	for (unsigned i = 0; i < set->count; i++)
		if (!kept || compare_members(&set->member[kept - 1], &set->member[i]) != 0)
			set->member[kept++] = set->member[i];
	set->count = kept;
	return 0;
}

const struct td_host_guard_member *td_host_guard_set_find(const struct td_host_guard_set *set, const uint8_t mac[6], int link)
{
	struct td_host_guard_member wanted = {.link = link};

	memcpy(wanted.mac, mac, sizeof(wanted.mac));
	return set->count ? bsearch(&wanted, set->member, set->count, sizeof(wanted), compare_members) : NULL;
}

void td_host_guard_set_fini(struct td_host_guard_set *set)
{
	free(set->member);
	*set = (struct td_host_guard_set){0};
}
