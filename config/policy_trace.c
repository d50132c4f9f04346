/* SPDX-License-Identifier: Apache-2.0 */
/* policy_trace.c - see policy_trace.h. */
#include "config/policy_trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

#define T_MAX (10.0 * 366 * 24 * 3600) /* seconds */

struct trace {
	const char *file;
	size_t line;
	const struct td_policy_trace_ops *ops;
	void *opaque;
	json_t *numbers;		    /* name: number */
	int pool[TD_POLICY_TRACE_NICS_MAX]; /* of each NIC: the pool's number; -1: none */
	json_t *pools;			    /* name: number */
	struct td_policy_trace_totals totals;
	struct td_err *err;
};

static int trace_fail(const struct trace *trace, size_t column, enum td_reason reason, const char *fmt, ...) TD_PRINTF(4, 5);

static int trace_fail(const struct trace *trace, size_t column, enum td_reason reason, const char *fmt, ...)
{
	struct td_schema_place place = {.file = trace->file, .line = trace->line, .column = column};
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return td_schema_fail(&place, reason, trace->err, "%s", text);
}

/* ---- names ---- */

/* The number of a name, given at its first use; -1: too long or too many. */
static int trace_number(json_t *numbers, const char *name, unsigned max, bool *ret_new)
{
	const json_t *known = json_object_get(numbers, name);
	size_t count = json_object_size(numbers);

	*ret_new = false;
	if (known)
		return (int)json_integer_value(known);
	if (count == max || !*name || strlen(name) >= TD_POLICY_TRACE_NAME_BYTES)
		return -1;
	*ret_new = true;
	return json_object_set_new(numbers, name, json_integer((json_int_t)count)) ? -1 : (int)count;
}

static int trace_name(const struct trace *trace, const json_t *line, const char *key, const char **ret_name)
{
	const json_t *value = json_object_get(line, key);

	*ret_name = json_string_value(value);
	if (value && !*ret_name)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "%s: a name", key);
	return 0;
}

static int trace_find_nic(struct trace *trace, const char *name, unsigned *ret_nic)
{
	bool is_new;
	int nic = trace_number(trace->numbers, name, TD_POLICY_TRACE_NICS_MAX, &is_new);

	if (nic < 0)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE,
			"nic '%.32s': a trace has at most %u NICs, with names of up to %d bytes", name, TD_POLICY_TRACE_NICS_MAX,
			TD_POLICY_TRACE_NAME_BYTES - 1);
	*ret_nic = (unsigned)nic;
	if (!is_new)
		return 0;
	trace->pool[nic] = -1;
	trace->totals.nics++;
	return trace->ops->nic(trace->opaque, (unsigned)nic, name, trace->err);
}

static int trace_find_pool(struct trace *trace, const char *name, int *ret_pool)
{
	bool is_new;

	*ret_pool = name ? trace_number(trace->pools, name, TD_POLICY_TRACE_NICS_MAX, &is_new) : -1;
	if (name && *ret_pool < 0)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "pool '%.32s': too many, or too long a name", name);
	return 0;
}

/* ---- facts ---- */

struct trace_value {
	int fact; /* -1: a label */
	const char *label, *text;
	bool known;
	int64_t value;
};

static int trace_fact_scope(const struct trace *trace, enum td_policy_fact fact, bool of_nic, bool of_pool)
{
	static const char *const whose[] = {"nic", "pool", "host"};
	enum td_policy_scope scope = td_policy_facts[fact].scope;

	if (td_policy_facts[fact].news == TD_POLICY_OWN)
		return trace_fail(trace, 1, TD_REASON_CONFIG_KEY, "%s is known to the engine, and is not told", td_policy_facts[fact].name);
	/* A NIC may be told all of it; a line of a pool, or of the host, tells only that. */
	if (of_nic || scope == (of_pool ? TD_POLICY_OF_POOL : TD_POLICY_OF_HOST))
		return 0;
	return trace_fail(trace, 1, TD_REASON_CONFIG_KEY, "%s is a fact of the %s: the line says \"%s\"", td_policy_facts[fact].name,
		whose[scope], of_pool ? "pool" : "host");
}

static int trace_fact_value(const struct trace *trace, const json_t *json, struct trace_value *value)
{
	enum td_policy_type type = td_policy_facts[value->fact].type;
	const char *text = json_string_value(json);
	bool counts = type == TD_POLICY_COUNT || type == TD_POLICY_RATE || type == TD_POLICY_SPEED || type == TD_POLICY_PERCENT ||
		      type == TD_POLICY_DURATION;
	char allowed[256];

	value->known = !json_is_null(json);
	if (!value->known)
		return 0;
	if (type == TD_POLICY_BOOL && json_is_boolean(json)) {
		value->value = json_is_true(json);
		return 0;
	}
	if (counts && json_is_number(json) && json_number_value(json) >= 0 && json_number_value(json) < 1e15) {
		value->value = (int64_t)json_number_value(json);
		return 0;
	}
	if (text && td_policy_facts_parse((enum td_policy_fact)value->fact, text, strlen(text), &value->value))
		return 0;
	td_policy_facts_allowed((enum td_policy_fact)value->fact, allowed, sizeof(allowed));
	return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "%s: %s, %s", td_policy_facts[value->fact].name,
		counts			 ? "a number from 0"
		: type == TD_POLICY_BOOL ? "true, false"
					 : "a text",
		counts ? "or null" : allowed);
}

/* label.NAME, of a NIC. */
static int trace_label(const struct trace *trace, const char *key, const json_t *json, bool of_nic, struct trace_value *ret_value)
{
	*ret_value = (struct trace_value){.fact = -1, .label = key + 6, .text = json_string_value(json)};
	if (!of_nic || !ret_value->text)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "%.48s: a text, of a NIC", key);
	return 0;
}

static int trace_value(
	const struct trace *trace, const char *key, const json_t *json, bool of_nic, bool of_pool, struct trace_value *ret_value)
{
	int rc;

	if (!strncmp(key, "label.", 6))
		return trace_label(trace, key, json, of_nic, ret_value);
	*ret_value = (struct trace_value){.fact = td_policy_facts_find(key, strlen(key))};
	if (ret_value->fact < 0)
		return trace_fail(trace, 1, TD_REASON_CONFIG_KEY, "'%.48s' is no fact: man policy.yaml lists them", key);
	rc = trace_fact_scope(trace, (enum td_policy_fact)ret_value->fact, of_nic, of_pool);
	return rc ? rc : trace_fact_value(trace, json, ret_value);
}

static void trace_tell(struct trace *trace, unsigned nic, const struct trace_value *value)
{
	trace->totals.facts++;
	if (value->fact < 0)
		trace->ops->label(trace->opaque, nic, value->label, value->text);
	else if (value->known)
		trace->ops->fact(trace->opaque, nic, (enum td_policy_fact)value->fact, value->value);
	else
		trace->ops->unknown(trace->opaque, nic, (enum td_policy_fact)value->fact);
}

/* ---- lines ---- */

static bool is_frame(const char *key)
{
	return !strcmp(key, "t") || !strcmp(key, "nic") || !strcmp(key, "pool") || !strcmp(key, "host");
}

/* All of its facts to one NIC. */
static int trace_tell_nic(struct trace *trace, json_t *line, unsigned nic, bool of_nic, bool of_pool)
{
	const char *key;
	json_t *json;
	int rc = 0;

	trace->ops->begin(trace->opaque, nic, trace->totals.last_ns);
	json_object_foreach(line, key, json)
	{
		struct trace_value value;

		if (is_frame(key))
			continue;
		rc = trace_value(trace, key, json, of_nic, of_pool, &value);
		if (rc)
			return rc;
		trace_tell(trace, nic, &value);
	}
	trace->ops->end(trace->opaque, nic);
	return 0;
}

static int trace_time(struct trace *trace, const json_t *line)
{
	const json_t *t = json_object_get(line, "t");
	double seconds = json_number_value(t);

	if (!json_is_number(t) || !(seconds >= 0) || seconds > T_MAX)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "t: seconds since the start, a number from 0");
	uint64_t t_ns = (uint64_t)(seconds * 1e9 + 0.5);
	if (t_ns < trace->totals.last_ns)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "t: goes back in time: order the lines by it");
	trace->totals.last_ns = t_ns;
	return 0;
}

static int trace_line(struct trace *trace, json_t *line)
{
	const char *nic_name, *pool_name;
	unsigned nic = 0;
	int pool, rc = trace_time(trace, line);

	if (!rc)
		rc = trace_name(trace, line, "nic", &nic_name);
	if (!rc)
		rc = trace_name(trace, line, "pool", &pool_name);
	if (!rc)
		rc = trace_find_pool(trace, pool_name, &pool);
	if (rc)
		return rc;
	if (nic_name) {
		rc = trace_find_nic(trace, nic_name, &nic);
		if (!rc && pool_name)
			trace->pool[nic] = pool;
		return rc ? rc : trace_tell_nic(trace, line, nic, true, false);
	}
	if (!pool_name && !json_object_get(line, "host"))
		return trace_fail(trace, 1, TD_REASON_CONFIG_KEY, "whose facts are these? Give nic, pool or host");
	for (nic = 0; nic < trace->totals.nics && !rc; nic++)
		if (!pool_name || trace->pool[nic] == pool)
			rc = trace_tell_nic(trace, line, nic, false, pool_name);
	return rc;
}

static int trace_header(struct trace *trace, const json_t *line)
{
	const json_t *version = json_object_get(line, "tandem-trace");

	if (!json_is_integer(version))
		return trace_fail(
			trace, 1, TD_REASON_CONFIG_KEY, "no trace: its first line is {\"tandem-trace\": %d}", TD_POLICY_TRACE_VERSION);
	if (json_integer_value(version) != TD_POLICY_TRACE_VERSION)
		return trace_fail(trace, 1, TD_REASON_CONFIG_VALUE, "a trace of version %lld: this tandem reads version %d",
			(long long)json_integer_value(version), TD_POLICY_TRACE_VERSION);
	return 0;
}

static int trace_text(struct trace *trace, const char *text, size_t len)
{
	json_error_t error;
	json_t *line;
	int rc;

	if (len > TD_POLICY_TRACE_LINE_BYTES)
		return trace_fail(trace, 1, TD_REASON_CONFIG_SYNTAX, "a line has at most %u bytes", TD_POLICY_TRACE_LINE_BYTES);
	line = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!line)
		return trace_fail(trace, (size_t)TD_MAX(error.column, 1), TD_REASON_CONFIG_SYNTAX, "not JSON: %s", error.text);
	if (!json_is_object(line))
		rc = trace_fail(trace, 1, TD_REASON_CONFIG_SYNTAX, "a line is an object: {...}");
	else
		rc = trace->line == 1 ? trace_header(trace, line) : trace_line(trace, line);
	json_decref(line);
	return rc;
}

/* Of a line that is too long, as much as shows that it is. False: there is none. */
static bool trace_next(FILE *in, char text[TD_POLICY_TRACE_LINE_BYTES + 1], size_t *ret_len)
{
	size_t len = 0;
	int c = EOF;

	while (len <= TD_POLICY_TRACE_LINE_BYTES && (c = getc_unlocked(in)) != EOF && c != '\n')
		text[len++] = (char)c;
	*ret_len = len;
	return len || c != EOF;
}

static int trace_lines(struct trace *trace, FILE *in)
{
	td_auto_free char *text = malloc(TD_POLICY_TRACE_LINE_BYTES + 1);
	size_t len;
	int rc = text ? 0 : td_err_set(trace->err, ENOMEM, TD_REASON_SYSTEM, "out of memory");

	while (!rc && trace_next(in, text, &len)) {
		trace->line++;
		rc = trace_text(trace, text, len);
	}
	if (!rc && ferror(in))
		return td_err_sys(trace->err, errno, TD_REASON_CONFIG_FILE, "%s: read", trace->file);
	if (!rc && !trace->line)
		return trace_fail(trace, 1, TD_REASON_CONFIG_SYNTAX, "no trace: it is empty");
	return rc;
}

int td_policy_trace_read(FILE *in, const char *file, const struct td_policy_trace_ops *ops, void *opaque,
	struct td_policy_trace_totals *ret_totals, struct td_err *err)
{
	td_auto_free struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	*trace = (struct trace){.file = file, .ops = ops, .opaque = opaque, .err = err, .numbers = json_object(), .pools = json_object()};
	int rc = trace->numbers && trace->pools ? trace_lines(trace, in) : td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	json_decref(trace->numbers);
	json_decref(trace->pools);
	*ret_totals = trace->totals;
	return rc;
}
