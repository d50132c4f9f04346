/* SPDX-License-Identifier: Apache-2.0 */
/* schema_flags.c - reads command-line flags through a table of keys: "--net id=net0,bridge=br0", "--serial pty", "--kernel vmlinuz". */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

/* "debug_exit" is --debug-exit. */
static bool flag_is(const char *flag, const char *name)
{
	for (; *name && *flag; name++, flag++)
		if (*flag != (*name == '_' ? '-' : *name))
			return false;
	return !*name && !*flag;
}

/* The flag without its dashes; keys of a hoisted table count as the table's owner's. *ret_base: the struct that the key stands in. */
static const struct td_schema_key *find_flag(const struct td_schema_key *keys, void *base, const char *flag, void **ret_base)
{
	for (const struct td_schema_key *key = keys; key->name; key++) {
		if (key->hoisted) {
			const struct td_schema_key *inner = find_flag(key->keys, (char *)base + key->offset, flag, ret_base);
			if (inner)
				return inner;
		} else if (flag_is(flag, key->flag ? key->flag : key->name)) {
			*ret_base = base;
			return key;
		}
	}
	return NULL;
}

bool td_schema_flag_repeats(const struct td_schema_key *keys, const char *flag)
{
	char nothing;
	void *base;
	const struct td_schema_key *key = strncmp(flag, "--", 2) ? NULL : find_flag(keys, &nothing, flag + 2, &base);
	return key && key->kind == TD_SCHEMA_LIST;
}

/* Cuts the part up to the next single comma off *rest, ",," standing for one comma; NULL at the end. */
static char *next_part(char **rest)
{
	if (!*rest)
		return NULL;
	char *part = *rest, *to = part, *from = part;
	while (*from && !(from[0] == ',' && from[1] != ',')) {
		if (*from == ',')
			from++;
		*to++ = *from++;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return part;
}

/* "key=value", or a bare value. Only the names of keys stand before '=', so a bare path may hold one. */
static int read_part(const struct td_schema_key *owner, void *base, char *part, const char *flag, uint64_t *seen,
	struct td_schema_marks *marks, struct td_err *err)
{
	char path[96], quoted[56];
	char *equals = strchr(part, '=');
	size_t name_len = equals ? (size_t)(equals - part) : 0;
	struct td_schema_place place = {.path = flag, .marks = marks};
	const char *name = equals ? part : owner->bare;
	const char *value = equals ? equals + 1 : part;
	if (!equals && (!*part || !owner->bare)) {
		td_schema_quote(part, strlen(part), quoted);
		return td_schema_fail(&place, TD_REASON_CONFIG_VALUE, err, "'%s' is not KEY=VALUE: give %s=..., parted by commas", quoted,
			owner->keys[0].name);
	}
	if (equals)
		*equals = '\0';
	else
		name_len = strlen(name);
	td_schema_quote(name, name_len, quoted);
	snprintf(path, sizeof(path), "%s %s", flag, quoted);
	place.path = path;
	const struct td_schema_key *key = td_schema_find(owner->keys, name);
	if (!key)
		return td_schema_unknown(owner->keys, quoted, &place, err);
	uint64_t bit = 1ULL << (key - owner->keys);
	if (*seen & bit)
		return td_schema_fail(&place, TD_REASON_CONFIG_KEY, err, "stands here a second time: give it once");
	*seen |= bit;
	return td_schema_read_text(key, base, value, strlen(value), &place, err);
}

static int read_parts(const struct td_schema_key *owner, void *base, const char *flag, const char *value, struct td_schema_marks *marks,
	struct td_err *err)
{
	td_auto_free char *copy = strdup(value);
	if (!copy)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "%s: out of memory", flag);
	uint64_t seen = 0;
	char *rest = copy;
	for (char *part; (part = next_part(&rest));) {
		int r = read_part(owner, base, part, flag, &seen, marks, err);
		if (r)
			return r;
	}
	return 0;
}

static int fail_unknown(const struct td_schema_key *keys, const char *flag, struct td_err *err)
{
	char quoted[56];
	td_schema_quote(flag, strlen(flag), quoted);
	struct td_schema_key flat[32];
	char names[TD_COUNT(flat)][24];
	unsigned count = 0;
	for (const struct td_schema_key *key = keys; key->name; key++) {
		const struct td_schema_key one[2] = {*key, {.name = NULL}};
		for (const struct td_schema_key *k = key->hoisted ? key->keys : one; k->name && count + 1 < TD_COUNT(flat); k++) {
			snprintf(names[count], sizeof(names[0]), "--%s", k->flag ? k->flag : k->name);
			for (char *c = names[count]; *c; c++)
				*c = *c == '_' ? '-' : *c;
			flat[count] = (struct td_schema_key){.name = names[count]};
			count++;
		}
	}
	flat[count] = (struct td_schema_key){.name = NULL};
	struct td_schema_place place = {.path = quoted};
	return td_schema_unknown(flat, quoted, &place, err);
}

int td_schema_read_flag(const struct td_schema_key *keys, void *base, const char *flag, const char *value, struct td_schema_marks *marks,
	struct td_err *err)
{
	void *owner = base;
	const struct td_schema_key *key = strncmp(flag, "--", 2) ? NULL : find_flag(keys, base, flag + 2, &owner);
	if (!key)
		return fail_unknown(keys, flag, err);
	struct td_schema_place place = {.path = flag, .marks = marks};
	if (key->kind == TD_SCHEMA_TABLE)
		return read_parts(key, (char *)owner + key->offset, flag, value, marks, err);
	if (key->kind != TD_SCHEMA_LIST)
		return td_schema_read_text(key, owner, value, strlen(value), &place, err);
	void *item;
	int r = td_schema_append(key, owner, &item, &place, err);
	return r ? r : read_parts(key, item, flag, value, marks, err);
}
