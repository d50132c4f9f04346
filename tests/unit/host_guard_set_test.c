/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of MAC addresses larger than any network that was thought of: nothing is left out, and each is there once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "host/net/host_guard_parts.h"

#define MANY 5000U

static struct td_host_guard_member make_member(unsigned number, int link)
{
	return (struct td_host_guard_member){
		.mac = {2, 0, 0, 0, (uint8_t)(number >> 8), (uint8_t)number}, .link = link, .tap = (int)number, .dead = number % 2};
}

static void test_many(void **state)
{
	struct td_host_guard_set set = {0};

	(void)state;
	for (unsigned i = 0; i < 2 * MANY; i++) { /* each twice, and in no order */
		struct td_host_guard_member member = make_member(i * 7919 % MANY, 0);

		td_host_guard_set_add(&set, &member);
	}
	assert_int_equal(td_host_guard_set_close(&set), 0);
	assert_int_equal(set.count, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		struct td_host_guard_member member = make_member(i, 0);
		const struct td_host_guard_member *found = td_host_guard_set_find(&set, member.mac, 0);

		assert_non_null(found);
		assert_int_equal(found->tap, i);
		assert_int_equal(found->dead, i % 2);
		assert_null(td_host_guard_set_find(&set, member.mac, 1));
	}
	assert_null(td_host_guard_set_find(&set, make_member(MANY, 0).mac, 0));
	td_host_guard_set_fini(&set);
	assert_int_equal(td_host_guard_set_close(&set), 0);
	assert_null(td_host_guard_set_find(&set, make_member(0, 0).mac, 0));
}

/* One that lost an entry says so: what is not in it must not be taken away. */
static void test_no_memory(void **state)
{
	struct td_host_guard_set set = {.no_memory = true};

	(void)state;
	assert_int_equal(td_host_guard_set_close(&set), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
