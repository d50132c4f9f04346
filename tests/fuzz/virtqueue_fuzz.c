/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue_fuzz.c - a ring whose memory is the input: byte 0 chooses size and features, the rest is what stands in guest RAM. All chains
 * that come out must lie in RAM.
 */
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "emul/virtqueue.h"

#define RAM_BYTES (1ULL << 20)
#define POPS	  64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct td_mem *mem, const struct iovec *iov, unsigned count)
{
	const uint8_t *start = td_mem_ptr(mem, TD_GPA(0), RAM_BYTES);

	for (unsigned i = 0; i < count; i++) {
		const uint8_t *base = iov[i].iov_base;

		if (base < start || base + iov[i].iov_len > start + RAM_BYTES || !iov[i].iov_len)
			abort();
	}
}

static void work(struct td_virtqueue *vq, const struct td_mem *mem)
{
	static struct iovec iov[TD_VIRTQUEUE_SIZE_MAX];
	struct td_virtqueue_chain chain;
	uint8_t scrap[64] = {0};

	for (unsigned i = 0; i < POPS; i++) {
		unsigned room = i % 4 ? TD_VIRTQUEUE_SIZE_MAX : 2;
		int rc = td_virtqueue_pop(vq, iov, room, &chain);

		if (rc == 1) {
			check(mem, iov, chain.out_count + chain.in_count);
			td_virtqueue_copy_out(iov, chain.out_count, 0, scrap, sizeof(scrap));
			if (i % 8 == 7)
				td_virtqueue_rewind(vq, 1);
			else
				td_virtqueue_push(vq, chain.head, (uint32_t)chain.in_bytes);
			td_virtqueue_copy_in(iov + chain.out_count, chain.in_count, 0, scrap, 1);
		}
		if (i % 3 == 0)
			td_virtqueue_publish(vq);
		if (rc <= 0 && !td_virtqueue_arm(vq))
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct td_mem mem;
	struct td_mem_config config = {.size_bytes = RAM_BYTES};
	struct td_virtqueue vq = {.desc_gpa = {0}, .avail_gpa = {0x80}, .used_gpa = {0x8000}};

	if (!mem.region_count && td_mem_init(&mem, &config, NULL))
		abort();
	if (!size)
		return 0;
	vq.size = (uint16_t)(1U << (data[0] & 3));
	vq.indirect = data[0] & 8;
	vq.event_idx = data[0] & 16;
	uint8_t *ram = td_mem_ptr(&mem, TD_GPA(0), RAM_BYTES);
	memset(ram, 0, 0x9000);
	memcpy(ram, data + 1, TD_MIN(size - 1, (size_t)0x4000));
	if (td_virtqueue_map(&vq, &mem))
		abort();
	work(&vq, &mem);
	return 0;
}
