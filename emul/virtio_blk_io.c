/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_io.c - disk requests on their way to the storage and back: by io_uring straight from and into guest RAM, and back through an
 * eventfd on the main loop. A kernel that refuses io_uring is served by preadv and pwritev instead.
 *
 * Theory of operation of the end. Storage may hang for as long as it likes, and requests that are under way write into guest RAM. A driver
 * that resets the device waits itself, so nothing waits here: what can be called off is, and the last one that comes back finishes the
 * reset. Who pauses or ends the VM is kept waiting, but not for long.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/virtio_blk_parts.h"

#define RETRY_NS    10000000ULL
#define RETRY_MS    10
#define PATIENCE_NS 5000000000ULL

/* ---- the end of a request ---- */

bool td_blk_has_free(const struct blk *blk)
{
	return blk->free || blk->request_count < TD_BLK_QUEUE_ENTRIES;
}

struct request *td_blk_take_free(struct blk *blk)
{
	struct request *request = blk->free;

	if (!request)
		return blk->request_count < TD_BLK_QUEUE_ENTRIES ? &blk->request[blk->request_count++] : NULL;
	blk->free = request->next_free;
	return request;
}

void td_blk_give_free(struct blk *blk, struct request *request)
{
	request->next_free = blk->free;
	blk->free = request;
}

void td_blk_finish(struct blk *blk, struct request *request, uint8_t status, uint32_t written_bytes)
{
	__atomic_store_n(request->status, status, __ATOMIC_RELAXED);
	td_virtqueue_push(&blk->dev.queue[0].vq, request->head, written_bytes + 1);
	td_blk_give_free(blk, request);
}

static void finish_io(struct blk *blk, struct request *request, int result)
{
	bool in = request->type == VIRTIO_BLK_T_IN;
	bool ok = request->type == VIRTIO_BLK_T_FLUSH ? result == 0 : result >= 0 && (size_t)result == request->data_bytes;

	if (!ok)
		td_log_limited(&blk->dev.limit, TD_LOG_WARN, "%s: %s of %zu bytes at sector %llu: %s", blk->dev.pci.device.name,
			in				    ? "read"
			: request->type == VIRTIO_BLK_T_OUT ? "write"
							    : "flush",
			request->data_bytes, (unsigned long long)request->sector, result < 0 ? strerror(-result) : "fell short");
	td_blk_finish(blk, request, ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, in && result > 0 ? (uint32_t)result : 0);
}

void td_blk_publish(struct blk *blk)
{
	if (td_virtqueue_publish(&blk->dev.queue[0].vq))
		td_virtio_pci_signal(&blk->dev, 0);
}

/* How many came back. */
static unsigned reap(struct blk *blk)
{
	struct io_uring_cqe *cqe;
	unsigned count = 0;

	while (!io_uring_peek_cqe(&blk->uring, &cqe)) {
		struct request *request = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&blk->uring, cqe);
		count++;
		if (!request)
			continue; /* the answer to a cancel: what it found says so itself */
		request->in_flight = false;
		blk->in_flight--;
		if (blk->dropping)
			td_blk_give_free(blk, request);
		else
			finish_io(blk, request, result);
	}
	return count;
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
	finish_io(blk, request, result < 0 ? -errno : (int)result);
}

void td_blk_io(struct blk *blk, struct request *request)
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
void td_blk_submit(struct blk *blk)
{
	while (blk->unsubmitted) {
		int rc = io_uring_submit(&blk->uring);

		if (rc > 0)
			blk->unsubmitted -= TD_MIN((unsigned)rc, blk->unsubmitted);
		else if (rc != -EINTR && !((rc == -EAGAIN || rc == -EBUSY) && reap(blk)))
			break;
	}
	if (blk->unsubmitted)
		td_loop_post(&blk->dev.pci.vm->loop, &blk->retry_work);
}

/* ---- on the main loop ---- */

static void blk_io_look(struct blk *blk)
{
	bool was_full = !td_blk_has_free(blk);

	reap(blk);
	td_blk_submit(blk);
	if (blk->dropping) {
		blk->dropping = blk->in_flight > 0;
		if (!blk->dropping)
			td_virtio_pci_stopped(&blk->dev);
		return;
	}
	if (!blk->dev.running)
		return;
	td_blk_publish(blk);
	if (was_full && td_blk_has_free(blk))
		td_virtio_pci_kick(&blk->dev, 0);
}

static void done_ready(struct td_watch *watch, uint32_t events)
{
	eventfd_t count;

	(void)events;
	if (!eventfd_read(watch->fd, &count))
		blk_io_look(TD_CONTAINER_OF(watch, struct blk, done));
}

static void retry_expired(struct td_timer *timer)
{
	blk_io_look(TD_CONTAINER_OF(timer, struct blk, retry));
}

static void retry_soon(struct td_work *work)
{
	struct blk *blk = TD_CONTAINER_OF(work, struct blk, retry_work);

	td_loop_arm(&blk->dev.pci.vm->loop, &blk->retry, RETRY_NS);
}

/* ---- the end ---- */

static void cancel_all(struct blk *blk)
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

static bool wait_for_all(struct blk *blk)
{
	struct pollfd done = {.fd = blk->done.fd, .events = POLLIN};
	uint64_t until = td_now_ns() + blk->patience_ns;
	eventfd_t count;

	while (blk->in_flight && td_now_ns() < until) {
		td_blk_submit(blk);
		/* Read before the look, so that what comes after it wakes the next one. */
		if (poll(&done, 1, RETRY_MS) > 0)
			(void)eventfd_read(done.fd, &count);
		reap(blk);
	}
	return !blk->in_flight;
}

/* Nobody wants the answers any more. */
static void drop_all(struct blk *blk)
{
	if (!blk->dropping) {
		blk->dropping = true;
		td_blk_submit(blk); /* room for the cancels */
		cancel_all(blk);
	}
	td_blk_submit(blk);
	reap(blk);
}

int td_blk_io_stop(struct blk *blk, enum td_virtio_stop how)
{
	if (how != TD_VIRTIO_REST && blk->in_flight)
		drop_all(blk);
	if (how == TD_VIRTIO_DROP && blk->in_flight)
		return -EINPROGRESS;
	if (!wait_for_all(blk)) {
		td_error("%s: the storage has not answered %u requests for %llu ms [%s]", blk->dev.pci.device.name, blk->in_flight,
			(unsigned long long)(blk->patience_ns / 1000000), td_reason_name(TD_REASON_DISK_TIMEOUT));
		return -ETIMEDOUT;
	}
	if (!blk->dropping && blk->dev.queue[0].enabled && !blk->dev.pci.device.broken)
		td_blk_publish(blk);
	blk->dropping = false;
	return 0;
}

/* ---- set-up ---- */

static int make_requests(struct blk *blk, struct td_err *err)
{
	void *map = mmap(NULL, TD_BLK_QUEUE_ENTRIES * sizeof(*blk->request), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "%s", blk->dev.pci.device.name);
	blk->request = map;
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

int td_blk_io_open(struct blk *blk, struct td_err *err)
{
	int rc = make_requests(blk, err);

	blk->retry_work.run = retry_soon;
	blk->retry.expired = retry_expired;
	blk->patience_ns = PATIENCE_NS;
	return rc ? rc : make_uring(blk, err);
}

void td_blk_io_close(struct blk *blk)
{
	struct td_loop *loop = &blk->dev.pci.vm->loop;

	td_loop_cancel(loop, &blk->retry_work);
	td_loop_disarm(loop, &blk->retry);
	td_loop_unwatch(loop, &blk->done);
	if (blk->uring_ready)
		io_uring_queue_exit(&blk->uring);
	td_cleanup_close(&blk->done.fd);
	if (blk->request)
		munmap(blk->request, TD_BLK_QUEUE_ENTRIES * sizeof(*blk->request));
}
