/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml.c - see aml.h: the terms of the language. Resource descriptors are in aml_res.c.
 */
#include "core/aml.h"

#include <stdlib.h>
#include <string.h>

#define EXT_PREFIX 0x5b

static bool reserve(struct td_aml *aml, size_t more)
{
	size_t room = TD_MAX(aml->room, (size_t)256);
	uint8_t *data;

	if (aml->failed || more <= aml->room - aml->len)
		return !aml->failed;
	while (room - aml->len < more)
		room *= 2;
	data = realloc(aml->data, room);
	if (!data) {
		aml->failed = true;
		return false;
	}
	aml->data = data;
	aml->room = room;
	return true;
}

void td_aml_fini(struct td_aml *aml)
{
	free(aml->data);
	*aml = (struct td_aml){0};
}

void td_aml_bytes(struct td_aml *aml, const void *data, size_t len_bytes)
{
	if (len_bytes == 0 || !reserve(aml, len_bytes))
		return;
	memcpy(aml->data + aml->len, data, len_bytes);
	aml->len += len_bytes;
}

static void byte(struct td_aml *aml, unsigned value)
{
	uint8_t b = (uint8_t)value;

	td_aml_bytes(aml, &b, 1);
}

void td_aml_op(struct td_aml *aml, enum td_aml_op op)
{
	byte(aml, op);
}

void td_aml_int(struct td_aml *aml, uint64_t value)
{
	unsigned bytes = value <= 0xff ? 1 : value <= 0xffff ? 2 : value <= 0xffffffff ? 4 : 8;

	if (value <= 1) { /* ZeroOp, OneOp */
		byte(aml, (unsigned)value);
		return;
	}
	byte(aml, bytes == 1 ? 0x0a : bytes == 2 ? 0x0b : bytes == 4 ? 0x0c : 0x0e);
	for (unsigned i = 0; i < bytes; i++)
		byte(aml, (unsigned)(value >> (8 * i)) & 0xff);
}

void td_aml_ref(struct td_aml *aml, const char *name)
{
	size_t segments;

	if (*name == '\\') {
		byte(aml, '\\');
		name++;
	}
	segments = (strlen(name) + 1) / 5;
	if (segments == 2) {
		byte(aml, 0x2e);
	} else if (segments > 2) {
		byte(aml, 0x2f);
		byte(aml, (unsigned)segments);
	}
	for (size_t i = 0; i < segments; i++)
		td_aml_bytes(aml, name + 5 * i, 4);
}

/* A body starts behind its opcode; its length is put there by td_aml_close(), when it is known. */
static size_t open_body(struct td_aml *aml, unsigned op, bool extended)
{
	if (extended)
		byte(aml, EXT_PREFIX);
	byte(aml, op);
	return aml->len;
}

void td_aml_close(struct td_aml *aml, size_t body)
{
	size_t len = aml->failed ? 0 : aml->len - body, extra = len + 1 <= 0x3f ? 0 : len + 2 <= 0xfff ? 1 : len + 3 <= 0xfffff ? 2 : 3;
	size_t total = len + 1 + extra; /* PkgLength counts itself (§20.2.4) */
	uint8_t coded[4];

	if (!reserve(aml, 1 + extra))
		return;
	coded[0] = (uint8_t)(extra == 0 ? total : extra << 6 | (total & 0xf));
	for (size_t i = 1; i <= extra; i++)
		coded[i] = (uint8_t)(total >> (8 * i - 4));
	memmove(aml->data + body + 1 + extra, aml->data + body, len);
	memcpy(aml->data + body, coded, 1 + extra);
	aml->len += 1 + extra;
}

size_t td_aml_scope(struct td_aml *aml, const char *name)
{
	size_t body = open_body(aml, 0x10, false);

	td_aml_ref(aml, name);
	return body;
}

size_t td_aml_device(struct td_aml *aml, const char *name)
{
	size_t body = open_body(aml, 0x82, true);

	td_aml_ref(aml, name);
	return body;
}

size_t td_aml_method(struct td_aml *aml, const char *name, unsigned arg_count, bool serialized)
{
	size_t body = open_body(aml, 0x14, false);

	td_aml_ref(aml, name);
	byte(aml, arg_count | (serialized ? 0x08 : 0));
	return body;
}

size_t td_aml_if(struct td_aml *aml)
{
	return open_body(aml, 0xa0, false);
}

size_t td_aml_else(struct td_aml *aml)
{
	return open_body(aml, 0xa1, false);
}

static void name_op(struct td_aml *aml, const char *name)
{
	byte(aml, 0x08);
	td_aml_ref(aml, name);
}

void td_aml_name_int(struct td_aml *aml, const char *name, uint64_t value)
{
	name_op(aml, name);
	td_aml_int(aml, value);
}

/* §19.3.4: three letters of five bits, four hexadecimal digits, as a big-endian dword. */
void td_aml_name_eisa(struct td_aml *aml, const char *name, const char *id)
{
	unsigned letters = (unsigned)(id[0] - 0x40) << 10 | (unsigned)(id[1] - 0x40) << 5 | (unsigned)(id[2] - 0x40);
	uint32_t code = letters << 16 | (uint32_t)strtoul(id + 3, NULL, 16);

	name_op(aml, name);
	byte(aml, 0x0c);
	for (int shift = 24; shift >= 0; shift -= 8)
		byte(aml, code >> shift & 0xff);
}

void td_aml_name_string(struct td_aml *aml, const char *name, const char *text)
{
	name_op(aml, name);
	byte(aml, 0x0d);
	td_aml_bytes(aml, text, strlen(text) + 1);
}

void td_aml_name_package(struct td_aml *aml, const char *name, const uint8_t *value, uint8_t count)
{
	size_t body;

	name_op(aml, name);
	body = open_body(aml, 0x12, false);
	byte(aml, count);
	for (unsigned i = 0; i < count; i++)
		td_aml_int(aml, value[i]);
	td_aml_close(aml, body);
}

void td_aml_buffer(struct td_aml *aml, const void *data, size_t len_bytes)
{
	size_t body = open_body(aml, 0x11, false);

	td_aml_int(aml, len_bytes);
	td_aml_bytes(aml, data, len_bytes);
	td_aml_close(aml, body);
}

void td_aml_io_region(struct td_aml *aml, const char *name, uint16_t port, uint8_t len_bytes)
{
	byte(aml, EXT_PREFIX);
	byte(aml, 0x80);
	td_aml_ref(aml, name);
	byte(aml, 0x01); /* SystemIO */
	td_aml_int(aml, port);
	td_aml_int(aml, len_bytes);
}

void td_aml_dword_fields(struct td_aml *aml, const char *region, const char *const *name, unsigned count)
{
	size_t body = open_body(aml, 0x81, true);

	td_aml_ref(aml, region);
	byte(aml, 0x43); /* DWordAcc, NoLock, WriteAsZeros: a write never reads first */
	for (unsigned i = 0; i < count; i++) {
		td_aml_ref(aml, name[i]);
		byte(aml, 0x40 | (32 & 0xf)); /* 32 bits, coded as a PkgLength */
		byte(aml, 32 >> 4);
	}
	td_aml_close(aml, body);
}
