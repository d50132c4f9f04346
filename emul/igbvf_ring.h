/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_ring.h - a descriptor ring while it is worked, of either direction. On the I/O thread, or while that is parked.
 */
#ifndef TD_EMUL_IGBVF_RING_H
#define TD_EMUL_IGBVF_RING_H

#include "core/log.h"
#include "core/mem.h"
#include "emul/igbvf_base.h"

/* Pointers are checked when the ring is prepared. */
struct td_igbvf_ring {
	const struct td_mem *mem;
	const char *device, *kind; /* for messages: "net0", "receive" */
	struct td_vf82576_ring *state;
	uint64_t *desc; /* NULL: is not to be worked */
	uint32_t count;
	const uint32_t *tail; /* where the guest writes it */
	uint32_t *head_shown; /* where it reads the head, if that is not in state */
	uint32_t seen;	      /* the tail at which nothing more could be done */
	const char *why;      /* the guest broke the ring: not worked until it is set up again */
	uint64_t breaks;      /* atomic: times that it did */
	struct td_log_limit limit;
};

/* All is borrowed. */
void td_igbvf_ring_init(struct td_igbvf_ring *ring, const struct td_mem *mem, const char *device, const char *kind);
/* As the guest has set it up now. may_run: the function may do DMA, and its PF has let it in. */
void td_igbvf_ring_prepare(struct td_igbvf_ring *ring, struct td_vf82576_ring *state, bool may_run);
/* The tail as the guest wrote it, inside the ring; false when the ring is off or broken. */
bool td_igbvf_ring_tail(struct td_igbvf_ring *ring, uint32_t *ret_tail);
void td_igbvf_ring_break(struct td_igbvf_ring *ring, const char *why); /* static text */

static inline uint32_t td_igbvf_ring_head(const struct td_igbvf_ring *ring)
{
	return __atomic_load_n(&ring->state->head, __ATOMIC_RELAXED);
}

static inline void td_igbvf_ring_set_head(struct td_igbvf_ring *ring, uint32_t head)
{
	__atomic_store_n(&ring->state->head, head, __ATOMIC_RELAXED);
	if (ring->head_shown)
		__atomic_store_n(ring->head_shown, head, __ATOMIC_RELAXED);
}

static inline uint32_t td_igbvf_ring_next(const struct td_igbvf_ring *ring, uint32_t at)
{
	return at + 1 < ring->count ? at + 1 : 0;
}

/* Somebody waits, with the VM's lock, for the thread to park: a round ends early then. */
static inline bool td_igbvf_ring_asked(const bool *stop)
{
	return __atomic_load_n(stop, __ATOMIC_RELAXED);
}

#endif
