/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_rng.c - see virtio_rng.h. Served on the main loop. */
#include "emul/virtio_rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "core/vm.h"
#include "emul/virtio_pci.h"

#define TYPE_RNG       4
#define CLASS_RNG      0x00ff00
#define QUEUE_ENTRIES  8
#define REQUEST_MAX    4096U /* bytes given for one request; the driver asks again */
#define SEGMENTS_MAX   64
#define ROUND_REQUESTS 16U /* before the main loop has its turn */

struct rng {
	struct td_virtio_pci dev; /* first */
};

static void rng_destroy(struct td_virtio_pci *dev)
{
	free(TD_CONTAINER_OF(dev, struct rng, dev));
}

/* What was asked for, up to the limit; fewer bytes when the host has no more. */
static uint32_t rng_fill(const struct iovec *iov, unsigned count)
{
	uint8_t bytes[REQUEST_MAX];
	ssize_t got = getrandom(bytes, sizeof(bytes), GRND_NONBLOCK);

	return got <= 0 ? 0 : (uint32_t)td_virtqueue_copy_in(iov, count, 0, bytes, (size_t)got);
}

static void rng_kicked(struct td_virtio_pci *dev, unsigned queue)
{
	struct td_virtqueue *vq = &dev->queue[queue].vq;
	struct iovec iov[SEGMENTS_MAX];
	struct td_virtqueue_chain chain;
	unsigned served = 0;
	int rc;

	if (!dev->queue[queue].enabled)
		return;
	do {
		rc = td_virtqueue_pop(vq, iov, SEGMENTS_MAX, &chain);
		if (rc < 0 || (rc > 0 && chain.out_count)) {
			td_virtio_pci_break(dev, rc > 0	   ? "a request for entropy in buffers that are to be read"
						 : vq->why ? vq->why
							   : "a request of too many segments");
			return;
		}
		if (rc > 0)
			td_virtqueue_push(vq, chain.head, rng_fill(iov, chain.in_count));
	} while ((rc > 0 || td_virtqueue_arm(vq)) && ++served < ROUND_REQUESTS);
	if (td_virtqueue_publish(vq))
		td_virtio_pci_signal(dev, queue);
	if (served >= ROUND_REQUESTS)
		td_virtio_pci_kick(dev, queue);
}

/* Requests are served whole inside rng_kicked(): nothing is ever under way. */
static const struct td_virtio_ops ops = {
	.features_ok = td_virtio_pci_any_features,
	.start = td_virtio_pci_no_start,
	.stop = td_virtio_pci_no_stop,
	.reset = td_virtio_pci_no_act,
	.broken = td_virtio_pci_no_act,
	.kicked = rng_kicked,
	.vector_changed = td_virtio_pci_no_vector_act,
	.destroy = rng_destroy,
};

int td_virtio_rng_create(struct td_vm *vm, const char *name, struct td_err *err)
{
	struct td_virtio_pci_config config = {.name = name, .type = TYPE_RNG, .class_code = CLASS_RNG, .ops = &ops};
	struct rng *rng = calloc(1, sizeof(*rng));
	int rc;

	if (!rng)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", name);
	rc = td_virtio_pci_init(&rng->dev, vm, &config, err);
	if (!rc)
		rc = td_virtio_pci_add_queue(&rng->dev, QUEUE_ENTRIES, true, err);
	if (!rc)
		rc = td_virtio_pci_attach(&rng->dev, err);
	if (rc)
		td_virtio_pci_abandon(&rng->dev, vm);
	return rc;
}
