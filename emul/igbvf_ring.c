/* SPDX-License-Identifier: Apache-2.0 */
/* igbvf_ring.c - a descriptor ring as the guest described it, checked before it is touched. Source: Intel 82576EB datasheet §7.1.7,
 * §7.2.2.3. */
#include "emul/igbvf_ring.h"

static const char *ring_check(const struct td_vf82576_ring *state, const uint64_t *desc)
{
	uint32_t count = state->len_bytes / TD_IGBVF_DESC_BYTES;

	if (count < 2)
		return "a ring that can hold no descriptor";
	if (!desc)
		return "a ring outside RAM";
	return state->head >= count ? "a head beyond the ring's end" : NULL;
}

void td_igbvf_ring_init(struct td_igbvf_ring *ring, const struct td_mem *mem, const char *device, const char *kind)
{
	*ring = (struct td_igbvf_ring){.mem = mem, .device = device, .kind = kind};
}

void td_igbvf_ring_prepare(struct td_igbvf_ring *ring, struct td_vf82576_ring *state, bool may_run)
{
	bool on = may_run && state->control & TD_VF_QUEUE_ENABLE;
	const char *why;

	ring->state = state;
	ring->desc = NULL;
	ring->count = state->len_bytes / TD_IGBVF_DESC_BYTES;
	ring->tail = &state->tail;
	ring->head_shown = NULL;
	ring->seen = UINT32_MAX;
	if (!on)
		ring->why = NULL; /* what was wrong is forgiven when it is set up again */
	if (!on || ring->why)
		return;
	ring->desc = td_mem_ptr(ring->mem, TD_GPA(state->base), state->len_bytes);
	why = ring_check(state, ring->desc);
	if (why)
		td_igbvf_ring_break(ring, why);
}

void td_igbvf_ring_break(struct td_igbvf_ring *ring, const char *why)
{
	ring->desc = NULL;
	ring->why = why;
	td_igbvf_count(&ring->breaks, 1);
	td_log_limited(
		&ring->limit, TD_LOG_WARN, "%s: %s queue stopped until the driver sets it up again: %s", ring->device, ring->kind, why);
}

bool td_igbvf_ring_tail(struct td_igbvf_ring *ring, uint32_t *ret_tail)
{
	uint32_t tail;

	if (!ring->desc)
		return false;
	tail = __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE) & TD_IGBVF_INDEX_BITS;
	if (tail >= ring->count) {
		td_igbvf_ring_break(ring, "a tail beyond the ring's end");
		return false;
	}
	*ret_tail = tail;
	return true;
}
