/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk.c - see virtio_blk.h: requests are taken off the queue on the main loop and checked here; virtio_blk_io.c carries them out.
 */
#include "emul/virtio_blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "emul/virtio_blk_parts.h"

#define BIT(n)	     (1ULL << (n))
#define TYPE_BLK     2
#define CLASS_BLK    0x010000
#define SEGMENTS_MAX (TD_BLK_QUEUE_ENTRIES - 2)		     /* of data: a header and a status come on top */
#define CONFIG_BYTES offsetof(struct virtio_blk_config, wce) /* the fields that we offer: capacity .. topology */
#define HEADER_BYTES sizeof(struct virtio_blk_outhdr)

static struct blk *blk_from_dev(struct td_virtio_pci *dev)
{
	return TD_CONTAINER_OF(dev, struct blk, dev);
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
	return request->data_bytes % TD_BLK_SECTOR == 0 && td_range_ok(request->sector, request->data_bytes / TD_BLK_SECTOR, blk->sectors);
}

static void give_id(struct blk *blk, struct request *request)
{
	size_t done = td_virtqueue_copy_in(&request->iov[request->data_at], request->data_count, 0, blk->serial, sizeof(blk->serial));

	td_blk_finish(blk, request, VIRTIO_BLK_S_OK, (uint32_t)done);
}

static void blk_obey(struct blk *blk, struct request *request, bool data_in)
{
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (data_in != (request->type == VIRTIO_BLK_T_IN) || !request->data_bytes || !within_disk(blk, request) ||
			(blk->readonly && !data_in)) {
			td_blk_finish(blk, request, VIRTIO_BLK_S_IOERR, 0);
			return;
		}
		blk->storage->io(blk, request);
		return;
	case VIRTIO_BLK_T_FLUSH:
		blk->storage->io(blk, request);
		return;
	case VIRTIO_BLK_T_GET_ID:
		if (data_in)
			give_id(blk, request);
		else
			td_blk_finish(blk, request, VIRTIO_BLK_S_IOERR, 0);
		return;
	default:
		td_blk_finish(blk, request, VIRTIO_BLK_S_UNSUPP, 0);
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

/* 1, 0: none there or none free, -EPROTO: broken. *bytes grows by what it moves. */
static int blk_take(struct blk *blk, size_t *bytes)
{
	struct td_virtqueue *vq = &blk->dev.queue[0].vq;
	struct request *request = td_blk_take_free(blk);
	struct td_virtqueue_chain chain;
	const char *why;
	bool data_in = false;
	int rc;

	if (!request)
		return 0;
	rc = td_virtqueue_pop(vq, request->iov, TD_BLK_QUEUE_ENTRIES, &chain);
	why = rc > 0 ? parse(request, &chain, &data_in) : rc == 0 ? NULL : vq->why ? vq->why : "a request of too many segments";
	if (rc > 0 && !why) {
		*bytes += request->data_bytes;
		blk_obey(blk, request, data_in);
		return 1;
	}
	td_blk_give_free(blk, request);
	if (!why)
		return 0;
	td_virtio_pci_break(&blk->dev, why);
	return -EPROTO;
}

static void work_off(struct blk *blk)
{
	struct td_virtqueue *vq = &blk->dev.queue[0].vq;
	unsigned taken = 0;
	size_t bytes = 0;
	bool full;
	int rc;

	td_virtqueue_disarm(vq);
	do {
		rc = blk_take(blk, &bytes);
		full = bytes >= TD_BLK_ROUND_BYTES || ++taken == TD_BLK_QUEUE_ENTRIES;
	} while (rc > 0 && !full);
	if (rc < 0)
		return;
	blk->storage->submit(blk);
	td_blk_publish(blk);
	/* Without a free request the next one that is done looks again. */
	if (full || (td_blk_has_free(blk) && td_virtqueue_arm(vq)))
		td_virtio_pci_kick(&blk->dev, 0);
}

/* ---- the transport's ops ---- */

static int blk_stop(struct td_virtio_pci *dev, enum td_virtio_stop how)
{
	return td_blk_io_stop(blk_from_dev(dev), how);
}

static void blk_kicked(struct td_virtio_pci *dev, unsigned queue)
{
	if (dev->queue[queue].enabled)
		work_off(blk_from_dev(dev));
}

static void blk_destroy(struct td_virtio_pci *dev)
{
	struct blk *blk = blk_from_dev(dev);

	td_blk_io_close(blk);
	td_cleanup_close(&blk->fd);
	free(blk);
}

static const struct td_virtio_ops ops = {
	.features_ok = td_virtio_pci_any_features,
	.start = td_virtio_pci_no_start,
	.stop = blk_stop,
	.reset = td_virtio_pci_no_act,
	.broken = td_virtio_pci_no_act,
	.kicked = blk_kicked,
	.vector_changed = td_virtio_pci_no_vector_act,
	.destroy = blk_destroy,
};

/* ---- set-up ---- */

/*
 * O_NONBLOCK is wanted for the open alone, which would wait for a FIFO's other end: Linux 5.19 to 6.4 fail io_uring's requests for it with
 * EAGAIN. O_DIRECT comes when the ends have been looked at.
 */
static int settle_flags(int fd, bool direct)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, (flags & ~O_NONBLOCK) | (direct ? O_DIRECT : 0)) < 0 ? -errno : 0;
}

/* Bytes of the file, as many as there are up to TD_DISK_FORMAT_BYTES; what cannot be read says nothing. */
static size_t read_end(int fd, uint64_t at, uint8_t to[TD_DISK_FORMAT_BYTES])
{
	return (size_t)TD_MAX(pread(fd, to, TD_DISK_FORMAT_BYTES, (off_t)at), 0);
}

/* What a mark says that a raw disk has not; NULL: none is there. */
static const struct td_disk_format_mark *find_mark(int fd)
{
	uint8_t head[TD_DISK_FORMAT_BYTES], tail[TD_DISK_FORMAT_BYTES];
	off_t bytes = lseek(fd, 0, SEEK_END); /* of a block device too */
	size_t head_bytes = read_end(fd, 0, head);
	size_t tail_bytes = bytes >= (off_t)sizeof(tail) ? read_end(fd, (uint64_t)bytes - sizeof(tail), tail) : 0;

	return td_disk_format_find(head, head_bytes, tail, tail_bytes);
}

static bool is_servable(const char *name)
{
	for (unsigned i = TD_DISK_RAW + 1; i < TD_DISK_FORMATS; i++)
		if (!strcmp(name, td_disk_format_words[i]))
			return true;
	return false;
}

/* A guest that were given another image as a raw disk would find nothing there, and what it writes would destroy it. */
static int check_format(const struct td_virtio_blk_config *config, int fd, struct td_err *err)
{
	const struct td_disk_format_mark *mark = config->format == TD_DISK_RAW ? NULL : find_mark(fd);
	const char *word = td_disk_format_words[config->format];

	if (config->format > TD_DISK_RAW && (!mark || strcmp(mark->name, word) != 0))
		return td_err_set(err, EINVAL, TD_REASON_DISK_FORMAT, "%s: %s holds %s%s, not %s", config->name, config->path,
			mark ? "" : "no ", mark ? mark->name : word, word);
	if (config->format != TD_DISK_AUTO || !mark)
		return 0;
	if (is_servable(mark->name))
		return td_err_set(err, EINVAL, TD_REASON_DISK_FORMAT, "%s: %s holds %s, no raw disk: say format=%s, or make one by %s",
			config->name, config->path, mark->name, mark->name, mark->unpack);
	return td_err_set(err, EINVAL, TD_REASON_DISK_FORMAT, "%s: %s holds %s, no raw disk: make one by %s", config->name, config->path,
		mark->name, mark->unpack);
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
	bool direct = config->direct && !td_disk_format_is_nbd(config->format); /* else it is the server's affair */
	struct stat stat;
	int rc;

	/* O_EXCL: a block device that is mounted, swapped to or part of another stays the host's (open(2)). It says nothing of files. */
	blk->fd = open(config->path, (config->readonly ? O_RDONLY : O_RDWR | O_EXCL) | O_CLOEXEC | O_NONBLOCK);
	if (blk->fd < 0 && errno == EBUSY)
		return td_err_set(err, EBUSY, TD_REASON_DISK_IN_USE,
			"%s: %s is in use by the host (mounted, or part of another device), or by a VM", config->name, config->path);
	if (blk->fd < 0)
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s", config->name, config->path);
	if (fstat(blk->fd, &stat))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s", config->name, config->path);
	if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
		return td_err_set(err, EINVAL, TD_REASON_DISK, "%s: %s is neither a file nor a block device", config->name, config->path);
	rc = check_format(config, blk->fd, err);
	if (rc)
		return rc;
	if (settle_flags(blk->fd, direct))
		return td_err_sys(err, errno, TD_REASON_DISK, "%s: %s%s", config->name, config->path, direct ? ": direct" : "");
	return lock_image(blk, config, err);
}

static void blk_fill_config(struct blk *blk)
{
	struct virtio_blk_config config = {.capacity = blk->sectors, .seg_max = SEGMENTS_MAX, .blk_size = blk->block_bytes};

	memcpy(blk->dev.config, &config, CONFIG_BYTES);
}

static int blk_set_up(struct blk *blk, struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err)
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
		rc = td_blk_io_open(blk, config, err);
	if (!rc)
		rc = td_virtio_pci_add_queue(&blk->dev, TD_BLK_QUEUE_ENTRIES, true, err);
	blk_fill_config(blk);
	return rc ? rc : td_virtio_pci_attach(&blk->dev, err);
}

int td_virtio_blk_create(struct td_vm *vm, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	int rc;

	if (!blk)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	blk->fd = blk->done.fd = -1;
	rc = blk_set_up(blk, vm, config, err);
	if (rc)
		td_virtio_pci_abandon(&blk->dev, vm);
	return rc;
}
