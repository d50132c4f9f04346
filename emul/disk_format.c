/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_format.c - see disk_format.h. Where the marks stand: QEMU docs/interop/qcow2 and docs/interop/qed_spec, VMware's Virtual Disk Format
 * 5.0, [MS-VHDX] 2.2.1, Microsoft's Virtual Hard Disk Image Format Specification ("Hard Disk Footer"), VirtualBox' VDI header, QEMU
 * docs/interop/parallels; RFC 1952, RFC 8878, the xz, bzip2 and LZ4 frame formats.
 *
 * A raw disk begins with a boot sector, a file system, a partition table or zeros: none of these. LUKS is left out on purpose: a guest
 * puts it onto its raw disk itself.
 */
#include "emul/disk_format.h"

#include <assert.h>
#include <string.h>

const char *const td_disk_format_words[] = {"auto", "raw", "qcow2", "vmdk", "vhdx", "vdi", "vhd", NULL};

static_assert(TD_COUNT(td_disk_format_words) == TD_DISK_FORMATS + 1, "a word for each format");

bool td_disk_format_is_nbd(enum td_disk_format format)
{
	return format > TD_DISK_RAW;
}

const char *td_disk_format_qemu(enum td_disk_format format)
{
	return format == TD_DISK_VHD ? "vpc" : td_disk_format_words[format];
}

#define MARK(name, unpack, at, bytes)                      \
	{                                                  \
		name, unpack, at, bytes, sizeof(bytes) - 1 \
	}
#define IMAGE(name, at, bytes)	MARK(name, "qemu-img convert -O raw OLD NEW", at, bytes)
#define PACKED(tool, at, bytes) MARK(tool, tool " -d <OLD >NEW", at, bytes)

static const struct td_disk_format_mark heads[] = {
	IMAGE("qcow", 0, "QFI\xfb\0\0\0\1"), IMAGE("qcow2", 0, "QFI\xfb"), IMAGE("qed", 0, "QED\0"),
	IMAGE("vmdk", 0, "KDMV"),				   /* a sparse extent */
	IMAGE("vmdk", 0, "COWD"),				   /* the same, of old ESX servers */
	IMAGE("vmdk", 0, "# Disk DescriptorFile"),		   /* a text that names the extents */
	IMAGE("vhdx", 0, "vhdxfile"), IMAGE("vhd", 0, "conectix"), /* dynamic, differencing: a copy of the footer */
	IMAGE("vdi", 0x40, "\x7f\x10\xda\xbe"), IMAGE("parallels", 0, "WithoutFreeSpace"), IMAGE("parallels", 0, "WithouFreSpacExt"),
	PACKED("gzip", 0, "\x1f\x8b\x08"), PACKED("xz", 0, "\xfd\x37zXZ\0"), PACKED("zstd", 0, "\x28\xb5\x2f\xfd"),
	PACKED("lz4", 0, "\x04\x22\x4d\x18"), PACKED("bzip2", 4, "1AY&SY"), /* the first block's; before it stand "BZh" and a digit */
};

/* A fixed VHD is a raw disk with a footer behind it, which QEMU does not look for when it guesses. */
static const struct td_disk_format_mark footer = MARK("vhd", "qemu-img convert -f vpc -O raw OLD NEW", 0, "conectix");

static bool has_mark(const struct td_disk_format_mark *mark, const uint8_t *end, size_t end_bytes)
{
	return td_range_ok(mark->at, mark->len_bytes, end_bytes) && !memcmp(end + mark->at, mark->bytes, mark->len_bytes);
}

const struct td_disk_format_mark *td_disk_format_find(const void *head, size_t head_bytes, const void *tail, size_t tail_bytes)
{
	for (unsigned i = 0; i < TD_COUNT(heads); i++)
		if (has_mark(&heads[i], head, head_bytes))
			return &heads[i];
	return tail_bytes == TD_DISK_FORMAT_BYTES && has_mark(&footer, tail, tail_bytes) ? &footer : NULL;
}
