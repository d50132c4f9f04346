/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_parts.h - what the disk's files share: the device's struct, its requests (virtio_blk.c), their way to a storage and back
 * (virtio_blk_io.c), and the storages behind one ops struct: virtio_blk_file.c, virtio_blk_nbd.c. Nobody else includes it, but for tests.
 * Called on the main loop with the VM's lock held.
 */
#ifndef TD_EMUL_VIRTIO_BLK_PARTS_H
#define TD_EMUL_VIRTIO_BLK_PARTS_H

#include <liburing.h>
#include <linux/virtio_blk.h>
#include <sys/uio.h>

#include "core/loop.h"
#include "emul/virtio_blk.h"
#include "emul/virtio_pci.h"

#define TD_BLK_QUEUE_ENTRIES 128U
#define TD_BLK_SECTOR	     512U
#define TD_BLK_BLOCK_MAX     4096U /* of a page cache that has pages of 4 KiB */
/*
 * What is in the page cache is copied when it is submitted, on the main loop with the VM's lock: so much in a round, and by a thread of the
 * kernel's what is more in one request.
 */
#define TD_BLK_ROUND_BYTES TD_MIB

struct td_blk_nbd;

struct request {
	struct request *next_free;
	bool in_flight; /* the storage has it, or is about to */
	uint16_t head;
	uint32_t type;
	uint64_t sector;
	size_t data_bytes;
	uint8_t *status;	      /* in guest RAM */
	unsigned data_at, data_count; /* of iov: the data alone, once trimmed */
	struct iovec iov[TD_BLK_QUEUE_ENTRIES];
	struct td_blk_piece { /* virtio_blk_nbd.c: what of it is under way */
		struct td_blk_nbd *nbd;
		struct request *next_back;
		uint8_t *bytes; /* owned */
		size_t at, len_bytes;
		int error; /* positive errno; 0: none */
	} piece;
};

struct blk;

/* A storage. All are called on the main loop. */
struct td_blk_storage {
	/* blk->fd is the image, open and locked. Sets sectors and block_bytes. close() follows, also on failure. */
	int (*open)(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err);
	void (*close)(struct blk *blk);
	/* Takes a request: td_blk_answer() at once, or td_blk_came_back() later. submit() follows. */
	void (*io)(struct blk *blk, struct request *request);
	/* Sends what io() took. What cannot be sent now is sent by itself later. */
	void (*submit)(struct blk *blk);
	/* Calls td_blk_came_back() for all that did. How many. */
	unsigned (*reap)(struct blk *blk);
	/* Calls off what is under way, as far as that can be done. */
	void (*cancel)(struct blk *blk);
	/* Waits until reap() may find something, a few milliseconds at most. */
	void (*wait)(struct blk *blk);
};
extern const struct td_blk_storage td_blk_file, td_blk_nbd;

struct blk {
	struct td_virtio_pci dev; /* first */
	const struct td_blk_storage *storage;
	int fd;
	bool readonly;
	uint64_t sectors;
	uint32_t block_bytes; /* the least that the image is read and written in */
	char serial[VIRTIO_BLK_ID_BYTES];
	unsigned in_flight;
	bool dropping;		 /* stopped: answers to what is in flight are not wanted */
	uint64_t patience_ns;	 /* how long the storage is waited for with the VM's lock held */
	struct request *free;	 /* used before, free now */
	struct request *request; /* TD_BLK_QUEUE_ENTRIES, mapped: a page exists when it was needed once */
	unsigned request_count;	 /* so many were ever used */

	/* virtio_blk_file.c */
	bool uring_ready;
	struct io_uring uring;
	struct td_watch done;	   /* its fd is owned */
	struct td_work retry_work; /* arms the timer, from whatever thread */
	struct td_timer retry;	   /* the kernel took less than it was given */
	unsigned unsubmitted;

	struct td_blk_nbd *nbd; /* virtio_blk_nbd.c; owned */
};

bool td_blk_has_free(const struct blk *blk);
struct request *td_blk_take_free(struct blk *blk); /* NULL: none */
void td_blk_give_free(struct blk *blk, struct request *request);

/* Answers the guest, and gives the request back. */
void td_blk_finish(struct blk *blk, struct request *request, uint8_t status, uint32_t written_bytes);
/* Shows the guest all answers since the last time. */
void td_blk_publish(struct blk *blk);

/* A storage's answer: bytes, or -errno. The first to a request that was not marked as in flight. */
void td_blk_answer(struct blk *blk, struct request *request, int64_t result);
void td_blk_came_back(struct blk *blk, struct request *request, int64_t result);
/* Main loop: something may have come back, or can go out now. */
void td_blk_io_look(struct blk *blk);

int td_blk_io_open(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err);
void td_blk_io_close(struct blk *blk);			      /* harmless when not open, or half so */
int td_blk_io_stop(struct blk *blk, enum td_virtio_stop how); /* as td_virtio_ops.stop */

#endif
