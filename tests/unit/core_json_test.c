/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/json.c: text of any bytes as JSON strings, for readers and for reading back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base.h"
#include "core/json.h"

#define BAD "\xef\xbf\xbd"

static void bytes_that_are_no_utf8_are_seen(void **state)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"pf0", "pf0"},
		{"Stra\xc3\x9f"
		 "e \xe2\x82\xac \xf0\x9f\x9a\xb2",
			"Stra\xc3\x9f"
			"e \xe2\x82\xac \xf0\x9f\x9a\xb2"},
		{"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"}, /* the last and first of ranges */
		{"\xffpf0", BAD "pf0"},
		{"pf\x80"
		 "0",
			"pf" BAD "0"},		       /* a byte of the middle alone */
		{"\xc0\xaf", BAD BAD},		       /* '/' in two bytes */
		{"\xe0\x80\xaf", BAD BAD BAD},	       /* and in three */
		{"\xf0\x80\x80\xaf", BAD BAD BAD BAD}, /* and in four */
		{"\xed\xa0\x80", BAD BAD BAD},	       /* a surrogate */
		{"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* above U+10FFFF */
		{"\xf5\x80\x80\x80", BAD BAD BAD BAD},
		{"\xfe\xff", BAD BAD},
		{"\xc3", BAD}, /* cut short, by the end */
		{"\xe2\x82", BAD BAD},
		{"\xf0\x9f\x9a", BAD BAD BAD},
		{"\xe2\x82x", BAD BAD "x"}, /* and by a character */
		{"\xc3\xc3\x9f", BAD "\xc3\x9f"},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		char *heap = strdup(cases[i][0]); /* so that a read beyond the NUL is seen */
		json_t *value = td_json_text(heap);

		assert_non_null(value);
		assert_string_equal(json_string_value(value), cases[i][1]);
		json_decref(value);
		free(heap);
	}
	json_t *none = td_json_text(NULL);
	assert_true(json_is_null(none));
}

/* Each string of three bytes: jansson takes it, which reads UTF-8 by rules of its own. */
static void jansson_takes_every_string(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 1U << 16; n++) {
		const char text[] = {(char)(n >> 8), (char)n, (char)(0x80 | (n & 0x3f)), '\0'};
		json_t *value = td_json_text(text), *again = json_string(text);

		assert_non_null(value);
		if (again) /* valid as it is: left alone */
			assert_string_equal(json_string_value(value), text);
		json_decref(again);
		json_decref(value);
	}
}

static void bytes_come_back(void **state)
{
	char text[256];

	(void)state;
	for (unsigned i = 0; i < 255; i++)
		text[i] = (char)(i + 1);
	text[255] = '\0';
	json_t *value = td_json_bytes(text);
	char *dump = json_dumps(value, JSON_ENCODE_ANY);
	json_t *read = json_loads(dump, JSON_DECODE_ANY, NULL);
	assert_string_equal(td_json_bytes_value(read), text);
	json_decref(read);
	json_decref(value);
	free(dump);

	json_t *foreign = json_string("\xe2\x82\xac"), *number = json_integer(1);
	assert_null(td_json_bytes_value(foreign));
	assert_null(td_json_bytes_value(number));
	assert_null(td_json_bytes_value(NULL));
	json_decref(foreign);
	json_decref(number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_that_are_no_utf8_are_seen),
		cmocka_unit_test(jansson_takes_every_string),
		cmocka_unit_test(bytes_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
