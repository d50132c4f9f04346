/* SPDX-License-Identifier: Apache-2.0 */
/* core_mem_room_test.c - what /proc/meminfo says is available, and what does not fit into it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem_room.h"

static void available_is_found(void **state)
{
	(void)state;
	assert_int_equal(
		td_mem_room_parse("MemTotal:       16316084 kB\nMemFree:          100 kB\nMemAvailable:    2048 kB\nBuffers: 7 kB\n"),
		2048 * TD_KIB);
	assert_int_equal(td_mem_room_parse("MemAvailable:       0 kB\n"), 0);
	/* What says nothing refuses nothing. */
	assert_int_equal(td_mem_room_parse(""), UINT64_MAX);
	assert_int_equal(td_mem_room_parse("MemTotal: 5 kB\n"), UINT64_MAX);
	assert_int_equal(td_mem_room_parse("MemAvailable:"), UINT64_MAX);
	assert_int_equal(td_mem_room_parse("MemAvailable: 99999999999999999999999 kB"), UINT64_MAX);
}

static void what_fits_is_let_through(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_mem_room_compare(0, 0, "x", &err), 0);
	assert_int_equal(td_mem_room_compare(64 * TD_MIB, 65 * TD_MIB, "x", &err), 0); /* 64, and 1 for tables */
	assert_int_equal(td_mem_room_compare(1 * TD_GIB, UINT64_MAX, "x", &err), 0);
	assert_int_equal(err.code, 0);
}

static void what_does_not_fit_is_named(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_mem_room_compare(64 * TD_MIB, 65 * TD_MIB - 1, "prefault takes all", &err), -ENOMEM);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	assert_string_equal(err.text, "memory: prefault takes all: 65 MiB needed, 64 MiB available on the host");
	assert_int_equal(td_mem_room_compare(1, 0, "x", &err), -ENOMEM);
	assert_string_equal(err.text, "memory: x: 1 MiB needed, 0 MiB available on the host");
}

static void this_host_is_asked(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_mem_room_check(TD_PAGE, "x", &err), 0);
	assert_int_equal(td_mem_room_check(1ULL << 55, "x", &err), -ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(available_is_found),
		cmocka_unit_test(what_fits_is_let_through),
		cmocka_unit_test(what_does_not_fit_is_named),
		cmocka_unit_test(this_host_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
