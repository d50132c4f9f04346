/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_fuzz.c - rings as a guest left them on a hardware VF: the input is their registers, then what stands in RAM from 0 on. Whatever
 * they are, mending them ends, touches nothing outside, and leaves heads inside.
 */
#include <stdlib.h>
#include <string.h>

#include "vfio/hw82576_parts.h"

#define RAM_BYTES (1ULL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(const struct td_mem *mem, const struct td_vf82576_ring *ring)
{
	uint32_t count = td_hw82576_ring_count(ring);
	uint8_t *desc = td_hw82576_ring_host(mem, ring);

	if (!desc)
		return;
	if (td_hw82576_ring_packet_start(desc, ring) >= count)
		abort();
	if (td_hw82576_ring_close_packet(desc, ring) && td_hw82576_ring_close_packet(desc, ring))
		abort(); /* is closed now */
	td_hw82576_ring_dummies(desc, ring->head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct td_mem mem;
	struct td_mem_config config = {.size_bytes = RAM_BYTES};
	struct {
		uint64_t base;
		uint32_t len_bytes, head, tail;
		uint32_t shift;
	} in;

	if (!mem.size_bytes && td_mem_init(&mem, &config, NULL) < 0)
		abort();
	if (size < sizeof(in))
		return 0;
	memcpy(&in, data, sizeof(in));
	size -= sizeof(in);
	memset(td_mem_ptr(&mem, TD_GPA(0), RAM_BYTES), 0, 8192);
	if (size)
		memcpy(td_mem_ptr(&mem, TD_GPA(0), RAM_BYTES), data + sizeof(in), TD_MIN(size, RAM_BYTES));
	const struct td_vf82576_ring raw = {.base = in.base, .len_bytes = in.len_bytes, .head = in.head, .tail = in.tail};
	mend(&mem, &raw);
	/* One that fits: most of the raw ones don't. */
	const struct td_vf82576_ring fits = {
		.base = in.base % 64 * 128, .len_bytes = (1 + in.len_bytes % 16) * 128, .head = in.head % 8, .tail = in.tail % 8};
	mend(&mem, &fits);
	return 0;
}
