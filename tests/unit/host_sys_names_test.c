/* SPDX-License-Identifier: Apache-2.0 */
/* Names of PCI functions and interfaces, and MAC addresses, as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host/sys/names.h"

static void test_bdf(void **state)
{
	static const struct {
		const char *text, *bdf; /* NULL: none */
	} rows[] = {
		{"0000:3b:02.1", "0000:3b:02.1"},
		{"3b:02.1", "0000:3b:02.1"},
		{"00AF:3B:1f.7", "00af:3b:1f.7"},
		{"", NULL},
		{"0000:01:00", NULL},
		{"0000:01:00.8", NULL},
		{"0000:01:20.0", NULL},
		{"0000:01:0g.0", NULL},
		{"0000:01:00.0 ", NULL},
		{"0000:01:00.0\n", NULL},
		{"../../etc/pass", NULL},
	};
	char bdf[TD_BDF_BYTES];

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		assert_int_equal(td_names_parse_bdf(rows[i].text, bdf), rows[i].bdf != NULL);
		if (rows[i].bdf)
			assert_string_equal(bdf, rows[i].bdf);
		assert_int_equal(td_names_is_bdf(rows[i].text), rows[i].bdf && strcmp(rows[i].text, rows[i].bdf) == 0);
	}
}

static void test_interface(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "eth 0", "a:b", "eth%d", "a23456789012345x"};

	(void)state;
	assert_true(td_names_is_interface("enp2s0f0np0"));
	assert_true(td_names_is_interface("a23456789012345"));
	for (unsigned i = 0; i < TD_COUNT(bad); i++)
		assert_false(td_names_is_interface(bad[i]));
}

static void test_mac(void **state)
{
	static const char *const bad[] = {"", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:567", "52-54-00-12-34-56",
		"52:54:00:12:34:5g", "52:54: 0:12:34:56", "52:54:+0:12:34:56", "52:54:00:12:34:56 "};
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0xfe, 0x56};
	char text[TD_MAC_TEXT_BYTES];
	uint8_t back[6];

	(void)state;
	assert_string_equal(td_names_format_mac(mac, text), "52:54:00:12:fe:56");
	assert_true(td_names_parse_mac(text, back));
	assert_memory_equal(back, mac, 6);
	assert_true(td_names_parse_mac("52:54:00:12:FE:56", back));
	assert_memory_equal(back, mac, 6);
	for (unsigned i = 0; i < TD_COUNT(bad); i++)
		assert_false(td_names_parse_mac(bad[i], back));
	assert_memory_equal(back, mac, 6);
}

static void only_our_mark_is_ours(void **state)
{
	(void)state;
	assert_true(td_names_is_mark("tandem"));
	assert_true(td_names_is_mark("tandem isolated"));
	assert_false(td_names_is_mark(""));
	assert_false(td_names_is_mark("tande"));
	assert_false(td_names_is_mark("tandem-like"));
	assert_false(td_names_is_mark("my tandem"));
	assert_false(td_names_is_mark("tandem uplink"));
}

static void test_vlans(void **state)
{
	static const char *const bad[] = {
		"", "0", "4095", "20-19", "1-4095", "-5", "5-", "5-6-7", "+5", " 5", "5 ", "0x5", "99999999999999999999"};
	unsigned first = 7, last = 7;

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(bad); i++)
		assert_false(td_names_parse_vlans(bad[i], &first, &last));
	assert_int_equal(first, 7);
	assert_true(td_names_parse_vlans("4094", &first, &last));
	assert_int_equal(first, 4094);
	assert_int_equal(last, 4094);
	assert_true(td_names_parse_vlans("1-4094", &first, &last));
	assert_int_equal(first, 1);
	assert_int_equal(last, 4094);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bdf),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_mac),
		cmocka_unit_test(only_our_mark_is_ours),
		cmocka_unit_test(test_vlans),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
