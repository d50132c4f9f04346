/* SPDX-License-Identifier: Apache-2.0 */
/* core_state_test.c - device state as bytes: what a table must declare, what the stream looks like, and streams that lie. */
#include "core/state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct inner {
	uint16_t a;
	uint8_t b;
};

struct outer {
	uint64_t number;
	uint32_t words[2];
	bool flag;
	uint8_t bytes[3];
	struct inner inner[2];
	void *host;
	uint8_t last;
};

static const struct td_state_field inner_fields[] = {
	TD_STATE_FIELD(struct inner, a),
	TD_STATE_FIELD(struct inner, b),
	TD_STATE_PAD_END(struct inner, b),
};
static const struct td_state_table inner_table = {"inner", 1, sizeof(struct inner), inner_fields, TD_COUNT(inner_fields)};

static const struct td_state_field outer_fields[] = {
	TD_STATE_FIELD(struct outer, number),
	TD_STATE_FIELD_ARRAY(struct outer, words),
	TD_STATE_FIELD_BOOL(struct outer, flag),
	TD_STATE_FIELD_BYTES(struct outer, bytes),
	TD_STATE_FIELD_TABLES(struct outer, inner, &inner_table),
	TD_STATE_PAD(struct outer, inner, host),
	TD_STATE_FIELD_SKIP(struct outer, host, "a host's pointer"),
	TD_STATE_FIELD(struct outer, last),
	TD_STATE_PAD_END(struct outer, last),
};
static const struct td_state_table outer_table = {"outer", 7, sizeof(struct outer), outer_fields, TD_COUNT(outer_fields)};

static const struct outer example = {.number = 0x1122334455667788,
	.words = {0xa1a2a3a4, 5},
	.flag = true,
	.bytes = "xyz",
	.inner = {{0x0102, 3}, {0x0405, 6}},
	.host = (void *)1,
	.last = 0xee};

/* Never edited: other machines have written such. */
static const uint8_t golden[] = {'o', 'u', 't', 'e', 'r', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0,			 /* name */
	7, 0, 0, 0, 27, 0, 0, 0, /* version, length */
	0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xa4, 0xa3, 0xa2, 0xa1, 5, 0, 0, 0, 1, 'x', 'y', 'z', 2, 1, 3, 5, 4, 6, 0xee};

static void test_tables(void **state)
{
	struct td_err err = {0};
	struct td_state_field fields[TD_COUNT(outer_fields) + 1];
	struct td_state_table table = outer_table;

	(void)state;
	assert_int_equal(td_state_check(&outer_table, &err), 0);
	table.field = fields;
	for (unsigned i = 0; i < TD_COUNT(outer_fields); i++) { /* each one left out, each one twice */
		memcpy(fields, outer_fields, sizeof(outer_fields));
		if (!fields[i].size)
			continue;
		fields[i] = fields[TD_COUNT(outer_fields) - 1];
		table.field_count = TD_COUNT(outer_fields) - 1;
		assert_int_equal(td_state_check(&table, &err), -EINVAL);
		memcpy(fields, outer_fields, sizeof(outer_fields));
		fields[TD_COUNT(outer_fields)] = fields[i];
		table.field_count = TD_COUNT(outer_fields) + 1;
		assert_int_equal(td_state_check(&table, &err), -EINVAL);
		assert_non_null(strstr(err.text, "2 times"));
	}
	table.field_count = TD_COUNT(outer_fields);
	memcpy(fields, outer_fields, sizeof(outer_fields));
	fields[0].size = 3;
	assert_int_equal(td_state_check(&table, &err), -EINVAL);
	memcpy(fields, outer_fields, sizeof(outer_fields));
	fields[6].why = NULL;
	assert_int_equal(td_state_check(&table, &err), -EINVAL);
	memcpy(fields, outer_fields, sizeof(outer_fields));
	fields[7].offset = sizeof(struct outer);
	assert_int_equal(td_state_check(&table, &err), -EINVAL);
	table = outer_table;
	table.name = "a name of more than thirty-one letters";
	assert_int_equal(td_state_check(&table, &err), -EINVAL);
}

static void test_golden(void **state)
{
	uint8_t stream[sizeof(golden)];
	struct outer loaded;

	(void)state;
	assert_int_equal(td_state_bytes(&outer_table), sizeof(golden));
	td_state_save(&outer_table, &example, stream);
	assert_memory_equal(stream, golden, sizeof(golden));
	memset(&loaded, 0x55, sizeof(loaded));
	assert_int_equal(td_state_load(&outer_table, &loaded, golden, sizeof(golden), NULL), 0);
	assert_int_equal(loaded.number, example.number);
	assert_memory_equal(loaded.words, example.words, sizeof(loaded.words));
	assert_true(loaded.flag);
	assert_memory_equal(loaded.bytes, "xyz", 3);
	assert_int_equal(loaded.inner[1].a, 0x0405);
	assert_int_equal(loaded.inner[1].b, 6);
	assert_null(loaded.host);
	assert_int_equal(loaded.last, 0xee);
}

static void refuse(const uint8_t *stream, size_t len)
{
	struct td_err err = {0};
	struct outer loaded;

	assert_int_equal(td_state_load(&outer_table, &loaded, stream, len, &err), -EINVAL);
	assert_int_equal(err.reason, TD_REASON_DEVICE_STATE);
}

static void test_lies(void **state)
{
	uint8_t stream[sizeof(golden) + 8];

	(void)state;
	memset(stream, 0, sizeof(stream));
	memcpy(stream, golden, sizeof(golden));
	for (size_t len = 0; len < sizeof(golden); len++)
		refuse(stream, len);
	refuse(stream, sizeof(golden) + 1);
	for (size_t at = 0; at < TD_STATE_HEADER_BYTES; at++) {
		stream[at] ^= 0x40;
		refuse(stream, sizeof(golden));
		stream[at] ^= 0x40;
	}
	stream[TD_STATE_HEADER_BYTES + 16] = 2; /* the bool */
	refuse(stream, sizeof(golden));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
