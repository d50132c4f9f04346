/* SPDX-License-Identifier: Apache-2.0 */
/* vfio_hw82576_ring_test.c - rings in guest RAM: which can be followed, where a packet began, which received one is closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "vfio/hw82576_parts.h"

#define COUNT 8U
#define NONE  0U
#define CTX   0x20200000U
#define DATA  0x20300000U
#define EOP   (DATA | 1U << 24)
#define DONE  1U /* beside the command: written back */

static uint32_t ring[COUNT][4];

static uint8_t *bytes(void)
{
	return (uint8_t *)ring;
}

struct start_row {
	uint32_t command[COUNT], done; /* done: bit: written back */
	uint32_t head, tail, want;
};

static void test_packet_start(void **test)
{
	static const struct start_row rows[] = {
		{{EOP, EOP, EOP}, 0, 3, 3, 3}, {{EOP, CTX, DATA, EOP}, 0, 3, 4, 1}, {{EOP, CTX, DATA, EOP}, 0, 2, 4, 1},
		{{EOP, CTX, EOP}, 0, 3, 3, 3}, {{EOP, DATA, DATA}, 2, 3, 3, 2}, /* the one before it is done */
		{{NONE, DATA, DATA, EOP}, 0, 2, 4, 1},				/* a ring that is new */
		{{DATA, DATA, EOP, NONE, NONE, NONE, EOP, CTX}, 0, 1, 3, 7},	/* over the end */
		{{DATA, DATA, DATA, DATA, DATA, DATA, DATA, DATA}, 0, 3, 3, 4}, /* nonsense: ends, and the head does not meet the tail */
		{{DATA, DATA, DATA, DATA, DATA, DATA, DATA, DATA}, 0, 3, 2, 3}, {{CTX, CTX, CTX, CTX, CTX, CTX, CTX, CTX}, 0, 0, 4, 5},
		{{0x20100000U, DATA}, 0, 2, 3, 1}, /* of an unknown kind */
	};

	(void)test;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		const struct td_vf82576_ring r = {.len_bytes = COUNT * 16, .head = rows[i].head, .tail = rows[i].tail};

		for (unsigned d = 0; d < COUNT; d++) {
			ring[d][2] = rows[i].command[d];
			ring[d][3] = rows[i].done >> d & 1 ? DONE : 0;
		}
		if (td_hw82576_ring_packet_start(bytes(), &r) != rows[i].want)
			fail_msg("row %u: %u", i, td_hw82576_ring_packet_start(bytes(), &r));
	}
}

static void test_close_packet(void **test)
{
	static const uint32_t status[][2] = {
		{0, 0}, {3, 3}, {1, 0x80000003}, {0x20, 0x20}, {0x00060021, 0x80060023}, {2, 2}, {0x80000003, 0x80000003}};
	struct td_vf82576_ring r = {.len_bytes = COUNT * 16};

	(void)test;
	for (unsigned i = 0; i < TD_COUNT(status); i++)
		for (r.head = 0; r.head < COUNT; r.head++) {
			uint32_t last = (r.head + COUNT - 1) % COUNT;

			memset(ring, 0x55, sizeof(ring));
			ring[last][2] = status[i][0];
			assert_int_equal(td_hw82576_ring_close_packet(bytes(), &r), status[i][0] != status[i][1]);
			assert_int_equal(ring[last][2], status[i][1]);
			assert_int_equal(ring[last][3], 0x55555555);
			assert_int_equal(ring[r.head][2], 0x55555555);
		}
}

static void test_dummies(void **test)
{
	(void)test;
	memset(ring, 0xff, sizeof(ring));
	td_hw82576_ring_dummies(bytes(), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ring[i][2], CTX); /* no EOP, no RS */
	assert_int_equal(ring[3][0], UINT32_MAX);
	td_hw82576_ring_dummies(bytes(), 0);
}

static void test_host(void **test)
{
	struct td_mem_config config = {.size_bytes = TD_MIB};
	struct td_vf82576_ring r = {.base = 0x1000, .len_bytes = 4096, .head = 255, .tail = 0};
	struct td_mem mem;

	(void)test;
	assert_int_equal(td_mem_init(&mem, &config, NULL), 0);
	assert_ptr_equal(td_hw82576_ring_host(&mem, &r), td_mem_ptr(&mem, TD_GPA(0x1000), 4096));
#define REFUSED(field, value)                                  \
	do {                                                   \
		struct td_vf82576_ring bad = r;                \
		bad.field = value;                             \
		assert_null(td_hw82576_ring_host(&mem, &bad)); \
	} while (0)
	REFUSED(head, 256);
	REFUSED(tail, UINT32_MAX);
	REFUSED(len_bytes, 0);
	REFUSED(len_bytes, 4097);
	REFUSED(len_bytes, 0xfffff80);
	REFUSED(base, 0x1008);
	REFUSED(base, TD_MIB - 4096 + 128);
	REFUSED(base, UINT64_MAX & ~127ULL);
	td_mem_fini(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet_start),
		cmocka_unit_test(test_close_packet),
		cmocka_unit_test(test_dummies),
		cmocka_unit_test(test_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
