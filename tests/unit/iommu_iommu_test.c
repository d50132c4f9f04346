/* SPDX-License-Identifier: Apache-2.0 */
/* iommu_iommu_test.c - the address space over a backend that fails the n-th call: nothing stays mapped, and the counts are right. */
#include "iommu/iommu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "iommu/iommu_ops.h"

#define RUN_BYTES (1ULL << 20)
#define HIGH_GPA  (4ULL << 30)

struct fake {
	struct td_iommu_backend backend; /* first */
	unsigned calls, fail_at;	 /* of add_group and map, from 1 on; 0: none fails */
	int fail_with;
	unsigned unmaps, unmaps_failing;
	unsigned groups, first_groups;
	struct {
		uint64_t iova, len_bytes;
		void *host;
	} mapped[TD_MEM_REGIONS];
	unsigned mapped_count;
	bool closed;
};

static struct fake *fake_of(struct td_iommu_backend *backend)
{
	return TD_CONTAINER_OF(backend, struct fake, backend);
}

static int fake_rc(struct fake *fake)
{
	return ++fake->calls == fake->fail_at ? -fake->fail_with : 0;
}

static int fake_add_group(struct td_iommu_backend *backend, int group_fd, unsigned group, bool first, struct td_err *err)
{
	struct fake *fake = fake_of(backend);
	int rc = fake_rc(fake);

	assert_int_equal(group_fd, 100 + (int)group);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_VFIO, "group %u", group);
	fake->groups++;
	fake->first_groups += first;
	return 0;
}

static void fake_remove_group(struct td_iommu_backend *backend, int group_fd)
{
	struct fake *fake = fake_of(backend);

	(void)group_fd;
	assert_true(fake->groups);
	assert_true(fake->groups > 1 || !fake->mapped_count); /* the last one goes when no device can reach anything */
	fake->groups--;
}

static int fake_map(struct td_iommu_backend *backend, td_iova iova, void *host, uint64_t len_bytes)
{
	struct fake *fake = fake_of(backend);
	int rc = fake_rc(fake);

	if (rc < 0)
		return rc;
	assert_in_range(fake->mapped_count, 0, TD_MEM_REGIONS - 1);
	fake->mapped[fake->mapped_count].iova = iova.v;
	fake->mapped[fake->mapped_count].len_bytes = len_bytes;
	fake->mapped[fake->mapped_count++].host = host;
	return 0;
}

static int fake_unmap(struct td_iommu_backend *backend, td_iova iova, uint64_t len_bytes)
{
	struct fake *fake = fake_of(backend);

	fake->unmaps++;
	for (unsigned i = 0; i < fake->mapped_count; i++) {
		if (fake->mapped[i].iova != iova.v)
			continue;
		assert_int_equal(fake->mapped[i].len_bytes, len_bytes);
		fake->mapped[i] = fake->mapped[--fake->mapped_count];
		return fake->unmaps <= fake->unmaps_failing ? -EIO : 0;
	}
	fail_msg("0x%llx was not mapped", (unsigned long long)iova.v);
	return 0;
}

static void fake_close(struct td_iommu_backend *backend)
{
	struct fake *fake = fake_of(backend);

	assert_int_equal(fake->mapped_count, 0);
	fake->closed = true;
}

static const struct td_iommu_ops fake_ops = {fake_add_group, fake_remove_group, fake_map, fake_unmap, fake_close};

/* RAM below and above the hole; nobody touches it. */
static struct td_mem make_mem(void)
{
	static uint8_t ram[1];

	return (struct td_mem){.size_bytes = 2 * RUN_BYTES,
		.region_count = 2,
		.region = {{TD_GPA(0), RUN_BYTES, ram}, {TD_GPA(HIGH_GPA), RUN_BYTES, ram}}};
}

static struct td_iommu *make_iommu(struct fake *fake)
{
	struct td_iommu *iommu = NULL;

	fake->backend.ops = &fake_ops;
	assert_int_equal(td_iommu_create_on(&fake->backend, &iommu, NULL), 0);
	return iommu;
}

static void expect_stats(const struct td_iommu *iommu, uint64_t maps, uint64_t unmaps, uint64_t bytes)
{
	struct td_iommu_stats stats;

	td_iommu_stats(iommu, &stats);
	assert_int_equal(stats.map_calls, maps);
	assert_int_equal(stats.unmap_calls, unmaps);
	assert_int_equal(stats.mapped_bytes, bytes);
}

/* Two groups share one mapping, in one call a run, until the last one leaves. */
static void test_groups_share_ram(void **state)
{
	struct fake fake = {0};
	struct td_iommu *iommu = make_iommu(&fake);
	struct td_mem mem = make_mem();

	(void)state;
	assert_int_equal(td_iommu_add_group(iommu, 107, 7, NULL), 0);
	assert_int_equal(td_iommu_map_ram(iommu, &mem, NULL), 0);
	assert_int_equal(td_iommu_add_group(iommu, 108, 8, NULL), 0);
	assert_int_equal(td_iommu_map_ram(iommu, &mem, NULL), 0);
	assert_int_equal(fake.first_groups, 1);
	assert_int_equal(fake.mapped[1].iova, HIGH_GPA);
	expect_stats(iommu, 2, 0, 2 * RUN_BYTES);
	td_iommu_remove_group(iommu, 107);
	expect_stats(iommu, 2, 0, 2 * RUN_BYTES);
	td_iommu_remove_group(iommu, 108);
	expect_stats(iommu, 2, 2, 0);
	td_iommu_destroy(iommu);
	assert_true(fake.closed);
}

static void test_nth_call_fails(void **state)
{
	static const struct {
		int errnum;
		enum td_reason reason;
	} causes[] = {{ENOMEM, TD_REASON_MEMLOCK}, {EINVAL, TD_REASON_IOMMU_MAP}};
	struct td_mem mem = make_mem();

	(void)state;
	for (unsigned n = 1; n <= 2; n++) {
		for (unsigned i = 0; i < TD_COUNT(causes); i++) {
			struct fake fake = {.fail_at = n, .fail_with = causes[i].errnum};
			struct td_iommu *iommu = make_iommu(&fake);
			struct td_err err = {0};

			assert_int_equal(td_iommu_map_ram(iommu, &mem, &err), -causes[i].errnum);
			assert_int_equal(err.reason, causes[i].reason);
			assert_non_null(strstr(err.text, n == 1 ? "0x0..0xfffff" : "0x100000000..0x1000fffff"));
			assert_int_equal(fake.mapped_count, 0);
			expect_stats(iommu, n, n - 1, 0);
			/* The next try starts anew. */
			assert_int_equal(td_iommu_map_ram(iommu, &mem, NULL), 0);
			assert_int_equal(fake.mapped_count, 2);
			expect_stats(iommu, n + 2, n - 1, 2 * RUN_BYTES);
			td_iommu_destroy(iommu);
			assert_true(fake.closed);
		}
	}
}

/* More than the host has at hand is not begun with. What is there already is not asked for again: huge pages are. */
static void test_host_without_room(void **state)
{
	struct fake fake = {.fail_at = 0};
	struct td_iommu *iommu = make_iommu(&fake);
	struct td_mem mem = make_mem();
	struct td_err err = {0};

	(void)state;
	mem.fd = -1;
	mem.size_bytes = 1ULL << 55;
	assert_int_equal(td_iommu_map_ram(iommu, &mem, &err), -ENOMEM);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	assert_int_equal(fake.calls, 0);
	mem.size_bytes = 2 * RUN_BYTES;
	mem.hugepages = true;
	assert_int_equal(td_iommu_map_ram(iommu, &mem, &err), 0);
	td_iommu_destroy(iommu);
}

static void test_group_fails(void **state)
{
	struct fake fake = {.fail_at = 1, .fail_with = EBUSY};
	struct td_iommu *iommu = make_iommu(&fake);
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_iommu_add_group(iommu, 107, 7, &err), -EBUSY);
	assert_int_equal(td_iommu_add_group(iommu, 108, 8, NULL), 0); /* is the first now */
	assert_int_equal(fake.first_groups, 1);
	td_iommu_remove_group(iommu, 108);
	td_iommu_destroy(iommu);
}

/* An unmap that fails is told, and ends nothing: the other run goes too. */
static void test_unmap_fails(void **state)
{
	struct fake fake = {.unmaps_failing = 1};
	struct td_iommu *iommu = make_iommu(&fake);
	struct td_mem mem = make_mem();

	(void)state;
	td_log_set_level(TD_LOG_ERROR);
	assert_int_equal(td_iommu_map_ram(iommu, &mem, NULL), 0);
	td_iommu_unmap_ram(iommu);
	expect_stats(iommu, 2, 2, 0);
	assert_int_equal(fake.mapped_count, 0);
	td_iommu_destroy(iommu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups_share_ram),
		cmocka_unit_test(test_nth_call_fails),
		cmocka_unit_test(test_host_without_room),
		cmocka_unit_test(test_group_fails),
		cmocka_unit_test(test_unmap_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
