/* SPDX-License-Identifier: Apache-2.0 */
/* schema.c - tables, and the text of one value into its member. Messages are schema_text.c. The readers are schema_yaml.c and
 * schema_flags.c. */
#include "config/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/sys/names.h"

const struct td_schema_key *td_schema_find(const struct td_schema_key *keys, const char *name)
{
	for (const struct td_schema_key *key = keys; key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

static const char *size_text(uint64_t bytes, char text[24])
{
	static const char *const units[] = {"", "K", "M", "G", "T"};
	unsigned unit = 0;

	while (unit < 4 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, 24, "%" PRIu64 "%s", bytes, units[unit]);
	return text;
}

static const char *schema_duration_text(uint64_t ms, char text[24])
{
	bool whole = ms && ms % 1000 == 0;

	snprintf(text, 24, "%" PRIu64 "%s", whole ? ms / 1000 : ms, whole ? "s" : "ms");
	return text;
}

static void words_text(const char *const *words, char *text, size_t len)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; words[i] && used < len; i++) {
		const char *before = !i ? "" : words[i + 1] ? ", " : " or ";

		used += (size_t)snprintf(text + used, len - used, "%s%s", before, words[i]);
	}
}

static struct td_schema_key item_of(const struct td_schema_key *texts, size_t index)
{
	struct td_schema_key item = *texts;

	item.kind = texts->item_kind;
	item.offset += index * sizeof(char *);
	item.given = 0;
	return item;
}

static void allowed_texts(const struct td_schema_key *key, char *text, size_t len)
{
	char each[200];
	struct td_schema_key item = item_of(key, 0);

	td_schema_allowed(&item, each, sizeof(each));
	snprintf(text, len, "a list ([a, b]), up to %u, each: %s", key->items_max, each);
}

void td_schema_allowed(const struct td_schema_key *key, char *text, size_t len)
{
	char low[24], high[24];

	switch (key->kind) {
	case TD_SCHEMA_BOOL:
		snprintf(text, len, "on, off, true, false, yes or no");
		return;
	case TD_SCHEMA_UINT:
		snprintf(text, len, "a whole number from %" PRIu64 " to %" PRIu64, key->min, key->max);
		return;
	case TD_SCHEMA_SIZE:
		snprintf(text, len, "a number with K, M, G or T, from %s to %s", size_text(key->min, low), size_text(key->max, high));
		return;
	case TD_SCHEMA_DURATION:
		snprintf(text, len, "a number with ms, s or m, from %s to %s", schema_duration_text(key->min, low),
			schema_duration_text(key->max, high));
		return;
	case TD_SCHEMA_WORD:
		words_text(key->words, text, len);
		return;
	case TD_SCHEMA_MAC:
		snprintf(text, len, "six bytes in hex as in 52:54:00:12:34:56, unicast and not all zero");
		return;
	case TD_SCHEMA_STRING:
		snprintf(text, len, "%s", key->allowed ? key->allowed : "any text");
		return;
	case TD_SCHEMA_PATH:
		snprintf(text, len, "a path");
		return;
	case TD_SCHEMA_NAME:
		snprintf(text, len, "1 to %" PRIu64 " of A-Z a-z 0-9 . _ -, not starting with . or -", key->max);
		return;
	case TD_SCHEMA_IFNAME:
		snprintf(text, len, "a network interface: 1 to 15 characters, without white space, / and :");
		return;
	case TD_SCHEMA_BDF:
		snprintf(text, len, "a PCI address as in 0000:3b:02.1");
		return;
	case TD_SCHEMA_TABLE:
		snprintf(text, len, "a mapping (key: value)");
		return;
	case TD_SCHEMA_LIST:
		snprintf(text, len, "a list of mappings (- key: value), up to %u", key->items_max);
		return;
	case TD_SCHEMA_TEXTS:
		allowed_texts(key, text, len);
		return;
	}
}

/* Digits with an optional 0x, then a rest that the caller looks at. */
static bool scan_number(const char *text, uint64_t *ret_value, const char **ret_rest)
{
	if (text[0] < '0' || text[0] > '9')
		return false;
	char *end;
	errno = 0;
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned long long value = strtoull(text, &end, hex ? 16 : 10);
	if (errno || (hex && end <= text + 2))
		return false;
	*ret_value = value;
	*ret_rest = end;
	return true;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit size_units[] = {{"", 1}, {"K", TD_KIB}, {"M", TD_MIB}, {"G", TD_GIB}, {"T", 1024 * TD_GIB}, {"KiB", TD_KIB},
	{"MiB", TD_MIB}, {"GiB", TD_GIB}, {"TiB", 1024 * TD_GIB}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static bool scan_with_unit(const char *text, const struct unit *units, uint64_t *ret_value)
{
	uint64_t number;
	const char *rest;

	if (!scan_number(text, &number, &rest))
		return false;
	for (; units->name; units++)
		if (!strcasecmp(rest, units->name))
			return !__builtin_mul_overflow(number, units->factor, ret_value);
	return false;
}

static bool scan_bool(const char *text, bool *ret_value)
{
	static const char *const words[] = {"off", "on", "false", "true", "no", "yes"};

	for (unsigned i = 0; i < TD_COUNT(words); i++)
		if (!strcasecmp(text, words[i])) {
			*ret_value = i & 1U;
			return true;
		}
	return false;
}

/* One that a NIC can have. */
static bool scan_mac(const char *text, uint8_t mac[6])
{
	static const uint8_t none[6];

	return td_names_parse_mac(text, mac) && memcmp(mac, none, sizeof(none)) != 0 && !(mac[0] & 1);
}

static bool schema_name_ok(const char *text, uint64_t max)
{
	size_t len = strlen(text);

	if (!len || len > max || *text == '.' || *text == '-')
		return false;
	return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool put_string(char **member, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return false;
	free(*member);
	*member = copy;
	return true;
}

enum scanned { BAD, OUT_OF_RANGE, GOOD, NO_MEMORY };

static enum scanned schema_put_number(const struct td_schema_key *key, uint64_t *member, const char *text)
{
	const struct unit *units = key->kind == TD_SCHEMA_SIZE ? size_units : key->kind == TD_SCHEMA_DURATION ? duration_units : no_units;
	uint64_t value;

	if (!scan_with_unit(text, units, &value))
		return BAD;
	if (value < key->min || value > key->max)
		return OUT_OF_RANGE;
	*member = value;
	return GOOD;
}

static enum scanned schema_put_word(const struct td_schema_key *key, void *member, const char *text)
{
	for (unsigned i = 0; key->words[i]; i++) {
		if (strcasecmp(text, key->words[i]) != 0)
			continue;
		if (key->bytes == sizeof(bool))
			*(bool *)member = i != 0;
		else
			*(unsigned *)member = i;
		return GOOD;
	}
	return BAD;
}

static enum scanned put_text(const struct td_schema_key *key, void *member, const char *text)
{
	char bdf[TD_BDF_BYTES];
	uint8_t mac[6];
	bool good = true;

	switch (key->kind) {
	case TD_SCHEMA_BOOL:
		return scan_bool(text, member) ? GOOD : BAD;
	case TD_SCHEMA_UINT:
	case TD_SCHEMA_SIZE:
	case TD_SCHEMA_DURATION:
		return schema_put_number(key, member, text);
	case TD_SCHEMA_WORD:
		return schema_put_word(key, member, text);
	case TD_SCHEMA_MAC:
		if (!scan_mac(text, mac))
			return BAD;
		memcpy(member, mac, sizeof(mac));
		return GOOD;
	case TD_SCHEMA_STRING:
		good = !key->check || key->check(text);
		break;
	case TD_SCHEMA_PATH:
		good = *text;
		break;
	case TD_SCHEMA_NAME:
		good = schema_name_ok(text, key->max);
		break;
	case TD_SCHEMA_IFNAME:
		good = td_names_is_interface(text);
		break;
	case TD_SCHEMA_BDF:
		good = td_names_parse_bdf(text, bdf);
		text = bdf;
		break;
	case TD_SCHEMA_TABLE:
	case TD_SCHEMA_LIST:
	case TD_SCHEMA_TEXTS:
		return BAD;
	}
	if (!good)
		return BAD;
	return put_string(member, text) ? GOOD : NO_MEMORY;
}

static const char *kind_text(const struct td_schema_key *key)
{
	switch (key->kind) {
	case TD_SCHEMA_BOOL:
		return "a switch";
	case TD_SCHEMA_UINT:
		return "a number";
	case TD_SCHEMA_SIZE:
		return "a size";
	case TD_SCHEMA_DURATION:
		return "a duration";
	case TD_SCHEMA_MAC:
		return "a MAC address of a NIC";
	case TD_SCHEMA_NAME:
		return "a name";
	case TD_SCHEMA_IFNAME:
		return "an interface's name";
	case TD_SCHEMA_BDF:
		return "a PCI address";
	case TD_SCHEMA_TABLE:
	case TD_SCHEMA_LIST:
	case TD_SCHEMA_TEXTS:
		return "the right shape";
	case TD_SCHEMA_STRING:
		return "what stands here";
	case TD_SCHEMA_PATH:
	case TD_SCHEMA_WORD:
		break;
	}
	return "known here";
}

int td_schema_read_text(
	const struct td_schema_key *key, void *base, const char *text, size_t len, const struct td_schema_place *place, struct td_err *err)
{
	char allowed[256], quoted[56];

	td_schema_allowed(key, allowed, sizeof(allowed));
	td_schema_quote(text, len, quoted);
	if (strlen(text) != len)
		return td_schema_fail(place, TD_REASON_CONFIG_VALUE, err, "'%s' holds a NUL character: %s", quoted, allowed);
	if (!len && (key->kind != TD_SCHEMA_STRING || key->check))
		return td_schema_fail(place, TD_REASON_CONFIG_VALUE, err, "no value: %s", allowed);
	switch (put_text(key, (char *)base + key->offset, text)) {
	case GOOD:
		if (key->given)
			*(bool *)((char *)base + key->given) = true;
		td_schema_mark(place, (char *)base + key->offset);
		return 0;
	case NO_MEMORY:
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	case OUT_OF_RANGE:
		return td_schema_fail(place, TD_REASON_CONFIG_VALUE, err, "'%s' is out of range: %s", quoted, allowed);
	case BAD:
		break;
	}
	return td_schema_fail(place, TD_REASON_CONFIG_VALUE, err, "'%s' is not %s: %s", quoted, kind_text(key), allowed);
}

int td_schema_append(const struct td_schema_key *list, void *base, void **ret_item, const struct td_schema_place *place, struct td_err *err)
{
	unsigned *count = (unsigned *)(void *)((char *)base + list->count_offset);

	if (*count >= list->items_max)
		return td_schema_fail(place, TD_REASON_CONFIG_VALUE, err, "too many: at most %u", list->items_max);
	char *item = (char *)base + list->offset + *count * list->item_bytes;
	memset(item, 0, list->item_bytes);
	++*count; /* first: fini frees what a failure leaves half made */
	*ret_item = item;
	return td_schema_defaults(list->keys, item, err);
}

int td_schema_append_text(
	const struct td_schema_key *list, void *base, const char *text, size_t len, const struct td_schema_place *place, struct td_err *err)
{
	unsigned *count = (unsigned *)(void *)((char *)base + list->count_offset);

	if (*count >= list->items_max)
		return td_schema_fail(place, TD_REASON_CONFIG_VALUE, err, "too many: at most %u", list->items_max);
	struct td_schema_key item = item_of(list, *count);
	*(char **)(void *)((char *)base + item.offset) = NULL;
	int rc = td_schema_read_text(&item, base, text, len, place, err);
	*count += !rc;
	return rc;
}

int td_schema_defaults(const struct td_schema_key *keys, void *base, struct td_err *err)
{
	for (const struct td_schema_key *key = keys; key->name; key++) {
		struct td_schema_key silent = *key; /* a default is not "given" */

		silent.given = 0;
		struct td_schema_place place = {.path = key->name};
		int rc = 0;
		if (key->kind == TD_SCHEMA_TABLE)
			rc = td_schema_defaults(key->keys, (char *)base + key->offset, err);
		else if (key->fallback)
			rc = td_schema_read_text(&silent, base, key->fallback, strlen(key->fallback), &place, err);
		if (rc)
			return rc;
	}
	return 0;
}

static bool owns_string(enum td_schema_kind kind)
{
	return kind == TD_SCHEMA_STRING || kind == TD_SCHEMA_PATH || kind == TD_SCHEMA_NAME || kind == TD_SCHEMA_IFNAME ||
	       kind == TD_SCHEMA_BDF;
}

void td_schema_fini(const struct td_schema_key *keys, void *base)
{
	for (const struct td_schema_key *key = keys; key->name; key++) {
		char *member = (char *)base + key->offset;

		if (key->kind == TD_SCHEMA_TABLE)
			td_schema_fini(key->keys, member);
		else if (key->kind == TD_SCHEMA_LIST) {
			unsigned *count = (unsigned *)(void *)((char *)base + key->count_offset);

			for (unsigned i = 0; i < *count; i++)
				td_schema_fini(key->keys, member + i * key->item_bytes);
			*count = 0;
		} else if (key->kind == TD_SCHEMA_TEXTS) {
			unsigned *count = (unsigned *)(void *)((char *)base + key->count_offset);

			for (unsigned i = 0; i < *count; i++)
				free(((char **)(void *)member)[i]);
			*count = 0;
		} else if (owns_string(key->kind)) {
			free(*(char **)(void *)member);
			*(char **)(void *)member = NULL;
		}
	}
}
