/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disk_format.h - what a file holds, by its first and its last bytes: an image format of other programs, a compressed file, or, when none
 * of their marks is there, a raw disk. Pure: it reads no file.
 */
#ifndef TD_EMUL_DISK_FORMAT_H
#define TD_EMUL_DISK_FORMAT_H

#include "core/base.h"

#define TD_DISK_FORMAT_BYTES 512U /* so much of each end is enough */

/* What a VM's file says about a disk. */
enum td_disk_format { TD_DISK_AUTO, TD_DISK_RAW, TD_DISK_QCOW2, TD_DISK_VMDK, TD_DISK_VHDX, TD_DISK_VDI, TD_DISK_VHD, TD_DISK_FORMATS };

/* Their names, ended by NULL. */
extern const char *const td_disk_format_words[];

/* Served by another program through NBD? */
bool td_disk_format_is_nbd(enum td_disk_format format);
/* QEMU's driver of such a format. */
const char *td_disk_format_qemu(enum td_disk_format format);

struct td_disk_format_mark {
	const char *name;   /* "qcow2", "gzip": for a format that is in td_disk_format_words, its word */
	const char *unpack; /* what makes a raw disk of it: "gzip -d <OLD >NEW" */
	size_t at;	    /* offset from where the end in question begins */
	const char *bytes;
	size_t len_bytes;
};

/* The mark that is there, or NULL. Both ends may be shorter than TD_DISK_FORMAT_BYTES, when the file is, and may overlap. */
const struct td_disk_format_mark *td_disk_format_find(const void *head, size_t head_bytes, const void *tail, size_t tail_bytes);

#endif
