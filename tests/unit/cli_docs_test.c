/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that docs/ says what the program's tables say: keys, reason codes, flags of the completion; and that each example loads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>

#include "cli/schema.h"
#include "cli/vm_config.h"

/* DIR/docs/REST, DIR being the checkout that this file was built from. */
static void docs_path(char path[512], const char *rest)
{
	const char *end = strstr(__FILE__, "tests/unit/");
	assert_non_null(end);
	snprintf(path, 512, "%.*sdocs/%s", (int)(end - __FILE__), __FILE__, rest);
}

static char *read_docs(const char *rest)
{
	char path[512], *text = NULL;
	size_t room = 0;
	docs_path(path, rest);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("%s: not there", path);
	ssize_t len = getdelim(&text, &room, '\0', file);
	fclose(file);
	assert_true(len > 0);
	return text;
}

static void the_manual_lists_the_keys(void **state)
{
	char *page = read_docs("man/tandem.yaml.5"), *keys = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&keys, &len);
	(void)state;
	td_schema_print_man(td_vm_config_keys(), out);
	fclose(out);
	if (!strstr(page, keys))
		fail_msg("docs/man/tandem.yaml.5 is not what the table says: run docs/update");
	free(keys);
	free(page);
}

static void reason_codes_are_listed(void **state)
{
	char *text = read_docs("reason-codes.md"), row[256];
	unsigned rows = 0;
	(void)state;
	for (const char *c = text; (c = strstr(c, "\n| `")); c++)
		rows++;
	assert_int_equal(rows, TD_REASON_COUNT - 1);
	for (unsigned i = TD_REASON_NONE + 1; i < TD_REASON_COUNT; i++) {
		snprintf(row, sizeof(row), "\n| `%s` | %s |\n", td_reason_name((enum td_reason)i), td_reason_hint((enum td_reason)i));
		if (!strstr(text, row))
			fail_msg("docs/reason-codes.md lacks %s: run docs/update", td_reason_name((enum td_reason)i));
	}
	free(text);
}

static void the_completion_knows_every_flag_and_key(void **state)
{
	char *completion = read_docs("completion/tandem"), word[64];
	(void)state;
	for (const struct td_schema_key *key = td_vm_config_keys(); key->name; key++) {
		for (const struct td_schema_key *k = key->keys; k && k->name; k++) {
			snprintf(word, sizeof(word), key->hoisted ? "--%s" : k->name == key->bare ? "%s" : "%s=", k->name);
			/* The serial port's mode is completed by its words. */
			if (strcmp(key->name, "serial") != 0 && !strstr(completion, word))
				fail_msg("docs/completion/tandem lacks %s", word);
		}
		if (key->hoisted)
			continue;
		snprintf(word, sizeof(word), "--%s", key->flag ? key->flag : key->name);
		for (char *c = word; *c; c++)
			*c = *c == '_' ? '-' : *c;
		if (!strstr(completion, word))
			fail_msg("docs/completion/tandem lacks %s", word);
	}
	free(completion);
}

static void each_example_loads(void **state)
{
	char path[512];
	unsigned count = 0;
	(void)state;
	docs_path(path, "examples");
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct td_vm_file_config config;
		struct td_err err = {0};
		char file[800];
		if (!strstr(entry->d_name, ".yaml"))
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		char *argv[] = {file};
		if (td_vm_config_from_args(&config, 1, argv, &err))
			fail_msg("%s", err.text);
		td_vm_config_fini(&config);
		count++;
	}
	closedir(dir);
	assert_true(count >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manual_lists_the_keys),
		cmocka_unit_test(reason_codes_are_listed),
		cmocka_unit_test(the_completion_knows_every_flag_and_key),
		cmocka_unit_test(each_example_loads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
