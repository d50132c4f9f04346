/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_formats.h - what boot.c and the three kernel formats share. Private to core/boot*.c.
 *
 * Files are read by pread(2) straight into guest RAM: one copy, no mapping that could fault when the file shrinks meanwhile.
 */
#ifndef TD_CORE_BOOT_FORMATS_H
#define TD_CORE_BOOT_FORMATS_H

#include "core/base.h"
#include "core/boot.h"
#include "core/err.h"
#include "core/mem.h"

#define TD_BOOT_HEAD_BYTES 8192U /* a Multiboot header stands within it */
#define TD_BOOT_HIGH	   TD_MIB
#define TD_BOOT_RANGES_MAX 10U

struct td_boot_file {
	const char *path;
	enum td_reason reason; /* of what is wrong with it */
	int fd;		       /* owned; -1: none */
	uint64_t size_bytes;
};

/* One boot in progress. */
struct td_boot {
	const struct td_boot_config *config;
	const struct td_mem *mem;
	struct td_boot_file kernel, initrd;
	uint8_t head[TD_BOOT_HEAD_BYTES]; /* the kernel file's first bytes */
	size_t head_bytes;
	uint64_t low_end;    /* end of RAM below the MMIO hole */
	uint64_t kernel_end; /* what the kernel occupies, bss included, ends here */
};

/* Types as in e820, which PVH and Multiboot number alike. */
enum td_boot_range_type { TD_BOOT_RAM = 1, TD_BOOT_RESERVED = 2, TD_BOOT_ACPI_DATA = 3 };

struct td_boot_range {
	uint64_t start, len;
	enum td_boot_range_type type;
};

/* The memory map given to the guest, ascending. Returns the count. */
unsigned td_boot_ranges(const struct td_mem *mem, struct td_boot_range range[TD_BOOT_RANGES_MAX]);

/* Refuses, with the file's name in the text; reason KERNEL_IMAGE. Returns the negative of errnum. */
int td_boot_refuse(const struct td_boot *boot, int errnum, struct td_err *err, const char *fmt, ...) TD_PRINTF(4, 5);

/* -E2BIG, saying how much memory the guest would need: kernel_end, and the initrd behind it. */
int td_boot_too_big(const struct td_boot *boot, uint64_t kernel_end, struct td_err *err);

/* True when the guest may be given a piece of kernel at [gpa, gpa + len): RAM below the hole where nothing of ours stands. */
bool td_boot_range_free(const struct td_boot *boot, uint64_t gpa, uint64_t len);

/* Bytes of the file into a buffer, or into guest RAM (a range that td_boot_range_free() accepts). -ENOEXEC: not in the file. */
int td_boot_read(const struct td_boot_file *file, uint64_t offset, void *to, uint64_t len, struct td_err *err);
int td_boot_read_guest(
	const struct td_boot *boot, const struct td_boot_file *file, uint64_t offset, uint64_t gpa, uint64_t len, struct td_err *err);
bool td_boot_zero_guest(const struct td_boot *boot, uint64_t gpa, uint64_t len);

/* Page-aligned place for the initrd, as high as it goes with its last byte at or below `limit`, above kernel_end. *ret_gpa: where. */
int td_boot_load_initrd_high(const struct td_boot *boot, uint64_t limit, uint64_t *ret_gpa, struct td_err *err);

/* Copies a string with its NUL to gpa. -E2BIG: longer than room (NUL included). */
int td_boot_write_string(const struct td_boot *boot, const char *text, uint64_t gpa, uint64_t room, struct td_err *err);

/* The formats: `is` looks at boot->head only; `load` puts everything into RAM and sets the entry. */
bool td_boot_bzimage_is(const struct td_boot *boot);
int td_boot_bzimage_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err);
bool td_boot_elf_is(const struct td_boot *boot);
/* PVH; -ENOEXEC when the file has no PVH note. */
int td_boot_elf_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err);
bool td_boot_multiboot_is(const struct td_boot *boot);
int td_boot_multiboot_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err);

/* Loads the segments of an ELF32 or ELF64 file for x86 at their physical addresses; sets kernel_end. */
struct td_boot_elf {
	bool is64;
	uint64_t entry;	    /* physical, where a segment shows how */
	uint32_t pvh_entry; /* valid when has_pvh */
	bool has_pvh;
};
int td_boot_elf_segments(struct td_boot *boot, struct td_boot_elf *ret_elf, struct td_err *err);

#endif
