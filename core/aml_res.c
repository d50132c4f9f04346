/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aml_res.c - resource descriptors (ACPI 6.4 §6.4): what a device decodes, and what a bridge forwards.
 */
#include <string.h>

#include "core/aml.h"

#define WINDOW_FLAGS 0x0c /* producer, positive decode, both ends fixed */

static void put(struct td_aml *res, uint64_t value, unsigned bytes)
{
	uint8_t le[8];

	for (unsigned i = 0; i < bytes; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	td_aml_bytes(res, le, bytes);
}

void td_aml_res_io(struct td_aml *res, uint16_t port, uint8_t len_bytes)
{
	put(res, 0x47, 1);
	put(res, 1, 1); /* decodes 16 bits */
	put(res, port, 2);
	put(res, port, 2);
	put(res, 1, 1);
	put(res, len_bytes, 1);
}

void td_aml_res_irq(struct td_aml *res, unsigned irq)
{
	put(res, 0x22, 1);
	put(res, 1U << irq, 2);
}

void td_aml_res_interrupt_level(struct td_aml *res, uint32_t gsi)
{
	put(res, 0x89, 1);
	put(res, 6, 2);
	put(res, 0x01, 1); /* consumer, level, high, exclusive */
	put(res, 1, 1);
	put(res, gsi, 4);
}

void td_aml_res_mem32(struct td_aml *res, uint32_t base, uint32_t len_bytes)
{
	put(res, 0x86, 1);
	put(res, 9, 2);
	put(res, 0, 1); /* read-only or not does not matter to anyone: it is not RAM */
	put(res, base, 4);
	put(res, len_bytes, 4);
}

/* Word, dword and qword address space descriptors differ in the width of their numbers only. */
static void window(struct td_aml *res, uint8_t tag, unsigned bytes, uint8_t type, uint8_t type_flags, uint64_t base, uint64_t len_bytes)
{
	put(res, tag, 1);
	put(res, 3 + 5 * bytes, 2);
	put(res, type, 1);
	put(res, WINDOW_FLAGS, 1);
	put(res, type_flags, 1);
	put(res, 0, bytes); /* granularity */
	put(res, base, bytes);
	put(res, base + len_bytes - 1, bytes);
	put(res, 0, bytes); /* translation */
	put(res, len_bytes, bytes);
}

void td_aml_res_bus(struct td_aml *res, uint16_t first, uint16_t last)
{
	window(res, 0x88, 2, 2, 0, first, (uint64_t)last - first + 1);
}

void td_aml_res_window_io(struct td_aml *res, uint16_t base, uint32_t len_bytes)
{
	window(res, 0x88, 2, 1, 0x03, base, len_bytes); /* the entire range, not only ISA's */
}

void td_aml_res_window_mem32(struct td_aml *res, uint32_t base, uint32_t len_bytes)
{
	window(res, 0x87, 4, 0, 0x01, base, len_bytes); /* read and write, not cacheable */
}

void td_aml_res_window_mem64(struct td_aml *res, uint64_t base, uint64_t len_bytes)
{
	window(res, 0x8a, 8, 0, 0x01, base, len_bytes);
}

void td_aml_name_resources(struct td_aml *aml, const char *name, struct td_aml *res)
{
	static const uint8_t end_tag[] = {0x79, 0x00}, name_op = 0x08;

	td_aml_bytes(res, end_tag, sizeof(end_tag));
	td_aml_bytes(aml, &name_op, 1);
	td_aml_ref(aml, name);
	td_aml_buffer(aml, res->data, res->len);
	aml->failed |= res->failed;
	td_aml_fini(res);
}
