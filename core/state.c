/* SPDX-License-Identifier: Apache-2.0 */
/* state.c - see state.h. */
#include "core/state.h"

#include <errno.h>
#include <string.h>

/* ---- tables ---- */

static int bad_field(const struct td_state_table *table, const struct td_state_field *field, const char *what, struct td_err *err)
{
	return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "state %s: field %s: %s", table->name, field->name, what);
}

static int check_field(const struct td_state_table *table, const struct td_state_field *field, struct td_err *err)
{
	size_t size = field->size;

	if (!td_range_ok(field->offset, size * field->count, table->size_bytes))
		return bad_field(table, field, "is not inside the struct", err);
	if (field->kind == TD_STATE_UINT && size != 1 && size != 2 && size != 4 && size != 8)
		return bad_field(table, field, "is no number", err);
	if (field->kind == TD_STATE_BOOL && size != sizeof(bool))
		return bad_field(table, field, "is no bool", err);
	if (field->kind == TD_STATE_SKIP && !field->why)
		return bad_field(table, field, "is skipped without a reason", err);
	if (field->kind != TD_STATE_TABLE)
		return 0;
	if (!field->table || field->table->size_bytes != size)
		return bad_field(table, field, "is of another size than its table", err);
	return td_state_check(field->table, err);
}

static unsigned declared(const struct td_state_table *table, size_t at)
{
	unsigned times = 0;

	for (unsigned i = 0; i < table->field_count; i++)
		times += at >= table->field[i].offset && at - table->field[i].offset < table->field[i].size * table->field[i].count;
	return times;
}

int td_state_check(const struct td_state_table *table, struct td_err *err)
{
	if (!table->name[0] || strlen(table->name) >= TD_STATE_NAME_BYTES)
		return td_err_set(
			err, EINVAL, TD_REASON_INTERNAL, "state %s: a name of up to %u characters", table->name, TD_STATE_NAME_BYTES - 1);
	for (unsigned i = 0; i < table->field_count; i++) {
		int rc = check_field(table, &table->field[i], err);

		if (rc)
			return rc;
	}
	for (size_t at = 0; at < table->size_bytes; at++) {
		unsigned times = declared(table, at);

		if (times != 1)
			return td_err_set(
				err, EINVAL, TD_REASON_INTERNAL, "state %s: byte %zu is declared %u times", table->name, at, times);
	}
	return 0;
}

static size_t payload_bytes(const struct td_state_table *table)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < table->field_count; i++) {
		const struct td_state_field *field = &table->field[i];

		if (field->kind == TD_STATE_TABLE)
			bytes += payload_bytes(field->table) * field->count;
		else if (field->kind != TD_STATE_SKIP)
			bytes += field->size * field->count;
	}
	return bytes;
}

size_t td_state_bytes(const struct td_state_table *table)
{
	return TD_STATE_HEADER_BYTES + payload_bytes(table);
}

/* ---- numbers: host order to little-endian and back ---- */

static void put_number(uint8_t *to, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_number(const uint8_t *from, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)from[i] << (8 * i);
	return value;
}

static uint64_t load_host(const void *at, size_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 8:
		memcpy(&u64, at, sizeof(u64));
		return u64;
	case 4:
		memcpy(&u32, at, sizeof(u32));
		return u32;
	case 2:
		memcpy(&u16, at, sizeof(u16));
		return u16;
	default:
		return *(const uint8_t *)at;
	}
}

static void store_host(void *at, uint64_t value, size_t size)
{
	uint32_t u32 = (uint32_t)value;
	uint16_t u16 = (uint16_t)value;

	switch (size) {
	case 8:
		memcpy(at, &value, sizeof(value));
		break;
	case 4:
		memcpy(at, &u32, sizeof(u32));
		break;
	case 2:
		memcpy(at, &u16, sizeof(u16));
		break;
	default:
		*(uint8_t *)at = (uint8_t)value;
	}
}

/* ---- save ---- */

static uint8_t *save_fields(const struct td_state_table *table, const uint8_t *object, uint8_t *to);

static uint8_t *save_element(const struct td_state_field *field, const uint8_t *from, uint8_t *to)
{
	switch (field->kind) {
	case TD_STATE_UINT:
		put_number(to, load_host(from, field->size), field->size);
		break;
	case TD_STATE_BOOL:
		*to = *(const bool *)from;
		break;
	case TD_STATE_BYTES:
		memcpy(to, from, field->size);
		break;
	case TD_STATE_TABLE:
		return save_fields(field->table, from, to);
	case TD_STATE_SKIP:
		return to;
	}
	return to + field->size;
}

static uint8_t *save_fields(const struct td_state_table *table, const uint8_t *object, uint8_t *to)
{
	for (unsigned i = 0; i < table->field_count; i++) {
		const struct td_state_field *field = &table->field[i];

		for (size_t n = 0; n < field->count; n++)
			to = save_element(field, object + field->offset + n * field->size, to);
	}
	return to;
}

void td_state_save(const struct td_state_table *table, const void *object, uint8_t *to)
{
	memset(to, 0, TD_STATE_NAME_BYTES);
	memcpy(to, table->name, strlen(table->name));
	put_number(to + TD_STATE_NAME_BYTES, table->version, 4);
	put_number(to + TD_STATE_NAME_BYTES + 4, payload_bytes(table), 4);
	save_fields(table, object, to + TD_STATE_HEADER_BYTES);
}

/* ---- load ---- */

static const uint8_t *load_fields(const struct td_state_table *table, uint8_t *object, const uint8_t *from);

/* What follows it, or NULL. */
static const uint8_t *load_element(const struct td_state_field *field, uint8_t *to, const uint8_t *from)
{
	switch (field->kind) {
	case TD_STATE_UINT:
		store_host(to, get_number(from, field->size), field->size);
		break;
	case TD_STATE_BOOL:
		if (*from > 1)
			return NULL;
		*(bool *)to = *from;
		break;
	case TD_STATE_BYTES:
		memcpy(to, from, field->size);
		break;
	case TD_STATE_TABLE:
		return load_fields(field->table, to, from);
	case TD_STATE_SKIP:
		return from;
	}
	return from + field->size;
}

static const uint8_t *load_fields(const struct td_state_table *table, uint8_t *object, const uint8_t *from)
{
	for (unsigned i = 0; from && i < table->field_count; i++) {
		const struct td_state_field *field = &table->field[i];

		for (size_t n = 0; from && n < field->count; n++)
			from = load_element(field, object + field->offset + n * field->size, from);
	}
	return from;
}

static int refuse(const struct td_state_table *table, const char *what, struct td_err *err)
{
	return td_err_set(err, EINVAL, TD_REASON_DEVICE_STATE, "state %s: %s", table->name, what);
}

int td_state_load(const struct td_state_table *table, void *object, const uint8_t *from, size_t len_bytes, struct td_err *err)
{
	char name[TD_STATE_NAME_BYTES] = {0};
	uint64_t version, payload;

	if (len_bytes < TD_STATE_HEADER_BYTES)
		return refuse(table, "is shorter than its header", err);
	memcpy(name, table->name, strlen(table->name));
	if (memcmp(from, name, sizeof(name)) != 0)
		return refuse(table, "is another device's", err);
	version = get_number(from + TD_STATE_NAME_BYTES, 4);
	payload = get_number(from + TD_STATE_NAME_BYTES + 4, 4);
	if (version != table->version)
		return td_err_set(err, EINVAL, TD_REASON_DEVICE_STATE, "state %s: is of version %u, not %u", table->name, (unsigned)version,
			table->version);
	if (payload != payload_bytes(table) || len_bytes != TD_STATE_HEADER_BYTES + payload)
		return refuse(table, "is of another length than its version has", err);
	memset(object, 0, table->size_bytes);
	return load_fields(table, object, from + TD_STATE_HEADER_BYTES) ? 0 : refuse(table, "holds a bool that is neither", err);
}
