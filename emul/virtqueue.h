/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue.h - the device's side of one split virtqueue (virtio 1.2 §2.7): indirect descriptors, event index, batches. It knows guest
 * memory and nothing else: no transport, no eventfd. Everything in the ring is hostile: a rule broken marks the queue broken, for good,
 * and the owner then breaks its device.
 *
 * Theory of operation. The guest can change ring memory at any moment, so every field is copied out once, by one accessor, before it is
 * looked at; what was checked is what is used. pop() takes chains off the available ring, push() puts used ones into the used ring
 * without telling, publish() shows all of them at once and says whether the guest wants an interrupt.
 *
 * Not thread safe: one holder at a time.
 */
#ifndef TD_EMUL_VIRTQUEUE_H
#define TD_EMUL_VIRTQUEUE_H

#include <sys/uio.h>

#include "core/base.h"
#include "core/mem.h"

#define TD_VIRTQUEUE_SIZE_MAX 1024U /* entries, and segments of one chain */

struct td_virtqueue_stats {
	uint64_t chains;
	uint64_t descriptor_loads; /* 16-byte loads from guest memory: one for each descriptor of a chain */
	uint64_t signals, signals_saved;
};

struct td_virtqueue {
	const struct td_mem *mem;
	td_gpa desc_gpa, avail_gpa, used_gpa;
	uint16_t size; /* a power of two */
	bool indirect, event_idx;

	/* In guest memory; set by td_virtqueue_map(). */
	uint8_t *desc, *avail, *used;

	uint16_t next_avail; /* the entry of the available ring that is taken next */
	uint16_t avail_seen; /* the guest's index when we looked last */
	uint16_t next_used;  /* the entry of the used ring that is written next */
	uint16_t published;  /* our index as the guest knows it */
	bool signalled;	     /* false: the next publish() signals whatever the event index says */
	bool broken;
	const char *why; /* static text; what the guest did, when broken */
	struct td_virtqueue_stats stats;
};

/* Segments stand in the caller's array, those for the device to read first. */
struct td_virtqueue_chain {
	uint16_t head;
	unsigned out_count, in_count;
	size_t out_bytes, in_bytes;
};

/*
 * Turns the three addresses into pointers, positions to 0. -EINVAL: size no power of two or above TD_VIRTQUEUE_SIZE_MAX, an address not
 * aligned (16, 2, 4) or a ring not wholly in RAM.
 */
int td_virtqueue_map(struct td_virtqueue *vq, const struct td_mem *mem);
void td_virtqueue_unmap(struct td_virtqueue *vq);

/*
 * Takes the next chain. 1: taken, iov[0..out_count) to read and behind them in_count to write. 0: none there. -ENOSPC: its segments do not
 * fit room; it stays where it is. A chain has no more than vq->size. -EPROTO: the queue is broken.
 */
int td_virtqueue_pop(struct td_virtqueue *vq, struct iovec *iov, unsigned room, struct td_virtqueue_chain *ret_chain);
/* Gives the last `count` chains taken back, unused. */
void td_virtqueue_rewind(struct td_virtqueue *vq, unsigned count);

void td_virtqueue_push(struct td_virtqueue *vq, uint16_t head, uint32_t written_bytes);
bool td_virtqueue_publish(struct td_virtqueue *vq); /* true: signal the guest */

/* Asks the guest to kick when it adds a chain; true: one is there already. */
bool td_virtqueue_arm(struct td_virtqueue *vq);
/* One is there, without asking for a kick. */
bool td_virtqueue_waiting(const struct td_virtqueue *vq);
/* The guest need not kick. */
void td_virtqueue_disarm(struct td_virtqueue *vq);

/* Takes up where somebody else (vhost) left off: next_avail as it says, the used index as it stands in the ring. */
void td_virtqueue_take_over(struct td_virtqueue *vq, uint16_t next_avail);

/*
 * Then, of a queue whose taker had no way to deliver: chains that it took and never gave back are given back, empty, in their order; to be
 * published. For a taker that gives back in order else, and has none in work.
 */
void td_virtqueue_recover(struct td_virtqueue *vq);

/* Copies between a buffer and segments from byte `offset` on; returns the bytes copied, fewer when the segments end. */
size_t td_virtqueue_copy_out(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len_bytes);
size_t td_virtqueue_copy_in(const struct iovec *iov, unsigned count, size_t offset, const void *from, size_t len_bytes);

#endif
