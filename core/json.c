/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - see json.h. */
#include "core/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The length of the UTF-8 character that text begins with; 0: it begins with none. The NUL ends what is cut short. */
static size_t json_utf8_len(const unsigned char *text)
{
	/* By the first byte: how many bytes, and what the second may be (RFC 3629, section 4). */
	static const struct {
		unsigned char first, last, low, high;
		uint8_t len;
	} rows[] = {
		{0x01, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, /* no surrogates */
		{0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4}, /* U+10FFFF is the last */
	};

	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		size_t len = 1;

		if (text[0] < rows[i].first || text[0] > rows[i].last)
			continue;
		if (rows[i].len > 1 && (text[1] < rows[i].low || text[1] > rows[i].high))
			return 0;
		while (len < rows[i].len && (len == 1 || (text[len] & 0xc0) == 0x80))
			len++;
		return len == rows[i].len ? len : 0;
	}
	return 0;
}

json_t *td_json_text(const char *text)
{
	if (!text)
		return json_null();
	td_auto_free char *copy = malloc(strlen(text) * strlen(REPLACEMENT) + 1);
	char *to = copy;
	if (!copy)
		return NULL;
	while (*text) {
		size_t len = json_utf8_len((const unsigned char *)text);

		to = mempcpy(to, len ? text : REPLACEMENT, len ? len : strlen(REPLACEMENT));
		text += len ? len : 1;
	}
	return json_stringn(copy, (size_t)(to - copy));
}

json_t *td_json_bytes(const char *text)
{
	if (!text)
		return json_null();
	td_auto_free char *copy = malloc(strlen(text) * 2 + 1);
	char *to = copy;
	if (!copy)
		return NULL;
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c >= 0x80)
			*to++ = (char)(0xc0 | *c >> 6);
		*to++ = (char)(*c < 0x80 ? *c : 0x80 | (*c & 0x3f));
	}
	return json_stringn(copy, (size_t)(to - copy));
}

const char *td_json_bytes_value(json_t *value)
{
	char *text = (char *)(uintptr_t)json_string_value(value), *to = text;

	for (const unsigned char *c = (const unsigned char *)text; text && *c; c++) {
		if (*c < 0x80) {
			*to++ = (char)*c;
			continue;
		}
		if ((*c & 0xfc) != 0xc0) /* above U+00FF */
			return NULL;
		*to++ = (char)((*c & 3) << 6 | (c[1] & 0x3f));
		c++;
	}
	if (text)
		*to = '\0';
	return text;
}
