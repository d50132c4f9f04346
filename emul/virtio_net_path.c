/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net_path.c - which of the two datapaths of virtio-net runs, vhost-net or our own I/O thread, and its start and stop. */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "emul/virtio_net_parts.h"

#define BIT(n) (1ULL << (n))
/* Features that whoever works the rings has to know; the others concern the tap or the control queue. */
#define RING_FEATURES \
	(BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VIRTIO_NET_F_MRG_RXBUF))
#define VLAN_BYTES  4U
#define MTU_DEFAULT 1500U
#define GSO_BYTES   65535U

static const char *name_of(const struct td_virtio_net *net)
{
	return net->dev.pci.device.name;
}

static void vhost_failed(struct td_watch *watch, uint32_t events)
{
	struct td_virtio_net *net = TD_CONTAINER_OF(watch, struct td_virtio_net, vhost_error);
	eventfd_t count;

	(void)events;
	/* A tap that was deleted fails so, too. */
	if (!eventfd_read(watch->fd, &count) && net->path == TD_NET_PATH_VHOST && !td_tap_is_lost(&net->tap))
		td_virtio_pci_break(&net->dev, "vhost-net found a queue that breaks the rules");
}

static int open_vhost(struct td_virtio_net *net, struct td_err *err)
{
	uint64_t features = 0;
	int rc = td_vhost_net_open(&net->vhost[0], err);

	if (rc)
		return rc;
	rc = td_vhost_net_features(&net->vhost[0], &features);
	if (!rc && !(features & BIT(VIRTIO_F_VERSION_1)))
		rc = -EOPNOTSUPP;
	if (rc)
		return td_err_sys(err, -rc, TD_REASON_VHOST, "/dev/vhost-net: features 0x%llx", (unsigned long long)features);
	net->vhost_error.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (net->vhost_error.fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "%s: eventfd", name_of(net));
	net->vhost_error.ready = vhost_failed;
	net->vhost_error.events = EPOLLIN;
	rc = td_loop_watch(&net->dev.pci.vm->loop, &net->vhost_error);
	if (rc)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: epoll", name_of(net));
	net->dev.offered &= features | ~RING_FEATURES;
	return 0;
}

int td_virtio_net_path_probe(struct td_virtio_net *net, struct td_err *err)
{
	struct td_err why = {0};
	int rc;

	if (net->vhost_use == TD_VHOST_OFF)
		return 0;
	rc = open_vhost(net, &why);
	net->vhost_usable = !rc;
	if (!rc)
		return 0;
	if (net->vhost_use == TD_VHOST_ON) {
		if (err)
			*err = why;
		return td_err_prefix(err, "%s", name_of(net));
	}
	td_info("%s: in user space: %s", name_of(net), why.text);
	return 0;
}

void td_virtio_net_path_fini(struct td_virtio_net *net)
{
	for (unsigned i = 0; i < TD_NET_PAIRS_MAX; i++)
		td_vhost_net_close(&net->vhost[i]);
	td_loop_unwatch(&net->dev.pci.vm->loop, &net->vhost_error);
	td_cleanup_close(&net->vhost_error.fd);
	net->vhost_error.fd = -1;
}

/* ---- vhost ---- */

static int start_vhost_pair(struct td_virtio_net *net, unsigned pair, struct td_err *err)
{
	struct td_virtio_queue *queue = &net->dev.queue[2 * pair];
	struct td_vhost_queue ends[2];
	int rc = net->vhost[pair].fd < 0 ? td_vhost_net_open(&net->vhost[pair], err) : 0;

	if (rc)
		return rc;
	for (unsigned i = 0; i < 2; i++)
		ends[i] = (struct td_vhost_queue){
			.vq = &queue[i].vq,
			.kick_fd = queue[i].kick_fd,
			.call_fd = td_virtio_pci_signal_fd(&net->dev, 2 * pair + i),
			.error_fd = net->vhost_error.fd,
			.tap_fd = i == 0 && net->hold_rx ? -1 : net->tap.fd[pair],
		};
	return td_vhost_net_start(&net->vhost[pair], &net->dev.pci.vm->mem, net->dev.negotiated & RING_FEATURES, ends, err);
}

static void stop_vhost(struct td_virtio_net *net)
{
	for (unsigned i = 0; i < net->pairs_max; i++) {
		struct td_virtqueue *const vq[2] = {&net->dev.queue[2 * i].vq, &net->dev.queue[2 * i + 1].vq};

		td_vhost_net_stop(&net->vhost[i], vq);
	}
}

static int start_vhost(struct td_virtio_net *net)
{
	struct td_err err = {0};
	int rc = 0;

	for (unsigned i = 0; !rc && i < net->pairs_active; i++)
		rc = start_vhost_pair(net, i, &err);
	if (!rc) {
		net->path = TD_NET_PATH_VHOST;
		return 0;
	}
	stop_vhost(net);
	if (net->vhost_use == TD_VHOST_ON) {
		td_error("%s: %s", name_of(net), err.text);
		return rc;
	}
	td_warn("%s: in user space from now on: %s", name_of(net), err.text);
	net->vhost_usable = false;
	return 0;
}

/* ---- user space ---- */

static void signal_queue(void *opaque, unsigned queue)
{
	struct td_virtio_net *net = opaque;

	td_virtio_pci_signal(&net->dev, queue);
}

static void io_broken(void *opaque, const char *why)
{
	struct td_virtio_net *net = opaque;

	td_virtio_pci_break_later(&net->dev, why);
}

static size_t frame_max(const struct td_virtio_net *net)
{
	bool gso = net->offloads & (BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6));
	size_t mtu = TD_MAX(net->mtu, MTU_DEFAULT);

	return TD_TAP_HEADER_BYTES + ETH_HLEN + VLAN_BYTES + (gso ? GSO_BYTES : mtu);
}

static int start_user(struct td_virtio_net *net)
{
	struct td_net_io_config config = {
		.name = name_of(net),
		.pair_count = net->pairs_active,
		.mergeable = td_virtio_pci_has(&net->dev, VIRTIO_NET_F_MRG_RXBUF),
		.hold_rx = net->hold_rx,
		.frame_max = frame_max(net),
		.stats = &net->stats,
		.signal = signal_queue,
		.broken = io_broken,
		.opaque = net,
	};
	struct td_err err = {0};
	int rc;

	for (unsigned i = 0; i < net->pairs_active; i++) {
		struct td_virtio_queue *queue = &net->dev.queue[2 * i];

		config.pair[i] = (struct td_net_io_pair){
			.rx = &queue[0].vq,
			.tx = &queue[1].vq,
			.rx_kick_fd = queue[0].kick_fd,
			.tx_kick_fd = queue[1].kick_fd,
			.tap_fd = net->tap.fd[i],
		};
	}
	rc = td_net_io_start(&net->io, &config, &err);
	if (rc) {
		td_error("%s", err.text);
		return rc;
	}
	net->path = TD_NET_PATH_USER;
	return 0;
}

/* ---- either ---- */

int td_virtio_net_path_start(struct td_virtio_net *net)
{
	int rc;

	/* A driver that enabled no queue has nothing to be served. */
	if (net->path != TD_NET_PATH_NONE || !net->link_up || !net->dev.queue[0].enabled || !net->dev.queue[1].enabled)
		return 0;
	rc = td_tap_set_active(&net->tap, net->pairs_active);
	if (!rc && net->vhost_usable)
		rc = start_vhost(net);
	if (!rc && net->path == TD_NET_PATH_NONE)
		rc = start_user(net);
	if (!rc)
		td_tap_set_silent(&net->tap, false);
	return rc;
}

void td_virtio_net_path_stop(struct td_virtio_net *net)
{
	if (net->path == TD_NET_PATH_VHOST)
		stop_vhost(net);
	if (net->path == TD_NET_PATH_USER)
		td_net_io_stop(net->io);
	net->io = NULL;
	net->path = TD_NET_PATH_NONE;
}

/*
 * vhost-net takes frames in batches, and forgets a batch that its tap refuses (drivers/vhost/net.c, vhost_tx_batch): the guest would wait
 * for its buffers for ever.
 */
void td_virtio_net_path_recover(struct td_virtio_net *net)
{
	eventfd_t count;

	if (net->vhost_error.fd >= 0)
		(void)eventfd_read(net->vhost_error.fd, &count); /* what was said of the tap before */
	for (unsigned i = 0; i < net->pairs_active; i++) {
		struct td_virtqueue *tx = &net->dev.queue[2 * i + 1].vq;

		td_virtqueue_recover(tx);
		if (td_virtqueue_publish(tx))
			td_virtio_pci_signal(&net->dev, 2 * i + 1);
	}
}

int td_virtio_net_path_offloads(struct td_virtio_net *net, uint64_t offloads)
{
	static const struct {
		unsigned feature, tun_flag;
	} map[] = {
		{VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM},
		{VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4},
		{VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6},
		{VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN},
	};
	unsigned flags = 0;

	for (unsigned i = 0; i < TD_COUNT(map); i++)
		flags |= offloads & BIT(map[i].feature) ? map[i].tun_flag : 0;
	net->offloads = offloads;
	return td_tap_set_offloads(&net->tap, flags);
}

void td_virtio_net_path_vector_changed(struct td_virtio_net *net, unsigned queue)
{
	unsigned pair = queue / 2;

	if (pair < net->pairs_active && net->vhost[pair].running)
		(void)td_vhost_net_set_call(&net->vhost[pair], queue % 2, td_virtio_pci_signal_fd(&net->dev, queue));
}
