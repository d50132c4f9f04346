/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_blk.h - a virtio 1.x disk (virtio 1.2 §5.2) on a raw file or block device, by io_uring on the main loop. */
#ifndef TD_EMUL_VIRTIO_BLK_H
#define TD_EMUL_VIRTIO_BLK_H

#include "core/base.h"
#include "core/err.h"
#include "emul/disk_format.h"

struct td_vm;

/*
 * The image is locked for as long as the device lives, by an OFD lock (fcntl(2)) on the whole file: for writing, or readonly, for reading.
 * So one VM writes or many read; QEMU and cloud-hypervisor take such locks too.
 */
struct td_virtio_blk_config {
	const char *name; /* "disk0" */
	const char *path; /* raw image or block device; a size that is not a multiple of 512 is refused */
	enum td_disk_format format;
	bool readonly;
	bool direct;	    /* O_DIRECT; the guest sees the blocks that this needs: 512 bytes, or 4096 */
	const char *serial; /* up to 20 bytes, or NULL */
};

/* TD_REASON_DISK_IN_USE: somebody has locked the image. TD_REASON_DISK_FORMAT: it holds no raw disk, and format is AUTO. */
int td_virtio_blk_create(struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err);

#endif
