/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk.c - see virtio_blk.h. Requests are taken off the queue on the main loop, go to the kernel by io_uring straight from and into
 * guest RAM, and come back through an eventfd on the main loop. A kernel that refuses io_uring is served by preadv and pwritev instead.
 */
#include "emul/virtio_blk.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "emul/virtio_pci.h"

#define BIT(n)	      (1ULL << (n))
#define TYPE_BLK      2
#define CLASS_BLK     0x010000
#define QUEUE_ENTRIES 128U
#define SEGMENTS_MAX  (QUEUE_ENTRIES - 2) /* of data: a header and a status come on top */
#define SECTOR	      512U
#define CONFIG_BYTES  offsetof(struct virtio_blk_config, wce) /* the fields that we offer: capacity .. topology */
#define HEADER_BYTES  sizeof(struct virtio_blk_outhdr)

struct request {
	struct request *next_free;
	uint16_t head;
	uint32_t type;
	uint64_t sector;
	size_t data_bytes;
	uint8_t *status;	      /* in guest RAM */
	unsigned data_at, data_count; /* of iov: the data alone, once trimmed */
	struct iovec iov[QUEUE_ENTRIES];
};

struct blk {
	struct td_virtio_pci dev; /* first */
	int fd;
	bool readonly;
	uint64_t sectors;
	char serial[VIRTIO_BLK_ID_BYTES];
	bool uring_ready;
	struct io_uring uring;
	struct td_watch done; /* its fd is owned */
	unsigned in_flight, unsubmitted;
	struct request *free;	 /* used before, free now */
	struct request *request; /* QUEUE_ENTRIES, mapped: a page exists when it was needed once */
	unsigned request_count;	 /* so many were ever used */
};

static struct blk *from_dev(struct td_virtio_pci *dev)
{
	return TD_CONTAINER_OF(dev, struct blk, dev);
}

/* ---- the end of a request ---- */

static bool has_free(const struct blk *blk)
{
	return blk->free || blk->request_count < QUEUE_ENTRIES;
}

static struct request *take_free(struct blk *blk)
{
	struct request *request = blk->free;

	if (!request)
		return blk->request_count < QUEUE_ENTRIES ? &blk->request[blk->request_count++] : NULL;
	blk->free = request->next_free;
	return request;
}

static void give_free(struct blk *blk, struct request *request)
{
	request->next_free = blk->free;
	blk->free = request;
}

static void finish(struct blk *blk, struct request *request, uint8_t status, uint32_t written_bytes)
{
	__atomic_store_n(request->status, status, __ATOMIC_RELAXED);
	td_virtqueue_push(&blk->dev.queue[0].vq, request->head, written_bytes + 1);
	give_free(blk, request);
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
	finish(blk, request, ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, in && result > 0 ? (uint32_t)result : 0);
}

static void publish(struct blk *blk)
{
	if (td_virtqueue_publish(&blk->dev.queue[0].vq))
		td_virtio_pci_signal(&blk->dev, 0);
}

static void reap(struct blk *blk)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&blk->uring, &cqe)) {
		struct request *request = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&blk->uring, cqe);
		blk->in_flight--;
		finish_io(blk, request, result);
	}
}

/* ---- to the kernel ---- */

static void io_sync(struct blk *blk, struct request *request)
{
	struct iovec *iov = &request->iov[request->data_at];
	off_t at = (off_t)(request->sector * SECTOR);
	ssize_t result;

	if (request->type == VIRTIO_BLK_T_FLUSH)
		result = fdatasync(blk->fd);
	else if (request->type == VIRTIO_BLK_T_IN)
		result = preadv(blk->fd, iov, (int)request->data_count, at);
	else
		result = pwritev(blk->fd, iov, (int)request->data_count, at);
	finish_io(blk, request, result < 0 ? -errno : (int)result);
}

static void io(struct blk *blk, struct request *request)
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
		io_uring_prep_readv(sqe, blk->fd, iov, request->data_count, request->sector * SECTOR);
	else
		io_uring_prep_writev(sqe, blk->fd, iov, request->data_count, request->sector * SECTOR);
	io_uring_sqe_set_data(sqe, request);
	blk->in_flight++;
	blk->unsubmitted++;
}

static void submit(struct blk *blk)
{
	int rc;

	while (blk->unsubmitted) {
		rc = io_uring_submit(&blk->uring);
		if (rc > 0)
			blk->unsubmitted -= TD_MIN((unsigned)rc, blk->unsubmitted);
		else if (rc == -EAGAIN || rc == -EBUSY)
			reap(blk);
		else if (rc != -EINTR)
			return; /* they stay in the ring, for the next call */
	}
}

/* ---- requests ---- */

/* Takes `bytes` off the front of the data, which is where the header stood. */
static void skip_front(struct request *request, size_t bytes)
{
	while (bytes) {
		struct iovec *iov = &request->iov[request->data_at];
		size_t part = TD_MIN(bytes, iov->iov_len);

		iov->iov_base = (uint8_t *)iov->iov_base + part;
		iov->iov_len -= part;
		bytes -= part;
		if (!iov->iov_len) {
			request->data_at++;
			request->data_count--;
		}
	}
}

static bool within_disk(const struct blk *blk, const struct request *request)
{
	return request->data_bytes % SECTOR == 0 && td_range_ok(request->sector, request->data_bytes / SECTOR, blk->sectors);
}

static void give_id(struct blk *blk, struct request *request)
{
	size_t done = td_virtqueue_copy_in(&request->iov[request->data_at], request->data_count, 0, blk->serial, sizeof(blk->serial));

	finish(blk, request, VIRTIO_BLK_S_OK, (uint32_t)done);
}

static void obey(struct blk *blk, struct request *request, bool data_in)
{
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (data_in != (request->type == VIRTIO_BLK_T_IN) || !request->data_bytes || !within_disk(blk, request) ||
			(blk->readonly && !data_in)) {
			finish(blk, request, VIRTIO_BLK_S_IOERR, 0);
			return;
		}
		io(blk, request);
		return;
	case VIRTIO_BLK_T_FLUSH:
		io(blk, request);
		return;
	case VIRTIO_BLK_T_GET_ID:
		if (data_in)
			give_id(blk, request);
		else
			finish(blk, request, VIRTIO_BLK_S_IOERR, 0);
		return;
	default:
		finish(blk, request, VIRTIO_BLK_S_UNSUPP, 0);
	}
}

/* Header from the front, status from the end; what stays is the data (§5.2.6). NULL, or what is wrong with the chain. */
static const char *parse(struct request *request, const struct td_virtqueue_chain *chain, bool *ret_data_in)
{
	struct virtio_blk_outhdr header;
	struct iovec *last;

	if (chain->out_bytes < HEADER_BYTES || !chain->in_bytes)
		return "a request without header or status";
	if (chain->out_bytes > HEADER_BYTES && chain->in_bytes > 1)
		return "a request with data both ways";
	last = &request->iov[chain->out_count + chain->in_count - 1];
	td_virtqueue_copy_out(request->iov, chain->out_count, 0, &header, sizeof(header));
	request->head = chain->head;
	request->type = header.type;
	request->sector = header.sector;
	request->status = (uint8_t *)last->iov_base + --last->iov_len;
	*ret_data_in = chain->in_bytes > 1;
	request->data_bytes = chain->out_bytes - HEADER_BYTES + chain->in_bytes - 1;
	request->data_at = 0;
	request->data_count = chain->out_count + chain->in_count - !last->iov_len;
	skip_front(request, HEADER_BYTES);
	return NULL;
}

/* 1, 0: none there or none free, -EPROTO: broken. */
static int take(struct blk *blk)
{
	struct td_virtqueue *vq = &blk->dev.queue[0].vq;
	struct request *request = take_free(blk);
	struct td_virtqueue_chain chain;
	const char *why;
	bool data_in = false;
	int rc;

	if (!request)
		return 0;
	rc = td_virtqueue_pop(vq, request->iov, QUEUE_ENTRIES, &chain);
	why = rc > 0 ? parse(request, &chain, &data_in) : rc == 0 ? NULL : vq->why ? vq->why : "a request of too many segments";
	if (rc > 0 && !why) {
		obey(blk, request, data_in);
		return 1;
	}
	give_free(blk, request);
	if (!why)
		return 0;
	td_virtio_pci_break(&blk->dev, why);
	return -EPROTO;
}

static void work_off(struct blk *blk)
{
	struct td_virtqueue *vq = &blk->dev.queue[0].vq;
	unsigned taken = 0;
	int rc;

	td_virtqueue_disarm(vq);
	do
		rc = take(blk);
	while (rc > 0 && ++taken < QUEUE_ENTRIES);
	if (rc < 0)
		return;
	submit(blk);
	publish(blk);
	/* Without a free request the next one that is done looks again. */
	if (taken == QUEUE_ENTRIES || (has_free(blk) && td_virtqueue_arm(vq)))
		td_virtio_pci_kick(&blk->dev, 0);
}

static void done_ready(struct td_watch *watch, uint32_t events)
{
	struct blk *blk = TD_CONTAINER_OF(watch, struct blk, done);
	bool was_full = !has_free(blk);
	eventfd_t count;

	(void)events;
	if (eventfd_read(watch->fd, &count) || !blk->dev.running)
		return;
	reap(blk);
	submit(blk);
	publish(blk);
	if (was_full && has_free(blk))
		td_virtio_pci_kick(&blk->dev, 0);
}

/* ---- the transport's ops ---- */

/* Requests that are under way write into guest RAM: they are waited for, and their answers given. */
static void stop(struct td_virtio_pci *dev)
{
	struct blk *blk = from_dev(dev);
	struct io_uring_cqe *cqe;

	while (blk->in_flight) {
		submit(blk);
		int rc = io_uring_wait_cqe(&blk->uring, &cqe);
		if (rc && rc != -EINTR && rc != -EAGAIN)
			break;
		reap(blk);
	}
	if (dev->queue[0].enabled && !dev->pci.device.broken)
		publish(blk);
}

static void kicked(struct td_virtio_pci *dev, unsigned queue)
{
	if (dev->queue[queue].enabled)
		work_off(from_dev(dev));
}

static void destroy(struct td_virtio_pci *dev)
{
	struct blk *blk = from_dev(dev);

	td_loop_unwatch(&dev->pci.vm->loop, &blk->done);
	if (blk->uring_ready)
		io_uring_queue_exit(&blk->uring);
	td_cleanup_close(&blk->done.fd);
	td_cleanup_close(&blk->fd);
	if (blk->request)
		munmap(blk->request, QUEUE_ENTRIES * sizeof(*blk->request));
	free(blk);
}

static const struct td_virtio_ops ops = {
	.features_ok = td_virtio_pci_any_features,
	.start = td_virtio_pci_no_start,
	.stop = stop,
	.reset = td_virtio_pci_no_act,
	.broken = td_virtio_pci_no_act,
	.kicked = kicked,
	.vector_changed = td_virtio_pci_no_vector_act,
	.destroy = destroy,
};

/* ---- set-up ---- */

/* Wanted for the open alone, which would wait for a FIFO's other end: Linux 5.19 to 6.4 fail io_uring's requests for it with EAGAIN. */
static int make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? -errno : 0;
}

/* A file system that knows no locks is no reason to refuse: then nobody else has one there either. */
static int lock_image(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct flock lock = {.l_type = config->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET}; /* l_len 0: to the end */

	if (!fcntl(blk->fd, F_OFD_SETLK, &lock))
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return td_err_set(err, EBUSY, TD_REASON_DISK_IN_USE, "%s: %s is in use by another VM%s", config->name, config->path,
			config->readonly ? ", which writes to it" : "");
	td_warn("%s: %s: not locked against other VMs: %s", config->name, config->path, strerror(errno));
	return 0;
}

static int open_image(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct stat stat;
	uint64_t bytes;

	blk->fd = open(config->path, (config->readonly ? O_RDONLY : O_RDWR) | (config->direct ? O_DIRECT : 0) | O_CLOEXEC | O_NONBLOCK);
	if (blk->fd < 0)
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s", config->name, config->path);
	if (fstat(blk->fd, &stat))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s", config->name, config->path);
	if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
		return td_err_set(err, EINVAL, TD_REASON_DISK, "%s: %s is neither a file nor a block device", config->name, config->path);
	if (make_blocking(blk->fd))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s", config->name, config->path);
	bytes = (uint64_t)stat.st_size;
	if (S_ISBLK(stat.st_mode) && ioctl(blk->fd, BLKGETSIZE64, &bytes))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s: its size", config->name, config->path);
	if (!bytes || bytes % SECTOR)
		return td_err_set(err, EINVAL, TD_REASON_DISK, "%s: %s has %llu bytes: not a multiple of %u above 0", config->name,
			config->path, (unsigned long long)bytes, SECTOR);
	blk->sectors = bytes / SECTOR;
	return lock_image(blk, config, err);
}

static int make_requests(struct blk *blk, struct td_err *err)
{
	void *map = mmap(NULL, QUEUE_ENTRIES * sizeof(*blk->request), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "%s", blk->dev.pci.device.name);
	blk->request = map;
	return 0;
}

static int make_uring(struct blk *blk, struct td_err *err)
{
	const char *name = blk->dev.pci.device.name;
	int rc = io_uring_queue_init(QUEUE_ENTRIES, &blk->uring, 0);

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

static void fill_config(struct blk *blk)
{
	struct virtio_blk_config config = {.capacity = blk->sectors, .seg_max = SEGMENTS_MAX, .blk_size = SECTOR};

	memcpy(blk->dev.config, &config, CONFIG_BYTES);
}

static int set_up(struct blk *blk, struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct td_virtio_pci_config transport = {
		.name = config->name,
		.type = TYPE_BLK,
		.class_code = CLASS_BLK,
		.features = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_FLUSH) |
			    (config->readonly ? BIT(VIRTIO_BLK_F_RO) : 0),
		.ops = &ops,
		.config_len = CONFIG_BYTES,
	};
	const char *serial = config->serial ? config->serial : config->name;
	int rc = td_virtio_pci_init(&blk->dev, vm, &transport, err);

	blk->readonly = config->readonly;
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	if (!rc)
		rc = open_image(blk, config, err);
	if (!rc)
		rc = make_requests(blk, err);
	if (!rc)
		rc = make_uring(blk, err);
	if (!rc)
		rc = td_virtio_pci_add_queue(&blk->dev, QUEUE_ENTRIES, true, err);
	fill_config(blk);
	return rc ? rc : td_virtio_pci_attach(&blk->dev, err);
}

int td_virtio_blk_create(struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	int rc;

	if (!blk)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	blk->fd = blk->done.fd = -1;
	rc = set_up(blk, vm, config, err);
	if (rc)
		td_virtio_pci_abandon(&blk->dev, vm);
	return rc;
}
