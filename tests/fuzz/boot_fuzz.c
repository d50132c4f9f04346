/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot_fuzz.c - kernel files of any content: the input's first byte chooses how they are started, the rest is the file. Whatever is
 * accepted must start inside the guest's memory or be refused by the CPU, and what is ours in low memory must be ours.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/boot.h"

#define RAM_BYTES (32 * TD_MIB)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct td_mem *mem, const struct td_boot_entry *entry)
{
	const uint64_t *gdt = td_mem_ptr(mem, TD_GPA(TD_BOOT_GDT), 32);
	const uint64_t *acpi = td_mem_ptr(mem, TD_GPA(TD_BOOT_ACPI), 8);

	if (gdt[0] != 0 || (entry->mode == TD_BOOT_LONG64 && entry->cr3 != TD_BOOT_PAGES))
		abort();
	if (*acpi != 0)
		abort(); /* a kernel was written over the tables' place */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct td_mem mem;
	static int fd = -1;
	static char path[64];
	struct td_mem_config mem_config = {.size_bytes = RAM_BYTES};
	struct td_boot_config config = {.kernel = path, .cmdline = "console=ttyS0"};
	struct td_boot_entry entry;
	struct td_err err = {0};

	if (size < 1)
		return 0;
	if (fd < 0) {
		fd = memfd_create("kernel", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (fd < 0 || td_mem_init(&mem, &mem_config, &err) < 0)
			abort();
	}
	/* An initrd of the same bytes; none; files larger than their content. */
	if (data[0] & 1)
		config.initrd = path;
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data + 1, size - 1, 0) < 0 ||
		((data[0] & 2) && ftruncate(fd, (off_t)(size + data[0] * 4096UL)) < 0))
		abort();
	if (td_boot_load(&config, &mem, &entry, &err) == 0)
		check(&mem, &entry);
	else if (err.code >= 0 || !err.text[0])
		abort();
	return 0;
}
