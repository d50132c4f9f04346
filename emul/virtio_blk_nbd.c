/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_nbd.c - an image of another format as a disk's storage: qemu-nbd, which knows the formats, serves it to us alone over a UNIX
 * socket, and libnbd speaks NBD (NetworkBlockDevice/nbd doc/proto.md). libnbd is opened where it is used: other VMs need not map it.
 *
 * Theory of operation. A request is many pieces of guest RAM, an NBD command one buffer: so it goes by a buffer of its own, a part after
 * the other when it is long, and nothing under way ever writes into guest RAM. libnbd's callbacks come while its handle is locked, and may
 * not call it: they put the request on a list, which reap() works off.
 *
 * A server that dies ends its commands with errors, and so does every later one: the guest sees a disk that fails, and goes on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/nbd_server.h"
#include "emul/virtio_blk_parts.h"
#include "host/sys/host_library.h"

#define PIECE_BYTES (512 * TD_KIB) /* of a request, at once: a multiple of all block sizes, less than any server's limit */
#define WAIT_MS	    10
#define GREETING_MS 30000 /* qemu-nbd opens the image, and what is below it */
#define OPTIONS_MAX 8192U

#define CALLS(X)                  \
	X(nbd_create)             \
	X(nbd_close)              \
	X(nbd_aio_connect_socket) \
	X(nbd_poll)               \
	X(nbd_aio_is_ready)       \
	X(nbd_get_size)           \
	X(nbd_get_block_size)     \
	X(nbd_get_error)          \
	X(nbd_get_errno)          \
	X(nbd_aio_pread)          \
	X(nbd_aio_pwrite)         \
	X(nbd_aio_flush)          \
	X(nbd_aio_get_direction)  \
	X(nbd_aio_notify_read)    \
	X(nbd_aio_notify_write)   \
	X(nbd_aio_is_dead)        \
	X(nbd_aio_is_closed)

struct calls {
	CALLS(TD_HOST_LIBRARY_MEMBER)
};

struct td_blk_nbd {
	struct blk *blk;
	void *library;
	struct calls calls;
	struct nbd_handle *handle;
	struct td_nbd_server server;
	struct td_watch socket; /* ours, a second descriptor of libnbd's: it closes its own when it likes */
	struct request *back;	/* came back; the next steps are ours */
	bool lost;
};

/* ---- commands ---- */

static void put_back(struct request *request, int error)
{
	struct td_blk_nbd *nbd = request->piece.nbd;

	request->piece.error = error;
	request->piece.next_back = nbd->back;
	nbd->back = request;
}

/* libnbd's; 1: the command is forgotten there. */
static int piece_done(void *opaque, int *error)
{
	put_back(opaque, *error);
	return 1;
}

static uint64_t piece_offset(const struct request *request)
{
	return request->sector * TD_BLK_SECTOR + request->piece.at;
}

static void send_piece(struct td_blk_nbd *nbd, struct request *request)
{
	const nbd_completion_callback done = {.callback = piece_done, .user_data = request};
	struct td_blk_piece *piece = &request->piece;
	int64_t rc;

	piece->len_bytes = TD_MIN(request->data_bytes - piece->at, PIECE_BYTES);
	if (request->type == VIRTIO_BLK_T_FLUSH) {
		rc = nbd->calls.nbd_aio_flush(nbd->handle, done, 0);
	} else if (request->type == VIRTIO_BLK_T_IN) {
		rc = nbd->calls.nbd_aio_pread(nbd->handle, piece->bytes, piece->len_bytes, piece_offset(request), done, 0);
	} else {
		td_virtqueue_copy_out(&request->iov[request->data_at], request->data_count, piece->at, piece->bytes, piece->len_bytes);
		rc = nbd->calls.nbd_aio_pwrite(nbd->handle, piece->bytes, piece->len_bytes, piece_offset(request), done, 0);
	}
	if (rc < 0) /* then piece_done() is not called */
		put_back(request, EIO);
}

static void finish_request(struct blk *blk, struct request *request)
{
	struct td_blk_piece *piece = &request->piece;

	free(piece->bytes);
	piece->bytes = NULL;
	td_blk_came_back(blk, request, piece->error ? -piece->error : (int64_t)piece->at);
}

static void blk_nbd_io(struct blk *blk, struct request *request)
{
	struct td_blk_piece *piece = &request->piece;

	*piece = (struct td_blk_piece){.nbd = blk->nbd};
	if (request->data_bytes)
		piece->bytes = malloc(TD_MIN(request->data_bytes, PIECE_BYTES));
	if (request->data_bytes && !piece->bytes) {
		td_blk_answer(blk, request, -ENOMEM);
		return;
	}
	request->in_flight = true;
	blk->in_flight++;
	send_piece(blk->nbd, request);
}

/* Of one that is dropped nothing is written into guest RAM: that may be somebody else's now. */
static unsigned blk_nbd_reap(struct blk *blk)
{
	struct td_blk_nbd *nbd = blk->nbd;
	struct request *request;
	unsigned count = 0;

	while ((request = nbd->back)) {
		struct td_blk_piece *piece = &request->piece;

		nbd->back = piece->next_back;
		if (!piece->error && !blk->dropping && request->type == VIRTIO_BLK_T_IN)
			td_virtqueue_copy_in(
				&request->iov[request->data_at], request->data_count, piece->at, piece->bytes, piece->len_bytes);
		if (!piece->error)
			piece->at += piece->len_bytes;
		if (!piece->error && !blk->dropping && piece->at < request->data_bytes) {
			send_piece(nbd, request);
			continue;
		}
		finish_request(blk, request);
		count++;
	}
	return count;
}

/* ---- the socket ---- */

static uint32_t wanted_events(const struct td_blk_nbd *nbd)
{
	unsigned direction = nbd->calls.nbd_aio_get_direction(nbd->handle);

	return (direction & LIBNBD_AIO_DIRECTION_READ ? EPOLLIN : 0U) | (direction & LIBNBD_AIO_DIRECTION_WRITE ? EPOLLOUT : 0U);
}

static void say_lost(struct td_blk_nbd *nbd)
{
	char words[256];

	td_loop_unwatch(&nbd->blk->dev.pci.vm->loop, &nbd->socket);
	nbd->lost = true;
	td_nbd_server_last_words(&nbd->server, words, sizeof(words));
	td_error("%s: qemu-nbd has ended: reads and writes of the guest fail from now on%s%s [%s]", nbd->blk->dev.pci.device.name,
		*words ? ": " : "", words, td_reason_name(TD_REASON_DISK));
}

/* libnbd wants other events when it has more to send than the socket takes. */
static void follow_socket(struct td_blk_nbd *nbd)
{
	uint32_t events;

	if (nbd->lost)
		return;
	if (nbd->calls.nbd_aio_is_dead(nbd->handle) || nbd->calls.nbd_aio_is_closed(nbd->handle)) {
		say_lost(nbd);
		return;
	}
	events = wanted_events(nbd);
	if (events != nbd->socket.events)
		td_loop_modify(&nbd->blk->dev.pci.vm->loop, &nbd->socket, events);
}

static void notify(struct td_blk_nbd *nbd, uint32_t events)
{
	uint32_t wanted = wanted_events(nbd);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && wanted & EPOLLIN)
		nbd->calls.nbd_aio_notify_read(nbd->handle);
	else if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR) && wanted & EPOLLOUT)
		nbd->calls.nbd_aio_notify_write(nbd->handle);
}

static void socket_ready(struct td_watch *watch, uint32_t events)
{
	struct td_blk_nbd *nbd = TD_CONTAINER_OF(watch, struct td_blk_nbd, socket);

	notify(nbd, events);
	td_blk_io_look(nbd->blk);
}

static void blk_nbd_submit(struct blk *blk)
{
	blk_nbd_reap(blk);
	follow_socket(blk->nbd);
}

static void blk_nbd_cancel(struct blk *blk)
{
	(void)blk; /* NBD knows no such thing */
}

static void blk_nbd_wait(struct blk *blk)
{
	struct td_blk_nbd *nbd = blk->nbd;
	struct pollfd socket = {.fd = nbd->lost ? -1 : nbd->socket.fd, .events = (short)nbd->socket.events};

	if (poll(&socket, 1, WAIT_MS) > 0)
		notify(nbd, (uint32_t)socket.revents);
}

/* ---- set-up ---- */

/* "driver=qcow2,...,file.filename=PATH", a comma in the path twice: blockdev options (qemu-block-drivers(7)). False: too long. */
static bool make_options(const struct blk *blk, const struct td_virtio_blk_config *config, char to[OPTIONS_MAX])
{
	struct stat stat;
	bool device = !fstat(blk->fd, &stat) && S_ISBLK(stat.st_mode);
	int len = snprintf(to, OPTIONS_MAX, "driver=%s,file.driver=%s,file.locking=off,file.filename=", td_disk_format_qemu(config->format),
		device ? "host_device" : "file");
	size_t at = (size_t)len;

	for (const char *c = config->path; *c && at + 3 < OPTIONS_MAX; c++) {
		to[at++] = *c;
		if (*c == ',')
			to[at++] = ',';
	}
	to[at] = '\0';
	return at + 3 < OPTIONS_MAX;
}

/* An image on storage that does not answer: the VM's signals are blocked by now, so this must have an end of its own. */
static int greet(struct td_blk_nbd *nbd, const struct td_nbd_server_config *server, struct td_err *err)
{
	const struct calls *calls = &nbd->calls;
	uint64_t end_ns = td_now_ns() + GREETING_MS * 1000000ULL, now_ns;

	while (!calls->nbd_aio_is_ready(nbd->handle)) {
		if (calls->nbd_aio_is_dead(nbd->handle) || calls->nbd_aio_is_closed(nbd->handle))
			return td_nbd_server_blame(&nbd->server, server, calls->nbd_get_error(), err);
		now_ns = td_now_ns();
		if (now_ns >= end_ns)
			return td_nbd_server_blame(
				&nbd->server, server, "its server has not opened it within 30 s: does its storage answer?", err);
		/* Interrupted, or failed: the handle's state says which. */
		(void)calls->nbd_poll(nbd->handle, (int)((end_ns - now_ns) / 1000000U) + 1);
	}
	return 0;
}

static int connect_server(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct td_blk_nbd *nbd = blk->nbd;
	char options[OPTIONS_MAX];
	const char *argv[] = {"qemu-nbd", "--image-opts", options, config->direct ? "--cache=none" : "--cache=writeback",
		config->readonly ? "--read-only" : NULL, NULL};
	const struct td_nbd_server_config server = {
		.name = config->name, .dir = config->run_dir, .argv = argv, .package = "qemu-utils", .image_fd = blk->fd};
	int fd, rc;

	if (!make_options(blk, config, options))
		return td_err_set(err, ENAMETOOLONG, TD_REASON_DISK, "%s: %s: its name is too long", config->name, config->path);
	rc = td_nbd_server_start(&nbd->server, &server, &fd, err);
	if (rc < 0)
		return rc;
	nbd->socket.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (nbd->socket.fd < 0) {
		close(fd);
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "%s: socket", config->name);
	}
	if (nbd->calls.nbd_aio_connect_socket(nbd->handle, fd) < 0) /* fd is libnbd's now */
		return td_nbd_server_blame(&nbd->server, &server, nbd->calls.nbd_get_error(), err);
	return greet(nbd, &server, err);
}

static int find_size(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	struct td_blk_nbd *nbd = blk->nbd;
	int64_t bytes = nbd->calls.nbd_get_size(nbd->handle);
	int64_t block = nbd->calls.nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);

	blk->block_bytes = TD_MAX((uint32_t)TD_MAX(block, 0), TD_BLK_SECTOR);
	if (bytes <= 0 || bytes % blk->block_bytes)
		return td_err_set(err, EINVAL, TD_REASON_DISK, "%s: %s holds a disk of %lld bytes: not a multiple of %u above 0",
			config->name, config->path, (long long)bytes, blk->block_bytes);
	if (blk->block_bytes > TD_BLK_BLOCK_MAX)
		return td_err_set(err, EINVAL, TD_REASON_DISK, "%s: %s is served in blocks of %u bytes, guests take up to %u", config->name,
			config->path, blk->block_bytes, TD_BLK_BLOCK_MAX);
	blk->sectors = (uint64_t)bytes / TD_BLK_SECTOR;
	return 0;
}

static int watch_socket(struct td_blk_nbd *nbd, struct td_err *err)
{
	nbd->socket.ready = socket_ready;
	nbd->socket.events = wanted_events(nbd);
	int rc = td_loop_watch(&nbd->blk->dev.pci.vm->loop, &nbd->socket);
	return rc ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: socket", nbd->blk->dev.pci.device.name) : 0;
}

static int blk_nbd_open(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	static const struct td_host_library_call names[] = {CALLS(TD_HOST_LIBRARY_CALL)};
	struct td_blk_nbd *nbd = calloc(1, sizeof(*nbd));
	int rc;

	if (!nbd)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	*nbd = (struct td_blk_nbd){.blk = blk, .server.log_fd = -1, .socket.fd = -1};
	blk->nbd = nbd;
	rc = td_host_library_open("libnbd.so.0", "libnbd0", TD_REASON_DISK, names, TD_COUNT(names), &nbd->calls, &nbd->library, err);
	if (rc < 0)
		return td_err_prefix(err, "%s", config->name);
	nbd->handle = nbd->calls.nbd_create();
	if (!nbd->handle)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "%s: libnbd: out of memory", config->name);
	rc = connect_server(blk, config, err);
	if (!rc)
		rc = find_size(blk, config, err);
	return rc ? rc : watch_socket(nbd, err);
}

/* The socket is closed first: that is what the server waits for. */
static void blk_nbd_close(struct blk *blk)
{
	struct td_blk_nbd *nbd = blk->nbd;

	if (!nbd)
		return;
	td_loop_unwatch(&blk->dev.pci.vm->loop, &nbd->socket);
	if (nbd->handle)
		nbd->calls.nbd_close(nbd->handle);
	td_cleanup_close(&nbd->socket.fd);
	td_nbd_server_stop(&nbd->server, blk->dev.pci.device.name);
	for (unsigned i = 0; i < blk->request_count; i++)
		free(blk->request[i].piece.bytes);
	if (nbd->library)
		dlclose(nbd->library);
	free(nbd);
	blk->nbd = NULL;
}

const struct td_blk_storage td_blk_nbd = {
	blk_nbd_open, blk_nbd_close, blk_nbd_io, blk_nbd_submit, blk_nbd_reap, blk_nbd_cancel, blk_nbd_wait};
