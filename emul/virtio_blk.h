/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk.h - a virtio 1.x disk (virtio 1.2 §5.2) on a raw file or block device, by io_uring on the main loop; or on an image of another
 * format, by NBD from a qemu-nbd that lives as long as the disk.
 */
#ifndef TD_EMUL_VIRTIO_BLK_H
#define TD_EMUL_VIRTIO_BLK_H

#include "core/base.h"
#include "core/err.h"
#include "emul/disk_format.h"

struct td_vm;

/*
 * The image is locked for as long as the device lives, by an OFD lock (fcntl(2)) on the whole file: for writing, or readonly, for reading.
 * So one VM writes or many read; QEMU and cloud-hypervisor take such locks too. A block device that is written to is claimed besides.
 */
struct td_virtio_blk_config {
	const char *name; /* "disk0" */
	const char *path; /* image or block device; a disk whose size is not a multiple of 512 is refused */
	enum td_disk_format format;
	bool readonly;
	bool direct;	     /* O_DIRECT; the guest sees the blocks that this needs: 512 bytes, or 4096 */
	const char *serial;  /* up to 20 bytes, or NULL */
	const char *run_dir; /* where only we may make files; for formats other than raw */
};

/* TD_REASON_DISK_IN_USE: somebody has locked the image. TD_REASON_DISK_FORMAT: it does not hold what format says. */
int td_virtio_blk_create(struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err);

#endif
