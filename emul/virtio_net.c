/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_net.c - see virtio_net.h: the device as such, its features, configuration, link and life. */
#include "emul/virtio_net.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "core/vm.h"
#include "emul/virtio_net_parts.h"

#define BIT(n)		 (1ULL << (n))
#define TYPE_NET	 1
#define CLASS_NET	 0x020000
#define QUEUE_DEFAULT	 256
#define QUEUE_MIN	 64
#define QUEUE_MAX	 1024
#define CONTROL_ENTRIES	 64
#define CONFIG_BYTES	 offsetof(struct virtio_net_config, speed) /* the fields that we offer: mac .. mtu */
#define FRAME_PAD_BYTES	 60U					   /* a wire wants frames no shorter */
#define INJECT_MAX_BYTES 1514U

#define GUEST_OFFLOADS \
	(BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN))
#define HOST_OFFLOADS (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN))
#define CONTROL_FEATURES                                                                                                                   \
	(BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR) | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | \
		BIT(VIRTIO_NET_F_GUEST_ANNOUNCE))

static struct td_virtio_net *net_from_dev(struct td_virtio_pci *dev)
{
	return TD_CONTAINER_OF(dev, struct td_virtio_net, dev);
}

/* ---- what the driver sees ---- */

static uint64_t features_of(const struct td_virtio_net_config *config)
{
	uint64_t features = GUEST_OFFLOADS | HOST_OFFLOADS | CONTROL_FEATURES | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
			    BIT(VIRTIO_NET_F_MRG_RXBUF);

	features |= config->mtu ? BIT(VIRTIO_NET_F_MTU) : 0;
	features |= config->queue_pairs > 1 ? BIT(VIRTIO_NET_F_MQ) : 0;
	features |= config->standby ? BIT(VIRTIO_NET_F_STANDBY) : 0;
	return features;
}

static void net_put16(struct td_virtio_net *net, size_t offset, uint16_t value)
{
	memcpy(net->dev.config + offset, &value, sizeof(value));
}

static uint16_t net_status_of(const struct td_virtio_net *net)
{
	uint16_t status;

	memcpy(&status, net->dev.config + offsetof(struct virtio_net_config, status), sizeof(status));
	return status;
}

static void put_status(struct td_virtio_net *net, uint16_t status)
{
	net_put16(net, offsetof(struct virtio_net_config, status), status);
}

static void net_fill_config(struct td_virtio_net *net)
{
	memcpy(net->dev.config, net->mac, sizeof(net->mac));
	put_status(net, net->link_up ? VIRTIO_NET_S_LINK_UP : 0);
	net_put16(net, offsetof(struct virtio_net_config, max_virtqueue_pairs), (uint16_t)net->pairs_max);
	net_put16(net, offsetof(struct virtio_net_config, mtu), net->mtu);
}

/* Features that need another (virtio 1.2 §5.1.3.1). */
static bool features_ok(const struct td_virtio_pci *dev, uint64_t features)
{
	static const struct {
		unsigned feature;
		uint64_t any_of;
	} needs[] = {
		{VIRTIO_NET_F_GUEST_TSO4, BIT(VIRTIO_NET_F_GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_TSO6, BIT(VIRTIO_NET_F_GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_ECN, BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6)},
		{VIRTIO_NET_F_HOST_TSO4, BIT(VIRTIO_NET_F_CSUM)},
		{VIRTIO_NET_F_HOST_TSO6, BIT(VIRTIO_NET_F_CSUM)},
		{VIRTIO_NET_F_HOST_ECN, BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6)},
		{VIRTIO_NET_F_CTRL_RX, BIT(VIRTIO_NET_F_CTRL_VQ)},
		{VIRTIO_NET_F_CTRL_MAC_ADDR, BIT(VIRTIO_NET_F_CTRL_VQ)},
		{VIRTIO_NET_F_GUEST_ANNOUNCE, BIT(VIRTIO_NET_F_CTRL_VQ)},
		{VIRTIO_NET_F_MQ, BIT(VIRTIO_NET_F_CTRL_VQ)},
	};

	(void)dev;
	for (unsigned i = 0; i < TD_COUNT(needs); i++)
		if (features & BIT(needs[i].feature) && !(features & needs[i].any_of))
			return false;
	return true;
}

/* ---- events: told on the main loop, whoever caused them ---- */

static void tell_driver(struct td_work *work)
{
	struct td_virtio_net *net = TD_CONTAINER_OF(work, struct td_virtio_net, driver_work);
	const struct td_virtio_net_events *events = &net->events;
	bool was_reset = net->driver_reset;

	net->driver_reset = false;
	if (events->driver && was_reset)
		events->driver(events->opaque, false, false);
	if (events->driver && net->driver_ok)
		events->driver(events->opaque, true, td_virtio_pci_has(&net->dev, VIRTIO_NET_F_STANDBY));
}

static void tell_broken(struct td_work *work)
{
	struct td_virtio_net *net = TD_CONTAINER_OF(work, struct td_virtio_net, broken_work);

	if (net->events.broken)
		net->events.broken(net->events.opaque);
}

/* ---- the transport's ops ---- */

/*
 * Without MQ the control queue is queue 2, which else is a data queue: its kicks then go to the descriptor of the last queue, the only
 * one that the main loop listens to.
 */
static void route_control(struct td_virtio_net *net, bool multiqueue)
{
	struct td_virtio_queue *last = &net->dev.queue[2 * net->pairs_max], *third = &net->dev.queue[2];

	net->control_queue = multiqueue ? 2 * net->pairs_max : 2;
	third->kick_fd = multiqueue || third == last ? third->own_fd : last->own_fd;
}

static int net_start(struct td_virtio_pci *dev)
{
	struct td_virtio_net *net = net_from_dev(dev);
	int rc = 0;

	route_control(net, td_virtio_pci_has(dev, VIRTIO_NET_F_MQ));
	if (!net->driver_ok) {
		rc = td_virtio_net_path_offloads(net, dev->negotiated & GUEST_OFFLOADS);
		net->driver_ok = true;
		td_loop_post(&dev->pci.vm->loop, &net->driver_work);
	}
	return rc ? rc : td_virtio_net_path_start(net);
}

/* The I/O thread and vhost-net end what they are at, which waits for nothing. */
static int net_stop(struct td_virtio_pci *dev, enum td_virtio_stop how)
{
	(void)how;
	td_virtio_net_path_stop(net_from_dev(dev));
	return 0;
}

static void net_reset(struct td_virtio_pci *dev)
{
	struct td_virtio_net *net = net_from_dev(dev);

	td_tap_set_silent(&net->tap, true);
	(void)td_tap_set_active(&net->tap, 1);
	net->pairs_active = 1;
	net->hold_rx = false;
	route_control(net, true);
	net_fill_config(net);
	if (!net->driver_ok)
		return;
	net->driver_ok = false;
	net->driver_reset = true;
	td_loop_post(&dev->pci.vm->loop, &net->driver_work);
}

static void net_broken(struct td_virtio_pci *dev)
{
	struct td_virtio_net *net = net_from_dev(dev);

	td_tap_set_silent(&net->tap, true);
	td_loop_post(&dev->pci.vm->loop, &net->broken_work);
}

static void net_kicked(struct td_virtio_pci *dev, unsigned queue)
{
	struct td_virtio_net *net = net_from_dev(dev);

	(void)queue; /* only the control queue's descriptor is watched */
	if (dev->queue[net->control_queue].enabled && td_virtio_pci_has(dev, VIRTIO_NET_F_CTRL_VQ))
		td_virtio_net_control(net);
}

static void vector_changed(struct td_virtio_pci *dev, unsigned queue)
{
	td_virtio_net_path_vector_changed(net_from_dev(dev), queue);
}

static void net_destroy(struct td_virtio_pci *dev)
{
	struct td_virtio_net *net = net_from_dev(dev);

	td_virtio_net_path_fini(net);
	td_tap_close(&net->tap);
	free(net);
}

static const struct td_virtio_ops ops = {
	.features_ok = features_ok,
	.start = net_start,
	.stop = net_stop,
	.reset = net_reset,
	.broken = net_broken,
	.kicked = net_kicked,
	.vector_changed = vector_changed,
	.destroy = net_destroy,
};

/* ---- set-up ---- */

static int net_check_config(const struct td_virtio_net_config *config, struct td_err *err)
{
	uint16_t size = config->queue_size ? config->queue_size : QUEUE_DEFAULT;

	if (!config->queue_pairs || config->queue_pairs > TD_NET_PAIRS_MAX)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: %u queue pairs: 1..%u are allowed", config->name,
			config->queue_pairs, TD_NET_PAIRS_MAX);
	if (size < QUEUE_MIN || size > QUEUE_MAX || (size & (size - 1)))
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: queue size %u: a power of two, %u..%u, is allowed",
			config->name, size, QUEUE_MIN, QUEUE_MAX);
	if (config->mac[0] & 1)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: a multicast MAC", config->name);
	if (config->mtu && config->mtu < ETH_MIN_MTU)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: MTU %u: at least %u", config->name, config->mtu, ETH_MIN_MTU);
	return 0;
}

static void net_init_fields(struct td_virtio_net *net, const struct td_virtio_net_config *config)
{
	memcpy(net->mac, config->mac, sizeof(net->mac));
	net->mtu = config->mtu;
	net->pairs_max = config->queue_pairs;
	net->pairs_active = 1;
	net->link_up = true;
	net->vhost_use = config->vhost;
	net->vhost_error.fd = -1;
	for (unsigned i = 0; i < TD_NET_PAIRS_MAX; i++)
		net->vhost[i].fd = -1;
	net->events = config->events;
	net->driver_work.run = tell_driver;
	net->broken_work.run = tell_broken;
}

static int init_transport(struct td_virtio_net *net, struct td_vm *vm, const struct td_virtio_net_config *config, struct td_err *err)
{
	struct td_virtio_pci_config transport = {
		.name = config->name,
		.type = TYPE_NET,
		.class_code = CLASS_NET,
		.features = features_of(config),
		.ops = &ops,
		.config_len = CONFIG_BYTES,
	};
	uint16_t size = config->queue_size ? config->queue_size : QUEUE_DEFAULT;
	int rc = td_virtio_pci_init(&net->dev, vm, &transport, err);

	for (unsigned i = 0; !rc && i < 2 * net->pairs_max; i++)
		rc = td_virtio_pci_add_queue(&net->dev, size, false, err);
	return rc ? rc : td_virtio_pci_add_queue(&net->dev, CONTROL_ENTRIES, true, err);
}

static int net_open_tap(struct td_virtio_net *net, const struct td_virtio_net_config *config, struct td_err *err)
{
	struct td_tap_config tap = {
		.name = config->tap_name,
		.mtu = config->mtu,
		.queue_count = config->queue_pairs,
	};

	memcpy(tap.mac, config->mac, sizeof(tap.mac));
	return td_tap_open(&net->tap, &tap, err);
}

int td_virtio_net_create(struct td_vm *vm, const struct td_virtio_net_config *config, struct td_virtio_net **ret_net, struct td_err *err)
{
	struct td_virtio_net *net;
	int rc = net_check_config(config, err);

	if (rc)
		return rc;
	net = calloc(1, sizeof(*net));
	if (!net)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	net_init_fields(net, config);
	rc = init_transport(net, vm, config, err);
	if (!rc)
		rc = net_open_tap(net, config, err);
	if (!rc)
		rc = td_virtio_net_path_probe(net, err);
	if (!rc) {
		net_fill_config(net);
		route_control(net, true);
		rc = td_virtio_pci_attach(&net->dev, err);
	}
	if (rc) {
		td_virtio_pci_abandon(&net->dev, vm);
		return rc;
	}
	*ret_net = net;
	return 0;
}

/* ---- what others ask of the device ---- */

const char *td_virtio_net_tap(const struct td_virtio_net *net)
{
	return net->tap.name;
}

unsigned td_virtio_net_tap_index(const struct td_virtio_net *net)
{
	return net->tap.index;
}

bool td_virtio_net_uses_vhost(const struct td_virtio_net *net)
{
	return net->vhost_usable;
}

void td_virtio_net_counters(struct td_virtio_net *net, struct td_net_counters *ret_counters)
{
	const struct td_net_counters *before = &net->before;
	struct td_tap_counters tap;

	if (!td_tap_counters(&net->tap, &tap))
		net->counters = (struct td_net_counters){
			.rx_packets = before->rx_packets + tap.tx_packets,
			.rx_bytes = before->rx_bytes + tap.tx_bytes,
			.rx_dropped = before->rx_dropped + tap.tx_dropped,
			.tx_packets = before->tx_packets + tap.rx_packets,
			.tx_bytes = before->tx_bytes + tap.rx_bytes,
			.tx_dropped = before->tx_dropped + tap.rx_dropped,
		};
	*ret_counters = net->counters;
}

bool td_virtio_net_lost_tap(const struct td_virtio_net *net)
{
	return td_tap_is_lost(&net->tap);
}

int td_virtio_net_renew_tap(struct td_virtio_net *net, struct td_tap *anew)
{
	bool ran = net->path != TD_NET_PATH_NONE, by_vhost = net->path == TD_NET_PATH_VHOST;
	int rc;

	td_virtio_net_path_stop(net);
	if (by_vhost)
		td_virtio_net_path_recover(net);
	rc = td_tap_replace(&net->tap, anew);
	if (!rc)
		net->before = net->counters;
	if (ran && td_virtio_net_path_start(net))
		td_virtio_pci_break(&net->dev, "the datapath could not go on with another tap");
	return rc;
}

const struct td_net_io_stats *td_virtio_net_io_stats(const struct td_virtio_net *net)
{
	return &net->stats;
}

void td_virtio_net_set_link(struct td_virtio_net *net, bool up)
{
	if (net->link_up == up)
		return;
	net->link_up = up;
	put_status(net, (uint16_t)((net_status_of(net) & ~VIRTIO_NET_S_LINK_UP) | (up ? VIRTIO_NET_S_LINK_UP : 0)));
	if (!up) {
		td_virtio_net_path_stop(net);
		td_tap_set_silent(&net->tap, true);
	} else if (net->dev.running && td_virtio_net_path_start(net)) {
		td_virtio_pci_break(&net->dev, "the datapath could not start when the link came up");
	}
	td_virtio_pci_config_changed(&net->dev);
}

bool td_virtio_net_guest_announce(struct td_virtio_net *net)
{
	if (!net->dev.running || !td_virtio_pci_has(&net->dev, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return false;
	put_status(net, net_status_of(net) | VIRTIO_NET_S_ANNOUNCE);
	td_virtio_pci_config_changed(&net->dev);
	return true;
}

int td_virtio_net_inject_tx(struct td_virtio_net *net, const uint8_t *frame, size_t len_bytes)
{
	static const uint8_t zeros[FRAME_PAD_BYTES];
	struct iovec iov[] = {
		{(uint8_t *)(uintptr_t)zeros, TD_TAP_HEADER_BYTES},
		{(uint8_t *)(uintptr_t)frame, len_bytes},
		{(uint8_t *)(uintptr_t)zeros, len_bytes < FRAME_PAD_BYTES ? FRAME_PAD_BYTES - len_bytes : 0},
	};

	if (len_bytes < ETH_HLEN || len_bytes > INJECT_MAX_BYTES)
		return -EINVAL;
	return writev(net->tap.fd[0], iov, TD_COUNT(iov)) < 0 ? -errno : 0;
}
