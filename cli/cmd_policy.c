/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_policy.c - tandem policy: files that say which path a NIC is on; its verbs, in one table. No VM is needed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "config/policy_schema.h"
#include "policy/policy_check.h"

struct check_report {
	const char *file;
	const struct td_policy *policy;
	json_t *list; /* with --json; else findings are printed as they come */
};

static void cmd_policy_said(void *opaque, const struct td_policy_finding *finding)
{
	const struct check_report *report = opaque;
	const struct td_policy_rule *rule =
		&report->policy->rule[finding->kind == TD_POLICY_BOTH_HOLD ? (unsigned)finding->other : finding->rule];
	const char *name = td_policy_finding_name(finding->kind);

	if (report->list)
		json_array_append_new(
			report->list, json_pack("{s:s, s:b, s:s, s:i, s:i, s:s, s:s}", "kind", name, "note",
					      td_policy_finding_is_note(finding->kind), "rule", rule->name, "line", (int)rule->mark[0],
					      "column", (int)rule->mark[1], "facts", finding->facts, "text", finding->text));
	else
		printf("%s:%u:%u: %s%s [%s]\n", report->file, rule->mark[0], rule->mark[1],
			td_policy_finding_is_note(finding->kind) ? "note: " : "", finding->text, name);
}

static int cmd_policy_check(const struct td_cmd_options *options, struct td_err *err)
{
	td_auto_free struct td_policy *policy = NULL;
	struct check_report report = {.file = options->word[0], .list = options->json ? json_array() : NULL};
	int rc = td_policy_schema_load(&policy, options->word[0], err);

	if (rc) {
		json_decref(report.list);
		return rc;
	}
	report.policy = policy;
	unsigned wrong = td_policy_check(policy, cmd_policy_said, &report);
	if (options->json) {
		json_t *answer =
			json_pack("{s:b, s:I, s:o}", "ok", wrong == 0, "rules", (json_int_t)policy->rule_count, "findings", report.list);

		td_client_print_json(answer);
		json_decref(answer);
	} else if (!wrong) {
		printf("%s: good: %u rule%s\n", options->word[0], policy->rule_count, policy->rule_count == 1 ? "" : "s");
	}
	return wrong ? TD_EXIT_FAILED : 0;
}

static int cmd_policy_show(const struct td_cmd_options *options, struct td_err *err)
{
	if (strcmp(options->word[0], "default") != 0)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "'%.48s' is no policy that tandem has: it has 'default'", options->word[0]);
	fputs(td_policy_schema_default, stdout);
	return 0;
}

/* A simulation names its policy from its own directory. */
static char *cmd_policy_beside(const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	char *path;

	if (*name == '/' || !slash)
		return strdup(name);
	return asprintf(&path, "%.*s%s", (int)(slash - file + 1), file, name) < 0 ? NULL : path;
}

static int cmd_policy_load_for(const struct td_cmd_options *options, const struct td_policy_simulation_config *config,
	struct td_policy **ret_policy, struct td_err *err)
{
	td_auto_free char *beside = NULL;

	if (options->policy_count > 1)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "--policy: given twice: a simulation has one");
	if (options->policy_count)
		return td_policy_schema_load(ret_policy, strcmp(options->policy[0], "default") != 0 ? options->policy[0] : NULL, err);
	if (!config->policy)
		return td_policy_schema_load(ret_policy, NULL, err);
	beside = cmd_policy_beside(options->word[0], config->policy);
	if (!beside)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	return td_policy_schema_load(ret_policy, beside, err);
}

static int cmd_policy_play(const struct td_cmd_options *options, const struct td_policy_simulation_config *config, struct td_err *err)
{
	td_auto_free struct td_policy *policy = NULL;
	int rc = cmd_policy_load_for(options, config, &policy, err);

	if (!rc)
		rc = td_policy_simulate(config, options->word[0], policy, stdout, err);
	if (rc > 0)
		printf("%d expectation%s not hold\n", rc, rc == 1 ? " does" : "s do");
	return rc > 0 ? TD_EXIT_FAILED : rc;
}

static int cmd_policy_simulate(const struct td_cmd_options *options, struct td_err *err)
{
	struct td_policy_simulation_config *config = NULL;
	td_auto_free char *text = NULL;
	size_t len;
	int rc = td_schema_read_file(options->word[0], &text, &len, err);

	if (!rc)
		rc = td_policy_schema_read_simulation(&config, options->word[0], text, len, err);
	if (!rc)
		rc = cmd_policy_play(options, config, err);
	td_policy_schema_simulation_free(config);
	return rc;
}

static const struct td_args_option check_options[] = {TD_CMD_LAST_OPTIONS};
static const struct td_args_option help_options[] = {TD_CMD_OPTION("help", NULL, help, "this text"), {.name = NULL}};
static const struct td_args_option simulate_options[] = {
	TD_CMD_OPTION("policy", "FILE", policy, "this policy instead of the one that the file names; default: the default policy"),
	TD_CMD_OPTION("help", NULL, help, "this text"),
	{.name = NULL},
};

static const struct td_args_option replay_options[] = {
	TD_CMD_OPTION("trace", "FILE", trace, "the trace"),
	TD_CMD_OPTION("policy", "FILE", policy, "a policy; up to four, to compare them; default: the default policy"),
	TD_CMD_LAST_OPTIONS,
};

static const struct td_cmd_verb verbs[] = {
	{.name = "check",
		.words = "FILE",
		.help = "reads a policy file; what is wrong is named with line, column and key, and rules that can never matter with facts "
			"that show it",
		.options = check_options,
		.words_min = 1,
		.words_max = 1,
		.run = cmd_policy_check,
		.fail_status = TD_EXIT_USAGE, /* 1 says that a rule can never matter */
		.more = "Exit status: 0 good, 1 rules can never hold, end or have a say, 2 the file cannot be read. man policy.yaml says "
			"what a policy "
			"may hold.\n"},
	{.name = "show",
		.words = "default",
		.help = "the policy that holds where none is given",
		.options = help_options,
		.words_min = 1,
		.words_max = 1,
		.run = cmd_policy_show},
	{.name = "simulate",
		.words = "FILE",
		.help = "plays facts from a file of yours, prints what is decided, and checks what the file expects",
		.options = simulate_options,
		.words_min = 1,
		.words_max = 1,
		.run = cmd_policy_simulate,
		.fail_status = TD_EXIT_USAGE, /* 1 says that an expectation does not hold */
		.more = "Exit status: 0 all expectations hold, 1 one does not, 2 a file cannot be used. man policy.yaml says what it may "
			"hold.\n"},
	{.name = "replay",
		.words = "",
		.help = "what policies would have done with a recorded trace: a timeline each, and their sums",
		.options = replay_options,
		.run = td_cmd_policy_replay,
		.more = "man tandem-policy says what a trace holds.\n"},
};

const struct td_cmd_verbs td_cmd_policy_verbs = {"policy", "", verbs, TD_COUNT(verbs)};

int td_cmd_policy(int argc, char **argv)
{
	return td_cmd_verbs(&td_cmd_policy_verbs, argc, argv);
}
