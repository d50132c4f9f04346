/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_elf.c - ELF kernels: their segments at their physical addresses (also used for Multiboot), and the PVH entry (Xen
 * docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/boot_formats.h"

#define SEGMENTS_MAX	 64U
#define NOTES_MAX_BYTES	 (64U * 1024)
#define NOTE_PHYS32	 18U /* XEN_ELFNOTE_PHYS32_ENTRY */
#define START_INFO_MAGIC 0x336ec578U

/* What we use of Elf32_Phdr and Elf64_Phdr. */
struct segment {
	uint32_t type;
	uint64_t offset, vaddr, paddr, file_bytes, mem_bytes;
};

bool td_boot_elf_is(const struct td_boot *boot)
{
	return boot->head_bytes >= sizeof(Elf32_Ehdr) && memcmp(boot->head, ELFMAG, SELFMAG) == 0;
}

struct header {
	bool is64;
	uint64_t entry, segments_offset;
	unsigned segment_count, segment_bytes;
};

static int read_header(const struct td_boot *boot, struct header *header, struct td_err *err)
{
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;

	header->is64 = boot->head[EI_CLASS] == ELFCLASS64;
	if (boot->head[EI_DATA] != ELFDATA2LSB || (!header->is64 && boot->head[EI_CLASS] != ELFCLASS32))
		return td_boot_refuse(boot, ENOEXEC, err, "ELF of an unknown class or byte order");
	if (header->is64 && boot->head_bytes < sizeof(wide))
		return td_boot_refuse(boot, ENOEXEC, err, "truncated ELF header");
	memcpy(&narrow, boot->head, sizeof(narrow));
	if (narrow.e_machine != EM_386 && narrow.e_machine != EM_X86_64)
		return td_boot_refuse(boot, ENOEXEC, err, "ELF for machine %u, not x86", narrow.e_machine);
	if (header->is64) {
		memcpy(&wide, boot->head, sizeof(wide));
		header->entry = wide.e_entry;
		header->segments_offset = wide.e_phoff;
		header->segment_count = wide.e_phnum;
		header->segment_bytes = wide.e_phentsize;
	} else {
		header->entry = narrow.e_entry;
		header->segments_offset = narrow.e_phoff;
		header->segment_count = narrow.e_phnum;
		header->segment_bytes = narrow.e_phentsize;
	}
	if (header->segment_bytes != (header->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) || header->segment_count == 0 ||
		header->segment_count > SEGMENTS_MAX)
		return td_boot_refuse(
			boot, ENOEXEC, err, "%u ELF program headers of %u bytes", header->segment_count, header->segment_bytes);
	return 0;
}

static int read_segment(
	const struct td_boot *boot, const struct header *header, unsigned index, struct segment *segment, struct td_err *err)
{
	uint64_t offset = header->segments_offset + (uint64_t)index * header->segment_bytes;
	Elf64_Phdr wide;
	Elf32_Phdr narrow;
	int r;

	if (offset < header->segments_offset)
		return td_boot_refuse(boot, ENOEXEC, err, "ELF program headers wrap");
	if (header->is64) {
		r = td_boot_read(&boot->kernel, offset, &wide, sizeof(wide), err);
		*segment = (struct segment){wide.p_type, wide.p_offset, wide.p_vaddr, wide.p_paddr, wide.p_filesz, wide.p_memsz};
		return r;
	}
	r = td_boot_read(&boot->kernel, offset, &narrow, sizeof(narrow), err);
	*segment = (struct segment){narrow.p_type, narrow.p_offset, narrow.p_vaddr, narrow.p_paddr, narrow.p_filesz, narrow.p_memsz};
	return r;
}

/* Sets kernel_end from all segments first, so that what is missing is named in full. */
static int measure_segment(struct td_boot *boot, const struct segment *segment, struct td_err *err)
{
	uint64_t end;

	if (segment->file_bytes > segment->mem_bytes)
		return td_boot_refuse(boot, ENOEXEC, err, "an ELF segment is larger in the file than in memory");
	if (__builtin_add_overflow(segment->paddr, segment->mem_bytes, &end))
		return td_boot_refuse(boot, ENOEXEC, err, "an ELF segment wraps the address space");
	if (segment->mem_bytes)
		boot->kernel_end = TD_MAX(boot->kernel_end, end);
	return 0;
}

static int load_segment(const struct td_boot *boot, const struct segment *segment, struct td_err *err)
{
	int r;

	if (segment->mem_bytes == 0)
		return 0;
	if (!td_boot_range_free(boot, segment->paddr, segment->mem_bytes))
		return td_boot_refuse(boot, ENOEXEC, err, "an ELF segment at %#llx collides with low memory that the VMM uses",
			(unsigned long long)segment->paddr);
	r = td_boot_read_guest(boot, &boot->kernel, segment->offset, segment->paddr, segment->file_bytes, err);
	if (r < 0)
		return r;
	td_boot_zero_guest(boot, segment->paddr + segment->file_bytes, segment->mem_bytes - segment->file_bytes);
	return 0;
}

/* The notes of one PT_NOTE segment: name and description are each padded to 4 bytes. */
static void scan_notes(const uint8_t *notes, uint64_t len, struct td_boot_elf *elf)
{
	Elf32_Nhdr note;

	for (uint64_t at = 0; at + sizeof(note) <= len;) {
		uint64_t name, desc, next;

		memcpy(&note, notes + at, sizeof(note));
		name = at + sizeof(note);
		desc = name + td_align_up(note.n_namesz, 4);
		next = desc + td_align_up(note.n_descsz, 4);
		if (!td_range_ok(desc, note.n_descsz, len))
			return;
		if (note.n_type == NOTE_PHYS32 && note.n_namesz == 4 && memcmp(notes + name, "Xen", 4) == 0 && note.n_descsz >= 4) {
			memcpy(&elf->pvh_entry, notes + desc, sizeof(elf->pvh_entry));
			elf->has_pvh = true;
			return;
		}
		at = next;
	}
}

static int read_notes(const struct td_boot *boot, const struct segment *segment, struct td_boot_elf *elf, struct td_err *err)
{
	uint64_t len = TD_MIN(segment->file_bytes, NOTES_MAX_BYTES);
	td_auto_free uint8_t *notes = malloc(len + 1);
	int r;

	if (!notes)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "kernel %s: no memory for its notes", boot->kernel.path);
	r = td_boot_read(&boot->kernel, segment->offset, notes, len, err);
	if (r == 0)
		scan_notes(notes, len, elf);
	return r;
}

static int measure_segments(struct td_boot *boot, const struct header *header, struct td_err *err)
{
	struct segment segment = {0};

	for (unsigned i = 0; i < header->segment_count; i++) {
		int r = read_segment(boot, header, i, &segment, err);

		if (r == 0 && segment.type == PT_LOAD)
			r = measure_segment(boot, &segment, err);
		if (r < 0)
			return r;
	}
	if (boot->kernel_end == 0)
		return td_boot_refuse(boot, ENOEXEC, err, "an ELF file without a segment to load");
	return boot->kernel_end > boot->low_end ? td_boot_too_big(boot, boot->kernel_end, err) : 0;
}

int td_boot_elf_segments(struct td_boot *boot, struct td_boot_elf *ret_elf, struct td_err *err)
{
	struct td_boot_elf elf = {0};
	struct segment segment = {0};
	struct header header = {0};
	int r = read_header(boot, &header, err);

	if (r < 0)
		return r;
	r = measure_segments(boot, &header, err);
	if (r < 0)
		return r;
	elf.is64 = header.is64;
	elf.entry = header.entry;
	for (unsigned i = 0; i < header.segment_count; i++) {
		r = read_segment(boot, &header, i, &segment, err);
		if (r == 0 && segment.type == PT_LOAD)
			r = load_segment(boot, &segment, err);
		if (r == 0 && segment.type == PT_NOTE && !elf.has_pvh)
			r = read_notes(boot, &segment, &elf, err);
		if (r < 0)
			return r;
		if (segment.type == PT_LOAD && header.entry >= segment.vaddr && header.entry - segment.vaddr < segment.mem_bytes)
			elf.entry = segment.paddr + (header.entry - segment.vaddr);
	}
	*ret_elf = elf;
	return 0;
}

/* start_info.h, version 1; all little-endian. */
struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_count, reserved;
};

struct module {
	uint64_t start, len, cmdline, reserved;
};

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

/* As it stands at TD_BOOT_PARAMS. */
struct start_block {
	struct start_info info;
	struct module module;
	struct memmap_entry map[TD_BOOT_RANGES_MAX];
};

static int write_start_info(const struct td_boot *boot, struct td_err *err)
{
	struct start_block block = {.info = {.magic = START_INFO_MAGIC, .version = 1, .rsdp = TD_BOOT_ACPI}};
	const char *cmdline = boot->config->cmdline ? boot->config->cmdline : "";
	struct td_boot_range range[TD_BOOT_RANGES_MAX];
	int r;

	block.info.cmdline = TD_BOOT_CMDLINE;
	block.info.memmap = TD_BOOT_PARAMS + offsetof(struct start_block, map);
	block.info.memmap_count = td_boot_ranges(boot->mem, range);
	for (unsigned i = 0; i < block.info.memmap_count; i++)
		block.map[i] = (struct memmap_entry){.addr = range[i].start, .size = range[i].len, .type = range[i].type};
	r = td_boot_write_string(boot, cmdline, TD_BOOT_CMDLINE, TD_BOOT_CMDLINE_MAX, err);
	if (r == 0 && boot->config->initrd) {
		block.info.modules = TD_BOOT_PARAMS + offsetof(struct start_block, module);
		block.info.module_count = 1;
		block.module.len = boot->initrd.size_bytes;
		r = td_boot_load_initrd_high(boot, boot->low_end - 1, &block.module.start, err);
	}
	if (r < 0)
		return r;
	if (!td_mem_write(boot->mem, TD_GPA(TD_BOOT_PARAMS), &block, sizeof(block)))
		return td_boot_too_big(boot, TD_BOOT_HIGH, err);
	return 0;
}

int td_boot_elf_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err)
{
	struct td_boot_elf elf = {0};
	int r = td_boot_elf_segments(boot, &elf, err);

	if (r < 0)
		return r;
	if (!elf.has_pvh)
		return td_boot_refuse(boot, ENOEXEC, err, "an ELF file without PVH entry (CONFIG_PVH) and without Multiboot header");
	r = write_start_info(boot, err);
	if (r < 0)
		return r;
	*entry = (struct td_boot_entry){.mode = TD_BOOT_PROTECTED32, .rip = elf.pvh_entry, .rbx = TD_BOOT_PARAMS};
	return 0;
}
