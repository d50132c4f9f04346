/* SPDX-License-Identifier: Apache-2.0 */
/* core_bus_test.c - who answers an address; ranges at the ends of the address space, overlaps, accesses that cross a border. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bus.h"

struct probe {
	struct td_io_region region;
	unsigned calls;
	uint64_t offset;
};

static enum td_result probe_access(struct td_io_region *region, struct td_access *access)
{
	struct probe *probe = TD_CONTAINER_OF(region, struct probe, region);

	probe->calls++;
	probe->offset = access->offset;
	access->value = 0x77;
	return TD_DONE;
}

#define PROBE(start, size)                                                                           \
	{                                                                                            \
		.region = {.name = "probe", .base = (start), .len = (size), .access = probe_access } \
	}

static enum td_result look(struct td_bus *bus, uint64_t address, uint8_t width)
{
	struct td_access access = {.offset = address, .width = width};
	enum td_result result = td_bus_dispatch(bus, &access);

	assert_int_equal(access.offset, address);
	return result;
}

static void the_right_region_answers(void **state)
{
	struct probe a = PROBE(0x100, 0x10), b = PROBE(0x110, 0x10), c = PROBE(0x80, 8);
	struct td_bus bus = {0};

	(void)state;
	assert_int_equal(td_bus_add(&bus, &b.region), 0);
	assert_int_equal(td_bus_add(&bus, &a.region), 0);
	assert_int_equal(td_bus_add(&bus, &c.region), 0);
	assert_int_equal(look(&bus, 0x10f, 1), TD_DONE);
	assert_int_equal(a.offset, 0xf);
	assert_int_equal(look(&bus, 0x110, 4), TD_DONE);
	assert_int_equal(b.offset, 0);
	assert_int_equal(look(&bus, 0x84, 4), TD_DONE);
	assert_int_equal(c.offset, 4);
	assert_int_equal(a.calls + b.calls + c.calls, 3);
	td_bus_fini(&bus);
	assert_false(a.region.active);
}

static void nothing_answers_outside_and_across(void **state)
{
	struct probe a = PROBE(0x100, 0x10), b = PROBE(0x110, 0x10);
	struct td_bus bus = {0};

	(void)state;
	assert_int_equal(look(&bus, 0, 1), TD_UNCLAIMED);
	td_bus_add(&bus, &a.region);
	td_bus_add(&bus, &b.region);
	assert_int_equal(look(&bus, 0xff, 1), TD_UNCLAIMED);
	assert_int_equal(look(&bus, 0xff, 4), TD_UNCLAIMED);
	assert_int_equal(look(&bus, 0x10d, 4), TD_UNCLAIMED);
	assert_int_equal(look(&bus, 0x11e, 4), TD_UNCLAIMED);
	assert_int_equal(look(&bus, 0x120, 1), TD_UNCLAIMED);
	assert_int_equal(look(&bus, UINT64_MAX, 8), TD_UNCLAIMED);
	assert_int_equal(a.calls + b.calls, 0);
	td_bus_fini(&bus);
}

static void hostile_ranges_are_refused(void **state)
{
	struct probe a = PROBE(0x100, 0x10);
	struct probe bad[] = {
		PROBE(0x100, 0x10), PROBE(0xff, 2), PROBE(0x10f, 1), PROBE(0x0, UINT64_MAX), PROBE(0x108, 2), PROBE(0xf0, 0x100)};
	struct probe empty = PROBE(0x500, 0), wraps = PROBE(UINT64_MAX - 1, 3);
	struct td_bus bus = {0};

	(void)state;
	assert_int_equal(td_bus_add(&bus, &a.region), 0);
	assert_int_equal(td_bus_add(&bus, &a.region), -EEXIST);
	for (size_t i = 0; i < TD_COUNT(bad); i++) {
		assert_int_equal(td_bus_add(&bus, &bad[i].region), -EEXIST);
		assert_false(bad[i].region.active);
		td_bus_remove(&bus, &bad[i].region);
	}
	assert_int_equal(td_bus_add(&bus, &empty.region), -EINVAL);
	assert_int_equal(td_bus_add(&bus, &wraps.region), -EINVAL);
	assert_int_equal(bus.count, 1);
	td_bus_fini(&bus);
}

static void the_last_bytes_of_the_space_work(void **state)
{
	struct probe last = PROBE(UINT64_MAX - 7, 8), all = PROBE(0, UINT64_MAX - 7);
	struct td_bus bus = {0};

	(void)state;
	assert_int_equal(td_bus_add(&bus, &last.region), 0);
	assert_int_equal(td_bus_add(&bus, &all.region), 0);
	assert_int_equal(look(&bus, UINT64_MAX - 7, 8), TD_DONE);
	assert_int_equal(look(&bus, UINT64_MAX, 1), TD_DONE);
	assert_int_equal(last.offset, 7);
	assert_int_equal(look(&bus, UINT64_MAX, 2), TD_UNCLAIMED);
	td_bus_fini(&bus);
}

static void many_come_and_go(void **state)
{
	static struct probe probes[200];
	struct td_bus bus = {0};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(probes); i++) {
		probes[i] = (struct probe)PROBE(((uint64_t)i * 37 % 200) * 16, 16);
		assert_int_equal(td_bus_add(&bus, &probes[i].region), 0);
	}
	for (unsigned i = 0; i < TD_COUNT(probes); i += 2)
		td_bus_remove(&bus, &probes[i].region);
	assert_int_equal(bus.count, 100);
	for (unsigned i = 0; i < TD_COUNT(probes); i++)
		assert_int_equal(look(&bus, probes[i].region.base + 12, 4), i % 2 ? TD_DONE : TD_UNCLAIMED);
	td_bus_fini(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_region_answers),
		cmocka_unit_test(nothing_answers_outside_and_across),
		cmocka_unit_test(hostile_ranges_are_refused),
		cmocka_unit_test(the_last_bytes_of_the_space_work),
		cmocka_unit_test(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
