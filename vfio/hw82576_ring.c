/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_ring.c - descriptors in guest RAM: those that move a head and do nothing else, and the mending of a packet that the hardware had
 * worked only in part when its queue went off. Rings are the guest's: whatever stands in them, nothing outside is touched and every
 * walk ends. Source: Intel 82576EB datasheet §7.1.5 (receive), §7.2.2 (transmit).
 */
#include <endian.h>
#include <string.h>

#include "vfio/hw82576_parts.h"

#define RING_ALIGN	128U
#define RING_BYTES_MAX	0x80000U /* 32 Ki descriptors: more than a driver makes, and the length's bits end at 19 */
#define TX_CMD		8U	 /* offset of the second half's first word */
#define TX_STATUS	12U
#define TX_TYPE_CONTEXT (2U << 20)
#define TX_TYPE_DATA	(3U << 20)
#define TX_TYPE		(15U << 20)
#define TX_EOP		(1U << 24)
#define TX_EXTENDED	(1U << 29)
#define TX_DD		(1U << 0)
#define TX_MACLEN_14	(14U << 9) /* of a frame that is never sent; valid lengths all the same */
#define TX_IPLEN_20	20U
#define RX_STATUS	8U
#define RX_DD		(1U << 0)
#define RX_EOP		(1U << 1)
#define RX_ERROR	(1U << 31) /* RXE: igbvf drops the packet and posts the buffers again */

static uint32_t load(const uint8_t *desc, uint32_t index, uint32_t offset)
{
	const uint8_t *at = desc + (size_t)index * TD_HW82576_DESC_BYTES + offset;

	return le32toh(__atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE));
}

static void store(uint8_t *desc, uint32_t index, uint32_t offset, uint32_t value)
{
	uint8_t *at = desc + (size_t)index * TD_HW82576_DESC_BYTES + offset;

	__atomic_store_n((uint32_t *)(void *)at, htole32(value), __ATOMIC_RELEASE);
}

uint32_t td_hw82576_ring_count(const struct td_vf82576_ring *ring)
{
	return ring->len_bytes / TD_HW82576_DESC_BYTES;
}

uint8_t *td_hw82576_ring_host(const struct td_mem *mem, const struct td_vf82576_ring *ring)
{
	uint32_t count = td_hw82576_ring_count(ring);

	if (ring->base % RING_ALIGN || ring->len_bytes % RING_ALIGN || ring->len_bytes > RING_BYTES_MAX || ring->head >= count ||
		ring->tail >= count)
		return NULL;
	return td_mem_ptr(mem, TD_GPA(ring->base), ring->len_bytes);
}

void td_hw82576_ring_dummies(uint8_t *desc, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		store(desc, i, 0, TX_MACLEN_14 | TX_IPLEN_20);
		store(desc, i, 4, 0);
		store(desc, i, TX_CMD, TX_EXTENDED | TX_TYPE_CONTEXT);
		store(desc, i, TX_STATUS, 0);
	}
}

/* Does the packet go on behind this descriptor? One that was written back ended it, and so did what is no descriptor we know. */
static bool goes_on(const uint8_t *desc, uint32_t index)
{
	uint32_t command = load(desc, index, TX_CMD);

	if (!(command & TX_EXTENDED) || load(desc, index, TX_STATUS) & TX_DD)
		return false;
	return (command & TX_TYPE) == TX_TYPE_CONTEXT || ((command & TX_TYPE) == TX_TYPE_DATA && !(command & TX_EOP));
}

/* A context descriptor belongs to the packet behind it: the model has to see it again too. */
uint32_t td_hw82576_ring_packet_start(const uint8_t *desc, const struct td_vf82576_ring *ring)
{
	uint32_t count = td_hw82576_ring_count(ring), start = ring->head;
	uint32_t pending = (ring->tail + count - ring->head) % count;

	for (uint32_t left = count - 1 - pending; left > 0; left--) {
		uint32_t before = start ? start - 1 : count - 1;

		if (!goes_on(desc, before))
			break;
		start = before;
	}
	return start;
}

bool td_hw82576_ring_close_packet(uint8_t *desc, const struct td_vf82576_ring *ring)
{
	uint32_t count = td_hw82576_ring_count(ring), last = ring->head ? ring->head - 1 : count - 1;
	uint32_t status = load(desc, last, RX_STATUS);

	if ((status & (RX_DD | RX_EOP)) != RX_DD)
		return false;
	store(desc, last, RX_STATUS, status | RX_EOP | RX_ERROR);
	return true;
}
