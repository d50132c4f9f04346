/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of a BAR are mapped, the arithmetic of counters that wrap or are reset, and igbvf's link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/vf82576.h"
#include "vfio/vfio_dev.h"

struct row {
	struct td_vfio_span span[3], hole[2];
	unsigned count;
	struct td_vfio_span want[TD_VFIO_AREAS];
};

static void test_plan(void **state)
{
	static const struct row rows[] = {
		{{{0, 0x4000}}, {{0}}, 1, {{0, 0x4000}}},
		{{{0, 0x4000}}, {{0, 48}, {0x2000, 8}}, 2, {{0x1000, 0x1000}, {0x3000, 0x1000}}}, /* an 82576 VF's BAR 3 */
		{{{0, 0x1000}}, {{0x800, 16}}, 0, {{0}}},
		{{{0, 0x3000}}, {{0xff8, 16}}, 1, {{0x2000, 0x1000}}}, /* a hole over a page's edge */
		{{{0x800, 0x2000}}, {{0}}, 1, {{0x1000, 0x1000}}},     /* sparse, not page by page */
		{{{0, 0x1000}, {0x3000, 0x2000}}, {{0}}, 2, {{0, 0x1000}, {0x3000, 0x2000}}},
		{{{0, 64 * TD_GIB}}, {{8 * TD_GIB, 1024}}, 2, {{0, 8 * TD_GIB}, {8 * TD_GIB + 0x1000, 56 * TD_GIB - 0x1000}}},
		{{{0, 100}}, {{0}}, 0, {{0}}},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		struct td_vfio_area area[TD_VFIO_AREAS];
		unsigned count = td_vfio_bar_plan(rows[i].span, 3, rows[i].hole, 2, area);

		assert_int_equal(count, rows[i].count);
		for (unsigned a = 0; a < count; a++) {
			assert_int_equal(area[a].offset, rows[i].want[a].offset);
			assert_int_equal(area[a].len_bytes, rows[i].want[a].len_bytes);
		}
	}
}

static void test_counters(void **state)
{
	(void)state;
	assert_int_equal(td_vfio_82576_add(10, 15, 100), 5);
	assert_int_equal(td_vfio_82576_add(0xfffffff0, 16, 100), 32); /* wrapped */
	assert_int_equal(td_vfio_82576_add(5000, 7, 100), 7);	      /* was reset */
	assert_int_equal(td_vfio_82576_add(5000, 0, 100), 0);
	assert_int_equal(td_vfio_82576_add(5000, 4000, 100), 100); /* was reset, and says more than can be */
	assert_true(td_vfio_82576_is(0x8086, 0x10ca) && td_vfio_82576_is(0x8086, 0x1520));
	assert_false(td_vfio_82576_is(0x8086, 0x10c9) || td_vfio_82576_is(0x15b3, 0x10ca));
}

/* The PF's answer is made to look as if it were none, and is restored when nothing newer stands there. */
static void test_link_is_shown(void **state)
{
	static uint32_t page[1024];
	struct td_vfio_pci dev = {.state = TD_VFIO_PLUGGED, .intel.known = true};
	uint32_t *word = &page[TD_VF_MBMEM / 4];

	(void)state;
	dev.bar[0].area_count = 1;
	dev.bar[0].area[0] = (struct td_vfio_area){.len_bytes = sizeof(page), .host = (uint8_t *)page};
	*word = TD_VF_MAIL_SET_MULTICAST; /* the guest's own request */
	assert_false(td_vfio_pci_show_link(&dev, false));
	assert_false(td_vfio_pci_show_link(&dev, true)); /* it was not taken */
	assert_int_equal(*word, TD_VF_MAIL_SET_MULTICAST);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t answer = TD_VF_MAIL_ANSWER_CTS | (i ? TD_VF_MAIL_ANSWER_NACK : TD_VF_MAIL_ANSWER_ACK) | TD_VF_MAIL_SET_MAC;

		*word = answer;
		assert_true(td_vfio_pci_show_link(&dev, false));
		assert_false(*word & (TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_ANSWER_NACK));
		assert_true(td_vfio_pci_show_link(&dev, true));
		assert_int_equal(*word, answer);
		assert_false(td_vfio_pci_show_link(&dev, true));
	}
	assert_true(td_vfio_pci_show_link(&dev, false));
	*word = TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_PF_CONTROL; /* the PF writes meanwhile */
	assert_false(td_vfio_pci_show_link(&dev, true));
	assert_int_equal(*word, TD_VF_MAIL_ANSWER_CTS | TD_VF_MAIL_PF_CONTROL);
	*word = UINT32_MAX; /* it is gone */
	assert_false(td_vfio_pci_show_link(&dev, false));
	dev.bar[0].area_count = 0;
	assert_false(td_vfio_pci_show_link(&dev, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_link_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
