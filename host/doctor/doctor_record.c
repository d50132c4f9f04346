/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_record.c - masking: a list of names to replace is made first, then each path, link and text is written anew. */
#include "host/doctor/doctor_record.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define NAME_BYTES    64U
#define MAC_LEN	      17U
#define HOST_NAME_MIN 3U /* shorter ones would be found in any word */

struct name {
	char from[NAME_BYTES], to[NAME_BYTES];
};

struct masks {
	const char *host_name;
	struct name *name; /* and addresses */
	unsigned count, room;
	bool failed; /* one more was to be masked, and there was no memory: there must be no record */
};

/* NULL: no memory. */
static struct name *new_name(struct masks *masks)
{
	if (masks->count == masks->room) {
		unsigned room = masks->room ? masks->room * 2 : 64;
		struct name *more = reallocarray(masks->name, room, sizeof(*more));
		masks->failed = masks->failed || !more;
		if (!more)
			return NULL;
		masks->name = more;
		masks->room = room;
	}
	return &masks->name[masks->count];
}

static bool holds_host_name(const struct masks *masks, const char *text)
{
	return strlen(masks->host_name) >= HOST_NAME_MIN && strcasestr(text, masks->host_name);
}

/* "enx001122334455": twelve hexadecimal digits in a row. */
static bool holds_mac(const char *text)
{
	unsigned digits = 0;
	for (; *text; text++) {
		digits = isxdigit((unsigned char)*text) ? digits + 1 : 0;
		if (digits == 12)
			return true;
	}
	return false;
}

static const char *mask_of(const struct masks *masks, const char *name, size_t len)
{
	for (unsigned i = 0; i < masks->count; i++)
		if (strlen(masks->name[i].from) == len && !memcmp(masks->name[i].from, name, len))
			return masks->name[i].to;
	return NULL;
}

static void add_name(struct masks *masks, const char *name, const char *stem)
{
	struct name *entry = strlen(name) >= NAME_BYTES || mask_of(masks, name, strlen(name)) ? NULL : new_name(masks);
	if (!entry)
		return;
	snprintf(entry->from, sizeof(entry->from), "%s", name);
	snprintf(entry->to, sizeof(entry->to), "%s%u", stem, masks->count++);
}

static void add_interface(void *opaque, const char *name)
{
	struct masks *masks = opaque;
	if (holds_mac(name) || holds_host_name(masks, name))
		add_name(masks, name, "masked");
}

/* Files that somebody named as he liked. */
static void add_file(void *opaque, const char *name)
{
	add_name(opaque, name, "file");
}

/* ---- text ---- */

static bool is_mac(const char *text)
{
	for (unsigned i = 0; i < MAC_LEN; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return !isxdigit((unsigned char)text[MAC_LEN]) && text[MAC_LEN] != ':';
}

/* Four numbers with dots; how many bytes, or 0. */
static size_t ipv4_len(const char *text)
{
	const char *at = text;
	for (unsigned i = 0; i < 4; i++) {
		size_t digits = strspn(at, "0123456789");
		if (!digits || digits > 3)
			return 0;
		at += digits;
		if (i < 3 && *at++ != '.')
			return 0;
	}
	return *at == '.' ? 0 : (size_t)(at - text);
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* The same address gets the same mask. All zero stays: it is nobody's. */
static const char *mask_address(struct masks *masks, const char *address, size_t len)
{
	static const char unset[] = "00:00:00:00:00:00";
	const char *mask = len == MAC_LEN && !memcmp(address, unset, MAC_LEN) ? unset : mask_of(masks, address, len);
	struct name *entry = mask ? NULL : new_name(masks);
	if (!entry)
		return mask ? mask : "masked";
	snprintf(entry->from, sizeof(entry->from), "%.*s", (int)len, address);
	if (len == MAC_LEN)
		snprintf(entry->to, sizeof(entry->to), "02:00:00:%02x:%02x:%02x", masks->count >> 16 & 0xff, masks->count >> 8 & 0xff,
			masks->count & 0xff);
	else
		snprintf(entry->to, sizeof(entry->to), "198.%u.%u.%u", 18 + (masks->count >> 16 & 1), masks->count >> 8 & 0xff,
			masks->count & 0xff);
	masks->count++;
	return entry->to;
}

static void mask_text(struct masks *masks, const char *text, FILE *out)
{
	for (const char *at = text; *at;) {
		bool starts = at == text || !is_word(at[-1]);
		size_t word = strcspn(at, " \t\n/:=,!"), len = 0;
		const char *mask = starts && word ? mask_of(masks, at, word) : NULL;
		if (mask) {
			fputs(mask, out);
			at += word;
		} else if (starts && (at == text || at[-1] != ':') && is_mac(at)) {
			fputs(mask_address(masks, at, MAC_LEN), out);
			at += MAC_LEN;
		} else if (starts && (len = ipv4_len(at))) {
			fputs(mask_address(masks, at, len), out);
			at += len;
		} else {
			fputc(*at++, out);
		}
	}
}

/* The masked text, the caller's to free; NULL without memory. */
static char *masked(struct masks *masks, const char *text, size_t *ret_len)
{
	char *result = NULL;
	FILE *out = open_memstream(&result, ret_len);
	if (!out)
		return NULL;
	mask_text(masks, text, out);
	if (fclose(out)) {
		free(result);
		return NULL;
	}
	return result;
}

static int put_masked(struct masks *masks, const struct td_doctor_node *node, struct td_doctor_store *ret_masked)
{
	size_t path_len, len = node->len_bytes;
	bool binary = !fnmatch("/sys/bus/pci/devices/*/config", node->path, FNM_PATHNAME);
	td_auto_free char *path = masked(masks, node->path, &path_len);
	td_auto_free char *text = binary || !node->data ? NULL : masked(masks, node->data, &len);
	if (!path || (!text && !binary && node->data))
		return -ENOMEM;
	return td_doctor_store_put(ret_masked, path, node->kind, text ? text : node->data, len);
}

int td_doctor_record_mask(const struct td_doctor_store *store, const char *host_name, struct td_doctor_store *ret_masked)
{
	struct masks masks = {.host_name = host_name};
	int r = 0;
	td_doctor_store_children(store, "/sys/class/net", add_interface, &masks);
	td_doctor_store_children(store, "/etc/network/interfaces.d", add_file, &masks);
	for (size_t i = 0; !r && i < store->count; i++)
		r = put_masked(&masks, store->node[i], ret_masked);
	free(masks.name);
	if (!r && masks.failed)
		r = -ENOMEM;
	if (r)
		td_doctor_store_fini(ret_masked);
	return r;
}

int td_doctor_record_save(const struct td_doctor_store *store, const char *target, struct td_err *err)
{
	struct utsname name;
	struct td_doctor_store copy = {0};
	if (uname(&name) < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "uname");
	name.nodename[strcspn(name.nodename, ".")] = '\0';
	int r = td_doctor_record_mask(store, name.nodename, &copy);
	if (r)
		return td_err_sys(err, -r, TD_REASON_NO_MEMORY, "%s", target);
	r = td_doctor_store_save(&copy, target, err);
	td_doctor_store_fini(&copy);
	return r;
}
