/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of config/args.c: what a command line may look like, and the one line that says what is wrong with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "config/args.h"

struct sample {
	bool json, help;
	const char *vm, *vlan, *to;
	const char *word[4];
	unsigned word_count;
};

static const struct td_args_option options[] = {
	{"vm", "NAME", "of this VM", offsetof(struct sample, vm)},
	{"vlan", "ID", "in this VLAN", offsetof(struct sample, vlan)},
	{"to", "vf|emulated", "the path", offsetof(struct sample, to)},
	{"json", NULL, "the answer as JSON", offsetof(struct sample, json)},
	{"help", NULL, "this text", offsetof(struct sample, help)},
	{.name = NULL},
};

static int take(void *opaque, const struct td_args_option *option, const char *text, struct td_err *err)
{
	struct sample *sample = opaque;

	if (option)
		return td_args_set(option, sample, text, err);
	if (sample->word_count == TD_COUNT(sample->word))
		return td_err_set(err, E2BIG, TD_REASON_USAGE, "%s: too many", text);
	sample->word[sample->word_count++] = text;
	return 0;
}

#define ARGS(...) (int)TD_COUNT(((char *[]){__VA_ARGS__})), ((char *[]){__VA_ARGS__})

static void all_spellings(void **state)
{
	struct sample sample = {0};

	(void)state;
	assert_int_equal(td_args_read(options, 0, NULL, take, &sample, NULL), 0);
	assert_int_equal(sample.word_count, 0);
	assert_int_equal(td_args_read(options, ARGS("a", "--vm", "--json", "-", "--to=vf=1", "", "--vla", "7"), take, &sample, NULL), 0);
	assert_string_equal(sample.vm, "--json"); /* a value may look like an option */
	assert_string_equal(sample.to, "vf=1");
	assert_string_equal(sample.vlan, "7"); /* a name that is cut, and one option's */
	assert_false(sample.json);
	assert_int_equal(sample.word_count, 3);
	assert_string_equal(sample.word[0], "a");
	assert_string_equal(sample.word[1], "-");
	assert_string_equal(sample.word[2], "");

	sample = (struct sample){0};
	assert_int_equal(td_args_read(options, ARGS("-h", "x", "--", "--json", "-k"), take, &sample, NULL), 0);
	assert_true(sample.help && !sample.json);
	assert_int_equal(sample.word_count, 3);
	assert_string_equal(sample.word[1], "--json");
	assert_string_equal(sample.word[2], "-k");
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *arg[2];
		const char *text;
	} cases[] = {
		{{"--vn", "x"}, "--vn: unknown option, did you mean '--vm'? Known here: --vm, --vlan, --to, --json, --help"},
		{{"--colour=red"}, "--colour: unknown option: known here: --vm, --vlan, --to, --json, --help"},
		{{"--v", "x"}, "--v: ambiguous option: give --vm or --vlan"},
		{{"--v=x"}, "--v: ambiguous option: give --vm or --vlan"},
		{{"--=x"}, "--: ambiguous option: give --vm or --vlan or --to or --json or --help"},
		{{"x", "--vm"}, "--vm: needs a value: give --vm NAME"},
		{{"--vm="}, "--vm: needs a value: give --vm NAME"},
		{{"--vm", ""}, "--vm: needs a value: give --vm NAME"},
		{{"--json=yes"}, "--json: takes no value"},
		{{"--js=yes"}, "--json: takes no value"},
		{{"-k"}, "-k: unknown option: options have two dashes"},
		{{"-json"}, "-json: unknown option: options have two dashes"},
		{{"-hk"}, "-hk: unknown option: options have two dashes"},
		{{"-\n\x1b[2J"}, "-??[2J: unknown option: options have two dashes"},
		{{"-kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"},
			"-kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...: unknown option: options have two dashes"},
	};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(cases); i++) {
		struct sample sample = {0};
		struct td_err err = {0};
		char *argv[2];
		int argc = 0;

		/* In the heap, so that a read beyond the end is seen. */
		for (; argc < 2 && cases[i].arg[argc]; argc++)
			argv[argc] = strdup(cases[i].arg[argc]);
		assert_int_equal(td_args_read(options, argc, argv, take, &sample, &err), -EINVAL);
		assert_string_equal(err.text, cases[i].text);
		assert_int_equal(err.reason, TD_REASON_USAGE);
		while (argc)
			free(argv[--argc]);
	}
}

static void the_taker_ends_it(void **state)
{
	struct sample sample = {0};
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_args_read(options, ARGS("a", "b", "--", "c", "d", "e", "f"), take, &sample, &err), -E2BIG);
	assert_string_equal(err.text, "e: too many");
}

static void the_table_is_printed(void **state)
{
	char text[200], *help = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&help, &len);

	(void)state;
	assert_string_equal(td_args_usage(options, text, sizeof(text)), "[--vm NAME] [--vlan ID] [--to vf|emulated] [--json]");
	td_args_print_help(options, out);
	fclose(out);
	assert_non_null(strstr(help, "  --to vf|emulated     the path\n"));
	assert_non_null(strstr(help, "  --help               this text\n"));
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_spellings),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(the_taker_ends_it),
		cmocka_unit_test(the_table_is_printed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
