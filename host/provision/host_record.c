/* SPDX-License-Identifier: Apache-2.0 */
/* host_record.c - the record as one JSON object, replaced by rename(2) so that a reader sees the old one or the new one. */
#include "host/provision/host_record.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json.h"
#include "host/sys/files.h"

#define RECORD_VERSION 1
#define RECORD_FILE    "host-state.json"
#define RECORD_MAX     (4U << 20)
#define JOURNAL_MAX    16384U

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

#define auto_json __attribute__((cleanup(cleanup_json))) json_t

/*
 * Written by hand: the record is written anew before each step. With jansson's tree of objects, 1,024 steps take 6.5 times as long:
 * seconds, as long as the steps themselves. A link's name may be of any bytes: they are written as td_json_bytes() has them.
 */
static void print_text(FILE *out, const char *text)
{
	fputc_unlocked('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else
			fputc_unlocked(c, out);
	}
	fputc_unlocked('"', out);
}

static void print_member(FILE *out, const char *before, const char *name, const char *text)
{
	fputs(before, out);
	print_text(out, name);
	fputc(':', out);
	if (text)
		print_text(out, text);
	else
		fputs("null", out);
}

static void print_object(FILE *out, const struct td_host_object *object)
{
	const char *before = "";
	print_member(out, "{", "kind", td_host_state_kind_name(object->kind));
	print_member(out, ",", "name", object->name);
	fputs(",\"values\":{", out);
	for (unsigned i = 0; i < TD_HOST_ATTR_COUNT; i++) {
		if (!object->value[i])
			continue;
		print_member(out, before, td_host_state_attr_name((enum td_host_attr)i), object->value[i]);
		before = ",";
	}
	fputs("}}", out);
}

static void print_state(FILE *out, const struct td_host_state *state)
{
	fputc('[', out);
	for (unsigned i = 0; i < state->count; i++) {
		fputs(i ? ",\n" : "", out);
		print_object(out, &state->object[i]);
	}
	fputc(']', out);
}

static void print_step(FILE *out, const struct td_host_step *step)
{
	print_member(out, "{", "kind", td_host_state_kind_name(step->kind));
	print_member(out, ",", "name", step->name);
	print_member(out, ",", "attr", td_host_state_attr_name(step->attr));
	print_member(out, ",", "from", step->from);
	print_member(out, ",", "to", step->to);
	fputc('}', out);
}

char *td_host_record_print(const struct td_host_record *record)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	fprintf(out, "{\"version\":%d,\"before\":", RECORD_VERSION);
	print_state(out, &record->before);
	if (record->journal.count) {
		fputs(",\"start\":", out);
		print_state(out, &record->start);
	}
	fputs(",\"journal\":[", out);
	for (unsigned i = 0; i < record->journal.count; i++) {
		fputs(i ? ",\n" : "", out);
		print_step(out, &record->journal.step[i]);
	}
	fputs("]}\n", out);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static int append_step(struct td_host_plan *journal, const struct td_host_step *step)
{
	struct td_host_step copy = *step;
	copy.disturbs = NULL;
	copy.from = step->from ? strdup(step->from) : NULL;
	copy.to = step->to ? strdup(step->to) : NULL;
	if (journal->count == journal->room) {
		unsigned room = journal->room ? journal->room * 2 : 32;
		struct td_host_step *more = realloc(journal->step, room * sizeof(*more));
		if (more) {
			journal->step = more;
			journal->room = room;
		}
	}
	if (journal->count == journal->room || (step->from && !copy.from) || (step->to && !copy.to)) {
		td_host_diff_free_step(&copy);
		return -ENOMEM;
	}
	journal->step[journal->count++] = copy;
	return 0;
}

static int parse_name(const json_t *item, enum td_host_kind *ret_kind, const char **ret_name)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));
	*ret_name = td_json_bytes_value(json_object_get(item, "name"));
	bool good = kind && *ret_name && **ret_name && strlen(*ret_name) < TD_HOST_NAME_BYTES && td_host_state_find_kind(kind, ret_kind);
	return good ? 0 : -EBADMSG;
}

static int parse_object(json_t *item, struct td_host_state *state)
{
	enum td_host_kind kind;
	enum td_host_attr attr;
	const char *name, *key;
	json_t *value;
	int r = parse_name(item, &kind, &name);
	if (r)
		return r;
	json_object_foreach(json_object_get(item, "values"), key, value)
	{
		const char *text = td_json_bytes_value(value);
		if (!strcmp(key, "making")) /* older versions took a link for theirs by this */
			continue;
		if (!text || !td_host_state_find_attr(key, &attr))
			return -EBADMSG;
		td_host_state_set(state, kind, name, attr, text);
	}
	return state->no_memory ? -ENOMEM : 0;
}

static int parse_step(json_t *item, struct td_host_record *record)
{
	struct td_host_step step = {0};
	const char *name, *attr = json_string_value(json_object_get(item, "attr"));
	json_t *from = json_object_get(item, "from"), *to = json_object_get(item, "to");
	int r = parse_name(item, &step.kind, &name);
	step.from = (char *)(uintptr_t)td_json_bytes_value(from); /* begin copies them */
	step.to = (char *)(uintptr_t)td_json_bytes_value(to);
	if (r || !attr || !td_host_state_find_attr(attr, &step.attr) || !(step.from || json_is_null(from)) ||
		!(step.to || json_is_null(to)))
		return -EBADMSG;
	memcpy(step.name, name, strlen(name) + 1);
	return append_step(&record->journal, &step);
}

/* Older versions wrote none: then nothing is known of what the journal's steps added. */
static int parse_start(json_t *root, struct td_host_record *record)
{
	json_t *start = json_object_get(root, "start"), *item;
	size_t i;
	int r = 0;
	if (!start)
		return !record->journal.count || td_host_state_copy(&record->before, &record->start) ? 0 : -ENOMEM;
	if (!json_is_array(start))
		return -EBADMSG;
	json_array_foreach(start, i, item) if (!r) r = parse_object(item, &record->start);
	return r;
}

static int parse_root(json_t *root, struct td_host_record *record)
{
	json_t *before = json_object_get(root, "before"), *journal = json_object_get(root, "journal"), *item;
	size_t i;
	int r = 0;
	if (json_integer_value(json_object_get(root, "version")) != RECORD_VERSION || !json_is_array(before) || !json_is_array(journal) ||
		json_array_size(journal) > JOURNAL_MAX)
		return -EBADMSG;
	json_array_foreach(before, i, item) if (!r) r = parse_object(item, &record->before);
	json_array_foreach(journal, i, item) if (!r) r = parse_step(item, record);
	return r ? r : parse_start(root, record);
}

int td_host_record_parse(const char *text, size_t len, struct td_host_record *ret_record, struct td_err *err)
{
	json_error_t where;
	*ret_record = (struct td_host_record){0};
	auto_json *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	int r = root ? parse_root(root, ret_record) : -EBADMSG;
	if (!r)
		return 0;
	td_host_record_fini(ret_record);
	return td_err_set(err, -r, TD_REASON_CLEANUP, "%s", r == -ENOMEM ? "out of memory" : "is damaged: look at it, then remove it");
}

int td_host_record_load(const char *dir, struct td_host_record *ret_record, struct td_err *err)
{
	char path[PATH_MAX];
	struct stat st;
	*ret_record = (struct td_host_record){0};
	snprintf(path, sizeof(path), "%s/%s", dir, RECORD_FILE);
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return td_err_sys(err, errno, TD_REASON_CLEANUP, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > RECORD_MAX)
		return td_err_set(err, EBADMSG, TD_REASON_CLEANUP, "%s: is damaged: look at it, then remove it", path);
	td_auto_free char *text = malloc((size_t)st.st_size + 1);
	ssize_t len = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
	if (len < 0)
		return td_err_sys(err, text ? errno : ENOMEM, TD_REASON_CLEANUP, "%s", path);
	if (td_host_record_parse(text, (size_t)len, ret_record, err))
		return td_err_prefix(err, "%s", path);
	return 0;
}

int td_host_record_save(const char *dir, const struct td_host_record *record, struct td_err *err)
{
	td_auto_free char *text = td_host_record_print(record);
	td_auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = !text ? -ENOMEM : dir_fd < 0 ? -errno : td_files_replace(dir_fd, RECORD_FILE, "." RECORD_FILE ".new", text);
	return r ? td_err_sys(err, -r, TD_REASON_SYSTEM, "%s/" RECORD_FILE, dir) : 0;
}

void td_host_record_fini(struct td_host_record *record)
{
	td_host_state_fini(&record->before);
	td_host_state_fini(&record->start);
	td_host_diff_fini(&record->journal);
}

int td_host_record_begin(struct td_host_record *record, const struct td_host_step *step, struct td_err *err)
{
	bool good = true;
	if (!record->journal.count) {
		td_host_state_fini(&record->start);
		good = td_host_state_copy(&record->before, &record->start);
	}
	if (!good || append_step(&record->journal, step))
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	return 0;
}

static bool is_in_journal(const struct td_host_plan *journal, const struct td_host_step *step)
{
	for (unsigned i = 0; i < journal->count; i++)
		if (journal->step[i].kind == step->kind && journal->step[i].attr == step->attr &&
			!strcmp(journal->step[i].name, step->name))
			return true;
	return false;
}

static void copy_object(struct td_host_state *to, const struct td_host_object *object)
{
	for (unsigned attr = 0; attr < TD_HOST_ATTR_COUNT; attr++)
		if (object->value[attr])
			td_host_state_set(to, object->kind, object->name, (enum td_host_attr)attr, object->value[attr]);
}

/* `before` of what the step changed is again what it was; for a number of VFs, that of the VFs too. */
static void take_back(struct td_host_record *record, const struct td_host_step *step)
{
	const struct td_host_state *start = &record->start;
	const char *value = td_host_state_get(start, step->kind, step->name, step->attr);
	if (is_in_journal(&record->journal, step))
		return;
	if (value || td_host_state_find(&record->before, step->kind, step->name))
		td_host_state_set(&record->before, step->kind, step->name, step->attr, value);
	td_host_state_tidy(&record->before);
	if (step->kind != TD_HOST_LINK || step->attr != TD_HOST_ATTR_NUM_VFS)
		return;
	td_host_state_remove_vfs(&record->before, step->name);
	for (unsigned i = 0; i < start->count; i++)
		if (td_host_state_vf_of(&start->object[i], step->name))
			copy_object(&record->before, &start->object[i]);
}

void td_host_record_undone(struct td_host_record *record, unsigned index)
{
	struct td_host_plan *journal = &record->journal;
	struct td_host_step step = journal->step[index];
	memmove(&journal->step[index], &journal->step[index + 1], (--journal->count - index) * sizeof(*journal->step));
	if (journal->count) {
		take_back(record, &step);
	} else {
		td_host_state_fini(&record->before);
		record->before = record->start;
		record->start = (struct td_host_state){0};
	}
	td_host_diff_free_step(&step);
}

void td_host_record_end(struct td_host_record *record)
{
	td_host_diff_fini(&record->journal);
	td_host_state_fini(&record->start);
}
