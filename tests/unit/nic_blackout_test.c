/* SPDX-License-Identifier: Apache-2.0 */
/* Blackouts from made-up counter samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nic/blackout.h"

#define MS 1000000ULL

/* A packet a millisecond each way, but none between the two times. */
static void stream(struct td_blackout *blackout, unsigned from, unsigned to, unsigned gap_from, unsigned gap_to)
{
	uint64_t rx = blackout->rx.count;

	for (unsigned ms = from; ms < to; ms++) {
		rx += ms < gap_from || ms >= gap_to;
		td_blackout_sample(blackout, ms * MS, rx, 1000);
	}
}

static void test_gap_less_interval(void **state)
{
	struct td_blackout blackout;

	(void)state;
	td_blackout_begin(&blackout, 0, 5000, 1000);
	stream(&blackout, 1, 500, 200, 270);
	td_blackout_end(&blackout, 500 * MS);
	/* 199 -> 270: 71 ms, less 1. */
	assert_true(td_blackout_ms(&blackout.rx) > 69.5 && td_blackout_ms(&blackout.rx) < 70.5);
	assert_true(td_blackout_ms(&blackout.tx) < 0);
	assert_int_equal(blackout.longest_sample_ns, MS);
}

static void test_even_stream(void **state)
{
	struct td_blackout blackout;

	(void)state;
	td_blackout_begin(&blackout, 0, 0, 0);
	stream(&blackout, 1, 300, 0, 0);
	td_blackout_end(&blackout, 300 * MS);
	assert_true(td_blackout_ms(&blackout.rx) >= 0 && td_blackout_ms(&blackout.rx) < 0.1);
}

static void test_never_came_back(void **state)
{
	struct td_blackout blackout;

	(void)state;
	td_blackout_begin(&blackout, 0, 0, 0);
	stream(&blackout, 1, 400, 100, 400);
	td_blackout_end(&blackout, 400 * MS);
	assert_true(td_blackout_ms(&blackout.rx) > 299 && td_blackout_ms(&blackout.rx) < 301);
}

static void test_no_stream(void **state)
{
	struct td_blackout blackout;

	(void)state;
	td_blackout_begin(&blackout, 0, 0, 0);
	for (unsigned i = 1; i < 9; i++)
		td_blackout_sample(&blackout, i * 100 * MS, i, 0);
	td_blackout_end(&blackout, 900 * MS);
	assert_true(td_blackout_ms(&blackout.rx) < 0);
	td_blackout_begin(&blackout, 0, 0, 0); /* enough packets, but a slow trickle */
	for (unsigned i = 1; i < 30; i++)
		td_blackout_sample(&blackout, i * 100 * MS, i, 0);
	assert_true(td_blackout_ms(&blackout.rx) < 0);
	td_blackout_end(&blackout, 3000 * MS);
	td_blackout_sample(&blackout, 9000 * MS, 77, 77); /* after the end */
	assert_int_equal(blackout.rx.count, 29);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gap_less_interval),
		cmocka_unit_test(test_even_stream),
		cmocka_unit_test(test_never_came_back),
		cmocka_unit_test(test_no_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
