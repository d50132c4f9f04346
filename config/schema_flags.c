/* SPDX-License-Identifier: Apache-2.0 */
/* schema_flags.c - reads command-line flags through a table of keys: "--net id=net0,bridge=br0", "--serial pty", "--kernel vmlinuz". */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

const char *td_schema_flag_name(const struct td_schema_key *key, char ret_name[TD_SCHEMA_FLAG_BYTES])
{
	snprintf(ret_name, TD_SCHEMA_FLAG_BYTES, "%s", key->flag ? key->flag : key->name);
	for (char *c = ret_name; *c; c++)
		*c = *c == '_' ? '-' : *c;
	return ret_name;
}

static void schema_add_flags(const struct td_schema_key *keys, struct td_schema_flags *flags, unsigned *count)
{
	for (const struct td_schema_key *key = keys; key->name; key++) {
		if (key->hoisted) {
			schema_add_flags(key->keys, flags, count);
			continue;
		}
		assert(*count < TD_ARGS_MAX - 1);
		flags->option[*count] = (struct td_args_option){
			.name = td_schema_flag_name(key, flags->name[*count]), .argument = "VALUE", .help = key->help};
		++*count;
	}
}

void td_schema_flags(const struct td_schema_key *keys, struct td_schema_flags *ret_flags)
{
	unsigned count = 0;

	schema_add_flags(keys, ret_flags, &count);
	ret_flags->option[count] = (struct td_args_option){.name = "help", .help = "this text"};
	ret_flags->option[count + 1] = (struct td_args_option){.name = NULL};
}

/* Keys of a hoisted table count as the table's owner's. *ret_base: the struct that the key stands in. */
static const struct td_schema_key *schema_flags_find_flag(const struct td_schema_key *keys, void *base, const char *flag, void **ret_base)
{
	char name[TD_SCHEMA_FLAG_BYTES];

	for (const struct td_schema_key *key = keys; key->name; key++) {
		if (key->hoisted) {
			const struct td_schema_key *inner = schema_flags_find_flag(key->keys, (char *)base + key->offset, flag, ret_base);

			if (inner)
				return inner;
		} else if (!strcmp(flag, td_schema_flag_name(key, name))) {
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
	const struct td_schema_key *key = schema_flags_find_flag(keys, &nothing, flag, &base);

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

/* "10:20-29": a comma would end the value. */
static int schema_flags_read_texts(
	const struct td_schema_key *key, void *base, char *value, const struct td_schema_place *place, struct td_err *err)
{
	int rc = 0;

	for (char *next = value; !rc && (value = strsep(&next, ":"));)
		rc = td_schema_append_text(key, base, value, strlen(value), place, err);
	return rc;
}

/* "key=value", or a bare value. Only the names of keys stand before '=', so a bare path may hold one. */
static int schema_flags_read_part(const struct td_schema_key *owner, void *base, char *part, const char *flag, uint64_t *seen,
	struct td_schema_marks *marks, struct td_err *err)
{
	char path[96], quoted[56];
	char *equals = strchr(part, '=');
	size_t name_len = equals ? (size_t)(equals - part) : 0;
	struct td_schema_place place = {.path = flag, .marks = marks};
	const char *name = equals ? part : owner->bare;
	char *value = equals ? equals + 1 : part;

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
	return key->kind == TD_SCHEMA_TEXTS ? schema_flags_read_texts(key, base, value, &place, err)
					    : td_schema_read_text(key, base, value, strlen(value), &place, err);
}

static int schema_flags_read_parts(const struct td_schema_key *owner, void *base, const char *flag, const char *value,
	struct td_schema_marks *marks, struct td_err *err)
{
	td_auto_free char *copy = strdup(value);

	if (!copy)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "%s: out of memory", flag);
	uint64_t seen = 0;
	char *rest = copy;
	for (char *part; (part = next_part(&rest));) {
		int rc = schema_flags_read_part(owner, base, part, flag, &seen, marks, err);

		if (rc)
			return rc;
	}
	return 0;
}

int td_schema_read_flag(const struct td_schema_key *keys, void *base, const char *flag, const char *value, struct td_schema_marks *marks,
	struct td_err *err)
{
	char path[TD_SCHEMA_FLAG_BYTES + 2];
	void *owner = base, *item;
	const struct td_schema_key *key = schema_flags_find_flag(keys, base, flag, &owner);
	struct td_schema_place place = {.path = path, .marks = marks};
	int rc;

	snprintf(path, sizeof(path), "--%s", flag);
	if (!key)
		return td_schema_fail(&place, TD_REASON_USAGE, err, "unknown option");
	if (key->kind == TD_SCHEMA_TABLE)
		return schema_flags_read_parts(key, (char *)owner + key->offset, path, value, marks, err);
	if (key->kind != TD_SCHEMA_LIST)
		return td_schema_read_text(key, owner, value, strlen(value), &place, err);
	rc = td_schema_append(key, owner, &item, &place, err);
	return rc ? rc : schema_flags_read_parts(key, item, path, value, marks, err);
}
