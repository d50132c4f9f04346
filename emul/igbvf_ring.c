/* SPDX-License-Identifier: Apache-2.0 */
/* igbvf_ring.c - a descriptor ring as the guest described it, checked before it is touched. Source: Intel 82576EB datasheet §7.1.7,
 * §7.2.2.3. */
#include "core/vm.h"
#include "emul/igbvf_parts.h"

static const char *check(const struct td_vf82576_ring *state, const uint64_t *desc)
{
	uint32_t count = state->len_bytes / TD_IGBVF_DESC_BYTES;

	if (count < 2)
		return "a ring that can hold no descriptor";
	if (!desc)
		return "a ring outside RAM";
	return state->head >= count ? "a head beyond the ring's end" : NULL;
}

void td_igbvf_ring_prepare(struct td_igbvf *dev, struct td_igbvf_ring *ring, struct td_vf82576_ring *state)
{
	bool on = td_igbvf_may_dma(dev) && dev->state.handshaken && state->control & TD_VF_QUEUE_ENABLE;
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
	ring->desc = td_mem_ptr(&dev->pci.vm->mem, TD_GPA(state->base), state->len_bytes);
	why = check(state, ring->desc);
	if (why)
		td_igbvf_ring_break(dev, ring, why);
}

void td_igbvf_ring_break(struct td_igbvf *dev, struct td_igbvf_ring *ring, const char *why)
{
	ring->desc = NULL;
	ring->why = why;
	td_igbvf_count(&dev->stats.bad_descriptors, 1);
	td_log_limited(&dev->io.limit, TD_LOG_WARN, "%s: %s queue stopped until the driver sets it up again: %s", td_igbvf_name(dev),
		ring == &dev->rx.ring ? "receive" : "transmit", why);
}

bool td_igbvf_ring_tail(struct td_igbvf *dev, struct td_igbvf_ring *ring, uint32_t *ret_tail)
{
	uint32_t tail;

	if (!ring->desc)
		return false;
	tail = __atomic_load_n(ring->tail, __ATOMIC_ACQUIRE) & TD_IGBVF_INDEX_BITS;
	if (tail >= ring->count) {
		td_igbvf_ring_break(dev, ring, "a tail beyond the ring's end");
		return false;
	}
	*ret_tail = tail;
	return true;
}
