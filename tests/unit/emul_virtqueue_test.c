/* SPDX-License-Identifier: Apache-2.0 */
/* emul_virtqueue_test.c - the device's side of a ring against a driver that keeps the rules, and against many that do not. */
#include "emul/virtqueue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIZE	  8U
#define DESC_GPA  0x1000ULL
#define AVAIL_GPA 0x2000ULL
#define USED_GPA  0x3000ULL
#define TABLE_GPA 0x4000ULL
#define DATA_GPA  0x8000ULL
#define RAM_BYTES (1ULL << 20)

struct ring {
	struct td_mem mem;
	struct td_virtqueue vq;
	struct vring_desc *desc, *table;
	uint16_t *avail, *used;
	struct iovec iov[TD_VIRTQUEUE_SIZE_MAX];
	struct td_virtqueue_chain chain;
};

static struct ring *setup_ring(void)
{
	struct ring *r = test_calloc(1, sizeof(*r));
	struct td_mem_config config = {.size_bytes = RAM_BYTES};

	assert_int_equal(td_mem_init(&r->mem, &config, NULL), 0);
	r->desc = td_mem_ptr(&r->mem, TD_GPA(DESC_GPA), 4096);
	r->table = td_mem_ptr(&r->mem, TD_GPA(TABLE_GPA), 4096);
	r->avail = td_mem_ptr(&r->mem, TD_GPA(AVAIL_GPA), 4096);
	r->used = td_mem_ptr(&r->mem, TD_GPA(USED_GPA), 4096);
	r->vq = (struct td_virtqueue){
		.size = SIZE, .desc_gpa = {DESC_GPA}, .avail_gpa = {AVAIL_GPA}, .used_gpa = {USED_GPA}, .indirect = true};
	assert_int_equal(td_virtqueue_map(&r->vq, &r->mem), 0);
	return r;
}

static int setup(void **state)
{
	*state = setup_ring();
	return 0;
}

static int teardown(void **state)
{
	struct ring *r = *state;

	td_mem_fini(&r->mem);
	test_free(r);
	return 0;
}

static void put(struct ring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	r->desc[i] = (struct vring_desc){addr, len, flags, next};
}

static void put_table(struct ring *r, unsigned i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	r->table[i] = (struct vring_desc){addr, len, flags, next};
}

static void offer(struct ring *r, uint16_t head)
{
	r->avail[2 + r->avail[1] % SIZE] = head;
	r->avail[1]++;
}

static int pop(struct ring *r)
{
	return td_virtqueue_pop(&r->vq, r->iov, TD_COUNT(r->iov), &r->chain);
}

/* The chain at head 0 breaks the queue, for good. */
static void expect_broken(struct ring *r)
{
	offer(r, 0);
	assert_int_equal(pop(r), -EPROTO);
	assert_true(r->vq.broken);
	assert_non_null(r->vq.why);
	put(r, 0, DATA_GPA, 16, 0, 0);
	assert_int_equal(pop(r), -EPROTO);
	assert_false(td_virtqueue_arm(&r->vq));
}

static void test_map_refuses(void **state)
{
	struct ring *r = *state;
	struct td_virtqueue good = r->vq, vq;
	static const uint16_t sizes[] = {0, 3, 24, 2048, 65535};

	for (unsigned i = 0; i < TD_COUNT(sizes); i++) {
		vq = good;
		vq.size = sizes[i];
		assert_int_equal(td_virtqueue_map(&vq, &r->mem), -EINVAL);
	}
	static const struct {
		uint64_t desc, avail, used;
	} addresses[] = {
		{DESC_GPA + 8, AVAIL_GPA, USED_GPA},
		{DESC_GPA, AVAIL_GPA + 1, USED_GPA},
		{DESC_GPA, AVAIL_GPA, USED_GPA + 2},
		{RAM_BYTES - 16, AVAIL_GPA, USED_GPA},
		{DESC_GPA, RAM_BYTES, USED_GPA},
		{DESC_GPA, AVAIL_GPA, RAM_BYTES - 68}, /* the event index stands outside */
		{~15ULL, AVAIL_GPA, USED_GPA},
	};
	for (unsigned i = 0; i < TD_COUNT(addresses); i++) {
		vq = good;
		vq.desc_gpa = TD_GPA(addresses[i].desc);
		vq.avail_gpa = TD_GPA(addresses[i].avail);
		vq.used_gpa = TD_GPA(addresses[i].used);
		assert_int_equal(td_virtqueue_map(&vq, &r->mem), -EINVAL);
	}
	good.used_gpa = TD_GPA(RAM_BYTES - 72);
	assert_int_equal(td_virtqueue_map(&good, &r->mem), 0);
}

static void test_chain(void **state)
{
	struct ring *r = *state;

	assert_int_equal(pop(r), 0);
	put(r, 3, DATA_GPA, 16, VRING_DESC_F_NEXT, 5);
	put(r, 5, DATA_GPA + 16, 16, VRING_DESC_F_NEXT, 1); /* continues the one before */
	put(r, 1, DATA_GPA + 64, 8, VRING_DESC_F_NEXT, 0);
	put(r, 0, DATA_GPA + 72, 8, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 7); /* so does this, but in the other direction */
	put(r, 7, DATA_GPA + 256, 32, VRING_DESC_F_WRITE, 0);
	offer(r, 3);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->chain.head, 3);
	assert_int_equal(r->chain.out_count, 2);
	assert_int_equal(r->chain.in_count, 2);
	assert_int_equal(r->chain.out_bytes, 40);
	assert_int_equal(r->chain.in_bytes, 40);
	assert_ptr_equal(r->iov[0].iov_base, td_mem_ptr(&r->mem, TD_GPA(DATA_GPA), 1));
	assert_int_equal(r->iov[0].iov_len, 32);
	assert_int_equal(r->vq.stats.descriptor_loads, 5); /* each once */
	assert_int_equal(pop(r), 0);
}

static void test_last_byte_of_ram(void **state)
{
	struct ring *r = *state;

	put(r, 0, RAM_BYTES - 16, 16, 0, 0);
	offer(r, 0);
	assert_int_equal(pop(r), 1);
}

static void test_zero_length(void **state)
{
	struct ring *r = *state;

	put(r, 0, ~0ULL, 0, 0, 0);
	offer(r, 0);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->chain.out_count, 0);
}

static void test_hostile_chains(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
		uint16_t flags, next;
	} hostile[] = {
		{DATA_GPA, 16, VRING_DESC_F_NEXT, 0},		/* loops on itself */
		{DATA_GPA, 16, VRING_DESC_F_NEXT, 1},		/* loops by way of 1, see below */
		{DATA_GPA, 16, VRING_DESC_F_NEXT, SIZE},	/* outside the table */
		{DATA_GPA, 16, VRING_DESC_F_NEXT, 0xffff},	/* far outside */
		{RAM_BYTES, 1, 0, 0},				/* outside RAM */
		{RAM_BYTES - 8, 9, 0, 0},			/* ends outside */
		{~0ULL - 7, 16, 0, 0},				/* wraps */
		{DATA_GPA, 0xffffffff, 0, 0},			/* longer than RAM */
		{DATA_GPA, 16, VRING_DESC_F_WRITE | 1, 2},	/* 2 is to be read: wrong order */
		{TABLE_GPA, 0, VRING_DESC_F_INDIRECT, 0},	/* no table */
		{TABLE_GPA, 15, VRING_DESC_F_INDIRECT, 0},	/* no multiple of 16 */
		{TABLE_GPA, 40, VRING_DESC_F_INDIRECT, 0},	/* neither */
		{TABLE_GPA, 16, VRING_DESC_F_INDIRECT | 1, 2},	/* with NEXT */
		{RAM_BYTES - 16, 32, VRING_DESC_F_INDIRECT, 0}, /* table ends outside RAM */
		{~15ULL, 32, VRING_DESC_F_INDIRECT, 0},		/* table wraps */
		{DATA_GPA, 0xfffffff0, VRING_DESC_F_INDIRECT, 0},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(hostile); i++) {
		struct ring *r = setup_ring();
		void *ring = r;

		put(r, 0, hostile[i].addr, hostile[i].len, hostile[i].flags, hostile[i].next);
		put(r, 1, DATA_GPA, 16, VRING_DESC_F_NEXT, 0);
		put(r, 2, DATA_GPA, 16, 0, 0);
		expect_broken(r);
		teardown(&ring);
	}
}

static void test_head_outside(void **state)
{
	struct ring *r = *state;

	offer(r, SIZE);
	assert_int_equal(pop(r), -EPROTO);
}

static void test_index_jump(void **state)
{
	struct ring *r = *state;

	r->avail[1] = SIZE + 1;
	assert_int_equal(pop(r), -EPROTO);
	assert_true(r->vq.broken);
}

static void test_index_full(void **state)
{
	struct ring *r = *state;

	put(r, 0, DATA_GPA, 16, 0, 0);
	r->avail[1] = SIZE; /* all entries are 0: the same chain eight times, which is odd but harms nobody */
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(pop(r), 1);
	assert_int_equal(pop(r), 0);
}

static void test_indirect(void **state)
{
	struct ring *r = *state;

	put(r, 0, DATA_GPA, 16, VRING_DESC_F_NEXT, 4);
	put(r, 4, TABLE_GPA, 48, VRING_DESC_F_INDIRECT, 0);
	put_table(r, 0, DATA_GPA + 64, 16, VRING_DESC_F_NEXT, 2);
	put_table(r, 2, DATA_GPA + 128, 32, VRING_DESC_F_WRITE, 0);
	offer(r, 0);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->chain.out_bytes, 32);
	assert_int_equal(r->chain.in_bytes, 32);
	assert_int_equal(r->vq.stats.descriptor_loads, 4);
}

static void test_indirect_hostile(void **state)
{
	static const struct vring_desc entry[] = {
		{TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0}, /* a table inside a table */
		{DATA_GPA, 16, VRING_DESC_F_NEXT, 0},	   /* loops */
		{DATA_GPA, 16, VRING_DESC_F_NEXT, 2},	   /* outside its table */
		{RAM_BYTES, 16, 0, 0},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(entry); i++) {
		struct ring *r = setup_ring();
		void *ring = r;

		put(r, 0, TABLE_GPA, 32, VRING_DESC_F_INDIRECT, 0);
		r->table[0] = entry[i];
		put_table(r, 2, DATA_GPA, 16, 0, 0);
		expect_broken(r);
		teardown(&ring);
	}
}

static void test_indirect_not_negotiated(void **state)
{
	struct ring *r = *state;

	r->vq.indirect = false;
	put(r, 0, TABLE_GPA, 16, VRING_DESC_F_INDIRECT, 0);
	put_table(r, 0, DATA_GPA, 16, 0, 0);
	expect_broken(r);
}

/* count descriptors of len bytes in an indirect table. */
static void offer_table(struct ring *r, uint32_t count, uint32_t len)
{
	struct vring_desc *big = td_mem_ptr(&r->mem, TD_GPA(0x10000), count * sizeof(*big));

	for (uint32_t i = 0; i < count; i++)
		big[i] = (struct vring_desc){DATA_GPA + 32ULL * (i % 64), len, i + 1 < count ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1)};
	put(r, 0, 0x10000, count * (uint32_t)sizeof(*big), VRING_DESC_F_INDIRECT, 0);
	offer(r, 0);
}

/* An indirect table may hold as many descriptors as the queue has, and no more, whether they have bytes or not. */
static void test_longest_chain(void **state)
{
	static const uint32_t lens[] = {16, 0};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(lens); i++) {
		struct ring *r = setup_ring();
		void *ring = r;

		offer_table(r, SIZE, lens[i]);
		assert_int_equal(pop(r), 1);
		offer_table(r, SIZE + 1, lens[i]);
		assert_int_equal(pop(r), -EPROTO);
		assert_true(r->vq.broken);
		teardown(&ring);
	}
}

/* What stands before the table counts too. */
static void test_longest_chain_mixed(void **state)
{
	struct ring *r = *state;

	offer_table(r, SIZE, 16);
	put(r, 1, DATA_GPA, 16, VRING_DESC_F_NEXT, 0);
	r->avail[2] = 1;
	assert_int_equal(pop(r), -EPROTO);
	assert_true(r->vq.broken);
}

/* A table of a thousand descriptors costs no more loads than the queue has entries. */
static void test_loads_are_bounded(void **state)
{
	struct ring *r = *state;

	offer_table(r, TD_VIRTQUEUE_SIZE_MAX, 0);
	assert_int_equal(pop(r), -EPROTO);
	assert_in_range(r->vq.stats.descriptor_loads, 1, SIZE + 1);
}

static void test_no_room(void **state)
{
	struct ring *r = *state;

	put(r, 0, DATA_GPA, 16, VRING_DESC_F_NEXT, 1);
	put(r, 1, DATA_GPA + 64, 16, 0, 0);
	offer(r, 0);
	assert_int_equal(td_virtqueue_pop(&r->vq, r->iov, 1, &r->chain), -ENOSPC);
	assert_false(r->vq.broken);
	assert_int_equal(td_virtqueue_pop(&r->vq, r->iov, 2, &r->chain), 1);
}

static void test_rewind(void **state)
{
	struct ring *r = *state;

	put(r, 0, DATA_GPA, 16, 0, 0);
	put(r, 1, DATA_GPA, 16, 0, 0);
	offer(r, 0);
	offer(r, 1);
	assert_int_equal(pop(r), 1);
	assert_int_equal(pop(r), 1);
	td_virtqueue_rewind(&r->vq, 1);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->chain.head, 1);
	assert_int_equal(pop(r), 0);
}

static void test_publish_with_flags(void **state)
{
	struct ring *r = *state;

	assert_false(td_virtqueue_publish(&r->vq)); /* nothing to show */
	td_virtqueue_push(&r->vq, 5, 100);
	assert_int_equal(r->used[1], 0); /* not shown yet */
	assert_true(td_virtqueue_publish(&r->vq));
	assert_int_equal(r->used[1], 1);
	assert_int_equal(((uint32_t *)(void *)(r->used + 2))[0], 5);
	assert_int_equal(((uint32_t *)(void *)(r->used + 2))[1], 100);
	r->avail[0] = VRING_AVAIL_F_NO_INTERRUPT;
	td_virtqueue_push(&r->vq, 5, 100);
	assert_false(td_virtqueue_publish(&r->vq));
	td_virtqueue_disarm(&r->vq);
	assert_int_equal(r->used[0], VRING_USED_F_NO_NOTIFY);
	assert_false(td_virtqueue_arm(&r->vq));
	assert_int_equal(r->used[0], 0);
	offer(r, 0);
	assert_true(td_virtqueue_arm(&r->vq));
}

static void publish_one(struct ring *r, uint16_t used_event, bool signal)
{
	r->avail[2 + SIZE] = used_event;
	td_virtqueue_push(&r->vq, 0, 0);
	assert_int_equal(td_virtqueue_publish(&r->vq), signal);
}

static void test_publish_with_event_index(void **state)
{
	struct ring *r = *state;

	r->vq.event_idx = true;
	publish_one(r, 100, true); /* the first one signals whatever the guest says: it may not have said it yet */
	publish_one(r, 100, false);
	publish_one(r, 2, true);
	publish_one(r, 2, false); /* passed */
	r->vq.next_used = r->vq.published = 0xffff;
	publish_one(r, 0xffff, true); /* over the wrap */
	publish_one(r, 0xffff, false);
	publish_one(r, 1, true);
	/* A batch that steps over the event. */
	r->avail[2 + SIZE] = 3;
	for (unsigned i = 0; i < 4; i++)
		td_virtqueue_push(&r->vq, 0, 0);
	assert_true(td_virtqueue_publish(&r->vq));
	assert_int_equal(r->vq.stats.signals + r->vq.stats.signals_saved, 8);
}

static void test_arm_with_event_index(void **state)
{
	struct ring *r = *state;
	uint16_t *avail_event = r->used + 2 + 4 * SIZE;

	r->vq.event_idx = true;
	put(r, 0, DATA_GPA, 16, 0, 0);
	offer(r, 0);
	assert_true(td_virtqueue_waiting(&r->vq));
	assert_int_equal(pop(r), 1);
	assert_false(td_virtqueue_waiting(&r->vq));
	assert_false(td_virtqueue_arm(&r->vq));
	assert_int_equal(*avail_event, 1);
	td_virtqueue_disarm(&r->vq);
	assert_int_equal(r->used[0], 0);
}

static void test_take_over(void **state)
{
	struct ring *r = *state;

	put(r, 2, DATA_GPA, 16, 0, 0);
	r->used[1] = 0xfff0;
	r->avail[1] = 0xfff1;
	r->avail[2 + 0xfff0 % SIZE] = 2;
	td_virtqueue_take_over(&r->vq, 0xfff0);
	assert_int_equal(pop(r), 1);
	assert_int_equal(r->chain.head, 2);
	td_virtqueue_push(&r->vq, 2, 0);
	assert_true(td_virtqueue_publish(&r->vq));
	assert_int_equal(r->used[1], 0xfff1);
}

struct changer {
	struct ring *ring;
	bool stop;
};

/* Another takes `count` chains from head `first` on, and gives back those of `kept`. */
static void taken_by_another(struct ring *r, unsigned first, unsigned count, unsigned kept)
{
	for (unsigned i = 0; i < count; i++) {
		offer(r, (uint16_t)((first + i) % SIZE));
		if (!(kept >> i & 1))
			continue;
		struct vring_used_elem given = {(first + i) % SIZE, 0};

		memcpy((uint8_t *)r->used + 4 + 8 * (r->used[1] % SIZE), &given, sizeof(given));
		r->used[1]++;
	}
	td_virtqueue_take_over(&r->vq, r->avail[1]);
}

static uint32_t given_at(const struct ring *r, unsigned back)
{
	struct vring_used_elem given;

	memcpy(&given, (const uint8_t *)r->used + 4 + 8 * ((r->vq.next_used - 1 - back) % SIZE), sizeof(given));
	assert_int_equal(given.len, 0);
	return given.id;
}

/* What a taker has never given back: on a new ring, on one that was full often, and all of it. */
static void test_recover(void **state)
{
	struct ring *r = *state;

	taken_by_another(r, 0, 5, 0x11); /* 0 and 4 came back */
	td_virtqueue_recover(&r->vq);
	assert_int_equal(r->vq.next_used, 5);
	assert_int_equal(given_at(r, 2), 1);
	assert_int_equal(given_at(r, 1), 2);
	assert_int_equal(given_at(r, 0), 3);
	assert_true(td_virtqueue_publish(&r->vq));

	for (unsigned i = 0; i < 3; i++)
		taken_by_another(r, 5 + 7 * i, 7, 0x7f);
	td_virtqueue_recover(&r->vq);
	assert_false(td_virtqueue_publish(&r->vq)); /* nothing is missing */

	taken_by_another(r, 3, 6, 0x0f);
	td_virtqueue_recover(&r->vq);
	assert_int_equal(r->vq.next_used, r->vq.next_avail);
	assert_int_equal(given_at(r, 1), 7);
	assert_int_equal(given_at(r, 0), 8 % SIZE);
	assert_true(td_virtqueue_publish(&r->vq));

	taken_by_another(r, 9, SIZE, 0);
	td_virtqueue_recover(&r->vq);
	assert_int_equal(r->vq.next_used, r->vq.next_avail);
	assert_int_equal(given_at(r, SIZE - 1), 9 % SIZE);
	assert_int_equal(given_at(r, 0), (9 + SIZE - 1) % SIZE);
}

static void *change_forever(void *opaque)
{
	struct changer *changer = opaque;
	struct vring_desc *desc = changer->ring->desc;

	while (!__atomic_load_n(&changer->stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(&desc[0].addr, RAM_BYTES - 64, __ATOMIC_RELAXED);
		__atomic_store_n(&desc[0].len, 64, __ATOMIC_RELAXED);
		__atomic_store_n(&desc[0].flags, VRING_DESC_F_NEXT, __ATOMIC_RELAXED);
		__atomic_store_n(&desc[0].len, 128, __ATOMIC_RELAXED);
		__atomic_store_n(&desc[0].addr, RAM_BYTES - 128, __ATOMIC_RELAXED);
		__atomic_store_n(&desc[0].flags, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&desc[0].next, (uint16_t)(desc[0].next + 1) % SIZE, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Whatever the guest changes while we look: what comes out lies in RAM. */
static void test_changes_while_read(void **state)
{
	struct ring *r = *state;
	struct changer changer = {.ring = r};
	pthread_t thread;
	const uint8_t *start = td_mem_ptr(&r->mem, TD_GPA(0), RAM_BYTES);
	unsigned good = 0, bad = 0;

	for (unsigned i = 1; i < SIZE; i++)
		put(r, i, DATA_GPA, 16, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, change_forever, &changer), 0);
	for (unsigned i = 0; i < 200000; i++) {
		offer(r, 0);
		if (pop(r) == 1) {
			good++;
			for (unsigned k = 0; k < r->chain.out_count; k++) {
				const uint8_t *base = r->iov[k].iov_base;

				assert_true(base >= start && base + r->iov[k].iov_len <= start + RAM_BYTES);
			}
			continue;
		}
		bad++;
		r->vq.broken = false;
		r->vq.next_avail = r->vq.avail_seen = r->avail[1];
	}
	__atomic_store_n(&changer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(good + bad, 200000);
	assert_true(good > 0);
}

static void test_copy(void **state)
{
	char a[4] = "abc", b[4] = "def", out[8] = "";
	struct iovec iov[] = {{a, 3}, {NULL, 0}, {b, 3}};

	(void)state;
	assert_int_equal(td_virtqueue_copy_out(iov, 3, 2, out, 3), 3);
	assert_string_equal(out, "cde");
	assert_int_equal(td_virtqueue_copy_out(iov, 3, 4, out, 8), 2);
	assert_int_equal(td_virtqueue_copy_out(iov, 3, 6, out, 8), 0);
	assert_int_equal(td_virtqueue_copy_in(iov, 3, 1, "WXYZ", 4), 4);
	assert_string_equal(a, "aWX");
	assert_string_equal(b, "YZf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_map_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_byte_of_ram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zero_length, setup, teardown),
		cmocka_unit_test(test_hostile_chains),
		cmocka_unit_test_setup_teardown(test_head_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_index_jump, setup, teardown),
		cmocka_unit_test_setup_teardown(test_index_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indirect, setup, teardown),
		cmocka_unit_test(test_indirect_hostile),
		cmocka_unit_test_setup_teardown(test_indirect_not_negotiated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_chain_mixed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loads_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rewind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_publish_with_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_publish_with_event_index, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arm_with_event_index, setup, teardown),
		cmocka_unit_test_setup_teardown(test_take_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recover, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes_while_read, setup, teardown),
		cmocka_unit_test(test_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
