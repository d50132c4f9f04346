/* SPDX-License-Identifier: Apache-2.0 */
/* The RARP frame, byte for byte, without and with a VLAN tag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "nic/rarp.h"

static const uint8_t mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void test_plain(void **state)
{
	static const uint8_t expected[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0x80, 0x35, 0x00, 0x01,
		0x08, 0x00, 0x06, 0x04, 0x00, 0x03, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
	uint8_t frame[TD_RARP_BYTES_MAX];

	(void)state;
	memset(frame, 0xee, sizeof(frame));
	assert_int_equal(td_rarp_build(frame, mac, 0), 60);
	assert_memory_equal(frame, expected, 60);
}

static void test_tagged(void **state)
{
	uint8_t plain[TD_RARP_BYTES_MAX], frame[TD_RARP_BYTES_MAX];

	(void)state;
	td_rarp_build(plain, mac, 0);
	assert_int_equal(td_rarp_build(frame, mac, 100), 64);
	assert_memory_equal(frame, plain, 12);
	assert_memory_equal(frame + 12, ((uint8_t[]){0x81, 0x00, 0x00, 0x64}), 4);
	assert_memory_equal(frame + 16, plain + 12, 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_tagged)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
