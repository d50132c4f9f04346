/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema_yaml.c - reads one YAML document through a table of keys, event by event. The first error ends it, in the order of the file.
 * The recursion follows the tables, never the file.
 */
#include <errno.h>
#include <string.h>
#include <yaml.h>

#include "config/schema.h"

#define PATH_MAX_BYTES 160

struct reader {
	yaml_parser_t parser;
	const char *file;
	const char *text;
	size_t len;
	struct td_schema_marks *marks;
	struct td_err *err;
};

static void event_cleanup(yaml_event_t *event)
{
	yaml_event_delete(event);
}

#define auto_event __attribute__((cleanup(event_cleanup)))

/* Paths are for messages: one that does not fit is cut. */
static void path_print(char path[PATH_MAX_BYTES], const char *fmt, ...) TD_PRINTF(2, 3);

static void path_print(char path[PATH_MAX_BYTES], const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, PATH_MAX_BYTES, fmt, args);
	va_end(args);
}

static struct td_schema_place place_at(const struct reader *reader, yaml_mark_t mark, const char *path)
{
	return (struct td_schema_place){
		.file = reader->file, .line = mark.line + 1, .column = mark.column + 1, .path = path, .marks = reader->marks};
}

/* The reader's own errors (encoding, control characters) come with an offset instead of a mark. */
static yaml_mark_t mark_of_offset(const struct reader *reader, size_t offset)
{
	yaml_mark_t mark = {.index = offset};
	for (size_t i = 0; i < offset && i < reader->len; i++) {
		mark.column++;
		if (reader->text[i] == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return mark;
}

static int fail_parse(struct reader *reader)
{
	const yaml_parser_t *parser = &reader->parser;

	if (parser->error == YAML_MEMORY_ERROR)
		return td_err_set(reader->err, ENOMEM, TD_REASON_SYSTEM, "%s: out of memory", reader->file);
	bool has_mark = parser->error == YAML_SCANNER_ERROR || parser->error == YAML_PARSER_ERROR;
	struct td_schema_place place =
		place_at(reader, has_mark ? parser->problem_mark : mark_of_offset(reader, parser->problem_offset), NULL);
	const char *encoding = has_mark ? "" : ": the file is UTF-8 without control characters";
	return td_schema_fail(&place, TD_REASON_CONFIG_SYNTAX, reader->err, "not YAML: %s%s%s%s", parser->context ? parser->context : "",
		parser->context ? ", " : "", parser->problem ? parser->problem : "cannot be read", encoding);
}

static const yaml_char_t *event_anchor(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor;
	case YAML_ALIAS_EVENT:
		return event->data.alias.anchor;
	default:
		return NULL;
	}
}

static const yaml_char_t *event_tag(const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return event->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.tag;
	default:
		return NULL;
	}
}

/* The caller deletes the event, also after a failure. */
static int next_event(struct reader *reader, yaml_event_t *event)
{
	memset(event, 0, sizeof(*event));
	if (!yaml_parser_parse(&reader->parser, event))
		return fail_parse(reader);
	struct td_schema_place place = place_at(reader, event->start_mark, NULL);
	if (event_anchor(event))
		return td_schema_fail(&place, TD_REASON_CONFIG_SYNTAX, reader->err,
			"anchors and aliases are refused: write the value out (or quote a text that starts with & or *)");
	if (event_tag(event))
		return td_schema_fail(&place, TD_REASON_CONFIG_SYNTAX, reader->err, "tags are refused: write the plain value");
	return 0;
}

static int schema_yaml_read_value(
	struct reader *reader, const struct td_schema_key *key, void *base, const yaml_event_t *event, const char *path);

static int fail_shape(struct reader *reader, const struct td_schema_key *key, const yaml_event_t *event, const char *path)
{
	char allowed[256];

	td_schema_allowed(key, allowed, sizeof(allowed));
	const char *what = event->type == YAML_MAPPING_START_EVENT    ? "a mapping"
			   : event->type == YAML_SEQUENCE_START_EVENT ? "a list"
								      : "a single value";
	struct td_schema_place place = place_at(reader, event->start_mark, path);
	return td_schema_fail(&place, TD_REASON_CONFIG_VALUE, reader->err, "%s stands here: %s", what, allowed);
}

static int schema_yaml_read_mapping_entry(
	struct reader *reader, const struct td_schema_key *keys, void *base, const yaml_event_t *event, const char *prefix, uint64_t *seen)
{
	char path[PATH_MAX_BYTES], quoted[56];
	struct td_schema_place place = place_at(reader, event->start_mark, prefix);

	if (event->type != YAML_SCALAR_EVENT)
		return td_schema_fail(&place, TD_REASON_CONFIG_SYNTAX, reader->err, "a key is a single word");
	const char *name = (const char *)event->data.scalar.value;
	td_schema_quote(name, event->data.scalar.length, quoted);
	path_print(path, "%s%s%s", prefix, *prefix ? "." : "", quoted);
	place.path = path;
	const struct td_schema_key *key = strlen(name) == event->data.scalar.length ? td_schema_find(keys, name) : NULL;
	if (!key)
		return td_schema_unknown(keys, quoted, &place, reader->err);
	uint64_t bit = 1ULL << (key - keys);
	if (*seen & bit)
		return td_schema_fail(&place, TD_REASON_CONFIG_KEY, reader->err, "stands here a second time: give it once");
	*seen |= bit;

	auto_event yaml_event_t value = {0};
	int rc = next_event(reader, &value);
	return rc ? rc : schema_yaml_read_value(reader, key, base, &value, path);
}

/* Behind the mapping's start. */
static int schema_yaml_read_mapping(struct reader *reader, const struct td_schema_key *keys, void *base, const char *prefix)
{
	uint64_t seen = 0; /* tables have fewer than 64 keys */

	for (;;) {
		auto_event yaml_event_t event = {0};
		int rc = next_event(reader, &event);
		if (rc || event.type == YAML_MAPPING_END_EVENT)
			return rc;
		rc = schema_yaml_read_mapping_entry(reader, keys, base, &event, prefix, &seen);
		if (rc)
			return rc;
	}
}

static void put_mark(const struct td_schema_key *list, void *item, const struct td_schema_place *place)
{
	unsigned *mark = (unsigned *)(void *)((char *)item + list->mark_offset);

	if (!list->mark_offset)
		return;
	mark[0] = (unsigned)place->line;
	mark[1] = (unsigned)place->column;
}

/* "cpus: 2", as the flag has it: the value of the one key that needs no name. */
static int schema_yaml_read_bare(
	struct reader *reader, const struct td_schema_key *owner, void *base, const yaml_event_t *event, const char *prefix)
{
	char path[PATH_MAX_BYTES];

	path_print(path, "%s.%s", prefix, owner->bare);
	struct td_schema_place place = place_at(reader, event->start_mark, path);
	return td_schema_read_text(td_schema_find(owner->keys, owner->bare), base, (const char *)event->data.scalar.value,
		event->data.scalar.length, &place, reader->err);
}

static int schema_yaml_read_list(struct reader *reader, const struct td_schema_key *key, void *base, const char *prefix)
{
	for (unsigned index = 0;; index++) {
		auto_event yaml_event_t event = {0};
		int rc = next_event(reader, &event);
		if (rc || event.type == YAML_SEQUENCE_END_EVENT)
			return rc;
		char path[PATH_MAX_BYTES];
		path_print(path, "%s[%u]", prefix, index);
		struct td_schema_place place = place_at(reader, event.start_mark, path);
		bool bare = event.type == YAML_SCALAR_EVENT && key->bare;
		if (event.type != YAML_MAPPING_START_EVENT && !bare)
			return td_schema_fail(
				&place, TD_REASON_CONFIG_VALUE, reader->err, "not a mapping: each item is a mapping (key: value)");
		void *item;
		rc = td_schema_append(key, base, &item, &place, reader->err);
		if (rc)
			return rc;
		put_mark(key, item, &place);
		rc = bare ? schema_yaml_read_bare(reader, key, item, &event, path)
			  : schema_yaml_read_mapping(reader, key->keys, item, path);
		if (rc)
			return rc;
	}
}

static int schema_yaml_read_texts(struct reader *reader, const struct td_schema_key *key, void *base, const char *prefix)
{
	for (unsigned index = 0;; index++) {
		auto_event yaml_event_t event = {0};
		int rc = next_event(reader, &event);
		if (rc || event.type == YAML_SEQUENCE_END_EVENT)
			return rc;
		char path[PATH_MAX_BYTES];
		path_print(path, "%s[%u]", prefix, index);
		struct td_schema_place place = place_at(reader, event.start_mark, path);
		if (event.type != YAML_SCALAR_EVENT)
			return td_schema_fail(&place, TD_REASON_CONFIG_VALUE, reader->err, "not a single value: each item is one ([a, b])");
		rc = td_schema_append_text(key, base, (const char *)event.data.scalar.value, event.data.scalar.length, &place, reader->err);
		if (rc)
			return rc;
	}
}

static int schema_yaml_read_value(
	struct reader *reader, const struct td_schema_key *key, void *base, const yaml_event_t *event, const char *path)
{
	bool is_table = key->kind == TD_SCHEMA_TABLE, is_list = key->kind == TD_SCHEMA_LIST, is_texts = key->kind == TD_SCHEMA_TEXTS;

	if (is_table && event->type == YAML_MAPPING_START_EVENT)
		return schema_yaml_read_mapping(reader, key->keys, (char *)base + key->offset, path);
	if (is_table && key->bare && event->type == YAML_SCALAR_EVENT)
		return schema_yaml_read_bare(reader, key, (char *)base + key->offset, event, path);
	if (is_list && event->type == YAML_SEQUENCE_START_EVENT)
		return schema_yaml_read_list(reader, key, base, path);
	if (is_texts && event->type == YAML_SEQUENCE_START_EVENT)
		return schema_yaml_read_texts(reader, key, base, path);
	if (is_table || is_list || is_texts || event->type != YAML_SCALAR_EVENT)
		return fail_shape(reader, key, event, path);
	struct td_schema_place place = place_at(reader, event->start_mark, path);
	return td_schema_read_text(key, base, (const char *)event->data.scalar.value, event->data.scalar.length, &place, reader->err);
}

/* An empty file is an empty mapping. */
static int schema_yaml_read_document(struct reader *reader, const struct td_schema_key *keys, void *base, bool *ret_any)
{
	auto_event yaml_event_t start = {0}, root = {0}, end = {0};
	int rc = next_event(reader, &start);
	*ret_any = !rc && start.type == YAML_DOCUMENT_START_EVENT;
	if (rc || !*ret_any)
		return rc;
	rc = next_event(reader, &root);
	if (rc)
		return rc;
	struct td_schema_place place = place_at(reader, root.start_mark, NULL);
	if (root.type != YAML_MAPPING_START_EVENT)
		return td_schema_fail(&place, TD_REASON_CONFIG_SYNTAX, reader->err, "the file is a mapping (key: value) at its top");
	rc = schema_yaml_read_mapping(reader, keys, base, "");
	return rc ? rc : next_event(reader, &end);
}

static int schema_yaml_read_stream(struct reader *reader, const struct td_schema_key *keys, void *base)
{
	auto_event yaml_event_t start = {0}, after = {0};
	bool any;
	int rc = next_event(reader, &start);
	if (!rc)
		rc = schema_yaml_read_document(reader, keys, base, &any);
	if (rc || !any)
		return rc;
	rc = next_event(reader, &after);
	if (rc || after.type == YAML_STREAM_END_EVENT)
		return rc;
	struct td_schema_place place = place_at(reader, after.start_mark, NULL);
	return td_schema_fail(&place, TD_REASON_CONFIG_SYNTAX, reader->err, "a second document starts here: a file holds one");
}

int td_schema_read_yaml(const struct td_schema_key *keys, void *base, const char *file_name, const char *text, size_t len_bytes,
	struct td_schema_marks *marks, struct td_err *err)
{
	struct reader reader = {.file = file_name, .text = text, .len = len_bytes, .marks = marks, .err = err};

	if (marks)
		*marks = (struct td_schema_marks){.file = file_name};
	if (len_bytes > TD_SCHEMA_YAML_MAX)
		return td_err_set(err, EFBIG, TD_REASON_CONFIG_SYNTAX, "%s: %zu bytes: a file has at most %u", file_name, len_bytes,
			TD_SCHEMA_YAML_MAX);
	if (!yaml_parser_initialize(&reader.parser))
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "%s: out of memory", file_name);
	yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len_bytes);
	int rc = schema_yaml_read_stream(&reader, keys, base);
	yaml_parser_delete(&reader.parser);
	return rc;
}
