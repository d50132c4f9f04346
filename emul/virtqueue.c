/* SPDX-License-Identifier: Apache-2.0 */
/* virtqueue.c - see virtqueue.h. */
#include "emul/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define RING_HEADER_BYTES 4U /* flags and index, of both rings */
#define AVAIL_ENTRY_BYTES 2U
#define USED_ENTRY_BYTES  8U

/*
 * The one way out of guest memory for descriptors. The copy is forced into a local by the asm: the compiler can not go back to the guest's
 * copy later, as it might for a plain load.
 */
static struct vring_desc load_descriptor(struct td_virtqueue *vq, const uint8_t *table, size_t index)
{
	struct vring_desc descriptor;

	memcpy(&descriptor, table + index * sizeof(descriptor), sizeof(descriptor));
	__asm__ volatile("" : "+m"(descriptor));
	vq->stats.descriptor_loads++;
	return descriptor;
}

static uint16_t load16(const uint8_t *from, int order)
{
	return order == __ATOMIC_ACQUIRE ? __atomic_load_n((const uint16_t *)(const void *)from, __ATOMIC_ACQUIRE)
					 : __atomic_load_n((const uint16_t *)(const void *)from, __ATOMIC_RELAXED);
}

static void store16(uint8_t *to, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)to, value, __ATOMIC_RELEASE);
}

/* Where the guest says at which used index it wants an interrupt, and where we say at which available index we want a kick. */
static uint8_t *used_event(const struct td_virtqueue *vq)
{
	return vq->avail + RING_HEADER_BYTES + AVAIL_ENTRY_BYTES * vq->size;
}

static uint8_t *avail_event(const struct td_virtqueue *vq)
{
	return vq->used + RING_HEADER_BYTES + USED_ENTRY_BYTES * vq->size;
}

static int mark_broken(struct td_virtqueue *vq, const char *why)
{
	vq->broken = true;
	vq->why = why;
	return -EPROTO;
}

int td_virtqueue_map(struct td_virtqueue *vq, const struct td_mem *mem)
{
	uint64_t size = vq->size;

	if (!size || size > TD_VIRTQUEUE_SIZE_MAX || (size & (size - 1)))
		return -EINVAL;
	if ((vq->desc_gpa.v & 15) || (vq->avail_gpa.v & 1) || (vq->used_gpa.v & 3))
		return -EINVAL;
	/* The two bytes of the event index stand behind each ring whether negotiated or not. */
	uint8_t *desc = td_mem_ptr(mem, vq->desc_gpa, size * sizeof(struct vring_desc));
	uint8_t *avail = td_mem_ptr(mem, vq->avail_gpa, RING_HEADER_BYTES + AVAIL_ENTRY_BYTES * size + 2);
	uint8_t *used = td_mem_ptr(mem, vq->used_gpa, RING_HEADER_BYTES + USED_ENTRY_BYTES * size + 2);
	if (!desc || !avail || !used)
		return -EINVAL;
	vq->mem = mem;
	vq->desc = desc;
	vq->avail = avail;
	vq->used = used;
	vq->next_avail = vq->avail_seen = vq->next_used = vq->published = 0;
	vq->signalled = vq->broken = false;
	vq->why = NULL;
	return 0;
}

void td_virtqueue_unmap(struct td_virtqueue *vq)
{
	vq->desc = vq->avail = vq->used = NULL;
}

/* Adds one descriptor's range to the chain. A range that continues the one before becomes part of it. */
static int add_segment(
	struct td_virtqueue *vq, const struct vring_desc *descriptor, struct iovec *iov, unsigned room, struct td_virtqueue_chain *chain)
{
	bool in = descriptor->flags & VRING_DESC_F_WRITE;
	unsigned count = chain->out_count + chain->in_count;
	unsigned *kind_count = in ? &chain->in_count : &chain->out_count;

	if (!in && chain->in_count)
		return mark_broken(vq, "a descriptor to read stands behind one to write");
	if (!descriptor->len)
		return 0;
	uint8_t *host = td_mem_ptr(vq->mem, TD_GPA(descriptor->addr), descriptor->len);
	if (!host)
		return mark_broken(vq, "a descriptor points outside RAM");
	*(in ? &chain->in_bytes : &chain->out_bytes) += descriptor->len;
	if (*kind_count && (uint8_t *)iov[count - 1].iov_base + iov[count - 1].iov_len == host) {
		iov[count - 1].iov_len += descriptor->len;
		return 0;
	}
	if (count >= room)
		return -ENOSPC;
	iov[count] = (struct iovec){host, descriptor->len};
	++*kind_count;
	return 0;
}

/* The table that an indirect descriptor names, or NULL when it breaks a rule (virtio 1.2 §2.7.5.3). */
static const uint8_t *indirect_table(struct td_virtqueue *vq, const struct vring_desc *descriptor, bool inside)
{
	const char *why = NULL;
	const uint8_t *table = NULL;

	if (!vq->indirect)
		why = "an indirect descriptor without the feature";
	else if (inside)
		why = "an indirect descriptor inside an indirect table";
	else if (descriptor->flags & VRING_DESC_F_NEXT)
		why = "an indirect descriptor with NEXT";
	else if (!descriptor->len || descriptor->len % sizeof(struct vring_desc))
		why = "an indirect table whose length is no multiple of 16";
	else if (!(table = td_mem_ptr(vq->mem, TD_GPA(descriptor->addr), descriptor->len)))
		why = "an indirect table outside RAM";
	if (why)
		mark_broken(vq, why);
	return table;
}

/*
 * A chain is no longer than its queue, in an indirect table too (virtio 1.2 §2.7.5.3.1); descriptors of no bytes count. So none that loops
 * goes on for ever, and no table however long keeps us busy.
 */
static int take_chain(struct td_virtqueue *vq, struct iovec *iov, unsigned room, struct td_virtqueue_chain *chain)
{
	const uint8_t *table = vq->desc;
	uint32_t table_count = vq->size, visited = 0, index = chain->head;
	bool inside = false;
	int rc;

	for (;;) {
		if (index >= table_count)
			return mark_broken(vq, "a descriptor index outside its table");
		if (visited >= vq->size)
			return mark_broken(vq, "a descriptor chain that loops, or is longer than its queue");
		struct vring_desc descriptor = load_descriptor(vq, table, index);
		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			table = indirect_table(vq, &descriptor, inside);
			if (!table)
				return -EPROTO;
			inside = true;
			table_count = TD_MIN(descriptor.len / (uint32_t)sizeof(descriptor), 65536U);
			index = 0;
			continue;
		}
		visited++;
		rc = add_segment(vq, &descriptor, iov, room, chain);
		if (rc)
			return rc;
		if (!(descriptor.flags & VRING_DESC_F_NEXT))
			return 0;
		index = descriptor.next;
	}
}

int td_virtqueue_pop(struct td_virtqueue *vq, struct iovec *iov, unsigned room, struct td_virtqueue_chain *ret_chain)
{
	struct td_virtqueue_chain chain = {0};
	int rc;

	if (vq->broken || !vq->desc)
		return -EPROTO;
	if (vq->next_avail == vq->avail_seen) {
		vq->avail_seen = load16(vq->avail + 2, __ATOMIC_ACQUIRE);
		if ((uint16_t)(vq->avail_seen - vq->next_avail) > vq->size)
			return mark_broken(vq, "the available index jumps by more than the queue's size");
		if (vq->next_avail == vq->avail_seen)
			return 0;
	}
	unsigned slot = vq->next_avail & (vq->size - 1U);
	chain.head = load16(vq->avail + RING_HEADER_BYTES + AVAIL_ENTRY_BYTES * slot, __ATOMIC_RELAXED);
	rc = take_chain(vq, iov, room, &chain);
	if (rc)
		return rc;
	vq->next_avail++;
	vq->stats.chains++;
	*ret_chain = chain;
	return 1;
}

void td_virtqueue_rewind(struct td_virtqueue *vq, unsigned count)
{
	vq->next_avail = (uint16_t)(vq->next_avail - count);
	vq->stats.chains -= count;
}

void td_virtqueue_push(struct td_virtqueue *vq, uint16_t head, uint32_t written_bytes)
{
	struct vring_used_elem element = {head, written_bytes};
	unsigned slot = vq->next_used & (vq->size - 1U);

	memcpy(vq->used + RING_HEADER_BYTES + USED_ENTRY_BYTES * slot, &element, sizeof(element));
	vq->next_used++;
}

static bool wants_signal(const struct td_virtqueue *vq, uint16_t before)
{
	if (!vq->event_idx)
		return !(load16(vq->avail, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT);
	return !vq->signalled || vring_need_event(load16(used_event(vq), __ATOMIC_RELAXED), vq->next_used, before);
}

bool td_virtqueue_publish(struct td_virtqueue *vq)
{
	uint16_t before = vq->published;
	bool signal;

	if (before == vq->next_used || !vq->used)
		return false;
	store16(vq->used + 2, vq->next_used);
	vq->published = vq->next_used;
	/* The guest arms its event, then looks at our index; we show our index, then look at its event. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	signal = wants_signal(vq, before);
	vq->signalled = true;
	if (signal)
		vq->stats.signals++;
	else
		vq->stats.signals_saved++;
	return signal;
}

bool td_virtqueue_arm(struct td_virtqueue *vq)
{
	if (vq->broken || !vq->used)
		return false;
	if (vq->event_idx)
		store16(avail_event(vq), vq->next_avail);
	else
		store16(vq->used, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return vq->next_avail != load16(vq->avail + 2, __ATOMIC_ACQUIRE);
}

bool td_virtqueue_waiting(const struct td_virtqueue *vq)
{
	return !vq->broken && vq->avail && vq->next_avail != load16(vq->avail + 2, __ATOMIC_ACQUIRE);
}

void td_virtqueue_disarm(struct td_virtqueue *vq)
{
	/* With the event index, an event that was passed stays silent by itself. */
	if (!vq->event_idx && vq->used)
		store16(vq->used, VRING_USED_F_NO_NOTIFY);
}

void td_virtqueue_take_over(struct td_virtqueue *vq, uint16_t next_avail)
{
	vq->next_avail = vq->avail_seen = next_avail;
	vq->next_used = vq->published = load16(vq->used + 2, __ATOMIC_ACQUIRE);
	vq->signalled = false;
}

/* `back` entries before the end of what was taken, or given back. */
static uint16_t taken_head(const struct td_virtqueue *vq, unsigned back)
{
	unsigned slot = (vq->next_avail - 1U - back) & (vq->size - 1U);

	return load16(vq->avail + RING_HEADER_BYTES + sizeof(uint16_t) * slot, __ATOMIC_RELAXED);
}

static uint32_t given_head(const struct td_virtqueue *vq, unsigned back)
{
	unsigned slot = (vq->next_used - 1U - back) & (vq->size - 1U);
	struct vring_used_elem element;

	memcpy(&element, vq->used + RING_HEADER_BYTES + USED_ENTRY_BYTES * slot, sizeof(element));
	return element.id;
}

/* The last that were taken, one ring of them, less those of them that were given back. Slots never written are alike in both rings. */
void td_virtqueue_recover(struct td_virtqueue *vq)
{
	int16_t out[TD_VIRTQUEUE_SIZE_MAX] = {0};
	bool missing[TD_VIRTQUEUE_SIZE_MAX];
	unsigned lost = (uint16_t)(vq->next_avail - vq->next_used);

	if (!vq->used || lost > vq->size)
		return;
	for (unsigned i = 0; i < vq->size; i++)
		out[taken_head(vq, i) & (vq->size - 1U)]++;
	for (unsigned i = 0; i < vq->size - lost; i++)
		out[given_head(vq, i) & (vq->size - 1U)]--;
	for (unsigned i = 0; i < vq->size; i++) {
		int16_t *left = &out[taken_head(vq, i) & (vq->size - 1U)];

		missing[i] = *left > 0; /* of one that was taken more than once, the last time */
		*left = (int16_t)(*left - missing[i]);
	}
	for (unsigned i = vq->size; lost && i--;)
		if (missing[i]) {
			td_virtqueue_push(vq, taken_head(vq, i) & (uint16_t)(vq->size - 1U), 0);
			lost--;
		}
}

static size_t vq_copy(const struct iovec *iov, unsigned count, size_t offset, uint8_t *buffer, size_t len_bytes, bool in)
{
	size_t done = 0;

	for (unsigned i = 0; i < count && done < len_bytes; i++) {
		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		uint8_t *guest = (uint8_t *)iov[i].iov_base + offset;
		size_t part = TD_MIN(iov[i].iov_len - offset, len_bytes - done);
		memcpy(in ? guest : buffer + done, in ? buffer + done : guest, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t td_virtqueue_copy_out(const struct iovec *iov, unsigned count, size_t offset, void *to, size_t len_bytes)
{
	size_t done = vq_copy(iov, count, offset, to, len_bytes, false);

	__asm__ volatile("" : : "r"(to) : "memory"); /* what was copied is what will be looked at */
	return done;
}

size_t td_virtqueue_copy_in(const struct iovec *iov, unsigned count, size_t offset, const void *from, size_t len_bytes)
{
	return vq_copy(iov, count, offset, (uint8_t *)(uintptr_t)from, len_bytes, true);
}
