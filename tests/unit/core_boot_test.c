/* SPDX-License-Identifier: Apache-2.0 */
/* core_boot_test.c - the three kernel formats: what a good file becomes in RAM, and that a truncated or lying one is refused with nothing
 * written past its place. */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/boot.h"
#include "core/boot_formats.h"
#include "core/pci.h"

#define RAM_BYTES (64 * TD_MIB)
#define PAYLOAD	  0x3000U

struct file {
	int fd;
	char path[64];
};

static struct td_mem mem;

static int set_up(void **state)
{
	struct td_mem_config config = {.size_bytes = RAM_BYTES};
	struct td_err err = {0};

	(void)state;
	return td_mem_init(&mem, &config, &err);
}

static int tear_down(void **state)
{
	(void)state;
	td_mem_fini(&mem);
	return 0;
}

static struct file make_file(const void *bytes, size_t len)
{
	struct file file = {.fd = memfd_create("image", MFD_CLOEXEC)};

	assert_true(file.fd >= 0);
	assert_int_equal(pwrite(file.fd, bytes, len, 0), len);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static void *guest(uint64_t gpa, uint64_t len)
{
	void *p = td_mem_ptr(&mem, TD_GPA(gpa), len);

	assert_non_null(p);
	return p;
}

/* Loads an image; the result of td_boot_load(). */
static int load(const void *image, size_t len, const char *cmdline, const char *initrd, struct td_boot_entry *entry, struct td_err *err)
{
	struct file file = make_file(image, len);
	struct td_boot_config config = {.kernel = file.path, .cmdline = cmdline, .initrd = initrd};
	int r = td_boot_load(&config, &mem, entry, err);

	close(file.fd);
	return r;
}

static void refused(const void *image, size_t len, int code, enum td_reason reason)
{
	struct td_boot_entry entry = {.rip = 0x5555};
	struct td_err err = {0};

	assert_int_equal(load(image, len, NULL, NULL, &entry, &err), code);
	assert_int_equal(err.reason, reason);
	assert_true(strlen(err.text) > 0);
	assert_int_equal(entry.rip, 0x5555);
}

/* A bzImage of one set-up sector and PAYLOAD bytes of 'k'. */
struct bzimage {
	uint8_t bytes[1024 + PAYLOAD];
};

static struct setup_header *bz_header(struct bzimage *image)
{
	return (struct setup_header *)(void *)(image->bytes + 0x1f1);
}

static struct bzimage *make_bzimage(void)
{
	struct bzimage *image = calloc(1, sizeof(*image));
	struct setup_header *header = bz_header(image);

	memset(image->bytes + 1024, 'k', PAYLOAD);
	image->bytes[0x201] = 0x6a; /* the jump over the header: it ends at 0x26c */
	header->setup_sects = 1;
	header->syssize = PAYLOAD / 16;
	header->boot_flag = 0xaa55;
	header->header = 0x53726448;
	header->version = 0x020f;
	header->loadflags = LOADED_HIGH;
	header->xloadflags = XLF_KERNEL_64;
	header->relocatable_kernel = 1;
	header->kernel_alignment = 0x200000;
	header->pref_address = 0x1000000;
	header->init_size = 0x800000;
	header->cmdline_size = 255;
	header->initrd_addr_max = 0x7fffffff;
	return image;
}

static void bzimage_is_loaded(void **state)
{
	struct bzimage *image = make_bzimage();
	struct file initrd = make_file("initrd!", 7);
	const struct boot_params *params;
	struct td_boot_entry entry;
	struct td_err err = {0};

	(void)state;
	assert_int_equal(load(image, sizeof(*image), "console=ttyS0", initrd.path, &entry, &err), 0);
	assert_int_equal(entry.mode, TD_BOOT_LONG64);
	assert_int_equal(entry.rip, 0x1000200);
	assert_int_equal(entry.rsi, TD_BOOT_PARAMS);
	assert_int_equal(entry.cr3, TD_BOOT_PAGES);
	assert_memory_equal(guest(0x1000000, PAYLOAD), image->bytes + 1024, PAYLOAD);
	params = guest(TD_BOOT_PARAMS, sizeof(*params));
	assert_int_equal(params->hdr.type_of_loader, 0xff);
	assert_int_equal(params->acpi_rsdp_addr, TD_BOOT_ACPI);
	assert_string_equal(guest(params->hdr.cmd_line_ptr, 64), "console=ttyS0");
	assert_int_equal(params->hdr.ramdisk_size, 7);
	assert_int_equal(params->hdr.ramdisk_image, RAM_BYTES - TD_PAGE);
	assert_memory_equal(guest(params->hdr.ramdisk_image, 7), "initrd!", 7);
	close(initrd.fd);
	free(image);
}

static void page_tables_map_four_gib_one_to_one(void **state)
{
	struct bzimage *image = make_bzimage();
	struct td_boot_entry entry;
	struct td_err err = {0};

	(void)state;
	assert_int_equal(load(image, sizeof(*image), NULL, NULL, &entry, &err), 0);
	for (uint64_t address = 0; address < 4 * TD_GIB; address += 2 * TD_MIB) {
		const uint64_t *table = guest(entry.cr3, TD_PAGE);

		table = guest(table[(address >> 39) & 511] & ~0xfffULL, TD_PAGE);
		table = guest(table[(address >> 30) & 511] & ~0xfffULL, TD_PAGE);
		assert_int_equal(table[(address >> 21) & 511], address | 0x83);
	}
	free(image);
}

/* It unpacks itself to its preferred address or above, wherever it was loaded: room below is of no use to it. */
static void bzimage_needs_its_room_above_its_address(void **state)
{
	struct bzimage *image = make_bzimage();
	struct setup_header *header = bz_header(image);
	struct td_boot_entry entry;
	struct td_err err = {0};

	(void)state;
	header->pref_address = RAM_BYTES - header->init_size;
	assert_int_equal(load(image, sizeof(*image), NULL, NULL, &entry, &err), 0);
	assert_int_equal(entry.rip, RAM_BYTES - header->init_size + 0x200);
	header->init_size += 0x1000;
	for (header->relocatable_kernel = 0; header->relocatable_kernel < 2; header->relocatable_kernel++) {
		refused(image, sizeof(*image), -E2BIG, TD_REASON_NO_MEMORY);
		load(image, sizeof(*image), NULL, NULL, &entry, &err);
		assert_non_null(strstr(err.text, "needs 65 MiB of guest memory below 3 GiB before it can even start, the guest has 64"));
	}
	header->pref_address = UINT64_MAX - 4096;
	refused(image, sizeof(*image), -E2BIG, TD_REASON_NO_MEMORY);
	header->relocatable_kernel = 0;
	refused(image, sizeof(*image), -E2BIG, TD_REASON_NO_MEMORY);
	header->pref_address = 0; /* over our tables */
	refused(image, sizeof(*image), -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	header->relocatable_kernel = 1;
	assert_int_equal(load(image, sizeof(*image), NULL, NULL, &entry, &err), 0);
	assert_int_equal(entry.rip, 0x200200);
	free(image);
}

/* What is asked for is enough, for kernel and initrd; and what an initrd's own limit forbids is not the guest's memory's fault. */
static void initrd_counts_as_memory_needed(void **state)
{
	struct bzimage *image = make_bzimage();
	struct setup_header *header = bz_header(image);
	struct file initrd = make_file("", 0);
	struct td_boot_entry entry;
	struct td_err err = {0};

	(void)state;
	header->pref_address = 0x1000000;
	header->init_size = 0x1000000; /* up to 32 MiB */
	assert_int_equal(ftruncate(initrd.fd, RAM_BYTES - 32 * TD_MIB), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), 0);
	assert_int_equal(ftruncate(initrd.fd, RAM_BYTES - 32 * TD_MIB + 1), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	assert_non_null(strstr(err.text, initrd.path));
	assert_non_null(strstr(err.text, "needs 65 MiB of guest memory"));

	header->init_size = RAM_BYTES; /* and when the kernel alone does not fit */
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_non_null(strstr(err.text, "needs 113 MiB of guest memory"));
	assert_int_equal(ftruncate(initrd.fd, 5 * (off_t)TD_GIB), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_non_null(strstr(err.text, "does not fit into any guest's memory below 3 GiB"));

	header->init_size = 0x1000000;
	header->initrd_addr_max = 40 * TD_MIB - 1;
	assert_int_equal(ftruncate(initrd.fd, 9 * TD_MIB), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_int_equal(err.reason, TD_REASON_INITRD);
	close(initrd.fd);
	free(image);
}

static void bad_bzimages_are_refused(void **state)
{
	struct bzimage *image = make_bzimage(), *bad = malloc(sizeof(*bad));

	(void)state;
#define BAD(field, value, ...)                           \
	do {                                             \
		*bad = *image;                           \
		bz_header(bad)->field = (value);         \
		refused(bad, sizeof(*bad), __VA_ARGS__); \
	} while (0)
	BAD(boot_flag, 0x55aa, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(header, 0, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(version, 0x020b, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(xloadflags, 0, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(loadflags, 0, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(kernel_alignment, 0x300000, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(setup_sects, 255, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(syssize, PAYLOAD / 16 + 1, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(syssize, UINT32_MAX, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	BAD(init_size, UINT32_MAX, -E2BIG, TD_REASON_NO_MEMORY);
	BAD(init_size, RAM_BYTES, -E2BIG, TD_REASON_NO_MEMORY);
#undef BAD
	free(bad);
	free(image);
}

static void truncated_images_are_refused_at_every_length(void **state)
{
	struct bzimage *image = make_bzimage();

	(void)state;
	for (size_t len = 0; len < 1024; len += 13)
		refused(image, len, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	for (size_t len = 1024; len < sizeof(*image); len += 517)
		refused(image, len, -ENOEXEC, TD_REASON_KERNEL_IMAGE);
	free(image);
}

static void too_much_for_the_memory_is_refused(void **state)
{
	struct bzimage *image = make_bzimage();
	struct file initrd = make_file("", 0);
	struct td_boot_entry entry;
	struct td_err err = {0};
	char cmdline[400];

	(void)state;
	memset(cmdline, 'a', sizeof(cmdline));
	cmdline[255] = '\0';
	assert_int_equal(load(image, sizeof(*image), cmdline, NULL, &entry, &err), 0);
	cmdline[255] = 'a';
	cmdline[256] = '\0';
	assert_int_equal(load(image, sizeof(*image), cmdline, NULL, &entry, &err), -E2BIG);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -ENOEXEC);
	assert_int_equal(err.reason, TD_REASON_INITRD);
	assert_non_null(strstr(err.text, "is empty"));
	assert_int_equal(ftruncate(initrd.fd, (off_t)(RAM_BYTES - 0x1800000)), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), 0);
	assert_int_equal(ftruncate(initrd.fd, (off_t)(RAM_BYTES - 0x1800000 + 1)), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_int_equal(err.reason, TD_REASON_NO_MEMORY);
	bz_header(image)->initrd_addr_max = 0x1000;
	assert_int_equal(ftruncate(initrd.fd, 100), 0);
	assert_int_equal(load(image, sizeof(*image), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_int_equal(load(image, sizeof(*image), NULL, "/nonexistent", &entry, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_INITRD);
	close(initrd.fd);
	free(image);
}

static void what_is_no_file_is_refused(void **state)
{
	struct td_boot_config config = {.kernel = "/"};
	struct td_boot_entry entry;
	struct td_err err = {0};
	char fifo[] = "/tmp/tandem-boot-XXXXXX";

	(void)state;
	assert_int_equal(td_boot_load(&config, &mem, &entry, &err), -ENOEXEC);
	config.kernel = "/nonexistent";
	assert_int_equal(td_boot_load(&config, &mem, &entry, &err), -ENOENT);
	config.kernel = NULL;
	assert_int_equal(td_boot_load(&config, &mem, &entry, &err), -EINVAL);
	close(mkstemp(fifo));
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	config.kernel = fifo; /* and it does not wait for a writer */
	assert_int_equal(td_boot_load(&config, &mem, &entry, &err), -ENOEXEC);
	unlink(fifo);
}

/* ELF64 with one PT_LOAD of 'e' at 2 MiB and, behind it, a PT_NOTE with the PVH entry. */
struct elf64 {
	Elf64_Ehdr header;
	Elf64_Phdr load, note;
	struct {
		Elf32_Nhdr head;
		char name[4];
		uint64_t entry;
	} pvh;
	uint8_t code[256];
};

static struct elf64 make_elf64(void)
{
	struct elf64 elf = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_entry = 0xffffffff80200010ULL,
			.e_phoff = offsetof(struct elf64, load),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2},
		.load = {.p_type = PT_LOAD,
			.p_offset = offsetof(struct elf64, code),
			.p_vaddr = 0xffffffff80200000ULL,
			.p_paddr = 0x200000,
			.p_filesz = 256,
			.p_memsz = 0x2000},
		.note = {.p_type = PT_NOTE, .p_offset = offsetof(struct elf64, pvh), .p_filesz = sizeof(elf.pvh)},
		.pvh = {.head = {.n_namesz = 4, .n_descsz = 8, .n_type = 18}, .name = "Xen", .entry = 0x200020},
	};

	memset(elf.code, 'e', sizeof(elf.code));
	return elf;
}

static void elf_starts_by_pvh(void **state)
{
	struct elf64 elf = make_elf64();
	struct file initrd = make_file("initrd", 6);
	struct td_boot_entry entry;
	const uint32_t *info;
	const uint64_t *module;
	struct td_err err = {0};

	(void)state;
	memset(guest(0x200000, 0x2000), 0xff, 0x2000);
	assert_int_equal(load(&elf, sizeof(elf), "a=b", initrd.path, &entry, &err), 0);
	assert_int_equal(entry.mode, TD_BOOT_PROTECTED32);
	assert_int_equal(entry.rip, 0x200020);
	assert_int_equal(entry.rbx, TD_BOOT_PARAMS);
	assert_memory_equal(guest(0x200000, 256), elf.code, 256);
	assert_int_equal(*(uint8_t *)guest(0x200100, 1), 0); /* bss */
	assert_int_equal(*(uint8_t *)guest(0x201fff, 1), 0);
	info = guest(TD_BOOT_PARAMS, 56);
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[1], 1);
	assert_int_equal(info[3], 1);
	module = guest(info[4], 32);
	assert_memory_equal(guest(module[0], 6), "initrd", 6);
	assert_int_equal(module[1], 6);
	assert_string_equal(guest(info[6], 8), "a=b");
	assert_int_equal(info[8], TD_BOOT_ACPI);
	assert_true(info[12] > 5);
	close(initrd.fd);
}

/* All segments count, whichever is looked at first, and the initrd behind them. */
static void elf_says_how_much_memory_it_needs(void **state)
{
	struct elf64 elf = make_elf64();
	struct file initrd = make_file("initrd", 6);
	struct td_boot_entry entry;
	struct td_err err = {0};

	(void)state;
	elf.load.p_memsz = RAM_BYTES - 0x200000;
	assert_int_equal(load(&elf, sizeof(elf), NULL, NULL, &entry, &err), 0);
	elf.load.p_memsz++;
	assert_int_equal(load(&elf, sizeof(elf), NULL, NULL, &entry, &err), -E2BIG);
	assert_non_null(strstr(err.text, "needs 65 MiB of guest memory"));
	elf.note = elf.load;
	elf.note.p_paddr = 200 * TD_MIB;
	elf.note.p_memsz = TD_MIB;
	assert_int_equal(load(&elf, sizeof(elf), NULL, NULL, &entry, &err), -E2BIG);
	assert_non_null(strstr(err.text, "needs 201 MiB of guest memory"));
	assert_int_equal(load(&elf, sizeof(elf), NULL, initrd.path, &entry, &err), -E2BIG);
	assert_non_null(strstr(err.text, "needs 202 MiB of guest memory"));
	close(initrd.fd);
}

static void bad_elfs_are_refused(void **state)
{
	struct elf64 good = make_elf64(), bad;

	(void)state;
#define BAD(field, value, ...)                              \
	do {                                                \
		bad = good;                                 \
		bad.field = (__typeof__(bad.field))(value); \
		refused(&bad, sizeof(bad), __VA_ARGS__);    \
	} while (0)
#define NO_KERNEL -ENOEXEC, TD_REASON_KERNEL_IMAGE
#define TOO_BIG	  -E2BIG, TD_REASON_NO_MEMORY
	BAD(header.e_ident[EI_CLASS], 7, NO_KERNEL);
	BAD(header.e_ident[EI_DATA], ELFDATA2MSB, NO_KERNEL);
	BAD(header.e_machine, EM_ARM, NO_KERNEL);
	BAD(header.e_phentsize, 1, NO_KERNEL);
	BAD(header.e_phnum, 0, NO_KERNEL);
	BAD(header.e_phnum, 0xffff, NO_KERNEL);
	BAD(header.e_phnum, 60, NO_KERNEL); /* runs into code: segments of 'e' */
	BAD(header.e_phoff, UINT64_MAX, NO_KERNEL);
	BAD(header.e_phoff, UINT64_MAX - 60, NO_KERNEL);
	BAD(load.p_type, PT_NULL, NO_KERNEL);
	BAD(load.p_offset, UINT64_MAX, NO_KERNEL);
	BAD(load.p_offset, sizeof(good), NO_KERNEL);
	BAD(load.p_filesz, 0x2001, NO_KERNEL);
	BAD(load.p_memsz, UINT64_MAX, NO_KERNEL);
	BAD(load.p_memsz, RAM_BYTES, TOO_BIG);
	BAD(load.p_paddr, RAM_BYTES, TOO_BIG);
	BAD(load.p_paddr, UINT64_MAX - 0x1000, NO_KERNEL);
	BAD(load.p_paddr, 0, NO_KERNEL);
	BAD(load.p_paddr, TD_BOOT_PARAMS, NO_KERNEL);
	BAD(load.p_paddr, TD_BOOT_ACPI, NO_KERNEL);
	BAD(load.p_paddr, 0x9f000, NO_KERNEL);
	BAD(note.p_type, PT_NULL, NO_KERNEL);
	BAD(note.p_offset, UINT64_MAX, NO_KERNEL);
	BAD(note.p_filesz, UINT64_MAX, NO_KERNEL);
	BAD(note.p_filesz, 12, NO_KERNEL);
	BAD(pvh.head.n_namesz, UINT32_MAX, NO_KERNEL);
	BAD(pvh.head.n_descsz, UINT32_MAX, NO_KERNEL);
	BAD(pvh.head.n_descsz, 2, NO_KERNEL);
	BAD(pvh.head.n_type, 1, NO_KERNEL);
#undef BAD
	for (size_t len = 0; len < sizeof(good); len += 3)
		refused(&good, len, NO_KERNEL);
}

/* Multiboot with load addresses in the header, which stands 16 bytes into a file of 512. */
struct multiboot {
	uint8_t before[16];
	uint32_t magic, flags, checksum, header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
	uint8_t rest[512 - 48];
};

static struct multiboot make_multiboot(uint32_t flags)
{
	struct multiboot image = {.magic = 0x1badb002,
		.flags = flags,
		.checksum = 0U - 0x1badb002U - flags,
		.header_addr = 0x100010,
		.load_addr = 0x100000,
		.load_end_addr = 0x100200,
		.bss_end_addr = 0x101000,
		.entry_addr = 0x100040};

	memset(image.rest, 'm', sizeof(image.rest));
	return image;
}

static void multiboot_is_loaded(void **state)
{
	struct multiboot image = make_multiboot(0x10003);
	struct file initrd = make_file("module", 6);
	struct td_boot_entry entry;
	const uint32_t *info, *module;
	const char *cmdline;
	struct td_err err = {0};

	(void)state;
	memset(guest(0x100000, 0x1000), 0xff, 0x1000);
	assert_int_equal(load(&image, sizeof(image), "arg", initrd.path, &entry, &err), 0);
	assert_int_equal(entry.mode, TD_BOOT_PROTECTED32);
	assert_int_equal(entry.rip, 0x100040);
	assert_int_equal(entry.rax, 0x2badb002);
	assert_memory_equal(guest(0x100000, 512), &image, 512);
	assert_int_equal(*(uint8_t *)guest(0x100200, 1), 0);
	info = guest(entry.rbx, 88);
	assert_int_equal(info[0], 0x24d);
	assert_int_equal(info[1], 640);
	assert_int_equal(info[2], (RAM_BYTES - TD_MIB) / 1024);
	cmdline = guest(info[4], 64);
	assert_string_equal(strchr(cmdline, ' '), " arg");
	assert_int_equal(info[5], 1);
	module = guest(info[6], 16);
	assert_int_equal(module[0], 0x101000);
	assert_int_equal(module[1], 0x101006);
	assert_memory_equal(guest(module[0], 6), "module", 6);
	assert_string_equal(guest(module[2], 64), initrd.path);
	assert_int_equal(info[11] % 24, 0);
	assert_int_equal(*(uint32_t *)guest(info[12], 4), 20);
	close(initrd.fd);
}

static void multiboot_loads_elf32(void **state)
{
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr load;
		uint32_t multiboot[3];
	} elf = {
		.header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
			.e_machine = EM_386,
			.e_entry = 0x40000c,
			.e_phoff = sizeof(Elf32_Ehdr),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 1},
		.load = {.p_type = PT_LOAD,
			.p_offset = sizeof(Elf32_Ehdr) + sizeof(Elf32_Phdr),
			.p_vaddr = 0x400000,
			.p_paddr = 0x400000,
			.p_filesz = 12,
			.p_memsz = 64},
		.multiboot = {0x1badb002, 0, 0U - 0x1badb002U},
	};
	struct td_boot_entry entry;
	struct td_err err = {0};

	(void)state;
	assert_int_equal(load(&elf, sizeof(elf), NULL, NULL, &entry, &err), 0);
	assert_int_equal(entry.rip, 0x40000c);
	assert_int_equal(entry.rax, 0x2badb002);
	assert_memory_equal(guest(0x400000, 12), elf.multiboot, 12);
	elf.multiboot[2]++; /* a wrong checksum: no Multiboot, and it is no PVH either */
	refused(&elf, sizeof(elf), NO_KERNEL);
}

static void bad_multiboots_are_refused(void **state)
{
	struct multiboot good = make_multiboot(0x10000), bad, unknown = make_multiboot(0x10008), no_elf = make_multiboot(0);

	(void)state;
	refused(&unknown, sizeof(unknown), NO_KERNEL);
	refused(&no_elf, sizeof(no_elf), NO_KERNEL);
#define BAD(field, value, ...)                           \
	do {                                             \
		bad = good;                              \
		bad.field = (value);                     \
		refused(&bad, sizeof(bad), __VA_ARGS__); \
	} while (0)
	BAD(magic, 0, NO_KERNEL);
	BAD(checksum, 0, NO_KERNEL);
	BAD(header_addr, 0, NO_KERNEL);
	BAD(header_addr, 0x100011, NO_KERNEL);
	BAD(load_addr, 0x100011, NO_KERNEL);
	BAD(load_addr, 0x10, NO_KERNEL);
	BAD(load_end_addr, 0xfffff, NO_KERNEL);
	BAD(load_end_addr, 0x100201, NO_KERNEL);
	BAD(bss_end_addr, UINT32_MAX, TOO_BIG);
	bad = good;
	bad.header_addr = 0xfffffff0;
	bad.load_addr = 0xffffffe0;
	bad.load_end_addr = bad.bss_end_addr = 0;
	refused(&bad, sizeof(bad), TOO_BIG);
	bad.header_addr = TD_BOOT_PARAMS + 16;
	bad.load_addr = TD_BOOT_PARAMS;
	refused(&bad, sizeof(bad), NO_KERNEL);
#undef BAD
	for (size_t len = 0; len < sizeof(good); len += 7)
		refused(&good, len, NO_KERNEL);
}

static void the_memory_map_is_ordered_and_keeps_what_is_ours(void **state)
{
	struct td_boot_range range[TD_BOOT_RANGES_MAX];
	struct td_mem_config config = {.size_bytes = TD_MEM_HOLE_START + 64 * TD_MIB};
	struct td_mem large;
	struct td_err err = {0};
	unsigned count;
	uint64_t ram = 0;

	(void)state;
	assert_int_equal(td_mem_init(&large, &config, &err), 0);
	count = td_boot_ranges(&large, range);
	assert_true(count <= TD_BOOT_RANGES_MAX);
	for (unsigned i = 0; i < count; i++) {
		uint64_t end = range[i].start + range[i].len;

		assert_true(range[i].len > 0);
		assert_true(i == 0 || range[i - 1].start + range[i - 1].len <= range[i].start);
		if (range[i].type != TD_BOOT_RAM)
			continue;
		ram += range[i].len;
		assert_non_null(td_mem_ptr(&large, TD_GPA(range[i].start), range[i].len));
		assert_true(end <= 0xa0000 || range[i].start >= TD_BOOT_HIGH);
		assert_true(end <= TD_BOOT_PARAMS || range[i].start >= TD_BOOT_PAGES + 6 * TD_PAGE);
		assert_true(end <= TD_BOOT_CMDLINE || range[i].start >= TD_BOOT_CMDLINE + TD_BOOT_CMDLINE_MAX);
		assert_true(end <= TD_PCI_ECAM_BASE || range[i].start >= TD_PCI_ECAM_BASE + TD_PCI_ECAM_BYTES);
	}
	assert_true(ram > large.size_bytes - TD_MIB);
	td_mem_fini(&large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bzimage_is_loaded),
		cmocka_unit_test(page_tables_map_four_gib_one_to_one),
		cmocka_unit_test(bzimage_needs_its_room_above_its_address),
		cmocka_unit_test(initrd_counts_as_memory_needed),
		cmocka_unit_test(bad_bzimages_are_refused),
		cmocka_unit_test(truncated_images_are_refused_at_every_length),
		cmocka_unit_test(too_much_for_the_memory_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(elf_starts_by_pvh),
		cmocka_unit_test(elf_says_how_much_memory_it_needs),
		cmocka_unit_test(bad_elfs_are_refused),
		cmocka_unit_test(multiboot_is_loaded),
		cmocka_unit_test(multiboot_loads_elf32),
		cmocka_unit_test(bad_multiboots_are_refused),
		cmocka_unit_test(the_memory_map_is_ordered_and_keeps_what_is_ours),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
