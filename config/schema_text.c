/* SPDX-License-Identifier: Apache-2.0 */
/* schema_text.c - what messages say: places, quoted words, and the known name that is nearest to an unknown one. */
#include <errno.h>
#include <string.h>

#include "config/schema.h"

const char *td_schema_quote(const char *text, size_t len, char ret_text[56])
{
	size_t shown = TD_MIN(len, (size_t)48);

	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)text[i];

		ret_text[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
	}
	memcpy(ret_text + shown, len > shown ? "..." : "", len > shown ? 4 : 1);
	return ret_text;
}

int td_schema_fail(const struct td_schema_place *place, enum td_reason reason, struct td_err *err, const char *fmt, ...)
{
	char text[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	const char *path = place->path ? place->path : "";
	const char *colon = *path ? ": " : "";
	if (!place->file)
		return td_err_set(err, EINVAL, reason, "%s%s%s", path, colon, text);
	return td_err_set(err, EINVAL, reason, "%s:%zu:%zu: %s%s%s", place->file, place->line, place->column, path, colon, text);
}

/* Levenshtein distance; names longer than the row are far away. */
static unsigned schema_text_distance(const char *a, const char *b)
{
	unsigned row[33];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len >= TD_COUNT(row) || b_len >= TD_COUNT(row))
		return 99;
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = TD_MIN(replaced, TD_MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_len];
}

void td_schema_suggest(const struct td_schema_key *keys, const char *name, const char *what, char *ret_text, size_t len_bytes)
{
	const struct td_schema_key *nearest = NULL;
	unsigned best = 3; /* more than two slips apart is no help */
	char known[320] = "";

	for (const struct td_schema_key *key = keys; key->name; key++) {
		unsigned d = schema_text_distance(name, key->name);
		size_t used = strlen(known);

		if (d < best) {
			best = d;
			nearest = key;
		}
		snprintf(known + used, sizeof(known) - used, "%s%s", used ? ", " : "", key->name);
	}
	if (nearest)
		snprintf(ret_text, len_bytes, "unknown %s, did you mean '%s'? Known here: %s", what, nearest->name, known);
	else
		snprintf(ret_text, len_bytes, "unknown %s: known here: %s", what, known);
}

int td_schema_unknown(const struct td_schema_key *keys, const char *name, const struct td_schema_place *place, struct td_err *err)
{
	char text[400];

	td_schema_suggest(keys, name, "key", text, sizeof(text));
	return td_schema_fail(place, TD_REASON_CONFIG_KEY, err, "%s", text);
}
