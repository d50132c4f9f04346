/* SPDX-License-Identifier: Apache-2.0 */
/* policy_schema.c - the tables of keys of policy files and simulations. The default policy is policy_default.c. */
#include "config/policy_schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the order of enum td_path, enum td_policy_unknown. */
static const char *const path_words[] = {"emulated", "vf", NULL};
static const char *const unknown_words[] = {"no", "yes", "as-before", NULL};
static const char *const flips_words[] = {"work", "fail", NULL};

#define MINUTES(n) ((n)*60000ULL)
#define TIME_MAX   MINUTES(7 * 24 * 60)

static bool is_warm(const char *text)
{
	uint64_t ns;

	return td_policy_parse_warm(text, &ns);
}

#define RULE(member) TD_SCHEMA_AT(struct td_policy_rule_config, member)
static const struct td_schema_key rule_keys[] = {
	{.name = "name",
		.kind = TD_SCHEMA_NAME,
		RULE(name),
		.required = true,
		.max = TD_POLICY_NAME_BYTES - 1,
		.help = "What explanations and simulations call it"},
	{.name = "when",
		.kind = TD_SCHEMA_STRING,
		RULE(when),
		.help = "The condition: comparisons of facts, with and, or, not and parentheses. Default: always"},
	{.name = "for",
		.kind = TD_SCHEMA_DURATION,
		RULE(for_ms),
		.max = TIME_MAX,
		.fallback = "0ms",
		.help = "How long the condition must have held without a break before the rule has a say"},
	{.name = "until",
		.kind = TD_SCHEMA_STRING,
		RULE(until),
		.help = "The rule ends when this holds, and when does not. Default: as soon as when does not hold"},
	{.name = "keep",
		.kind = TD_SCHEMA_DURATION,
		RULE(keep_ms),
		.max = TIME_MAX,
		.fallback = "0ms",
		.help = "How long that must have been so without a break before the rule ends"},
	{.name = "use",
		.kind = TD_SCHEMA_WORD,
		RULE(use),
		.given = offsetof(struct td_policy_rule_config, use_given),
		.words = path_words,
		.required = true,
		.help = "The path that the NIC is to be on"},
	{.name = "warm",
		.kind = TD_SCHEMA_STRING,
		RULE(warm),
		.check = is_warm,
		.allowed = "on, off, or a time as in 5m",
		.help = "On the emulated path, keep the VF open: always, not at all, or for a time. Default: as the NIC's key warm says"},
	{.name = "priority",
		.kind = TD_SCHEMA_UINT,
		RULE(priority),
		.max = 1000,
		.fallback = "0",
		.help = "Of rules that hold, the one with the highest has the say; of equal ones, the first in the file"},
	{.name = "urgent",
		.kind = TD_SCHEMA_BOOL,
		RULE(urgent),
		.fallback = "off",
		.help = "Neither hold nor flap_limit keeps a NIC from this rule's path"},
	{.name = "unknown",
		.kind = TD_SCHEMA_WORD,
		RULE(unknown),
		.words = unknown_words,
		.fallback = "no",
		.help = "Does when hold where unknown facts leave it open?"},
	{.name = NULL},
};

#define POLICY(member) TD_SCHEMA_AT(struct td_policy_config, member)
static const struct td_schema_key limit_keys[] = {
	{.name = "flips",
		.kind = TD_SCHEMA_UINT,
		POLICY(flap_limit.flips),
		.max = TD_POLICY_FLIPS_MAX,
		.fallback = "6",
		.help = "How many. 0: no limit"},
	{.name = "within",
		.kind = TD_SCHEMA_DURATION,
		POLICY(flap_limit.within_ms),
		.min = 1000,
		.max = TIME_MAX,
		.fallback = "10m",
		.help = "In which time"},
	{.name = NULL},
};

static const struct td_schema_key retry_keys[] = {
	{.name = "first",
		.kind = TD_SCHEMA_DURATION,
		POLICY(retry.first_ms),
		.min = 100,
		.max = TIME_MAX,
		.fallback = "1s",
		.help = "The first wait; each further one is twice as long"},
	{.name = "last",
		.kind = TD_SCHEMA_DURATION,
		POLICY(retry.last_ms),
		.min = 100,
		.max = TIME_MAX,
		.fallback = "60s",
		.help = "The longest wait"},
	{.name = NULL},
};

static const struct td_schema_key policy_keys[] = {
	{.name = "hold",
		.kind = TD_SCHEMA_DURATION,
		POLICY(hold_ms),
		.max = TIME_MAX,
		.fallback = "10s",
		.help = "How long a NIC stays on a path after a flip, unless a rule is urgent"},
	{.name = "flap_limit",
		.kind = TD_SCHEMA_TABLE,
		.keys = limit_keys,
		.help = "After so many flips in a time a NIC stays where it is, unless a rule is urgent"},
	{.name = "retry", .kind = TD_SCHEMA_TABLE, .keys = retry_keys, .help = "When a flip that failed is tried again"},
	{.name = "stale",
		.kind = TD_SCHEMA_DURATION,
		POLICY(stale_ms),
		.min = 100,
		.max = TIME_MAX,
		.fallback = "10s",
		.help = "Facts that are sampled are unknown when no sample has come for this long"},
	{.name = "rules",
		.kind = TD_SCHEMA_LIST,
		.keys = rule_keys,
		POLICY(rule),
		.item_bytes = sizeof(struct td_policy_rule_config),
		.items_max = TD_POLICY_RULES_MAX,
		.count_offset = offsetof(struct td_policy_config, rule_count),
		.mark_offset = offsetof(struct td_policy_rule_config, mark),
		.help = "The rules"},
	{.name = NULL},
};

#define STEP(member) TD_SCHEMA_AT(struct td_policy_step_config, member)
static const struct td_schema_key step_keys[] = {
	{.name = "at", .kind = TD_SCHEMA_DURATION, STEP(at_ms), .max = TIME_MAX, .fallback = "0ms", .help = "The time, from the start"},
	{.name = "set",
		.kind = TD_SCHEMA_TEXTS,
		STEP(set),
		.item_kind = TD_SCHEMA_STRING,
		.items_max = TD_POLICY_SETS_MAX,
		.count_offset = offsetof(struct td_policy_step_config, set_count),
		.help = "Facts that are told then, each as NAME = VALUE; the value unknown takes one back"},
	{.name = "flips",
		.kind = TD_SCHEMA_WORD,
		STEP(flips_fail),
		.given = offsetof(struct td_policy_step_config, flips_given),
		.words = flips_words,
		.help = "Whether flips that end from then on work. Default: as before; at first they do"},
	{.name = "expect",
		.kind = TD_SCHEMA_WORD,
		STEP(expect),
		.given = offsetof(struct td_policy_step_config, expect_given),
		.words = path_words,
		.help = "The path that must have been decided then"},
	{.name = "rule", .kind = TD_SCHEMA_NAME, STEP(rule), .max = 63, .help = "The rule that must have the say then; none: no rule"},
	{.name = "why", .kind = TD_SCHEMA_NAME, STEP(why), .max = 63, .help = "The reason code that the decision must have then"},
	{.name = NULL},
};

#define SIMULATION(member) TD_SCHEMA_AT(struct td_policy_simulation_config, member)
static const struct td_schema_key simulation_keys[] = {
	{.name = "policy",
		.kind = TD_SCHEMA_PATH,
		SIMULATION(policy),
		.help = "The policy's file, from the directory of this one. Default: the default policy"},
	{.name = "path",
		.kind = TD_SCHEMA_WORD,
		SIMULATION(path),
		.words = path_words,
		.fallback = "emulated",
		.help = "The path that the NIC is on at first"},
	{.name = "flip_takes",
		.kind = TD_SCHEMA_DURATION,
		SIMULATION(flip_takes_ms),
		.min = 1,
		.max = 600000,
		.fallback = "50ms",
		.help = "How long a flip takes"},
	{.name = "steps",
		.kind = TD_SCHEMA_LIST,
		.keys = step_keys,
		SIMULATION(step),
		.item_bytes = sizeof(struct td_policy_step_config),
		.items_max = TD_POLICY_STEPS_MAX,
		.count_offset = offsetof(struct td_policy_simulation_config, step_count),
		.mark_offset = offsetof(struct td_policy_step_config, mark),
		.help = "What happens, in the order of time"},
	{.name = NULL},
};

const struct td_schema_key *td_policy_schema_keys(void)
{
	return policy_keys;
}

const struct td_schema_key *td_policy_schema_simulation_keys(void)
{
	return simulation_keys;
}

/* ---- places within a condition ---- */

struct cursor {
	const char *at, *end;
	size_t line, column;
};

static void cursor_step(struct cursor *cursor)
{
	bool newline = *cursor->at++ == '\n';

	cursor->line += newline;
	cursor->column = newline ? 1 : cursor->column + ((*(cursor->at - 1) & 0xc0) != 0x80);
}

static bool cursor_is_space(const struct cursor *cursor)
{
	return cursor->at < cursor->end && strchr(" \t\r\n", *cursor->at);
}

/*
 * From where a scalar begins in its file to its character number `offset`: quotes, indentation and folded lines lie between. Where the file
 * spells it otherwise (escapes), the place stays that of the scalar.
 */
static void place_within(struct td_schema_place *place, const char *text, size_t len, const char *scalar, size_t offset)
{
	struct cursor cursor = {text, text + len, 1, 1};

	while (cursor.at < cursor.end && (cursor.line < place->line || (cursor.line == place->line && cursor.column < place->column)))
		cursor_step(&cursor);
	if (cursor.at < cursor.end && strchr("|>", *cursor.at))
		while (cursor.at < cursor.end && *cursor.at != '\n')
			cursor_step(&cursor);
	if (cursor.at < cursor.end && strchr("'\"", *cursor.at))
		cursor_step(&cursor);
	while (cursor_is_space(&cursor))
		cursor_step(&cursor);
	for (size_t i = 0; i < offset; i++) {
		bool space = strchr(" \n", scalar[i]);

		if (space && i && strchr(" \n", scalar[i - 1]))
			continue;
		if (space ? !cursor_is_space(&cursor) : cursor.at == cursor.end || *cursor.at != scalar[i])
			return;
		do
			cursor_step(&cursor);
		while (space && cursor_is_space(&cursor));
	}
	place->line = cursor.line;
	place->column = cursor.column;
}

/* ---- reading ---- */

struct policy_file {
	struct td_policy_config config;
	struct td_schema_marks marks;
};

static int policy_schema_fail(
	const struct policy_file *file, const char *text, size_t len, const struct td_policy_problem *problem, struct td_err *err)
{
	const struct td_policy_rule_config *rule = &file->config.rule[problem->rule];
	char *const *member = problem->part == TD_POLICY_IN_WHEN ? &rule->when : &rule->until;
	struct td_schema_place place = {.file = file->marks.file, .line = rule->mark[0], .column = rule->mark[1]};
	char path[100];

	snprintf(path, sizeof(path), "rules[%u]", problem->rule);
	if (problem->part != TD_POLICY_IN_RULE && td_schema_marked(&file->marks, member, &place)) {
		place_within(&place, text, len, *member, problem->slip.at);
		snprintf(path, sizeof(path), "rules[%u].%s", problem->rule, problem->part == TD_POLICY_IN_WHEN ? "when" : "until");
	}
	place.path = path;
	return td_schema_fail(&place, problem->slip.reason, err, "%s", problem->slip.text);
}

static int policy_schema_compile(
	const struct policy_file *file, const char *text, size_t len, struct td_policy **ret_policy, struct td_err *err)
{
	td_auto_free struct td_policy *policy = malloc(sizeof(*policy));
	struct td_policy_problem problem;

	if (!policy)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	if (td_policy_compile(&file->config, policy, &problem))
		return policy_schema_fail(file, text, len, &problem, err);
	*ret_policy = td_take_ptr(policy);
	return 0;
}

int td_policy_schema_read(struct td_policy **ret_policy, const char *file_name, const char *text, size_t len_bytes, struct td_err *err)
{
	td_auto_free struct policy_file *file = calloc(1, sizeof(*file));

	if (!file)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	int rc = td_schema_defaults(policy_keys, &file->config, err);
	if (!rc)
		rc = td_schema_read_yaml(policy_keys, &file->config, file_name, text, len_bytes, &file->marks, err);
	if (!rc && !file->config.rule_count)
		rc = td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: rules: none: a policy has at least one", file_name);
	if (!rc)
		rc = policy_schema_compile(file, text, len_bytes, ret_policy, err);
	td_schema_fini(policy_keys, &file->config);
	return rc;
}

int td_policy_schema_load(struct td_policy **ret_policy, const char *file_name, struct td_err *err)
{
	td_auto_free char *text = NULL;
	size_t len;
	int rc;

	if (!file_name)
		return td_policy_schema_read(ret_policy, "default", td_policy_schema_default, strlen(td_policy_schema_default), err);
	rc = td_schema_read_file(file_name, &text, &len, err);
	return rc ? rc : td_policy_schema_read(ret_policy, file_name, text, len, err);
}

int td_policy_schema_read_simulation(
	struct td_policy_simulation_config **ret_config, const char *file_name, const char *text, size_t len_bytes, struct td_err *err)
{
	struct td_policy_simulation_config *config = calloc(1, sizeof(*config));

	if (!config)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	int rc = td_schema_defaults(simulation_keys, config, err);
	if (!rc)
		rc = td_schema_read_yaml(simulation_keys, config, file_name, text, len_bytes, NULL, err);
	if (rc) {
		td_policy_schema_simulation_free(config);
		return rc;
	}
	*ret_config = config;
	return 0;
}

void td_policy_schema_simulation_free(struct td_policy_simulation_config *config)
{
	if (config)
		td_schema_fini(simulation_keys, config);
	free(config);
}
