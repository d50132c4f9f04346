/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_parts.h - what virtio_blk.c and virtio_blk_io.c share: the device's struct, its requests, their way to the kernel and back.
 * Nobody else includes it, but for tests. Called with the VM's lock held.
 */
#ifndef TD_EMUL_VIRTIO_BLK_PARTS_H
#define TD_EMUL_VIRTIO_BLK_PARTS_H

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <sys/uio.h>

#include "core/loop.h"
#include "emul/virtio_pci.h"

#define TD_BLK_QUEUE_ENTRIES 128U
#define TD_BLK_SECTOR	     512U
/*
 * What is in the page cache is copied when it is submitted, on the main loop with the VM's lock: so much in a round, and by a thread of the
 * kernel's what is more in one request.
 */
#define TD_BLK_ROUND_BYTES TD_MIB

struct request {
	struct request *next_free;
	bool in_flight; /* the kernel has it, or is about to */
	uint16_t head;
	uint32_t type;
	uint64_t sector;
	size_t data_bytes;
	uint8_t *status;	      /* in guest RAM */
	unsigned data_at, data_count; /* of iov: the data alone, once trimmed */
	struct iovec iov[TD_BLK_QUEUE_ENTRIES];
};

struct blk {
	struct td_virtio_pci dev; /* first */
	int fd;
	bool readonly;
	uint64_t sectors;
	uint32_t block_bytes; /* the least that the image is read and written in */
	char serial[VIRTIO_BLK_ID_BYTES];
	bool uring_ready;
	struct io_uring uring;
	struct td_watch done;	   /* its fd is owned */
	struct td_work retry_work; /* arms the timer, from whatever thread */
	struct td_timer retry;	   /* the kernel took less than it was given */
	unsigned in_flight, unsubmitted;
	bool dropping;		 /* stopped: answers to what is in flight are not wanted */
	uint64_t patience_ns;	 /* how long the storage is waited for with the VM's lock held */
	struct request *free;	 /* used before, free now */
	struct request *request; /* TD_BLK_QUEUE_ENTRIES, mapped: a page exists when it was needed once */
	unsigned request_count;	 /* so many were ever used */
};

bool td_blk_has_free(const struct blk *blk);
struct request *td_blk_take_free(struct blk *blk); /* NULL: none */
void td_blk_give_free(struct blk *blk, struct request *request);

/* Answers the guest, and gives the request back. */
void td_blk_finish(struct blk *blk, struct request *request, uint8_t status, uint32_t written_bytes);
/* Shows the guest all answers since the last time. */
void td_blk_publish(struct blk *blk);

/* A read, write or flush that was checked; answered now or later. td_blk_submit() follows. */
void td_blk_io(struct blk *blk, struct request *request);
void td_blk_submit(struct blk *blk);

int td_blk_io_open(struct blk *blk, struct td_err *err);
void td_blk_io_close(struct blk *blk);			      /* harmless when not open, or half so */
int td_blk_io_stop(struct blk *blk, enum td_virtio_stop how); /* as td_virtio_ops.stop */

#endif
