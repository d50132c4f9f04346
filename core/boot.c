/* SPDX-License-Identifier: Apache-2.0 */
/* boot.c - opens the files, sees which kernel it is, and writes what every entry needs: GDT, page tables, memory map. */
#include "core/boot.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/boot_formats.h"
#include "core/pci.h"

/* Low memory that the guest may not use before it has left our GDT, page tables and boot parameters. */
#define LOW_TABLES_END	0x10000ULL
#define LOW_CMDLINE_END 0x21000ULL
#define LOW_END		0xa0000ULL
#define KVM_PAGES_START 0xfeffc000ULL /* kvm.c: identity map and TSS */
#define KVM_PAGES_END	0xff000000ULL

#define PTE_PRESENT  1ULL
#define PTE_WRITABLE 2ULL
#define PTE_HUGE     0x80ULL

/* Flat 4-GiB segments at the selectors of the Linux boot protocol: 0x10 code, 0x18 data. */
#define GDT_CODE32 0x00cf9b000000ffffULL
#define GDT_CODE64 0x00af9b000000ffffULL
#define GDT_DATA   0x00cf93000000ffffULL

static_assert(TD_BOOT_PAGES + 6 * TD_PAGE <= LOW_TABLES_END, "page tables end below the usable memory");
static_assert(TD_BOOT_CMDLINE + TD_BOOT_CMDLINE_MAX <= LOW_CMDLINE_END, "the command line stands in its reserved range");

unsigned td_boot_ranges(const struct td_mem *mem, struct td_boot_range range[TD_BOOT_RANGES_MAX])
{
	uint64_t low_end = mem->region[0].len_bytes;
	unsigned n = 0;

#define ADD(from, to, kind) range[n++] = (struct td_boot_range){.start = (from), .len = (to) - (from), .type = (kind)}
	ADD(0, LOW_TABLES_END, TD_BOOT_RESERVED);
	ADD(LOW_TABLES_END, TD_BOOT_CMDLINE, TD_BOOT_RAM);
	ADD(TD_BOOT_CMDLINE, LOW_CMDLINE_END, TD_BOOT_RESERVED);
	ADD(LOW_CMDLINE_END, LOW_END, TD_BOOT_RAM);
	ADD(LOW_END, TD_BOOT_ACPI, TD_BOOT_RESERVED);
	ADD(TD_BOOT_ACPI, TD_BOOT_HIGH, TD_BOOT_ACPI_DATA);
	if (low_end > TD_BOOT_HIGH)
		ADD(TD_BOOT_HIGH, low_end, TD_BOOT_RAM);
	ADD(TD_PCI_ECAM_BASE, TD_PCI_ECAM_BASE + TD_PCI_ECAM_BYTES, TD_BOOT_RESERVED);
	ADD(KVM_PAGES_START, KVM_PAGES_END, TD_BOOT_RESERVED);
	if (mem->region_count > 1)
		ADD(mem->region[1].gpa.v, mem->region[1].gpa.v + mem->region[1].len_bytes, TD_BOOT_RAM);
#undef ADD
	return n;
}

int td_boot_refuse(const struct td_boot *boot, int errnum, struct td_err *err, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return td_err_set(err, errnum, TD_REASON_KERNEL_IMAGE, "kernel %s: %s", boot->kernel.path, text);
}

int td_boot_too_big(const struct td_boot *boot, uint64_t kernel_end, struct td_err *err)
{
	uint64_t initrd_bytes = td_align_up(boot->initrd.size_bytes, TD_PAGE), need;
	const char *with = initrd_bytes ? " with initrd " : "", *initrd = initrd_bytes ? boot->initrd.path : "";

	if (kernel_end > TD_MEM_HOLE_START || initrd_bytes > TD_MEM_HOLE_START - td_align_up(kernel_end, TD_PAGE))
		return td_err_set(err, E2BIG, TD_REASON_NO_MEMORY, "kernel %s%s%s: does not fit into any guest's memory below 3 GiB",
			boot->kernel.path, with, initrd);
	need = td_align_up(td_align_up(kernel_end, TD_PAGE) + initrd_bytes, TD_MIB) / TD_MIB;
	return td_err_set(err, E2BIG, TD_REASON_NO_MEMORY,
		"kernel %s%s%s: needs %llu MiB of guest memory below 3 GiB before it can even start, the guest has %llu: give it more",
		boot->kernel.path, with, initrd, (unsigned long long)need, (unsigned long long)(boot->low_end / TD_MIB));
}

bool td_boot_range_free(const struct td_boot *boot, uint64_t gpa, uint64_t len)
{
	if (gpa >= TD_BOOT_HIGH)
		return td_range_ok(gpa, len, boot->low_end);
	return gpa >= LOW_CMDLINE_END && td_range_ok(gpa, len, LOW_END);
}

static int file_open(struct td_boot_file *file, const char *path, const char *what, enum td_reason reason, struct td_err *err)
{
	struct stat st;

	file->path = path;
	file->reason = reason;
	/* O_NONBLOCK: a FIFO must be refused below, not waited for. */
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		return td_err_sys(err, errno, reason, "%s %s", what, path);
	if (fstat(file->fd, &st) < 0)
		return td_err_sys(err, errno, reason, "%s %s", what, path);
	if (!S_ISREG(st.st_mode))
		return td_err_set(err, ENOEXEC, reason, "%s %s: not a regular file", what, path);
	file->size_bytes = (uint64_t)st.st_size;
	return 0;
}

static int initrd_open(struct td_boot_file *file, const char *path, struct td_err *err)
{
	int r = file_open(file, path, "initrd", TD_REASON_INITRD, err);

	return r == 0 && file->size_bytes == 0 ? td_err_set(err, ENOEXEC, TD_REASON_INITRD, "initrd %s: is empty", path) : r;
}

int td_boot_read(const struct td_boot_file *file, uint64_t offset, void *to, uint64_t len, struct td_err *err)
{
	uint64_t done = 0;

	if (!td_range_ok(offset, len, file->size_bytes))
		return td_err_set(err, ENOEXEC, file->reason, "%s: bytes %llu to %llu are wanted, the file ends at %llu: truncated?",
			file->path, (unsigned long long)offset, (unsigned long long)(offset + len), (unsigned long long)file->size_bytes);
	while (done < len) {
		ssize_t r = pread(file->fd, (char *)to + done, len - done, (off_t)(offset + done));

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return td_err_sys(err, errno, TD_REASON_SYSTEM, "%s: read", file->path);
		if (r == 0)
			return td_err_set(err, ENOEXEC, file->reason, "%s: became shorter while it was read", file->path);
		done += (uint64_t)r;
	}
	return 0;
}

int td_boot_read_guest(
	const struct td_boot *boot, const struct td_boot_file *file, uint64_t offset, uint64_t gpa, uint64_t len, struct td_err *err)
{
	void *to = td_mem_ptr(boot->mem, TD_GPA(gpa), len);

	if (!to)
		return td_boot_too_big(boot, gpa + len, err);
	return td_boot_read(file, offset, to, len, err);
}

bool td_boot_zero_guest(const struct td_boot *boot, uint64_t gpa, uint64_t len)
{
	void *to = td_mem_ptr(boot->mem, TD_GPA(gpa), len);

	if (!to)
		return len == 0;
	memset(to, 0, len);
	return true;
}

int td_boot_load_initrd_high(const struct td_boot *boot, uint64_t limit, uint64_t *ret_gpa, struct td_err *err)
{
	uint64_t size = boot->initrd.size_bytes;
	uint64_t end = TD_MIN(boot->low_end, limit < UINT64_MAX ? limit + 1 : limit);
	uint64_t lowest = TD_MAX(boot->kernel_end, TD_BOOT_HIGH), start;
	int r;

	if (size > end || ((end - size) & ~(TD_PAGE - 1)) < lowest) {
		if (end == boot->low_end)
			return td_boot_too_big(boot, lowest, err);
		return td_err_set(err, E2BIG, TD_REASON_INITRD,
			"initrd %s: %llu bytes do not fit between the kernel's end at %#llx and %#llx, the last place that it takes one at",
			boot->initrd.path, (unsigned long long)size, (unsigned long long)boot->kernel_end, (unsigned long long)end);
	}
	start = (end - size) & ~(TD_PAGE - 1);
	r = td_boot_read_guest(boot, &boot->initrd, 0, start, size, err);
	if (r == 0)
		*ret_gpa = start;
	return r;
}

int td_boot_write_string(const struct td_boot *boot, const char *text, uint64_t gpa, uint64_t room, struct td_err *err)
{
	size_t len = strlen(text) + 1;

	if (len > room)
		return td_err_set(err, E2BIG, TD_REASON_CONFIG_VALUE, "cmdline: %zu bytes, the kernel takes %llu", len - 1,
			(unsigned long long)(room ? room - 1 : 0));
	if (!td_mem_write(boot->mem, TD_GPA(gpa), text, len))
		return td_boot_too_big(boot, gpa + len, err);
	return 0;
}

static void write_gdt(const struct td_boot *boot, enum td_boot_mode mode)
{
	uint64_t gdt[4] = {0, 0, mode == TD_BOOT_LONG64 ? GDT_CODE64 : GDT_CODE32, GDT_DATA};

	td_mem_write(boot->mem, TD_GPA(TD_BOOT_GDT), gdt, sizeof(gdt));
}

/* PML4, PDPT and four page directories of 2-MiB pages: 4 GiB, one to one. */
static void write_pages(const struct td_boot *boot)
{
	uint64_t *table = td_mem_ptr(boot->mem, TD_GPA(TD_BOOT_PAGES), 6 * TD_PAGE);

	memset(table, 0, 2 * TD_PAGE);
	table[0] = (TD_BOOT_PAGES + TD_PAGE) | PTE_PRESENT | PTE_WRITABLE;
	for (uint64_t i = 0; i < 4; i++)
		table[512 + i] = (TD_BOOT_PAGES + (2 + i) * TD_PAGE) | PTE_PRESENT | PTE_WRITABLE;
	for (uint64_t i = 0; i < 4ULL * 512; i++)
		table[1024 + i] = (i * 2 * TD_MIB) | PTE_PRESENT | PTE_WRITABLE | PTE_HUGE;
}

static int boot_open(struct td_boot *boot, struct td_err *err)
{
	int r = file_open(&boot->kernel, boot->config->kernel, "kernel", TD_REASON_KERNEL_IMAGE, err);

	if (r == 0 && boot->config->initrd)
		r = initrd_open(&boot->initrd, boot->config->initrd, err);
	if (r < 0)
		return r;
	boot->head_bytes = (size_t)TD_MIN(boot->kernel.size_bytes, TD_BOOT_HEAD_BYTES);
	return td_boot_read(&boot->kernel, 0, boot->head, boot->head_bytes, err);
}

static int boot_load(struct td_boot *boot, struct td_boot_entry *entry, struct td_err *err)
{
	if (td_boot_bzimage_is(boot))
		return td_boot_bzimage_load(boot, entry, err);
	if (td_boot_multiboot_is(boot))
		return td_boot_multiboot_load(boot, entry, err);
	if (td_boot_elf_is(boot))
		return td_boot_elf_load(boot, entry, err);
	return td_boot_refuse(boot, ENOEXEC, err, "neither a bzImage nor an ELF or Multiboot kernel");
}

int td_boot_load(const struct td_boot_config *config, const struct td_mem *mem, struct td_boot_entry *ret_entry, struct td_err *err)
{
	struct td_boot boot = {.config = config, .mem = mem, .kernel.fd = -1, .initrd.fd = -1, .low_end = mem->region[0].len_bytes};
	struct td_boot_entry entry = {0};
	int r;

	if (!config->kernel)
		return td_err_set(err, EINVAL, TD_REASON_KERNEL_IMAGE, "kernel: none given");
	r = boot_open(&boot, err);
	if (r == 0)
		r = boot_load(&boot, &entry, err);
	td_cleanup_close(&boot.kernel.fd);
	td_cleanup_close(&boot.initrd.fd);
	if (r < 0)
		return r;
	write_gdt(&boot, entry.mode);
	if (entry.mode == TD_BOOT_LONG64) {
		write_pages(&boot);
		entry.cr3 = TD_BOOT_PAGES;
	}
	*ret_entry = entry;
	return 0;
}
