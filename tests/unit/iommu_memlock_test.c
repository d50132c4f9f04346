/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of the limit on locked memory, and what is read from /proc/self/status. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "iommu/memlock.h"

static void test_limits(void **state)
{
	static const struct {
		struct td_memlock have;
		uint64_t need;
		int want;
	} rows[] = {
		{{.limit_bytes = UINT64_MAX}, UINT64_MAX, 0},
		{{.limit_bytes = 8 * TD_MIB}, 8 * TD_MIB, 0},
		{{.limit_bytes = 8 * TD_MIB}, 8 * TD_MIB + 1, -EPERM},
		{{.limit_bytes = 8 * TD_MIB, .locked_bytes = 1}, 8 * TD_MIB, -EPERM},
		{{.limit_bytes = 8 * TD_MIB, .locked_bytes = 9 * TD_MIB}, 0, -EPERM},
		{{.limit_bytes = 8 * TD_MIB, .locked_bytes = 2}, UINT64_MAX - 1, -EPERM},
		{{.limit_bytes = 0, .privileged = true}, TD_GIB, 0},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++)
		assert_int_equal(td_memlock_check(&rows[i].have, rows[i].need, NULL), rows[i].want);
}

static void test_message_names_the_number(void **state)
{
	struct td_memlock have = {.limit_bytes = 64 * TD_KIB, .locked_bytes = 4096};
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_memlock_check(&have, 512 * TD_MIB, &err), -EPERM);
	assert_int_equal(err.reason, TD_REASON_MEMLOCK);
	assert_non_null(strstr(err.text, "536875008"));
	assert_non_null(strstr(err.text, "ulimit -l 524292"));
	assert_non_null(strstr(err.text, "65536"));
}

static void test_parse(void **state)
{
	struct td_memlock memlock = {0};

	(void)state;
	td_memlock_parse("Name:\tVmLck:\nVmLck:\t    12 kB\nCapEff:\t0000000000004000\n", &memlock);
	assert_int_equal(memlock.locked_bytes, 12 * TD_KIB);
	assert_true(memlock.privileged);
	td_memlock_parse("CapEff:\t000001ffffffbfff\n", &memlock);
	assert_int_equal(memlock.locked_bytes, 0);
	assert_false(memlock.privileged);
	td_memlock_parse("", &memlock);
	assert_false(memlock.privileged);
}

static void test_read(void **state)
{
	struct td_memlock memlock = {0};

	(void)state;
	td_memlock_read(&memlock);
	assert_true(memlock.limit_bytes > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_message_names_the_number),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
