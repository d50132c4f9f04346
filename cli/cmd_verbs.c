/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_verbs.c - see cmd_verbs.h. */
#include "cli/cmd_verbs.h"

#include <errno.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"

#define USAGE_BYTES 256

/* "tandem nic info NIC [--vm NAME] [--json]" */
static const char *verbs_usage(const struct td_cmd_verbs *verbs, const struct td_cmd_verb *verb, char text[USAGE_BYTES])
{
	char options[160];

	td_args_usage(verb->options, options, sizeof(options));
	snprintf(text, USAGE_BYTES, "tandem %s %s%s%s %s", verbs->command, verb->name, *verb->words ? " " : "", verb->words, options);
	return text;
}

static int verbs_print_help(const struct td_cmd_verbs *verbs)
{
	char usage[USAGE_BYTES];

	printf("usage: tandem %s VERB ...\n\n%standem %s VERB --help says more.\n\n", verbs->command, verbs->help, verbs->command);
	for (unsigned i = 0; i < verbs->count; i++)
		printf("  %s\n      %s\n", verbs_usage(verbs, &verbs->verb[i], usage), verbs->verb[i].help);
	return 0;
}

static int verbs_print_verb_help(const struct td_cmd_verbs *verbs, const struct td_cmd_verb *verb)
{
	char usage[USAGE_BYTES];

	printf("usage: %s\n\n%s\n%s\n", verbs_usage(verbs, verb, usage), verb->help, verbs->help);
	td_args_print_help(verb->options, stdout);
	if (verb->more)
		printf("\n%s", verb->more);
	return 0;
}

/* "list, info or switch" */
static const char *verbs_names(const struct td_cmd_verbs *verbs, char *text, size_t len)
{
	size_t used = 0;

	*text = '\0';
	for (unsigned i = 0; i < verbs->count && used < len; i++) {
		const char *before = i == 0 ? "" : i + 1 < verbs->count ? ", " : " or ";

		used += (size_t)snprintf(text + used, len - used, "%s%s", before, verbs->verb[i].name);
	}
	return text;
}

/* Also when something before --json is wrong: a program that asks for JSON wants to read what. */
static bool verbs_want_json(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int verbs_take(void *opaque, const struct td_args_option *option, const char *text, struct td_err *err)
{
	struct td_cmd_options *options = opaque;

	if (option && option->offset == offsetof(struct td_cmd_options, policy)) {
		if (options->policy_count == TD_CMD_POLICIES_MAX)
			return td_err_set(err, EINVAL, TD_REASON_USAGE, "--policy: at most %d", TD_CMD_POLICIES_MAX);
		return td_args_set(&(struct td_args_option){.name = "policy", .argument = "FILE"},
			&options->policy[options->policy_count++], text, err);
	}
	if (option)
		return td_args_set(option, options, text, err);
	if (options->word_count == TD_CMD_WORDS_MAX)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "%.64s: one argument too many", text);
	options->word[options->word_count++] = text;
	return 0;
}

static int verbs_check_words(
	const struct td_cmd_verbs *verbs, const struct td_cmd_verb *verb, const struct td_cmd_options *options, struct td_err *err)
{
	char usage[USAGE_BYTES];

	if (options->word_count > verb->words_max)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "%.64s: one argument too many: usage: %s", options->word[verb->words_max],
			verbs_usage(verbs, verb, usage));
	if (options->word_count < verb->words_min)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "usage: %s", verbs_usage(verbs, verb, usage));
	return 0;
}

static int verbs_run(const struct td_cmd_verbs *verbs, const struct td_cmd_verb *verb, int argc, char **argv)
{
	struct td_cmd_options options = {.json = false};
	struct td_err err = {0};
	json_t *detail = NULL;
	int rc = td_args_read(verb->options, argc, argv, verbs_take, &options, &err);

	if (!rc && options.help)
		return verbs_print_verb_help(verbs, verb);
	options.ret_detail = &detail;
	if (!rc)
		rc = verbs_check_words(verbs, verb, &options, &err);
	if (!rc)
		rc = verb->run(&options, &err);
	if (rc >= 0)
		return rc;
	if (options.json || verbs_want_json(argc, argv))
		td_client_print_failure(&err, detail);
	json_decref(detail);
	rc = td_cmd_fail(&err);
	return verb->fail_status ? verb->fail_status : rc;
}

int td_cmd_verbs(const struct td_cmd_verbs *verbs, int argc, char **argv)
{
	struct td_err err = {0};
	char all[160];
	const char *name = argc ? argv[0] : "";

	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return verbs_print_help(verbs);
	for (unsigned i = 0; i < verbs->count; i++)
		if (!strcmp(name, verbs->verb[i].name))
			return verbs_run(verbs, &verbs->verb[i], argc - 1, argv + 1);
	verbs_names(verbs, all, sizeof(all));
	if (argc)
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "%s: unknown verb '%.32s': give %s", verbs->command, name, all);
	else
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "%s: no verb: give %s", verbs->command, all);
	if (verbs_want_json(argc, argv))
		td_client_print_failure(&err, NULL);
	return td_cmd_fail(&err);
}
