/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_multiboot.c - Multiboot v1 kernels (Multiboot Specification 0.6.96): load addresses from the header or from ELF. No video modes, no
 * symbol tables, no drives.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/boot_formats.h"

#define HEADER_MAGIC 0x1badb002U
#define LOADER_MAGIC 0x2badb002U
#define FLAG_UNKNOWN 0x0000fff8U /* bits 3..15: must be understood, and there is nothing to understand yet */
#define FLAG_KLUDGE  0x00010000U /* load addresses are in the header */

#define INFO_MEMORY  (1U << 0)
#define INFO_CMDLINE (1U << 2)
#define INFO_MODULES (1U << 3)
#define INFO_MMAP    (1U << 6)
#define INFO_LOADER  (1U << 9)

struct header {
	uint32_t magic, flags, checksum;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* with FLAG_KLUDGE */
};

#define HEADER_SHORT offsetof(struct header, header_addr)

struct info {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr, drives_length,
		drives_addr, config_table, boot_loader_name, apm_table, vbe[4];
};

struct module {
	uint32_t start, end, string, reserved;
};

struct __attribute__((packed)) mmap_entry {
	uint32_t size; /* of what follows */
	uint64_t addr, len;
	uint32_t type;
};

/* As it stands at TD_BOOT_PARAMS. */
struct block {
	struct info info;
	struct module module;
	struct mmap_entry map[TD_BOOT_RANGES_MAX];
	char loader[16];
	char module_string[256];
};

static_assert(sizeof(struct block) <= TD_BOOT_PAGES - TD_BOOT_PARAMS, "the information fits below the page tables");

/* Finds the header; *ret_offset is where it stands in the file. */
static bool find_header(const struct td_boot *boot, struct header *ret_header, uint64_t *ret_offset)
{
	struct header header;

	for (size_t at = 0; at + HEADER_SHORT <= boot->head_bytes; at += 4) {
		size_t len = TD_MIN(sizeof(header), boot->head_bytes - at);

		memset(&header, 0, sizeof(header));
		memcpy(&header, boot->head + at, len);
		if (header.magic != HEADER_MAGIC || header.magic + header.flags + header.checksum != 0)
			continue;
		if ((header.flags & FLAG_KLUDGE) && len < sizeof(header))
			continue;
		*ret_header = header;
		*ret_offset = at;
		return true;
	}
	return false;
}

bool td_boot_multiboot_is(const struct td_boot *boot)
{
	struct header header;
	uint64_t offset;

	return find_header(boot, &header, &offset);
}

/* "a.out kludge": the header says which part of the file goes where. load_end_addr 0: all of it; bss_end_addr 0: no bss. */
static int load_kludge(struct td_boot *boot, const struct header *header, uint64_t header_offset, struct td_err *err)
{
	uint64_t before = header->header_addr - header->load_addr;
	uint64_t offset, len, end;
	int r;

	if (header->load_addr > header->header_addr || before > header_offset)
		return td_boot_refuse(boot, ENOEXEC, err, "Multiboot load address %#x does not fit the header's place", header->load_addr);
	offset = header_offset - before;
	len = boot->kernel.size_bytes - offset;
	if (header->load_end_addr) {
		if (header->load_end_addr < header->load_addr || header->load_end_addr - header->load_addr > len)
			return td_boot_refuse(boot, ENOEXEC, err, "Multiboot load end %#x is not in the file", header->load_end_addr);
		len = header->load_end_addr - header->load_addr;
	}
	end = TD_MAX(header->load_addr + len, (uint64_t)header->bss_end_addr);
	if (!td_boot_range_free(boot, header->load_addr, end - header->load_addr)) {
		if (header->load_addr >= TD_BOOT_HIGH)
			return td_boot_too_big(boot, end, err);
		return td_boot_refuse(
			boot, ENOEXEC, err, "Multiboot load address %#x collides with low memory that the VMM uses", header->load_addr);
	}
	r = td_boot_read_guest(boot, &boot->kernel, offset, header->load_addr, len, err);
	if (r < 0)
		return r;
	td_boot_zero_guest(boot, header->load_addr + len, end - (header->load_addr + len));
	boot->kernel_end = end;
	return 0;
}

static int load_image(struct td_boot *boot, uint64_t *ret_entry, struct td_err *err)
{
	struct td_boot_elf elf;
	struct header header;
	uint64_t offset;
	int r;

	if (!find_header(boot, &header, &offset))
		return td_boot_refuse(boot, ENOEXEC, err, "no Multiboot header");
	if (header.flags & FLAG_UNKNOWN)
		return td_boot_refuse(boot, ENOEXEC, err, "Multiboot header wants unknown features: flags %#x", header.flags);
	if (header.flags & FLAG_KLUDGE) {
		*ret_entry = header.entry_addr;
		return load_kludge(boot, &header, offset, err);
	}
	if (!td_boot_elf_is(boot))
		return td_boot_refuse(boot, ENOEXEC, err, "Multiboot header without load addresses in a file that is not ELF");
	r = td_boot_elf_segments(boot, &elf, err);
	if (r < 0)
		return r;
	if (elf.entry > UINT32_MAX)
		return td_boot_refuse(boot, ENOEXEC, err, "Multiboot entry above 4 GiB");
	*ret_entry = elf.entry;
	return 0;
}

/* Right behind the kernel, as boot loaders do: kernels map little memory at first. */
static int load_module(const struct td_boot *boot, struct block *block, struct td_err *err)
{
	uint64_t start = td_align_up(boot->kernel_end, TD_PAGE);
	int r;

	if (!td_boot_range_free(boot, start, boot->initrd.size_bytes))
		start = td_align_up(TD_MAX(boot->kernel_end, TD_BOOT_HIGH), TD_PAGE);
	if (!td_boot_range_free(boot, start, boot->initrd.size_bytes))
		return td_boot_too_big(boot, start, err);
	r = td_boot_read_guest(boot, &boot->initrd, 0, start, boot->initrd.size_bytes, err);
	if (r < 0)
		return r;
	snprintf(block->module_string, sizeof(block->module_string), "%s", boot->initrd.path);
	block->module = (struct module){.start = (uint32_t)start,
		.end = (uint32_t)(start + boot->initrd.size_bytes),
		.string = (uint32_t)(TD_BOOT_PARAMS + offsetof(struct block, module_string))};
	block->info.flags |= INFO_MODULES;
	block->info.mods_count = 1;
	block->info.mods_addr = (uint32_t)(TD_BOOT_PARAMS + offsetof(struct block, module));
	return 0;
}

/* "KERNEL CMDLINE": boot loaders put the image's name first, and kernels skip it. */
static int write_cmdline(const struct td_boot *boot, struct td_err *err)
{
	char text[TD_BOOT_CMDLINE_MAX + 1];
	const char *cmdline = boot->config->cmdline ? boot->config->cmdline : "";

	snprintf(text, sizeof(text), "%s%s%s", boot->kernel.path, *cmdline ? " " : "", cmdline);
	return td_boot_write_string(boot, text, TD_BOOT_CMDLINE, TD_BOOT_CMDLINE_MAX, err);
}

static void fill_info(const struct td_boot *boot, struct block *block)
{
	struct td_boot_range range[TD_BOOT_RANGES_MAX];
	unsigned count = td_boot_ranges(boot->mem, range);

	for (unsigned i = 0; i < count; i++)
		block->map[i] = (struct mmap_entry){.size = sizeof(block->map[i]) - sizeof(block->map[i].size),
			.addr = range[i].start,
			.len = range[i].len,
			.type = range[i].type};
	block->info.flags |= INFO_MEMORY | INFO_CMDLINE | INFO_MMAP | INFO_LOADER;
	block->info.mem_lower = 640;
	block->info.mem_upper = boot->low_end > TD_BOOT_HIGH ? (uint32_t)((boot->low_end - TD_BOOT_HIGH) / TD_KIB) : 0;
	block->info.cmdline = (uint32_t)TD_BOOT_CMDLINE;
	block->info.mmap_addr = (uint32_t)(TD_BOOT_PARAMS + offsetof(struct block, map));
	block->info.mmap_length = count * (uint32_t)sizeof(block->map[0]);
	block->info.boot_loader_name = (uint32_t)(TD_BOOT_PARAMS + offsetof(struct block, loader));
	snprintf(block->loader, sizeof(block->loader), "tandem");
}

int td_boot_multiboot_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err)
{
	struct block block = {0};
	uint64_t start = 0;
	int r;

	r = load_image(boot, &start, err);
	if (r == 0)
		r = write_cmdline(boot, err);
	if (r == 0 && boot->config->initrd)
		r = load_module(boot, &block, err);
	if (r < 0)
		return r;
	fill_info(boot, &block);
	if (!td_mem_write(boot->mem, TD_GPA(TD_BOOT_PARAMS), &block, sizeof(block)))
		return td_boot_too_big(boot, TD_BOOT_HIGH, err);
	*entry = (struct td_boot_entry){.mode = TD_BOOT_PROTECTED32, .rip = start, .rax = LOADER_MAGIC, .rbx = TD_BOOT_PARAMS};
	return 0;
}
