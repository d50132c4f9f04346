/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_io.c - disk requests on their way to a storage and back, whichever it is.
 *
 * Theory of operation of the end. Storage may hang for as long as it likes, and requests that are under way may write into guest RAM. A
 * driver that resets the device waits itself, so nothing waits here: what can be called off is, and the last one that comes back finishes
 * the reset. Who pauses or ends the VM is kept waiting, but not for long.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/vm.h"
#include "emul/virtio_blk_parts.h"

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

void td_blk_answer(struct blk *blk, struct request *request, int64_t result)
{
	bool in = request->type == VIRTIO_BLK_T_IN;
	bool ok = request->type == VIRTIO_BLK_T_FLUSH ? result == 0 : result >= 0 && (size_t)result == request->data_bytes;

	if (!ok)
		td_log_limited(&blk->dev.limit, TD_LOG_WARN, "%s: %s of %zu bytes at sector %llu: %s", blk->dev.pci.device.name,
			in				    ? "read"
			: request->type == VIRTIO_BLK_T_OUT ? "write"
							    : "flush",
			request->data_bytes, (unsigned long long)request->sector, result < 0 ? strerror((int)-result) : "fell short");
	td_blk_finish(blk, request, ok ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR, in && result > 0 ? (uint32_t)result : 0);
}

void td_blk_came_back(struct blk *blk, struct request *request, int64_t result)
{
	request->in_flight = false;
	blk->in_flight--;
	if (blk->dropping)
		td_blk_give_free(blk, request);
	else
		td_blk_answer(blk, request, result);
}

void td_blk_publish(struct blk *blk)
{
	if (td_virtqueue_publish(&blk->dev.queue[0].vq))
		td_virtio_pci_signal(&blk->dev, 0);
}

void td_blk_io_look(struct blk *blk)
{
	bool was_full = !td_blk_has_free(blk);

	blk->storage->reap(blk);
	blk->storage->submit(blk);
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

/* ---- the end ---- */

static bool wait_for_all(struct blk *blk)
{
	uint64_t until = td_now_ns() + blk->patience_ns;

	while (blk->in_flight && td_now_ns() < until) {
		blk->storage->submit(blk);
		blk->storage->wait(blk);
		blk->storage->reap(blk);
	}
	return !blk->in_flight;
}

/* Nobody wants the answers any more. */
static void drop_all(struct blk *blk)
{
	if (!blk->dropping) {
		blk->dropping = true;
		blk->storage->submit(blk); /* room for the cancels */
		blk->storage->cancel(blk);
	}
	blk->storage->submit(blk);
	blk->storage->reap(blk);
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

int td_blk_io_open(struct blk *blk, const struct td_virtio_blk_config *config, struct td_err *err)
{
	int rc = make_requests(blk, err);

	blk->patience_ns = PATIENCE_NS;
	if (rc)
		return rc;
	blk->storage = td_disk_format_is_nbd(config->format) ? &td_blk_nbd : &td_blk_file;
	return blk->storage->open(blk, config, err);
}

void td_blk_io_close(struct blk *blk)
{
	if (blk->storage)
		blk->storage->close(blk);
	if (blk->request)
		munmap(blk->request, TD_BLK_QUEUE_ENTRIES * sizeof(*blk->request));
}
