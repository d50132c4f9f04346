/* SPDX-License-Identifier: Apache-2.0 */
/* policy_facts.c - the table of facts, and their values as text. */
#include "policy/policy_facts.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* In the order of enum td_path (flip.h). Health: "ok" first, then reason codes. */
static const char *const td_policy_path_words[] = {"emulated", "vf", NULL};
static const char *const td_policy_vf_words[] = {
	"ok", "no-carrier", "pf-down", "pf-missing", "pf-mailbox", "vf-lost", "vf-busy", "no-free-vf", "vfio", NULL};
static const char *const td_policy_emulated_words[] = {
	"ok", "tap-lost", "bridge-down", "no-port", "port-not-forwarding", "vlan-missing", "mtu-too-small", "no-carrier", NULL};
static const char *const td_policy_migration_words[] = {"none", "asked", "running", NULL};
static const char *const td_policy_weekday_words[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};
static const char *const bool_words[] = {"no", "yes", "off", "on", "false", "true", NULL};

const struct td_policy_fact_info td_policy_facts[TD_POLICY_FACT_COUNT] = {
#define FACT_INFO(symbol, name, type, words, scope, news, help) {name, TD_POLICY_##type, words, TD_POLICY_##scope, TD_POLICY_##news, help},
	TD_POLICY_FACTS(FACT_INFO)
#undef FACT_INFO
};

int td_policy_facts_find(const char *name, size_t len)
{
	for (int i = 0; i < TD_POLICY_FACT_COUNT; i++)
		if (strlen(td_policy_facts[i].name) == len && !memcmp(td_policy_facts[i].name, name, len))
			return i;
	return -1;
}

/* ---- text to value ---- */

struct facts_unit {
	const char *name;
	int64_t factor;
};

static const struct facts_unit count_units[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {NULL, 0}};
static const struct facts_unit rate_units[] = {{"/s", 1}, {"k/s", 1000}, {"M/s", 1000000}, {"G/s", 1000000000}, {NULL, 0}};
static const struct facts_unit speed_units[] = {{"Mbit/s", 1000000}, {"Gbit/s", 1000000000}, {NULL, 0}};
static const struct facts_unit percent_units[] = {{"%", 1}, {NULL, 0}};
static const struct facts_unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}};

static const struct facts_unit *units_of(enum td_policy_type type)
{
	switch (type) {
	case TD_POLICY_COUNT:
		return count_units;
	case TD_POLICY_RATE:
		return rate_units;
	case TD_POLICY_SPEED:
		return speed_units;
	case TD_POLICY_PERCENT:
		return percent_units;
	case TD_POLICY_DURATION:
		return duration_units;
	default:
		return NULL;
	}
}

/* Digits, at most 12 of them; *len counts down. */
static bool scan_digits(const char **text, size_t *len, int64_t *ret_value)
{
	int64_t value = 0;
	unsigned digits = 0;

	for (; *len && **text >= '0' && **text <= '9'; ++*text, --*len, digits++) {
		if (digits == 12)
			return false;
		value = value * 10 + (**text - '0');
	}
	*ret_value = value;
	return digits > 0;
}

/* "1.5k/s": what is not whole in the fact's own unit is refused. */
static bool scan_number_with_unit(const struct facts_unit *units, const char *text, size_t len, int64_t *ret_value)
{
	int64_t whole, part = 0, scale = 1;

	if (!scan_digits(&text, &len, &whole))
		return false;
	if (len && *text == '.') {
		size_t before = --len;

		text++;
		if (!scan_digits(&text, &len, &part) || before - len > 9)
			return false;
		for (size_t i = before - len; i; i--)
			scale *= 10;
	}
	for (; units->name; units++) {
		int64_t value;

		if (strlen(units->name) != len || memcmp(units->name, text, len) != 0)
			continue;
		if (__builtin_mul_overflow(whole, units->factor, &value) || (part * units->factor) % scale)
			return false;
		return !__builtin_add_overflow(value, part * units->factor / scale, ret_value);
	}
	return false;
}

static bool scan_time(const char *text, size_t len, int64_t *ret_value)
{
	int64_t hours, minutes;

	if (len != 5 || text[2] != ':')
		return false;
	const char *at = text;
	size_t left = 2;
	if (!scan_digits(&at, &left, &hours) || left || hours > 23)
		return false;
	at = text + 3;
	left = 2;
	if (!scan_digits(&at, &left, &minutes) || left || minutes > 59)
		return false;
	*ret_value = hours * 60 + minutes;
	return true;
}

static bool scan_words(const char *const *words, const char *text, size_t len, int64_t *ret_value)
{
	for (int64_t i = 0; words[i]; i++)
		if (strlen(words[i]) == len && !strncasecmp(words[i], text, len)) {
			*ret_value = i;
			return true;
		}
	return false;
}

bool td_policy_facts_parse(enum td_policy_fact fact, const char *text, size_t len, int64_t *ret_value)
{
	const struct td_policy_fact_info *info = &td_policy_facts[fact];
	int64_t value;

	switch (info->type) {
	case TD_POLICY_BOOL:
		if (!scan_words(bool_words, text, len, &value))
			return false;
		*ret_value = value & 1;
		return true;
	case TD_POLICY_WORD:
		return scan_words(info->words, text, len, ret_value);
	case TD_POLICY_TIME:
		return scan_time(text, len, ret_value);
	case TD_POLICY_LABEL:
		return false;
	default:
		return scan_number_with_unit(units_of(info->type), text, len, ret_value);
	}
}

/* ---- value to text ---- */

const char *td_policy_facts_print(enum td_policy_fact fact, int64_t value, char ret_text[TD_POLICY_VALUE_BYTES])
{
	const struct td_policy_fact_info *info = &td_policy_facts[fact];
	const struct facts_unit *unit, *best;

	if (info->type == TD_POLICY_BOOL)
		return bool_words[value & 1];
	if (info->type == TD_POLICY_WORD)
		return info->words[value];
	if (info->type == TD_POLICY_TIME) {
		snprintf(ret_text, TD_POLICY_VALUE_BYTES, "%02u:%02u", (unsigned)(value / 60) % 24, (unsigned)(value % 60));
		return ret_text;
	}
	best = unit = units_of(info->type);
	if (!unit)
		return "?";
	for (; unit->name; unit++)
		if (value && value % unit->factor == 0)
			best = unit;
	snprintf(ret_text, TD_POLICY_VALUE_BYTES, "%" PRId64 "%s", value / best->factor, best->name);
	return ret_text;
}

void td_policy_facts_allowed(enum td_policy_fact fact, char *ret_text, size_t len_bytes)
{
	static const char *const texts[] = {
		[TD_POLICY_BOOL] = "yes or no",
		[TD_POLICY_COUNT] = "a number as in 3",
		[TD_POLICY_RATE] = "a rate as in 500/s, 20k/s or 1.5M/s",
		[TD_POLICY_SPEED] = "a speed as in 100Mbit/s or 10Gbit/s",
		[TD_POLICY_PERCENT] = "a percentage as in 80%",
		[TD_POLICY_DURATION] = "a time as in 200ms, 10s, 5m or 2h",
		[TD_POLICY_TIME] = "a time of day as in 22:00",
		[TD_POLICY_LABEL] = "a text",
	};
	const char *const *words = td_policy_facts[fact].words;
	size_t used = 0;

	if (td_policy_facts[fact].type != TD_POLICY_WORD) {
		snprintf(ret_text, len_bytes, "%s", texts[td_policy_facts[fact].type]);
		return;
	}
	for (unsigned i = 0; words[i] && used < len_bytes; i++) {
		const char *before = !i ? "" : words[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(ret_text + used, len_bytes - used, "%s%s", before, words[i]);
	}
}

void td_policy_facts_print_man(FILE *out)
{
	static const char *const scopes[] = {"", "Of the NIC's pool.\n", "Of the host.\n"};
	static const char *const news[] = {
		"", "Stale when it is not told again in time.\n", "Known to the engine: traces and simulations do not tell it.\n"};
	char allowed[256];

	fputs(".Bl -tag -width Ds\n", out);
	for (unsigned i = 0; i < TD_POLICY_FACT_COUNT; i++) {
		const struct td_policy_fact_info *info = &td_policy_facts[i];

		td_policy_facts_allowed((enum td_policy_fact)i, allowed, sizeof(allowed));
		fprintf(out, ".It Cm %s\n%s.\n%s%sValues: %s.\n", info->name, info->help, scopes[info->scope], news[info->news], allowed);
	}
	fputs(".It Cm label. Ns Ar NAME\nA label of the VM or the NIC.\nValues: a text; none where there is no such label.\n.El\n", out);
}
