/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_json.c - a table of keys as a JSON Schema (draft 2020-12), for editors that check and complete YAML. It takes what the reader
 * takes, and may take a little more: what `check` functions ask for is only described.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "config/schema.h"

static json_t *schema_json_describe(const struct td_schema_key *key);

static json_t *describe_words(const char *const *words)
{
	json_t *list = json_array();

	for (; *words; words++)
		json_array_append_new(list, json_string(*words));
	return json_pack("{s:o}", "enum", list);
}

static json_t *describe_mapping(const struct td_schema_key *keys)
{
	json_t *properties = json_object(), *required = json_array();

	for (; keys->name; keys++) {
		json_object_set_new(properties, keys->name, schema_json_describe(keys));
		if (keys->required)
			json_array_append_new(required, json_string(keys->name));
	}
	json_t *mapping = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties", properties);
	if (json_array_size(required))
		json_object_set(mapping, "required", required);
	json_decref(required);
	return mapping;
}

/* Of a table, or of a list's items: a mapping, or the value of its bare key alone. */
static json_t *describe_inner(const struct td_schema_key *key)
{
	json_t *mapping = describe_mapping(key->keys);

	return key->bare ? json_pack("{s:[o, o]}", "anyOf", mapping, schema_json_describe(td_schema_find(key->keys, key->bare))) : mapping;
}

static json_t *describe_texts(const struct td_schema_key *key)
{
	struct td_schema_key item = *key;

	item.kind = key->item_kind;
	item.help = item.fallback = NULL;
	return json_pack("{s:s, s:i, s:o}", "type", "array", "maxItems", (int)key->items_max, "items", schema_json_describe(&item));
}

static json_t *schema_json_pattern(const char *text)
{
	return json_pack("{s:s, s:s}", "type", "string", "pattern", text);
}

static json_t *describe_kind(const struct td_schema_key *key)
{
	switch (key->kind) {
	case TD_SCHEMA_BOOL: /* YAML 1.2 reads on and off as texts */
		return json_pack("{s:[b, b, s, s, s, s]}", "enum", 1, 0, "on", "off", "yes", "no");
	case TD_SCHEMA_UINT:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)key->min, "maximum", (json_int_t)key->max);
	case TD_SCHEMA_SIZE:
		return json_pack("{s:[s, s], s:s}", "type", "integer", "string", "pattern", "^[0-9]+([KMGT](iB)?)?$");
	case TD_SCHEMA_DURATION:
		return schema_json_pattern("^[0-9]+(ms|s|m)$");
	case TD_SCHEMA_WORD:
		return describe_words(key->words);
	case TD_SCHEMA_MAC:
		return schema_json_pattern("^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$");
	case TD_SCHEMA_STRING: /* one that is checked may look like a number: a VLAN, a PCI number */
		if (key->check)
			return json_pack("{s:[s, s]}", "type", "string", "integer");
		return json_pack("{s:s}", "type", "string");
	case TD_SCHEMA_PATH:
		return json_pack("{s:s}", "type", "string");
	case TD_SCHEMA_NAME:
		return schema_json_pattern("^[A-Za-z0-9_][A-Za-z0-9._-]*$");
	case TD_SCHEMA_IFNAME:
		return schema_json_pattern("^[^/:%\\s]{1,15}$");
	case TD_SCHEMA_BDF:
		return schema_json_pattern("^([0-9A-Fa-f]{4}:)?[0-9A-Fa-f]{2}:[01][0-9A-Fa-f]\\.[0-7]$");
	case TD_SCHEMA_TABLE:
		return describe_inner(key);
	case TD_SCHEMA_LIST:
		return json_pack("{s:s, s:i, s:o}", "type", "array", "maxItems", (int)key->items_max, "items", describe_inner(key));
	case TD_SCHEMA_TEXTS:
		return describe_texts(key);
	}
	return json_object();
}

static json_t *schema_json_describe(const struct td_schema_key *key)
{
	char allowed[256], text[600];
	json_t *schema = describe_kind(key);

	td_schema_allowed(key, allowed, sizeof(allowed));
	if (key->help) {
		snprintf(text, sizeof(text), "%s.%s Allowed: %s.", key->help, key->required ? " Required." : "", allowed);
		json_object_set_new(schema, "description", json_string(text));
	} else if (key->allowed) {
		json_object_set_new(schema, "description", json_string(allowed));
	}
	if (key->fallback && key->kind == TD_SCHEMA_UINT)
		json_object_set_new(schema, "default", json_integer(strtoll(key->fallback, NULL, 0)));
	else if (key->fallback)
		json_object_set_new(schema, "default", json_string(key->fallback));
	return schema;
}

void td_schema_print_json(const struct td_schema_key *keys, const char *title, FILE *out)
{
	json_t *schema = describe_mapping(keys);

	json_object_set_new(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(schema, "title", json_string(title));
	json_dumpf(schema, out, JSON_INDENT(1) | JSON_SORT_KEYS);
	fputc('\n', out);
	json_decref(schema);
}
