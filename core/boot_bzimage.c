/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_bzimage.c - Linux bzImage by the 64-bit boot protocol (Linux Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"). The real-mode
 * part is not run; only its header is read.
 */
#include <asm/bootparam.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "core/boot_formats.h"

#define SECTOR		 512ULL
#define HEADER_OFFSET	 0x1f1U
#define BOOT_FLAG	 0xaa55U
#define HEADER_MAGIC	 0x53726448U /* "HdrS" */
#define PROTOCOL_MIN	 0x020cU     /* 3.8: xloadflags */
#define ENTRY64		 0x200ULL    /* startup_64, from the start of the protected-mode part */
#define VIDEO_NORMAL	 0xffffU
#define LOADER_UNDEFINED 0xffU

static_assert(sizeof(struct boot_params) == TD_PAGE, "the zero page is a page");
static_assert(offsetof(struct boot_params, hdr) == HEADER_OFFSET, "the header stands in the zero page as in the file");

/* Unaligned in the file: copied, never cast. */
static bool read_header(const struct td_boot *boot, struct setup_header *ret_header)
{
	if (boot->head_bytes < HEADER_OFFSET + sizeof(*ret_header))
		return false;
	memcpy(ret_header, boot->head + HEADER_OFFSET, sizeof(*ret_header));
	return true;
}

bool td_boot_bzimage_is(const struct td_boot *boot)
{
	struct setup_header header;

	return read_header(boot, &header) && header.boot_flag == BOOT_FLAG && header.header == HEADER_MAGIC;
}

static int check_header(const struct td_boot *boot, const struct setup_header *header, struct td_err *err)
{
	if (header->version < PROTOCOL_MIN)
		return td_boot_refuse(boot, ENOEXEC, err, "boot protocol %u.%02u, 2.12 (Linux 3.8) needed", header->version >> 8,
			header->version & 0xffU);
	if (!(header->xloadflags & XLF_KERNEL_64))
		return td_boot_refuse(boot, ENOEXEC, err, "a 32-bit bzImage: give a 64-bit one");
	if (!(header->loadflags & LOADED_HIGH))
		return td_boot_refuse(boot, ENOEXEC, err, "a zImage that loads low: give a bzImage");
	if (header->kernel_alignment & (header->kernel_alignment - 1))
		return td_boot_refuse(boot, ENOEXEC, err, "kernel_alignment %#x is no power of two", header->kernel_alignment);
	return 0;
}

struct payload {
	uint64_t offset, len; /* in the file */
	uint64_t room;	      /* what it needs in memory until it knows what memory there is */
	uint64_t load;
};

static int find_payload(const struct td_boot *boot, const struct setup_header *header, struct payload *payload, struct td_err *err)
{
	uint64_t sectors = header->setup_sects ? header->setup_sects : 4;

	payload->offset = (sectors + 1) * SECTOR;
	if (boot->kernel.size_bytes < payload->offset + ENTRY64 + SECTOR)
		return td_boot_refuse(boot, ENOEXEC, err, "truncated: %llu bytes, the kernel proper begins at %llu",
			(unsigned long long)boot->kernel.size_bytes, (unsigned long long)payload->offset);
	payload->len = boot->kernel.size_bytes - payload->offset;
	if ((uint64_t)header->syssize * 16 > td_align_up(payload->len, 16))
		return td_boot_refuse(boot, ENOEXEC, err, "truncated: %llu bytes of kernel in the file, the header says %llu",
			(unsigned long long)payload->len, (unsigned long long)header->syssize * 16);
	payload->room = TD_MAX((uint64_t)header->init_size, payload->len);
	return 0;
}

/*
 * Where it unpacks itself to and begins to run: not below its preferred address, wherever it was loaded (boot.rst, init_size). So nothing
 * is gained by a lower place when memory is short: it would run off its end.
 */
static int place_payload(const struct td_boot *boot, const struct setup_header *header, struct payload *payload, struct td_err *err)
{
	uint64_t alignment = TD_MAX((uint64_t)header->kernel_alignment, TD_PAGE), end;

	payload->load = header->pref_address;
	if (header->relocatable_kernel && payload->load < boot->low_end)
		payload->load = td_align_up(TD_MAX(payload->load, TD_BOOT_HIGH), alignment);
	if (payload->load < TD_BOOT_HIGH)
		return td_boot_refuse(boot, ENOEXEC, err, "wants to stand at %#llx, which the VMM uses", (unsigned long long)payload->load);
	if (td_boot_range_free(boot, payload->load, payload->room))
		return 0;
	return td_boot_too_big(boot, __builtin_add_overflow(payload->load, payload->room, &end) ? UINT64_MAX : end, err);
}

static void set_e820(const struct td_boot *boot, struct boot_params *params)
{
	struct td_boot_range range[TD_BOOT_RANGES_MAX];
	unsigned count = td_boot_ranges(boot->mem, range);

	for (unsigned i = 0; i < count; i++)
		params->e820_table[i] = (struct boot_e820_entry){.addr = range[i].start, .size = range[i].len, .type = range[i].type};
	params->e820_entries = (uint8_t)count;
}

/* The header as far as the file says it goes: what lies behind is code. */
static void copy_header(const struct td_boot *boot, struct boot_params *params)
{
	size_t end = 0x202U + boot->head[0x201];
	size_t len = TD_MIN(end - HEADER_OFFSET, sizeof(params->hdr));

	memcpy(&params->hdr, boot->head + HEADER_OFFSET, len);
}

static int set_cmdline(const struct td_boot *boot, struct boot_params *params, struct td_err *err)
{
	const char *cmdline = boot->config->cmdline ? boot->config->cmdline : "";
	uint64_t room = TD_MIN((uint64_t)params->hdr.cmdline_size + 1, TD_BOOT_CMDLINE_MAX);

	params->hdr.cmd_line_ptr = (uint32_t)TD_BOOT_CMDLINE;
	return td_boot_write_string(boot, cmdline, TD_BOOT_CMDLINE, room, err);
}

static int set_initrd(const struct td_boot *boot, struct boot_params *params, struct td_err *err)
{
	uint64_t start;
	int r;

	if (!boot->config->initrd)
		return 0;
	r = td_boot_load_initrd_high(boot, params->hdr.initrd_addr_max, &start, err);
	if (r < 0)
		return r;
	params->hdr.ramdisk_image = (uint32_t)start;
	params->hdr.ramdisk_size = (uint32_t)boot->initrd.size_bytes;
	return 0;
}

static int load_payload(struct td_boot *boot, struct boot_params *params, uint64_t *ret_load, struct td_err *err)
{
	struct payload payload = {0};
	struct setup_header header;
	int r;

	if (!read_header(boot, &header))
		return td_boot_refuse(boot, ENOEXEC, err, "truncated header");
	r = check_header(boot, &header, err);
	if (r == 0)
		r = find_payload(boot, &header, &payload, err);
	if (r == 0)
		r = place_payload(boot, &header, &payload, err);
	if (r == 0)
		r = td_boot_read_guest(boot, &boot->kernel, payload.offset, payload.load, payload.len, err);
	if (r < 0)
		return r;
	boot->kernel_end = payload.load + payload.room;
	copy_header(boot, params);
	params->hdr.code32_start = (uint32_t)payload.load;
	*ret_load = payload.load;
	return 0;
}

int td_boot_bzimage_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err)
{
	struct boot_params params = {0};
	uint64_t load = 0;
	int r;

	r = load_payload(boot, &params, &load, err);
	if (r < 0)
		return r;
	params.hdr.type_of_loader = LOADER_UNDEFINED;
	params.hdr.vid_mode = VIDEO_NORMAL;
	params.hdr.setup_data = 0;
	params.acpi_rsdp_addr = TD_BOOT_ACPI;
	set_e820(boot, &params);
	r = set_cmdline(boot, &params, err);
	if (r == 0)
		r = set_initrd(boot, &params, err);
	if (r < 0)
		return r;
	if (!td_mem_write(boot->mem, TD_GPA(TD_BOOT_PARAMS), &params, sizeof(params)))
		return td_boot_too_big(boot, TD_BOOT_HIGH, err);
	*entry = (struct td_boot_entry){.mode = TD_BOOT_LONG64, .rip = load + ENTRY64, .rsi = TD_BOOT_PARAMS};
	return 0;
}
