/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of config/schema*.c on a table of their own, and on every cut of a valid file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/schema.h"
#include "config/vm_schema.h"

struct item {
	char *name;
	bool word_bool;
};

struct sample {
	uint64_t number, wait_ms;
	int word;
	bool word_given;
	uint8_t mac[6];
	char *bdf, *text;
	struct item item[2];
	unsigned item_count;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct td_schema_key item_keys[] = {
	{.name = "name", .kind = TD_SCHEMA_NAME, TD_SCHEMA_AT(struct item, name), .max = 4, .help = "A name", .required = true},
	{.name = "colour",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct item, word_bool),
		.words = colours,
		.fallback = "green",
		.help = "C"},
	{.name = NULL},
};

static const struct td_schema_key keys[] = {
	{.name = "number", .kind = TD_SCHEMA_UINT, TD_SCHEMA_AT(struct sample, number), .min = 2, .max = 20, .fallback = "3", .help = "N"},
	{.name = "wait", .kind = TD_SCHEMA_DURATION, TD_SCHEMA_AT(struct sample, wait_ms), .max = 5000, .help = "W"},
	{.name = "word",
		.kind = TD_SCHEMA_WORD,
		TD_SCHEMA_AT(struct sample, word),
		.words = colours,
		.fallback = "blue",
		.given = offsetof(struct sample, word_given),
		.help = "W"},
	{.name = "mac", .kind = TD_SCHEMA_MAC, TD_SCHEMA_AT(struct sample, mac), .help = "M"},
	{.name = "bdf", .kind = TD_SCHEMA_BDF, TD_SCHEMA_AT(struct sample, bdf), .help = "B"},
	{.name = "text", .kind = TD_SCHEMA_STRING, TD_SCHEMA_AT(struct sample, text), .fallback = "", .help = "T"},
	{.name = "items",
		.flag = "item",
		.kind = TD_SCHEMA_LIST,
		.keys = item_keys,
		TD_SCHEMA_AT(struct sample, item),
		.bare = "name",
		.item_bytes = sizeof(struct item),
		.items_max = 2,
		.count_offset = offsetof(struct sample, item_count),
		.help = "I"},
	{.name = NULL},
};

static int read_yaml(struct sample *sample, const char *text, struct td_err *err)
{
	*sample = (struct sample){0};
	assert_int_equal(td_schema_defaults(keys, sample, err), 0);
	return td_schema_read_yaml(keys, sample, "f", text, strlen(text), NULL, err);
}

static void every_kind_is_read(void **state)
{
	struct sample sample;
	struct td_err err = {0};
	(void)state;
	assert_int_equal(read_yaml(&sample,
				 "number: 0x14\nwait: 3S\nword: Red\nmac: 02:aB:00:00:00:01\nbdf: 3B:02.1\ntext: ''\n"
				 "items: [{name: a, colour: red}, {name: b-_.}]\n",
				 &err),
		0);
	assert_int_equal(sample.number, 20);
	assert_int_equal(sample.wait_ms, 3000);
	assert_int_equal(sample.word, 0);
	assert_true(sample.word_given);
	assert_int_equal(sample.mac[1], 0xab);
	assert_string_equal(sample.bdf, "0000:3b:02.1");
	assert_string_equal(sample.text, "");
	assert_int_equal(sample.item_count, 2);
	assert_false(sample.item[0].word_bool);
	assert_true(sample.item[1].word_bool); /* its default */
	td_schema_fini(keys, &sample);
	assert_null(sample.bdf);
	assert_int_equal(sample.item_count, 0);
}

static void defaults_are_not_given(void **state)
{
	struct sample sample;
	struct td_err err = {0};
	(void)state;
	assert_int_equal(read_yaml(&sample, "", &err), 0);
	assert_int_equal(sample.number, 3);
	assert_int_equal(sample.word, 2);
	assert_false(sample.word_given);
	assert_null(sample.bdf);
	td_schema_fini(keys, &sample);
}

static void values_that_are_none(void **state)
{
	static const char *const bad[] = {"number: 1", "number: 21", "number: 3x", "number: 0x", "number: ''", "number: 1e1", "number: +3",
		"wait: 5001ms", "wait: 1", "wait: s", "wait: 1h", "word: re", "mac: 2:0:0:0:0:1", "mac: 02-00-00-00-00-01",
		"mac: 02:00:00:00:00:0g", "mac: '02:00:00:00:00:01:'", "bdf: 3b:20.0", "bdf: 3b:02.8", "bdf: 0:3b:02.1",
		"bdf: 0000:3b:02:1", "bdf: 0000.3b:02.1", "items: [{name: abcde}]", "items: [{name: .a}]", "items: [{name: a b}]",
		"items: [{}, {}, {}]"};
	(void)state;
	for (size_t i = 0; i < TD_COUNT(bad); i++) {
		struct sample sample;
		struct td_err err = {0};
		int r = read_yaml(&sample, bad[i], &err);
		if (!r || err.reason != TD_REASON_CONFIG_VALUE)
			fail_msg("%s: %d %s", bad[i], r, err.text);
		td_schema_fini(keys, &sample);
	}
}

static void a_flag_takes_one_item(void **state)
{
	struct sample sample = {0};
	struct td_err err = {0};
	(void)state;
	assert_int_equal(td_schema_read_flag(keys, &sample, "item", "a,colour=red", NULL, &err), 0);
	assert_int_equal(td_schema_read_flag(keys, &sample, "item", "name=b", NULL, &err), 0);
	assert_int_equal(td_schema_read_flag(keys, &sample, "item", "c", NULL, &err), -22);
	assert_string_equal(err.text, "--item: too many: at most 2");
	assert_true(td_schema_flag_repeats(keys, "item"));
	assert_false(td_schema_flag_repeats(keys, "items"));
	assert_false(td_schema_flag_repeats(keys, "word"));
	assert_string_equal(sample.item[1].name, "b");
	td_schema_fini(keys, &sample);
}

static void long_words_in_messages_are_cut(void **state)
{
	struct sample sample;
	struct td_err err = {0};
	char text[300];
	(void)state;
	memset(text, 'n', sizeof(text));
	memcpy(text + 290, ": 1", 4);
	assert_int_not_equal(read_yaml(&sample, text, &err), 0);
	assert_string_equal(err.text,
		"f:1:1: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn...: unknown key: known here: number, wait, word, mac, "
		"bdf, text, items");
	td_schema_fini(keys, &sample);
}

/* Each cut of a file, and each file with one byte changed, is taken or refused with words; ASan sees what leaks. */
static void every_cut_and_every_changed_byte(void **state)
{
	static const char text[] =
		"name: web1\ncpus: {boot: 2}\nmemory: {size: 512M}\npayload: {kernel: k, cmdline: \"a b\"}\n"
		"disks: [{path: r}]\nnet:\n- id: n\n  mac: 52:54:00:12:34:56\n  pf: pf0\n  bridge: b\n  unplug_timeout: 2s\n";
	static const char changes[] = "\0\n\t:{}[],&*!|>'\"%@`-?# \x80\xff";
	struct td_vm_file_config config;
	struct td_err err = {0};
	char copy[sizeof(text)];
	unsigned taken = 0;
	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		if (!td_vm_config_from_yaml(&config, "f", text, len, &err)) {
			td_vm_config_fini(&config);
			taken++;
		}
	}
	assert_true(taken > 0);
	for (size_t i = 0; i + 1 < sizeof(text); i++) {
		for (size_t c = 0; c + 1 < sizeof(changes); c++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = changes[c];
			err.text[0] = '\0';
			if (!td_vm_config_from_yaml(&config, "f", copy, sizeof(copy) - 1, &err))
				td_vm_config_fini(&config);
			else
				assert_true(err.text[0]);
		}
	}
}

static void print_everything(const struct td_schema_key *table, FILE *out)
{
	td_schema_print_man(table, out);
	td_schema_print_flags(table, out);
}

static void every_key_is_printed(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	(void)state;
	print_everything(keys, out);
	fclose(out);
	assert_non_null(strstr(text, ".It Cm colour\nC.\nAllowed: red, green or blue.\nDefault: green.\n"));
	assert_non_null(strstr(text, "--item "));
	assert_non_null(strstr(text, "name=,colour="));
	free(text);
}

/* By the key's member, and not by what its help says. */
static void required_keys_are_told(void **state)
{
	const struct td_schema_key two[] = {
		{.name = "a", .kind = TD_SCHEMA_STRING, TD_SCHEMA_AT(struct sample, text), .help = "Where b is not given. Required"},
		{.name = "b", .kind = TD_SCHEMA_STRING, TD_SCHEMA_AT(struct sample, bdf), .help = "B", .required = true},
		{.name = NULL},
	};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	td_schema_print_json(two, "T", out);
	fputs("\n", out);
	print_everything(two, out);
	fclose(out);
	assert_non_null(strstr(text, "\"required\": [\n  \"b\"\n ]"));
	assert_non_null(strstr(text, "\"description\": \"B. Required. Allowed: "));
	assert_non_null(strstr(text, ".It Cm b\nB.\nRequired.\nAllowed: "));
	assert_non_null(strstr(text, "B. Required\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_is_read),
		cmocka_unit_test(defaults_are_not_given),
		cmocka_unit_test(values_that_are_none),
		cmocka_unit_test(a_flag_takes_one_item),
		cmocka_unit_test(long_words_in_messages_are_cut),
		cmocka_unit_test(every_cut_and_every_changed_byte),
		cmocka_unit_test(every_key_is_printed),
		cmocka_unit_test(required_keys_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
