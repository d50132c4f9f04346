/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml.h - writes ACPI machine language (ACPI 6.4 §20.2) into a growing buffer. Just what acpi_dsdt.c needs, no more: no parser, no check of
 * the program's sense. Out of memory is remembered in `failed` and asked for once, at the end.
 */
#ifndef TD_CORE_AML_H
#define TD_CORE_AML_H

#include "core/base.h"

struct td_aml {
	uint8_t *data; /* owned */
	size_t len, room;
	bool failed;
};

enum td_aml_op {
	TD_AML_LOCAL0 = 0x60,
	TD_AML_LOCAL1 = 0x61,
	TD_AML_ARG0 = 0x68,
	TD_AML_ARG1 = 0x69,
	TD_AML_ARG2 = 0x6a,
	TD_AML_ARG3 = 0x6b,
	TD_AML_STORE = 0x70,	  /* value, target */
	TD_AML_AND = 0x7b,	  /* a, b, target */
	TD_AML_SHIFT_LEFT = 0x79, /* value, bits, target */
	TD_AML_OR = 0x7d,	  /* a, b, target */
	TD_AML_NO_TARGET = 0x00,
	TD_AML_NOTIFY = 0x86,	   /* object, value */
	TD_AML_DWORD_FIELD = 0x8a, /* buffer, byte index, name */
	TD_AML_LAND = 0x90,	   /* a, b */
	TD_AML_NOT = 0x92,	   /* a */
	TD_AML_EQUAL = 0x93,	   /* a, b */
	TD_AML_LESS = 0x95,	   /* a, b */
	TD_AML_RETURN = 0xa4,	   /* value */
};

void td_aml_fini(struct td_aml *aml);

/* Terms. Names: "\\_SB_.PCI0" or "CDW1", segments of four characters each. */
void td_aml_op(struct td_aml *aml, enum td_aml_op op);
void td_aml_int(struct td_aml *aml, uint64_t value);
void td_aml_ref(struct td_aml *aml, const char *name);
void td_aml_bytes(struct td_aml *aml, const void *data, size_t len_bytes);

/* Terms with a body: what is written between one of these and td_aml_close() of its result stands inside. */
size_t td_aml_scope(struct td_aml *aml, const char *name);
size_t td_aml_device(struct td_aml *aml, const char *name);
size_t td_aml_method(struct td_aml *aml, const char *name, unsigned arg_count, bool serialized);
size_t td_aml_if(struct td_aml *aml);
size_t td_aml_else(struct td_aml *aml);
void td_aml_close(struct td_aml *aml, size_t body);

/* Named objects. */
void td_aml_name_int(struct td_aml *aml, const char *name, uint64_t value);
void td_aml_name_eisa(struct td_aml *aml, const char *name, const char *id); /* "PNP0A08" */
void td_aml_name_string(struct td_aml *aml, const char *name, const char *text);
void td_aml_name_package(struct td_aml *aml, const char *name, const uint8_t *value, uint8_t count); /* of small integers */
void td_aml_buffer(struct td_aml *aml, const void *data, size_t len_bytes);
/* A system IO region, and count dword fields that lie in it one behind the other. */
void td_aml_io_region(struct td_aml *aml, const char *name, uint16_t port, uint8_t len_bytes);
void td_aml_dword_fields(struct td_aml *aml, const char *region, const char *const *name, unsigned count);

/* Resource descriptors (§6.4), written into a buffer of their own; td_aml_name_resources() adds the end tag and makes the object. */
void td_aml_res_io(struct td_aml *res, uint16_t port, uint8_t len_bytes);
void td_aml_res_irq(struct td_aml *res, unsigned irq); /* edge, high, as ISA has them */
void td_aml_res_interrupt_level(struct td_aml *res, uint32_t gsi);
void td_aml_res_mem32(struct td_aml *res, uint32_t base, uint32_t len_bytes);
void td_aml_res_bus(struct td_aml *res, uint16_t first, uint16_t last);
/* Windows that a bridge forwards. */
void td_aml_res_window_io(struct td_aml *res, uint16_t base, uint32_t len_bytes);
void td_aml_res_window_mem32(struct td_aml *res, uint32_t base, uint32_t len_bytes);
void td_aml_res_window_mem64(struct td_aml *res, uint64_t base, uint64_t len_bytes);
void td_aml_name_resources(struct td_aml *aml, const char *name, struct td_aml *res); /* frees *res */

#endif
