/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state.h - guest-visible device state as bytes that outlive the process: one table of fields for each struct, with a name and a version.
 * A struct whose table is complete (td_state_check) is saved and loaded without a line of code about any one field.
 *
 * Stream: the table's name (32 bytes, padded with zeros), its version and the length of what follows (32 bits each), then the fields in the
 * table's order, without gaps, little-endian. A table inside a table adds no header. The stream is hostile input: a device loads it into
 * a struct of its own, looks at what stands there, and only then makes it its state.
 */
#ifndef TD_CORE_STATE_H
#define TD_CORE_STATE_H

#include "core/base.h"
#include "core/err.h"

#define TD_STATE_NAME_BYTES   32U
#define TD_STATE_HEADER_BYTES (TD_STATE_NAME_BYTES + 8U)

enum td_state_kind {
	TD_STATE_UINT, /* 1, 2, 4 or 8 bytes */
	TD_STATE_BOOL, /* one byte, 0 or 1 */
	TD_STATE_BYTES,
	TD_STATE_TABLE,
	TD_STATE_SKIP, /* not in the stream, zero after loading; `why` says why */
};

struct td_state_table;

struct td_state_field {
	const char *name;
	enum td_state_kind kind;
	size_t offset, size, count; /* size: of one element */
	const struct td_state_table *table;
	const char *why;
};

struct td_state_table {
	const char *name; /* "vf82576"; shorter than TD_STATE_NAME_BYTES */
	uint32_t version;
	size_t size_bytes; /* of the struct */
	const struct td_state_field *field;
	unsigned field_count;
};

#define TD_STATE_SIZE_(type, member) sizeof(((type *)0)->member)

/* Fields of `type`; arrays of unsigned numbers, bools or structs by the _ARRAY ones. */
#define TD_STATE_FIELD(type, member)                                                                        \
	{                                                                                                   \
#member, TD_STATE_UINT, offsetof(type, member), TD_STATE_SIZE_(type, member), 1, NULL, NULL \
	}
#define TD_STATE_FIELD_ARRAY(type, member)                                                         \
	{                                                                                          \
#member, TD_STATE_UINT, offsetof(type, member), TD_STATE_SIZE_(type, member[0]),   \
			TD_STATE_SIZE_(type, member) / TD_STATE_SIZE_(type, member[0]), NULL, NULL \
	}
#define TD_STATE_FIELD_BOOL(type, member)                                                                   \
	{                                                                                                   \
#member, TD_STATE_BOOL, offsetof(type, member), TD_STATE_SIZE_(type, member), 1, NULL, NULL \
	}
#define TD_STATE_FIELD_BYTES(type, member)                                                                   \
	{                                                                                                    \
#member, TD_STATE_BYTES, offsetof(type, member), TD_STATE_SIZE_(type, member), 1, NULL, NULL \
	}
#define TD_STATE_FIELD_TABLE(type, member, sub)                                                             \
	{                                                                                                   \
#member, TD_STATE_TABLE, offsetof(type, member), TD_STATE_SIZE_(type, member), 1, sub, NULL \
	}
#define TD_STATE_FIELD_TABLES(type, member, sub)                                                  \
	{                                                                                         \
#member, TD_STATE_TABLE, offsetof(type, member), TD_STATE_SIZE_(type, member[0]), \
			TD_STATE_SIZE_(type, member) / TD_STATE_SIZE_(type, member[0]), sub, NULL \
	}
#define TD_STATE_FIELD_SKIP(type, member, why)                                                             \
	{                                                                                                  \
#member, TD_STATE_SKIP, offsetof(type, member), TD_STATE_SIZE_(type, member), 1, NULL, why \
	}
/* The bytes that the compiler puts behind a member, up to the next one, or to the struct's end. */
#define TD_STATE_END_(type, member) (offsetof(type, member) + TD_STATE_SIZE_(type, member))
#define TD_STATE_PAD(type, member, next)                                                                                            \
	{                                                                                                                           \
		"padding", TD_STATE_SKIP, TD_STATE_END_(type, member), offsetof(type, next) - TD_STATE_END_(type, member), 1, NULL, \
			"padding"                                                                                                   \
	}
#define TD_STATE_PAD_END(type, member)                                                                                                \
	{                                                                                                                             \
		"padding", TD_STATE_SKIP, TD_STATE_END_(type, member), sizeof(type) - TD_STATE_END_(type, member), 1, NULL, "padding" \
	}

/* Is each byte of the struct declared exactly once, and each field one that can be? For tests; -EINVAL, with the byte's place in *err. */
int td_state_check(const struct td_state_table *table, struct td_err *err);

/* Length of the stream, header included. */
size_t td_state_bytes(const struct td_state_table *table);
/* Writes exactly that much. */
void td_state_save(const struct td_state_table *table, const void *object, uint8_t *to);
/*
 * Fills *object, of the table's size, all of it. -EINVAL with TD_REASON_DEVICE_STATE: another name, version or length, or a byte that no
 * field can have; *object is undefined then.
 */
int td_state_load(const struct td_state_table *table, void *object, const uint8_t *from, size_t len_bytes, struct td_err *err);

#endif
