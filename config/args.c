/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - see args.h. */
#include "config/args.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

/* getopt's answers: a word, and the option of an index from OPTION on. */
#define WORD   1
#define OPTION 256

/* Why getopt does not know what stands at `at`. */
static int args_fail_unknown(const struct td_args_option *options, const char *at, struct td_err *err)
{
	struct td_schema_key flat[TD_ARGS_MAX + 1] = {0};
	char names[TD_ARGS_MAX][32], quoted[56], text[400], fitting[TD_ARGS_MAX * 36] = "";
	size_t len = strcspn(at, "=");

	td_schema_quote(at, len, quoted);
	if (at[1] != '-')
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "%s: unknown option: options have two dashes", quoted);
	for (unsigned i = 0; options[i].name; i++) {
		size_t used = strlen(fitting);

		snprintf(names[i], sizeof(names[i]), "--%s", options[i].name);
		flat[i].name = names[i];
		if (!strncmp(at, names[i], len))
			snprintf(fitting + used, sizeof(fitting) - used, "%s%s", used ? " or " : "", names[i]);
	}
	if (*fitting)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "%s: ambiguous option: give %s", quoted, fitting);
	td_schema_suggest(flat, quoted, "option", text, sizeof(text));
	return td_err_set(err, EINVAL, TD_REASON_USAGE, "%s: %s", quoted, text);
}

static int args_fail_missing(const struct td_args_option *option, struct td_err *err)
{
	return td_err_set(err, EINVAL, TD_REASON_USAGE, "--%s: needs a value: give --%s %s", option->name, option->name, option->argument);
}

/* `answer` is getopt_long's about the argument `at`. */
static int args_answer(
	const struct td_args_option *options, int answer, const char *at, td_args_take *take, void *opaque, struct td_err *err)
{
	if (answer == WORD)
		return take(opaque, NULL, optarg, err);
	if (answer >= OPTION)
		return take(opaque, &options[answer - OPTION], optarg, err);
	if (answer == ':')
		return args_fail_missing(&options[optopt - OPTION], err);
	if (optopt >= OPTION)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "--%s: takes no value", options[optopt - OPTION].name);
	return args_fail_unknown(options, at, err);
}

int td_args_read(const struct td_args_option *options, int argc, char **argv, td_args_take *take, void *opaque, struct td_err *err)
{
	struct option table[TD_ARGS_MAX + 1] = {0};
	int help = '?', answer, rc = 0;
	unsigned count = 0;

	for (; options[count].name; count++) {
		assert(count < TD_ARGS_MAX);
		table[count] = (struct option){
			options[count].name, options[count].argument ? required_argument : no_argument, NULL, (int)(OPTION + count)};
		if (!strcmp(options[count].name, "help"))
			help = table[count].val;
	}
	/* getopt begins behind the program's name. */
	td_auto_free char **all = calloc((size_t)argc + 2, sizeof(*all));
	if (!all)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	for (int i = 0; i < argc; i++)
		all[1 + i] = argv[i];
	all[0] = (char *)(uintptr_t) "tandem";
	optind = 0; /* begins anew */
	opterr = 0;
	while (rc == 0) {
		const char *at = all[TD_MAX(optind, 1)];

		answer = getopt_long(argc + 1, all, "-:h", table, NULL);
		if (answer < 0)
			break;
		rc = args_answer(options, answer == 'h' ? help : answer, at, take, opaque, err);
	}
	while (rc == 0 && optind < argc + 1) /* behind "--" */
		rc = take(opaque, NULL, all[optind++], err);
	return rc;
}

int td_args_set(const struct td_args_option *option, void *base, const char *text, struct td_err *err)
{
	void *member = (char *)base + option->offset;

	if (!option->argument) {
		*(bool *)member = true;
		return 0;
	}
	if (!*text)
		return args_fail_missing(option, err);
	*(const char **)member = text;
	return 0;
}

const char *td_args_usage(const struct td_args_option *options, char *ret_text, size_t len_bytes)
{
	size_t used = 0;

	*ret_text = '\0';
	for (; options->name && used < len_bytes; options++) {
		const char *argument = options->argument;

		if (strcmp(options->name, "help") != 0)
			used += (size_t)snprintf(ret_text + used, len_bytes - used, "%s[--%s%s%s]", used ? " " : "", options->name,
				argument ? " " : "", argument ? argument : "");
	}
	return ret_text;
}

void td_args_print_help(const struct td_args_option *options, FILE *out)
{
	for (; options->name; options++) {
		char text[64];

		snprintf(text, sizeof(text), "--%s %s", options->name, options->argument ? options->argument : "");
		fprintf(out, "  %-20s %s\n", text, options->help);
	}
}
