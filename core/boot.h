/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot.h - puts a kernel into guest RAM: Linux bzImage (64-bit boot protocol, Documentation/arch/x86/boot.rst), ELF with a PVH note
 * (Xen docs/misc/pvh.pandoc: XEN_ELFNOTE_PHYS32_ENTRY), Multiboot v1. Which of the three is seen from the file itself.
 * Kernel files are untrusted input: every length and offset is checked.
 */
#ifndef TD_CORE_BOOT_H
#define TD_CORE_BOOT_H

#include "core/base.h"
#include "core/err.h"
#include "core/mem.h"

/* Where things stand in low guest memory. */
#define TD_BOOT_GDT	    0x500ULL
#define TD_BOOT_PARAMS	    0x7000ULL /* struct boot_params, hvm_start_info or multiboot_info */
#define TD_BOOT_PAGES	    0x9000ULL /* PML4, PDPT, 4 page directories: identity map of 4 GiB */
#define TD_BOOT_CMDLINE	    0x20000ULL
#define TD_BOOT_CMDLINE_MAX 2048U
#define TD_BOOT_ACPI	    0xe0000ULL /* RSDP first, then the tables: up to 1 MiB */
#define TD_BOOT_ACPI_MAX    0x20000ULL

struct td_boot_config {
	const char *kernel;  /* path */
	const char *initrd;  /* path, or NULL; with Multiboot: the first module */
	const char *cmdline; /* or NULL */
};

enum td_boot_mode { TD_BOOT_LONG64, TD_BOOT_PROTECTED32 };

/* How vCPU 0 starts. 64: long mode, flat segments, paging on, rsi = boot_params. 32: protected mode, flat, paging off, eax and ebx given.
 */
struct td_boot_entry {
	enum td_boot_mode mode;
	uint64_t rip, rsi, rax, rbx, cr3;
};

/* -ENOEXEC: no kernel that we know; -E2BIG: does not fit the guest's memory, initrd included: NO_MEMORY, with the number needed. */
int td_boot_load(const struct td_boot_config *config, const struct td_mem *mem, struct td_boot_entry *ret_entry, struct td_err *err);

#endif
