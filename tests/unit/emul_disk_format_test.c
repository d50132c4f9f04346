/* SPDX-License-Identifier: Apache-2.0 */
/* emul_disk_format_test.c - files of other formats by their marks, and that what raw disks begin with is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emul/disk_format.h"

/* Sectors of zeros, but for some bytes in the first and in the last. */
struct sample {
	const char *name; /* that is found, or NULL */
	size_t at;
	const char *bytes;
	size_t len_bytes;
	bool in_tail;
};

#define HEAD(name, at, bytes)                             \
	{                                                 \
		name, at, bytes, sizeof(bytes) - 1, false \
	}
#define TAIL(name, at, bytes)                            \
	{                                                \
		name, at, bytes, sizeof(bytes) - 1, true \
	}

static const struct sample samples[] = {
	HEAD("qcow2", 0, "QFI\xfb\0\0\0\3"),
	HEAD("qcow2", 0, "QFI\xfb\0\0\0\2"),
	HEAD("qcow", 0, "QFI\xfb\0\0\0\1"),
	HEAD("qed", 0, "QED\0\0\0\1\0"),
	HEAD("vmdk", 0, "KDMV\1\0\0\0"),
	HEAD("vmdk", 0, "COWD\1\0\0\0"),
	HEAD("vmdk", 0, "# Disk DescriptorFile\nversion=1\n"),
	HEAD("vhdx", 0, "vhdxfileQ\0E\0M\0U\0"),
	HEAD("vhd", 0, "conectix\0\0\0\2"),
	TAIL("vhd", 0, "conectix\0\0\0\2"),
	HEAD("vdi", 0x40, "\x7f\x10\xda\xbe\1\0\1\0"),
	HEAD("parallels", 0, "WithoutFreeSpace\2\0\0\0"),
	HEAD("parallels", 0, "WithouFreSpacExt\2\0\0\0"),
	HEAD("gzip", 0, "\x1f\x8b\x08\0\0\0\0\0"),
	HEAD("xz", 0,
		"\xfd"
		"7zXZ\0\0\4"),
	HEAD("zstd", 0, "\x28\xb5\x2f\xfd\x04\0"),
	HEAD("lz4", 0, "\x04\x22\x4d\x18\x64\x40"),
	HEAD("bzip2", 0, "BZh91AY&SY"),
	HEAD(NULL, 0, ""),
	HEAD(NULL, 510, "\x55\xaa"),		   /* a boot sector */
	HEAD(NULL, 0, "\xeb\x63\x90\0\0\0"),	   /* one that begins with GRUB's jump */
	HEAD(NULL, 0, "\xeb\x3c\x90mkfs.fat"),	   /* FAT */
	HEAD(NULL, 0, "XFSB\0\0\x10\0"),	   /* a file system on the whole disk */
	HEAD(NULL, 0, "LUKS\xba\xbe\0\2"),	   /* encrypted by the guest */
	HEAD(NULL, 0, "\x1f\x8b\x07"),		   /* no gzip */
	HEAD(NULL, 0, "<<< Oracle VM VirtualBox"), /* VDI's text, without its mark */
	HEAD(NULL, 1, "QFI\xfb\0\0\0\3"),	   /* not where it has to be */
	TAIL(NULL, 0, "EFI PART\0\0\1\0"),	   /* the second copy of a partition table */
	TAIL(NULL, 8, "conectix"),
	TAIL(NULL, 0, "QFI\xfb\0\0\0\3"),
};

static void a_mark_is_found_where_it_stands(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(samples); i++) {
		uint8_t head[TD_DISK_FORMAT_BYTES] = {0}, tail[TD_DISK_FORMAT_BYTES] = {0};
		const struct td_disk_format_mark *mark;

		memcpy((samples[i].in_tail ? tail : head) + samples[i].at, samples[i].bytes, samples[i].len_bytes);
		mark = td_disk_format_find(head, sizeof(head), tail, sizeof(tail));
		if (!samples[i].name) {
			assert_null(mark);
			continue;
		}
		assert_non_null(mark);
		assert_string_equal(mark->name, samples[i].name);
	}
}

/* Each is looked for in as many bytes as it has, and in one less, where it is not. Valgrind and ASan see a read behind the end. */
static void a_short_file_is_read_to_its_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(samples); i++) {
		size_t len = samples[i].at + samples[i].len_bytes;
		uint8_t *head = calloc(1, len + 1);

		memcpy(head + samples[i].at, samples[i].bytes, samples[i].len_bytes);
		for (size_t bytes = 0; bytes <= len; bytes++) {
			uint8_t *cut = malloc(bytes + !bytes);

			memcpy(cut, head, bytes);
			(void)td_disk_format_find(cut, bytes, cut, bytes);
			free(cut);
		}
		assert_true(samples[i].in_tail || !samples[i].name || td_disk_format_find(head, len, head, len) != NULL);
		free(head);
	}
	assert_null(td_disk_format_find("QFI", 3, "QFI", 3));
	assert_null(td_disk_format_find("", 0, "", 0));
}

static void what_to_do_is_said(void **state)
{
	const struct td_disk_format_mark *packed = td_disk_format_find("\x1f\x8b\x08", 3, NULL, 0),
					 *image = td_disk_format_find("QFI\xfb\0\0\0\3", 8, NULL, 0);

	(void)state;
	assert_string_equal(packed->unpack, "gzip -d <OLD >NEW");
	assert_string_equal(image->unpack, "qemu-img convert -O raw OLD NEW");
}

/* A format that can be served is one whose images are known. */
static void each_word_has_a_mark(void **state)
{
	(void)state;
	for (unsigned format = TD_DISK_RAW + 1; format < TD_DISK_FORMATS; format++) {
		unsigned found = 0;

		for (unsigned i = 0; i < TD_COUNT(samples); i++)
			found += samples[i].name && !strcmp(samples[i].name, td_disk_format_words[format]);
		assert_true(found > 0);
		assert_true(td_disk_format_is_nbd((enum td_disk_format)format));
	}
	assert_false(td_disk_format_is_nbd(TD_DISK_AUTO));
	assert_false(td_disk_format_is_nbd(TD_DISK_RAW));
	assert_string_equal(td_disk_format_qemu(TD_DISK_QCOW2), "qcow2");
	assert_string_equal(td_disk_format_qemu(TD_DISK_VHD), "vpc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mark_is_found_where_it_stands),
		cmocka_unit_test(a_short_file_is_read_to_its_end),
		cmocka_unit_test(what_to_do_is_said),
		cmocka_unit_test(each_word_has_a_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
