/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_blk.h - a virtio 1.x disk (virtio 1.2 §5.2) on a raw file or block device, by io_uring on the main loop. */
#ifndef TD_EMUL_VIRTIO_BLK_H
#define TD_EMUL_VIRTIO_BLK_H

#include "core/base.h"
#include "core/err.h"

struct td_vm;

struct td_virtio_blk_config {
	const char *name; /* "disk0" */
	const char *path; /* raw image or block device; a size that is not a multiple of 512 is refused */
	bool readonly;
	bool direct;	    /* O_DIRECT */
	const char *serial; /* up to 20 bytes, or NULL */
};

int td_virtio_blk_create(struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err);

#endif
