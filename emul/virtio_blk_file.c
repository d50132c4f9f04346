/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_file.c - a raw file or block device as a disk's storage: by io_uring straight from and into guest RAM, and back through an
 * eventfd on the main loop. A kernel that refuses io_uring is served by preadv and pwritev instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/virtio_blk_parts.h"

#define RETRY_NS 10000000ULL
#define WAIT_MS	 10

/* ---- back ---- */

static unsigned blk_file_reap(struct blk *blk)
{
	struct io_uring_cqe *cqe;
	unsigned count = 0;

	while (blk->uring_ready && !io_uring_peek_cqe(&blk->uring, &cqe)) {
		struct request *request = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&blk->uring, cqe);
		count++;
		if (request) /* else the answer to a cancel: what it found says so itself */
			td_blk_came_back(blk, request, result);
	}
	return count;
}

static void done_ready(struct td_watch *watch, uint32_t events)
{
	eventfd_t count;

	(void)events;
	if (!eventfd_read(watch->fd, &count))
		td_blk_io_look(TD_CONTAINER_OF(watch, struct blk, done));
}

static void blk_file_wait(struct blk *blk)
{
	struct pollfd done = {.fd = blk->done.fd, .events = POLLIN};
	eventfd_t count;

	/* Read before reap() looks, so that what comes after it wakes the next wait. */
	if (poll(&done, 1, WAIT_MS) > 0)
		(void)eventfd_read(done.fd, &count);
}

/* ---- to the kernel ---- */

static void io_sync(struct blk *blk, struct request *request)
{
	struct iovec *iov = &request->iov[request->data_at];
	off_t at = (off_t)(request->sector * TD_BLK_SECTOR);
	ssize_t result;

	if (request->type == VIRTIO_BLK_T_FLUSH)
		result = fdatasync(blk->fd);
	else if (request->type == VIRTIO_BLK_T_IN)
		result = preadv(blk->fd, iov, (int)request->data_count, at);
	else
		result = pwritev(blk->fd, iov, (int)request->data_count, at);
	td_blk_answer(blk, request, result < 0 ? -errno : result);
}

static void blk_file_io(struct blk *blk, struct request *request)
{
	struct iovec *iov = &request->iov[request->data_at];
	struct io_uring_sqe *sqe = blk->uring_ready ? io_uring_get_sqe(&blk->uring) : NULL;

	if (!sqe) {
		io_sync(blk, request);
		return;
	}
	if (request->type == VIRTIO_BLK_T_FLUSH)
		io_uring_prep_fsync(sqe, blk->fd, IORING_FSYNC_DATASYNC);
	else if (request->type == VIRTIO_BLK_T_IN)
		io_uring_prep_readv(sqe, blk->fd, iov, request->data_count, request->sector * TD_BLK_SECTOR);
	else
		io_uring_prep_writev(sqe, blk->fd, iov, request->data_count, request->sector * TD_BLK_SECTOR);
	if (request->data_bytes > TD_BLK_ROUND_BYTES)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, request);
	request->in_flight = true;
	blk->in_flight++;
	blk->unsubmitted++;
}

/* What the kernel doesn't take now stays in the ring, and is tried again soon. */
static void blk_file_submit(struct blk *blk)
{
	while (blk->unsubmitted) {
		int rc = io_uring_submit(&blk->uring);

		if (rc > 0)
			blk->unsubmitted -= TD_MIN((unsigned)rc, blk->unsubmitted);
		else if (rc != -EINTR && !((rc == -EAGAIN || rc == -EBUSY) && blk_file_reap(blk)))
			break;
	}
	if (blk->unsubmitted)
		td_loop_post(&blk->dev.pci.vm->loop, &blk->retry_work);
}

static void retry_expired(struct td_timer *timer)
{
	td_blk_io_look(TD_CONTAINER_OF(timer, struct blk, retry));
}

static void retry_soon(struct td_work *work)
{
	struct blk *blk = TD_CONTAINER_OF(work, struct blk, retry_work);

	td_loop_arm(&blk->dev.pci.vm->loop, &blk->retry, RETRY_NS);
}

static void blk_file_cancel(struct blk *blk)
{
	for (unsigned i = 0; i < blk->request_count; i++) {
		struct io_uring_sqe *sqe = blk->request[i].in_flight ? io_uring_get_sqe(&blk->uring) : NULL;

		if (!sqe)
			continue; /* no room: that one is waited for */
		io_uring_prep_cancel(sqe, &blk->request[i], 0);
		io_uring_sqe_set_data(sqe, NULL);
		blk->unsubmitted++;
	}
}

/* ---- set-up ---- */

static int find_size(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct stat stat;
	uint64_t bytes;

	if (fstat(blk->fd, &stat))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s", config->name, config->path);
	bytes = (uint64_t)stat.st_size;
	if (S_ISBLK(stat.st_mode) && ioctl(blk->fd, BLKGETSIZE64, &bytes))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s: its size", config->name, config->path);
	if (!bytes || bytes % TD_BLK_SECTOR)
		return td_err_set(err, EINVAL, TD_REASON_DISK, "%s: %s has %llu bytes: not a multiple of %u above 0", config->name,
			config->path, (unsigned long long)bytes, TD_BLK_SECTOR);
	blk->sectors = bytes / TD_BLK_SECTOR;
	return 0;
}

/* In what units O_DIRECT takes offsets and lengths. Where neither device nor file system says: in sectors, as most do. */
static uint32_t direct_unit(int fd)
{
	struct stat stat;
	int bytes = 0;

	if (!fstat(fd, &stat) && S_ISBLK(stat.st_mode))
		return ioctl(fd, BLKSSZGET, &bytes) || bytes <= 0 ? TD_BLK_SECTOR : (uint32_t)bytes;
#ifdef STATX_DIOALIGN /* Linux 6.1 */
	struct statx more = {0};
	if (!statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &more) && more.stx_mask & STATX_DIOALIGN && more.stx_dio_offset_align)
		return more.stx_dio_offset_align;
#endif
	return TD_BLK_SECTOR;
}

/* The guest must know, as it would send requests that the storage refuses. Through the page cache any unit will do. */
static int find_block(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	uint32_t bytes = config->direct ? TD_MAX(direct_unit(blk->fd), TD_BLK_SECTOR) : TD_BLK_SECTOR;

	if (bytes > TD_BLK_BLOCK_MAX || (bytes & (bytes - 1)))
		return td_err_set(err, EINVAL, TD_REASON_DISK,
			"%s: %s takes direct IO in blocks of %u bytes, guests take up to %u: leave direct out", config->name, config->path,
			bytes, TD_BLK_BLOCK_MAX);
	if (blk->sectors * TD_BLK_SECTOR % bytes)
		return td_err_set(err, EINVAL, TD_REASON_DISK,
			"%s: %s has %llu bytes: not a multiple of the %u that direct IO needs there: leave direct out, or make it larger",
			config->name, config->path, (unsigned long long)(blk->sectors * TD_BLK_SECTOR), bytes);
	blk->block_bytes = bytes;
	return 0;
}

static int make_uring(struct blk *blk, struct td_err *err)
{
	const char *name = blk->dev.pci.device.name;
	int rc = io_uring_queue_init(TD_BLK_QUEUE_ENTRIES, &blk->uring, 0);

	if (rc) {
		td_info("%s: without io_uring: %s", name, strerror(-rc));
		return 0;
	}
	blk->uring_ready = true;
	blk->done.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (blk->done.fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "%s: eventfd", name);
	rc = io_uring_register_eventfd(&blk->uring, blk->done.fd);
	blk->done.ready = done_ready;
	blk->done.events = EPOLLIN;
	if (!rc)
		rc = td_loop_watch(&blk->dev.pci.vm->loop, &blk->done);
	return rc ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: io_uring's eventfd", name) : 0;
}

static int blk_file_open(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	int rc = find_size(blk, config, err);

	blk->retry_work.run = retry_soon;
	blk->retry.expired = retry_expired;
	if (!rc)
		rc = find_block(blk, config, err);
	return rc ? rc : make_uring(blk, err);
}

static void blk_file_close(struct blk *blk)
{
	struct td_loop *loop = &blk->dev.pci.vm->loop;

	td_loop_cancel(loop, &blk->retry_work);
	td_loop_disarm(loop, &blk->retry);
	td_loop_unwatch(loop, &blk->done);
	if (blk->uring_ready)
		io_uring_queue_exit(&blk->uring);
	td_cleanup_close(&blk->done.fd);
}

const struct td_blk_storage td_blk_file = {
	blk_file_open, blk_file_close, blk_file_io, blk_file_submit, blk_file_reap, blk_file_cancel, blk_file_wait};
