/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_verbs.c - see cmd_verbs.h. */
#include "cli/cmd_verbs.h"

#include <errno.h>
#include <string.h>

#include "cli/commands.h"

static int print_help(const struct td_cmd_verbs *verbs)
{
	printf("usage: tandem %s VERB ...\n\n%s\n", verbs->command, verbs->help);
	for (unsigned i = 0; i < verbs->count; i++)
		printf("  %s%s%s\n      %s\n", verbs->verb[i].name, *verbs->verb[i].usage ? " " : "", verbs->verb[i].usage,
			verbs->verb[i].help);
	return 0;
}

/* "list, info or switch" */
static const char *names(const struct td_cmd_verbs *verbs, char *text, size_t len)
{
	size_t used = 0;
	*text = '\0';
	for (unsigned i = 0; i < verbs->count && used < len; i++) {
		const char *before = i == 0 ? "" : i + 1 < verbs->count ? ", " : " or ";
		used += (size_t)snprintf(text + used, len - used, "%s%s", before, verbs->verb[i].name);
	}
	return text;
}

bool td_cmd_wants_json(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int run(const struct td_cmd_verbs *verbs, const struct td_cmd_verb *verb, int argc, char **argv)
{
	struct td_client_options options;
	struct td_err err = {0};
	json_t *detail = NULL;
	int r = td_client_parse(&options, argc, argv, verb->options ? verb->options : "", &err);
	if (!r && options.help)
		return print_help(verbs);
	if (!r && (options.word_count < verb->words_min || options.word_count > verb->words_max))
		r = td_err_set(&err, EINVAL, TD_REASON_USAGE, "usage: tandem %s %s %s", verbs->command, verb->name, verb->usage);
	options.ret_detail = &detail;
	if (!r)
		r = verb->run(&options, &err);
	if (r && td_cmd_wants_json(argc, argv))
		td_client_print_failure(&err, detail);
	json_decref(detail);
	return r ? td_cmd_fail(&err) : 0;
}

int td_cmd_verbs(const struct td_cmd_verbs *verbs, int argc, char **argv)
{
	struct td_err err = {0};
	char all[160];
	const char *name = argc ? argv[0] : "";
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		return print_help(verbs);
	for (unsigned i = 0; i < verbs->count; i++) {
		const struct td_cmd_verb *verb = &verbs->verb[i];
		if (!strcmp(name, verb->name))
			return verb->main ? verb->main(argc - 1, argv + 1) : run(verbs, verb, argc - 1, argv + 1);
	}
	names(verbs, all, sizeof(all));
	if (argc)
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "%s: unknown verb '%.32s': give %s", verbs->command, name, all);
	else
		td_err_set(&err, EINVAL, TD_REASON_USAGE, "%s: no verb: give %s", verbs->command, all);
	if (td_cmd_wants_json(argc, argv))
		td_client_print_failure(&err, NULL);
	return td_cmd_fail(&err);
}
