/* SPDX-License-Identifier: Apache-2.0 */
/* core_reset_loop_test.c - times of resets, and what is to be done at each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/reset_loop.h"

#define MS    1000000ULL
#define PAUSE UINT64_MAX

/* Runs at *now, lives so long, is reset: the wait, which passes too, or PAUSE. */
static uint64_t live(struct td_reset_loop *loop, uint64_t *now, uint64_t life_ns)
{
	uint64_t wait = 1;

	td_reset_loop_run(loop, *now);
	*now += life_ns;
	if (!td_reset_loop_reset(loop, *now, &wait))
		return PAUSE;
	*now += wait;
	return wait;
}

static void a_guest_that_lives_may_reset_for_ever(void **state)
{
	struct td_reset_loop loop = {0};
	uint64_t now = 123 * MS;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(live(&loop, &now, 1000 * MS), 0);
}

static void a_guest_that_does_not_is_stopped(void **state)
{
	static const uint64_t waits[] = {0, 100 * MS, 300 * MS, 900 * MS, PAUSE};
	struct td_reset_loop loop = {0};
	uint64_t now = 0;

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(waits); i++)
		assert_int_equal(live(&loop, &now, 999 * MS), waits[i]);
	assert_int_equal(loop.early, TD_RESET_LOOP_MAX);
	/* Let go on, it has all tries again. */
	for (unsigned i = 0; i < TD_COUNT(waits); i++)
		assert_int_equal(live(&loop, &now, 0), waits[i]);
}

static void one_life_forgives(void **state)
{
	struct td_reset_loop loop = {0};
	uint64_t now = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(live(&loop, &now, 10 * MS), 0);
		assert_int_equal(live(&loop, &now, 10 * MS), 100 * MS);
		assert_int_equal(live(&loop, &now, 10 * MS), 300 * MS);
		assert_int_equal(live(&loop, &now, 10 * MS), 900 * MS);
		assert_int_equal(live(&loop, &now, 5000 * MS), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_lives_may_reset_for_ever),
		cmocka_unit_test(a_guest_that_does_not_is_stopped),
		cmocka_unit_test(one_life_forgives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
