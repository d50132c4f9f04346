/* SPDX-License-Identifier: Apache-2.0 */
/* core_mem_test.c - the map of guest RAM and what is refused at its edges. The files are sparse: large sizes cost nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include <cmocka.h>

#include "core/mem.h"

static struct td_mem make(uint64_t size)
{
	struct td_mem_config config = {.size_bytes = size};
	struct td_err err = {0};
	struct td_mem mem;

	assert_int_equal(td_mem_init(&mem, &config, &err), 0);
	return mem;
}

static void bad_sizes_are_refused(void **state)
{
	static const uint64_t sizes[] = {0, TD_PAGE, TD_MIB - TD_PAGE, 2 * TD_MIB + 1, TD_MEM_MAX_BYTES + TD_PAGE, UINT64_MAX};
	struct td_mem_config huge = {.size_bytes = 3 * TD_MIB, .hugepages = true};
	struct td_err err = {0};
	struct td_mem mem;

	(void)state;
	for (size_t i = 0; i < TD_COUNT(sizes); i++) {
		struct td_mem_config config = {.size_bytes = sizes[i]};

		assert_int_equal(td_mem_init(&mem, &config, &err), -EINVAL);
		assert_int_equal(err.reason, TD_REASON_CONFIG_VALUE);
		td_mem_fini(&mem);
	}
	assert_int_equal(td_mem_init(&mem, &huge, &err), -EINVAL);
}

static void missing_huge_pages_are_counted(void **state)
{
	struct td_mem_config config = {.size_bytes = TD_MEM_MAX_BYTES, .hugepages = true};
	struct td_err err = {0};
	struct td_mem mem;

	(void)state;
	assert_int_equal(td_mem_init(&mem, &config, &err), -ENOMEM);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	assert_non_null(strstr(err.text, "2097152 pages of 2 MiB needed"));
	assert_non_null(strstr(err.text, "vm.nr_hugepages"));
	assert_non_null(strstr(err.text, "hugepages:"));
}

static void more_than_the_host_has_is_refused(void **state)
{
	struct td_mem_config config = {.size_bytes = TD_MEM_MAX_BYTES, .thp = true};
	struct td_err err = {0};
	struct td_mem mem;

	(void)state;
	assert_int_equal(td_mem_init(&mem, &config, &err), -ENOMEM);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	assert_non_null(strstr(err.text, "4194304 MiB are more than the host has"));
	assert_int_equal(mem.fd, -1);
}

/* What no host has at hand: refused for prefault and for a VF, and not for a guest that takes its memory little by little. */
static void room_is_asked_for_what_is_taken_at_once(void **state)
{
	struct sysinfo info;
	struct td_err err = {0};
	struct td_mem mem;

	(void)state;
	assert_int_equal(sysinfo(&info), 0);
	struct td_mem_config config = {.size_bytes = (uint64_t)info.totalram * info.mem_unit & ~(TD_PAGE - 1)};
	assert_int_equal(td_mem_init(&mem, &config, &err), 0);
	assert_int_equal(td_mem_absent_bytes(&mem), config.size_bytes);
	memset(mem.region[0].host, 1, 3 * TD_PAGE);
	assert_in_range(td_mem_absent_bytes(&mem), config.size_bytes - 2 * TD_MIB, config.size_bytes - 3 * TD_PAGE);
	td_mem_fini(&mem);
	config.prefault = true;
	assert_int_equal(td_mem_init(&mem, &config, &err), -ENOMEM);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	assert_non_null(strstr(err.text, "prefault takes all"));
	assert_non_null(strstr(err.text, " MiB needed, "));
	config.prefault = false;
	config.pinned = true;
	assert_int_equal(td_mem_init(&mem, &config, &err), -ENOMEM);
	assert_non_null(strstr(err.text, "a VF pins all"));
	assert_int_equal(mem.fd, -1);
}

static void small_ram_is_one_region(void **state)
{
	struct td_mem mem = make(16 * TD_MIB);

	(void)state;
	assert_int_equal(mem.region_count, 1);
	assert_int_equal(td_mem_top(&mem).v, 4 * TD_GIB);
	assert_ptr_equal(td_mem_ptr(&mem, TD_GPA(0), 16 * TD_MIB), mem.region[0].host);
	assert_ptr_equal(td_mem_ptr(&mem, TD_GPA(16 * TD_MIB - 1), 1), mem.region[0].host + 16 * TD_MIB - 1);
	assert_non_null(td_mem_ptr(&mem, TD_GPA(5), 0));
	assert_int_equal((uintptr_t)mem.region[0].host % (2 * TD_MIB), 0);
	td_mem_fini(&mem);
	assert_int_equal(mem.region_count, 0);
	td_mem_fini(&mem);
}

static void what_leaves_ram_is_refused(void **state)
{
	struct td_mem mem = make(16 * TD_MIB);
	static const struct {
		uint64_t gpa, len;
	} bad[] = {
		{0, 16 * TD_MIB + 1},
		{16 * TD_MIB, 0},
		{16 * TD_MIB, 1},
		{16 * TD_MIB - 1, 2},
		{1, UINT64_MAX},
		{UINT64_MAX, 1},
		{UINT64_MAX, UINT64_MAX},
		{UINT64_MAX - 1, 3},
		{4 * TD_GIB, 1},
	};

	(void)state;
	for (size_t i = 0; i < TD_COUNT(bad); i++)
		assert_null(td_mem_ptr(&mem, TD_GPA(bad[i].gpa), bad[i].len));
	td_mem_fini(&mem);
}

static void large_ram_goes_around_the_hole(void **state)
{
	struct td_mem mem = make(TD_MEM_HOLE_START + 8 * TD_MIB);
	uint64_t high = TD_MEM_HOLE_END;

	(void)state;
	assert_int_equal(mem.region_count, 2);
	assert_int_equal(mem.region[0].len_bytes, TD_MEM_HOLE_START);
	assert_int_equal(mem.region[1].gpa.v, high);
	assert_ptr_equal(td_mem_ptr(&mem, TD_GPA(high), 8 * TD_MIB), mem.region[0].host + TD_MEM_HOLE_START);
	assert_null(td_mem_ptr(&mem, TD_GPA(TD_MEM_HOLE_START - 1), 2));
	assert_null(td_mem_ptr(&mem, TD_GPA(TD_MEM_HOLE_START), 1));
	assert_null(td_mem_ptr(&mem, TD_GPA(high - 1), 2));
	assert_null(td_mem_ptr(&mem, TD_GPA(high + 8 * TD_MIB - 1), 2));
	assert_int_equal(td_mem_top(&mem).v, high + 8 * TD_MIB);
	td_mem_fini(&mem);
}

static void a_refused_copy_copies_nothing(void **state)
{
	struct td_mem mem = make(2 * TD_MIB);
	uint32_t value = 0x12345678, back = 0;

	(void)state;
	assert_true(td_mem_write(&mem, TD_GPA(2 * TD_MIB - 4), &value, 4));
	assert_true(td_mem_read(&mem, TD_GPA(2 * TD_MIB - 4), &back, 4));
	assert_int_equal(back, value);
	value = 0;
	assert_false(td_mem_write(&mem, TD_GPA(2 * TD_MIB - 2), &value, 4));
	assert_true(td_mem_read(&mem, TD_GPA(2 * TD_MIB - 4), &back, 4));
	assert_int_equal(back, 0x12345678);
	assert_false(td_mem_read(&mem, TD_GPA(2 * TD_MIB - 2), &value, 4));
	assert_int_equal(value, 0);
	td_mem_fini(&mem);
}

static void prefault_allocates_everything(void **state)
{
	struct td_mem_config config = {.size_bytes = 10 * TD_MIB, .prefault = true};
	struct td_err err = {0};
	struct td_mem mem;
	struct stat st;

	(void)state;
	assert_int_equal(td_mem_init(&mem, &config, &err), 0);
	assert_int_equal(fstat(mem.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512, 10 * TD_MIB);
	td_mem_fini(&mem);
}

static void transparent_huge_pages_are_never_an_error(void **state)
{
	struct td_mem_config config = {.size_bytes = 64 * TD_MIB, .thp = true};
	struct td_err err = {0};
	struct td_mem mem;

	(void)state;
	assert_int_equal(td_mem_init(&mem, &config, &err), 0);
	memset(td_mem_ptr(&mem, TD_GPA(40 * TD_MIB), 4 * TD_MIB), 0x5a, 4 * TD_MIB);
	td_mem_fini(&mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_sizes_are_refused),
		cmocka_unit_test(missing_huge_pages_are_counted),
		cmocka_unit_test(more_than_the_host_has_is_refused),
		cmocka_unit_test(room_is_asked_for_what_is_taken_at_once),
		cmocka_unit_test(small_ram_is_one_region),
		cmocka_unit_test(what_leaves_ram_is_refused),
		cmocka_unit_test(large_ram_goes_around_the_hole),
		cmocka_unit_test(a_refused_copy_copies_nothing),
		cmocka_unit_test(prefault_allocates_everything),
		cmocka_unit_test(transparent_huge_pages_are_never_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
