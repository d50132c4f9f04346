/* SPDX-License-Identifier: Apache-2.0 */
/* policy_simulate.c - see policy_simulate.h. */
#include "policy/policy_simulate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ULL

struct simulation {
	const struct td_policy_simulation_config *config;
	const char *file;
	struct td_policy_player player;
	FILE *out;
	unsigned failed;
};

static const char *simulate_rule_name(const struct td_policy_nic *nic)
{
	return nic->decision.rule < 0 ? "none" : nic->policy->rule[nic->decision.rule].name;
}

static void simulate_said(void *opaque, const struct td_policy_player *player)
{
	struct simulation *simulation = opaque;
	const struct td_policy_decision *decision = &player->nic.decision;
	static const char *const warms[] = {"", ", warm", ", cold"};

	fprintf(simulation->out, "%10.3f s  %-8s  rule %s [%s]%s", (double)player->nic.now_ns / 1e9, td_path_name(decision->path),
		simulate_rule_name(&player->nic), td_policy_why_name(decision->why), warms[decision->warm]);
	if (decision->target != decision->path)
		fprintf(simulation->out, ", wants %s", td_path_name(decision->target));
	fputc('\n', simulation->out);
}

/* ---- "NAME = VALUE" ---- */

static void trim(const char **text, size_t *len)
{
	while (*len && **text == ' ') {
		++*text;
		--*len;
	}
	while (*len && (*text)[*len - 1] == ' ')
		--*len;
}

static bool set_slip(struct td_policy_slip *slip, size_t at, const char *fmt, ...) TD_PRINTF(3, 4);

static bool set_slip(struct td_policy_slip *slip, size_t at, const char *fmt, ...)
{
	va_list args;

	*slip = (struct td_policy_slip){.at = at, .reason = TD_REASON_CONFIG_VALUE};
	va_start(args, fmt);
	vsnprintf(slip->text, sizeof(slip->text), fmt, args);
	va_end(args);
	for (char *c = slip->text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return false;
}

static bool set_fact(
	struct td_policy_nic *nic, int fact, const char *value, size_t len, uint64_t now_ns, struct td_policy_slip *slip, size_t at)
{
	char allowed[256];
	int64_t number;

	if (td_policy_facts[fact].news == TD_POLICY_OWN)
		return set_slip(slip, 0, "%s is known to the engine, and is not set", td_policy_facts[fact].name);
	if (len == 7 && !memcmp(value, "unknown", 7)) {
		td_policy_forget(nic, (unsigned)fact, now_ns);
		return true;
	}
	td_policy_facts_allowed((enum td_policy_fact)fact, allowed, sizeof(allowed));
	if (!td_policy_facts_parse((enum td_policy_fact)fact, value, len, &number))
		return set_slip(slip, at, "'%.*s' is no value of %s: %s or unknown", (int)TD_MIN(len, (size_t)48), value,
			td_policy_facts[fact].name, allowed);
	td_policy_set(nic, (unsigned)fact, number, now_ns);
	return true;
}

bool td_policy_simulate_set(struct td_policy_nic *nic, const char *text, uint64_t now_ns, struct td_policy_slip *slip)
{
	const char *equals = strchr(text, '='), *name = text, *value = equals ? equals + 1 : NULL;
	size_t name_len = equals ? (size_t)(equals - text) : 0, value_len = value ? strlen(value) : 0;

	if (!equals)
		return set_slip(slip, 0, "'%.48s' is no fact with a value: write NAME = VALUE", text);
	trim(&name, &name_len);
	trim(&value, &value_len);
	int fact = td_policy_facts_find(name, name_len);
	if (fact >= 0)
		return set_fact(nic, fact, value, value_len, now_ns, slip, (size_t)(value - text));
	if (name_len <= 6 || memcmp(name, "label.", 6) != 0)
		return set_slip(slip, 0, "'%.*s' is no fact: man policy.yaml lists them", (int)TD_MIN(name_len, (size_t)48), name);
	fact = td_policy_labels_find(&nic->policy->labels, name + 6, name_len - 6);
	if (fact >= 0)
		td_policy_set(nic, (unsigned)fact, td_policy_labels_value(&nic->policy->labels, value, value_len), now_ns);
	return true;
}

/* ---- steps ---- */

static void expect_failed(
	struct simulation *simulation, const struct td_policy_step_config *step, const char *what, const char *is, const char *expected)
{
	simulation->failed++;
	fprintf(simulation->out, "%s:%u:%u: at %.3f s: %s is %s, expected %s\n", simulation->file, step->mark[0], step->mark[1],
		(double)step->at_ms / 1e3, what, is, expected);
}

static void simulate_expect(struct simulation *simulation, const struct td_policy_step_config *step)
{
	const struct td_policy_nic *nic = &simulation->player.nic;
	unsigned failed_before = simulation->failed;
	const char *why = td_policy_why_name(nic->decision.why), *rule = simulate_rule_name(nic);

	if (step->expect_given && nic->decision.path != step->expect)
		expect_failed(simulation, step, "path", td_path_name(nic->decision.path), td_path_name((enum td_path)step->expect));
	if (step->rule && strcmp(step->rule, rule) != 0)
		expect_failed(simulation, step, "rule", rule, step->rule);
	if (step->why && strcmp(step->why, why) != 0)
		expect_failed(simulation, step, "why", why, step->why);
	if (simulation->failed == failed_before)
		return;
	char *text = NULL;
	size_t len;
	FILE *lines = open_memstream(&text, &len);
	if (!lines)
		return;
	td_policy_explain(nic, lines);
	fclose(lines);
	for (char *line, *rest = text; (line = strsep(&rest, "\n")) && *line;)
		fprintf(simulation->out, "    %s\n", line);
	free(text);
}

static int simulate_step(struct simulation *simulation, const struct td_policy_step_config *step, struct td_err *err)
{
	struct td_policy_player *player = &simulation->player;
	struct td_policy_slip slip;
	uint64_t now_ns = step->at_ms * MS;

	if (now_ns < player->nic.now_ns)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s:%u:%u: at: goes back in time: order the steps by it",
			simulation->file, step->mark[0], step->mark[1]);
	td_policy_player_run_before(player, now_ns);
	if (step->flips_given)
		player->flips_fail = step->flips_fail;
	for (unsigned i = 0; i < step->set_count; i++)
		if (!td_policy_simulate_set(&player->nic, step->set[i], now_ns, &slip))
			return td_err_set(err, EINVAL, slip.reason, "%s:%u:%u: set[%u]: %s", simulation->file, step->mark[0], step->mark[1],
				i, slip.text);
	td_policy_player_run(player, now_ns);
	simulate_expect(simulation, step);
	return 0;
}

int td_policy_simulate(
	const struct td_policy_simulation_config *config, const char *file, struct td_policy *policy, FILE *out, struct td_err *err)
{
	struct simulation *simulation = calloc(1, sizeof(*simulation));
	int rc = 0;

	if (!simulation)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	policy->stale_ns = TD_POLICY_NEVER; /* a file that told each sample again and again could not be read */
	*simulation = (struct simulation){.config = config, .file = file, .out = out};
	td_policy_player_init(
		&simulation->player, policy, (enum td_path)config->path, config->flip_takes_ms * MS, simulate_said, simulation);
	for (unsigned i = 0; i < config->step_count && !rc; i++)
		rc = simulate_step(simulation, &config->step[i], err);
	rc = rc ? rc : (int)simulation->failed;
	free(simulation);
	return rc;
}
