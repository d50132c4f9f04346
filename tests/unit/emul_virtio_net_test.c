/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emul_virtio_net_test.c - the net device on a real tap, in user space: negotiation, control queue, link, announce, frames held back; these
 * also by vhost-net, where that is there. Needs CAP_NET_ADMIN.
 */
#include "emul/virtio_net.h"

#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "emul/virtio_net_parts.h"
#include "tests/unit/virtio_driver.h"

#define BIT(n)	   (1ULL << (n))
#define V1	   BIT(VIRTIO_F_VERSION_1)
#define PAIRS	   2
#define CONTROL	   (2 * PAIRS)
#define USUAL	   (V1 | BIT(VIRTIO_NET_F_CTRL_VQ) | BIT(VIRTIO_NET_F_STATUS) | BIT(VIRTIO_NET_F_MRG_RXBUF) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE))
#define COMMAND_AT DRIVER_DATA
#define ANSWER_AT  (DRIVER_DATA + 0x1000)
#define STATUS_AT  (TD_VIRTIO_AT_DEVICE + offsetof(struct virtio_net_config, status))
#define NO_ANSWER  0x77
#define FRAMES_AT  (DRIVER_DATA + 0x10000)
#define FRAME_MARK 14 /* behind the Ethernet header */

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

struct nic {
	struct td_vm *vm;
	struct td_virtio_net *net;
	struct td_virtio_pci *dev;
	struct driver_queue queue[CONTROL + 1];
	unsigned accepted, standby, resets, brokens;
};

static void on_driver(void *opaque, bool accepted, bool standby)
{
	struct nic *n = opaque;

	n->accepted += accepted;
	n->standby += standby;
	n->resets += !accepted;
}

static void on_broken(void *opaque)
{
	((struct nic *)opaque)->brokens++;
}

static struct td_virtio_net_config config_of(struct nic *n)
{
	struct td_virtio_net_config config = {
		.name = "net0",
		.mtu = 1450,
		.queue_pairs = PAIRS,
		.standby = true,
		.vhost = TD_VHOST_OFF,
		.events = {on_driver, on_broken, n},
	};

	memcpy(config.mac, mac, sizeof(mac));
	return config;
}

static int setup_by(void **state, enum td_vhost_use vhost)
{
	struct nic *n = calloc(1, sizeof(*n));
	struct td_virtio_net_config config = config_of(n);
	struct td_err err = {0};

	*state = n;
	config.vhost = vhost;
	n->vm = driver_make_vm();
	if (!n->vm)
		return 0;
	if (td_virtio_net_create(n->vm, &config, &n->net, &err)) {
		fprintf(stderr, "skipped: %s\n", err.text);
		assert_true(err.reason == TD_REASON_TAP || err.reason == TD_REASON_NETLINK ||
			    (vhost == TD_VHOST_ON && err.reason == TD_REASON_VHOST));
		driver_free_vm(n->vm);
		n->vm = NULL;
		return 0;
	}
	n->dev = driver_device(n->vm);
	return 0;
}

static int setup(void **state)
{
	return setup_by(state, TD_VHOST_OFF);
}

static int setup_vhost(void **state)
{
	return setup_by(state, TD_VHOST_ON);
}

static int teardown(void **state)
{
	struct nic *n = *state;

	if (n->vm)
		driver_free_vm(n->vm);
	free(n);
	return 0;
}

static struct nic *get(void **state)
{
	struct nic *n = *state;

	if (!n->vm)
		skip();
	return n;
}

static void bring_up(struct nic *n, uint64_t features, unsigned queues, unsigned control)
{
	assert_true(driver_negotiate(n->dev, features) & VIRTIO_CONFIG_S_FEATURES_OK);
	for (uint16_t i = 0; i < queues; i++)
		assert_int_equal(driver_set_up_queue(n->dev, i, 64, &n->queue[i]), TD_DONE);
	assert_int_equal(driver_set_up_queue(n->dev, (uint16_t)control, 64, &n->queue[control]), TD_DONE);
	driver_go(n->dev);
	driver_run(n->vm, 10);
}

/* The answer to a control command, or NO_ANSWER. */
static int command(struct nic *n, unsigned control, uint8_t class, uint8_t what, const void *data, uint32_t len)
{
	uint8_t *at = driver_ram(n->dev, COMMAND_AT);
	const struct driver_part part[] = {{COMMAND_AT, 2 + len, false}, {ANSWER_AT, 1, true}};

	at[0] = class;
	at[1] = what;
	memcpy(at + 2, data, len);
	memset(driver_ram(n->dev, ANSWER_AT), NO_ANSWER, 1);
	driver_add(&n->queue[control], part, 2);
	driver_kick(n->dev, control);
	if (driver_used(n->vm, &n->queue[control]) != 1)
		return NO_ANSWER;
	return *(uint8_t *)driver_ram(n->dev, ANSWER_AT);
}

static void test_config(void **state)
{
	struct nic *n = get(state);

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(driver_read(n->dev, TD_VIRTIO_AT_DEVICE + i, 1), mac[i]);
	assert_int_equal(driver_read(n->dev, STATUS_AT, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(driver_read(n->dev, STATUS_AT + 2, 2), PAIRS);
	assert_int_equal(driver_read(n->dev, STATUS_AT + 4, 2), 1450);
	assert_true(n->dev->offered & BIT(VIRTIO_NET_F_STANDBY));
	assert_false(n->dev->offered & BIT(VIRTIO_NET_F_HOST_UFO));
	assert_int_not_equal(if_nametoindex(td_virtio_net_tap(n->net)), 0);
	assert_false(td_virtio_net_uses_vhost(n->net));
}

static void test_feature_dependencies(void **state)
{
	struct nic *n = get(state);
	static const uint64_t bad[] = {BIT(VIRTIO_NET_F_GUEST_TSO4), BIT(VIRTIO_NET_F_HOST_TSO6), BIT(VIRTIO_NET_F_MQ),
		BIT(VIRTIO_NET_F_GUEST_ANNOUNCE), BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_ECN)};

	for (unsigned i = 0; i < TD_COUNT(bad); i++)
		assert_false(driver_negotiate(n->dev, V1 | bad[i]) & VIRTIO_CONFIG_S_FEATURES_OK);
	assert_true(driver_negotiate(n->dev, n->dev->offered) & VIRTIO_CONFIG_S_FEATURES_OK);
}

static void test_events(void **state)
{
	struct nic *n = get(state);

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_STANDBY), 2, 2);
	assert_int_equal(n->accepted, 1);
	assert_int_equal(n->standby, 1);
	n->dev->pci.device.ops->quiesce(&n->dev->pci.device);
	n->dev->pci.device.ops->resume(&n->dev->pci.device);
	driver_run(n->vm, 2);
	assert_int_equal(n->accepted, 1); /* a rest is no news */
	bring_up(n, USUAL, 2, 2);
	assert_int_equal(n->resets, 1);
	assert_int_equal(n->accepted, 2);
	assert_int_equal(n->standby, 1);
	driver_write(n->dev, VIRTIO_PCI_COMMON_Q_SIZE, 2, 1);
	driver_run(n->vm, 10);
	assert_int_equal(n->brokens, 1);
	assert_int_equal(n->net->path, TD_NET_PATH_NONE);
}

static void test_link_and_announce(void **state)
{
	struct nic *n = get(state);

	assert_false(td_virtio_net_guest_announce(n->net)); /* no driver */
	bring_up(n, USUAL, 2, 2);
	driver_write(n->dev, VIRTIO_PCI_COMMON_MSIX, 2, 0);
	assert_int_equal(n->net->path, TD_NET_PATH_USER);
	td_virtio_net_set_link(n->net, false);
	assert_true(driver_signalled(n->dev, 0));
	assert_int_equal(driver_read(n->dev, STATUS_AT, 2), 0);
	assert_int_equal(n->net->path, TD_NET_PATH_NONE);
	td_virtio_net_set_link(n->net, true);
	assert_int_equal(n->net->path, TD_NET_PATH_USER);
	assert_true(td_virtio_net_guest_announce(n->net));
	assert_int_equal(driver_read(n->dev, STATUS_AT, 2), VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0), VIRTIO_NET_OK);
	assert_int_equal(driver_read(n->dev, STATUS_AT, 2), VIRTIO_NET_S_LINK_UP);
}

static void test_control_without_multiqueue(void **state)
{
	struct nic *n = get(state);
	static const uint8_t other[6] = {2, 2, 2, 2, 2, 2}, multicast[6] = {1}, one = 1;

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_CTRL_RX) | BIT(VIRTIO_NET_F_CTRL_MAC_ADDR), 2, 2);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &one, 1), VIRTIO_NET_OK);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &one, 0), VIRTIO_NET_ERR);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 6), VIRTIO_NET_OK);
	assert_int_equal(driver_read(n->dev, TD_VIRTIO_AT_DEVICE, 1), 2);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, other, 5), VIRTIO_NET_ERR);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, multicast, 6), VIRTIO_NET_ERR);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\1", 2), VIRTIO_NET_ERR);
	assert_int_equal(command(n, 2, 99, 99, "", 0), VIRTIO_NET_ERR);
	driver_write(n->dev, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	assert_int_equal(driver_read(n->dev, TD_VIRTIO_AT_DEVICE, 1), mac[0]);
}

static void test_mac_table(void **state)
{
	struct nic *n = get(state);
	static const struct {
		uint8_t bytes[20];
		uint32_t len;
		int answer;
	} table[] = {
		{{0}, 8, VIRTIO_NET_OK},
		{{1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0}, 14, VIRTIO_NET_OK},
		{{1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0}, 13, VIRTIO_NET_ERR},
		{{2, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0}, 14, VIRTIO_NET_ERR},
		{{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 8, VIRTIO_NET_ERR},
		{{0, 0, 0, 0, 0xab, 0xaa, 0xaa, 0xaa}, 8, VIRTIO_NET_ERR},
		{{0}, 3, VIRTIO_NET_ERR},
	};

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_CTRL_RX), 2, 2);
	for (unsigned i = 0; i < TD_COUNT(table); i++)
		assert_int_equal(
			command(n, 2, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table[i].bytes, table[i].len), table[i].answer);
}

static void test_multiqueue(void **state)
{
	struct nic *n = get(state);

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_MQ), 2 * PAIRS, CONTROL);
	assert_int_equal(n->net->pairs_active, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(command(n, CONTROL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\2", 2), VIRTIO_NET_OK);
		assert_int_equal(n->net->tap.active_count, 2);
		assert_int_equal(command(n, CONTROL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\1", 2), VIRTIO_NET_OK);
		assert_int_equal(n->net->tap.active_count, 1);
	}
	assert_int_equal(command(n, CONTROL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\0", 2), VIRTIO_NET_ERR);
	assert_int_equal(command(n, CONTROL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\3", 2), VIRTIO_NET_ERR);
	/* Pairs that the driver did not set up. */
	bring_up(n, USUAL | BIT(VIRTIO_NET_F_MQ), 2, CONTROL);
	assert_int_equal(command(n, CONTROL, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, "\2", 2), VIRTIO_NET_ERR);
}

/* Many commands that stop and start the datapath, posted at once: one in a round, so that others have their turn between. */
static void test_one_slow_command_a_round(void **state)
{
	struct nic *n = get(state);
	static const uint8_t pairs[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, 0};
	const struct driver_part part[] = {{COMMAND_AT, sizeof(pairs), false}, {ANSWER_AT, 1, true}};
	const uint16_t *used;
	uint16_t before;

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_MQ), 2 * PAIRS, CONTROL);
	used = n->queue[CONTROL].used;
	before = used[1];
	memcpy(driver_ram(n->dev, COMMAND_AT), pairs, sizeof(pairs));
	for (unsigned i = 0; i < 5; i++)
		driver_add(&n->queue[CONTROL], part, 2);
	td_virtio_net_control(n->net);
	assert_int_equal(used[1] - before, 1);
	td_virtio_net_control(n->net);
	assert_int_equal(used[1] - before, 2);
	for (unsigned i = 0; i < 100 && used[1] - before != 5; i++) /* no kick of the guest's is needed for the rest */
		driver_run(n->vm, 5);
	assert_int_equal(used[1] - before, 5);
	assert_int_equal(n->net->tap.active_count, 2);
}

static void test_guest_offloads(void **state)
{
	struct nic *n = get(state);
	uint64_t offloads = BIT(VIRTIO_NET_F_GUEST_CSUM);

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4), 2, 2);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads, 8), VIRTIO_NET_OK);
	offloads = BIT(VIRTIO_NET_F_GUEST_TSO6); /* not negotiated */
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads, 8), VIRTIO_NET_ERR);
	assert_int_equal(n->net->offloads, BIT(VIRTIO_NET_F_GUEST_CSUM));
}

static void test_control_without_answer(void **state)
{
	struct nic *n = get(state);
	const struct driver_part part[] = {{COMMAND_AT, 2, false}};

	bring_up(n, USUAL, 2, 2);
	driver_add(&n->queue[2], part, 1);
	driver_kick(n->dev, 2);
	for (unsigned i = 0; i < 100 && !n->brokens; i++)
		driver_run(n->vm, 5);
	assert_int_equal(n->brokens, 1);
	bring_up(n, USUAL, 2, 2);
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0), VIRTIO_NET_OK);
}

static void test_broken_data_queue(void **state)
{
	struct nic *n = get(state);

	bring_up(n, USUAL, 2, 2);
	n->queue[1].avail[1] = 1000;
	driver_kick(n->dev, 1);
	for (unsigned i = 0; i < 100 && !n->brokens; i++)
		driver_run(n->vm, 5);
	assert_int_equal(n->brokens, 1);
	assert_true(driver_status(n->dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	bring_up(n, USUAL, 2, 2);
	assert_int_equal(n->net->path, TD_NET_PATH_USER);
}

static void test_inject_and_counters(void **state)
{
	struct nic *n = get(state);
	struct td_net_counters before, after;
	uint8_t frame[1515] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2, 3, 0x80, 0x35};

	td_virtio_net_counters(n->net, &before);
	assert_int_equal(td_virtio_net_inject_tx(n->net, frame, 42), 0); /* also with no driver */
	bring_up(n, USUAL, 2, 2);
	assert_int_equal(td_virtio_net_inject_tx(n->net, frame, 1514), 0);
	assert_int_equal(td_virtio_net_inject_tx(n->net, frame, 1515), -EINVAL);
	assert_int_equal(td_virtio_net_inject_tx(n->net, frame, 13), -EINVAL);
	td_virtio_net_counters(n->net, &after);
	assert_int_equal(after.tx_packets - before.tx_packets, 2);
	assert_int_equal(after.tx_bytes - before.tx_bytes, 60 + 1514); /* the short one padded */
}

/* The host's end of the guest's wire. */
static int open_outside(const struct nic *n)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(td_virtio_net_tap(n->net))};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_in(int fd, uint8_t mark)
{
	uint8_t frame[60] = {0x52, 0x54, 0, 1, 2, 3, 0x52, 0x54, 0, 9, 9, 9, 0x88, 0xb5, mark};

	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
}

static void offer_buffers(struct nic *n, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct driver_part part = {FRAMES_AT + 0x1000 * i, 2048, true};

		driver_add(&n->queue[0], &part, 1);
	}
	driver_kick(n->dev, 0);
}

/* The next frame's mark; buffers are used in their order. */
static int next_mark(struct nic *n)
{
	unsigned place = n->queue[0].used_seen;

	if (driver_used(n->vm, &n->queue[0]) < 0)
		return -1;
	return *(uint8_t *)driver_ram(n->dev, FRAMES_AT + 0x1000 * place + TD_TAP_HEADER_BYTES + FRAME_MARK);
}

static void test_held(void **state)
{
	struct nic *n = get(state);
	const struct td_device_ops *device = n->dev->pci.device.ops;
	uint8_t frame[2048];

	bring_up(n, USUAL, 2, 2);
	int outside = open_outside(n);
	offer_buffers(n, 8);
	send_in(outside, 1);
	assert_int_equal(next_mark(n), 1);

	assert_int_equal(td_virtio_net_hold_rx(n->net, true), 0);
	send_in(outside, 2);
	assert_int_equal(next_mark(n), -1);
	assert_int_equal(device->quiesce(&n->dev->pci.device), 0);
	send_in(outside, 3);
	device->resume(&n->dev->pci.device);
	assert_int_equal(next_mark(n), -1); /* a pause changes nothing */
	assert_int_equal(td_virtio_net_take_rx(n->net, frame, sizeof(frame)), TD_TAP_HEADER_BYTES + 60);
	assert_int_equal(frame[TD_TAP_HEADER_BYTES + FRAME_MARK], 2);

	assert_int_equal(td_virtio_net_hold_rx(n->net, false), 0);
	assert_int_equal(next_mark(n), 3);
	send_in(outside, 4);
	assert_int_equal(next_mark(n), 4);
	close(outside);
}

/* With no descriptor left there is neither a datapath that holds nor the one from before: the driver hears of it. */
static void test_hold_fails(void **state)
{
	struct nic *n = get(state);
	struct rlimit before, none;

	bring_up(n, USUAL, 2, 2);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){3, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int rc = td_virtio_net_hold_rx(n->net, true);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(rc, -EMFILE);
	assert_true(n->dev->pci.device.broken);
	driver_run(n->vm, 10);
	assert_int_equal(n->brokens, 1);
	bring_up(n, USUAL, 2, 2);
	assert_false(n->dev->pci.device.broken);
	assert_int_equal(td_virtio_net_hold_rx(n->net, true), 0);
}

/* One of the same name takes the place of one that was deleted; what the guest asks meanwhile is done there. */
static void test_lost_tap(void **state)
{
	struct nic *n = get(state);
	struct td_tap anew;
	struct td_tap_config config = {.name = td_virtio_net_tap(n->net), .queue_count = PAIRS};
	struct td_net_counters before, after;
	uint64_t offloads = BIT(VIRTIO_NET_F_GUEST_CSUM);
	char text[64];

	bring_up(n, USUAL | BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_GUEST_CSUM), 2, 2);
	int outside = open_outside(n);
	offer_buffers(n, 8);
	send_in(outside, 1);
	assert_int_equal(next_mark(n), 1);
	close(outside);
	td_virtio_net_counters(n->net, &before);

	assert_false(td_virtio_net_lost_tap(n->net));
	snprintf(text, sizeof(text), "ip link del %s", config.name);
	assert_int_equal(system(text), 0);
	assert_true(td_virtio_net_lost_tap(n->net));
	assert_int_equal(command(n, 2, VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &offloads, 8), VIRTIO_NET_OK);
	assert_int_equal(td_virtio_net_hold_rx(n->net, true), 0);
	assert_false(n->dev->pci.device.broken);

	memcpy(config.mac, mac, sizeof(mac));
	assert_int_equal(td_tap_open(&anew, &config, NULL), 0);
	assert_int_equal(td_virtio_net_renew_tap(n->net, &anew), 0);
	assert_int_equal(anew.queue_count, 0);
	assert_false(td_virtio_net_lost_tap(n->net));
	assert_int_equal(n->net->tap.offloads, TUN_F_CSUM);
	outside = open_outside(n);
	send_in(outside, 2);
	assert_int_equal(next_mark(n), -1); /* held as before */
	assert_int_equal(td_virtio_net_hold_rx(n->net, false), 0);
	assert_int_equal(next_mark(n), 2);
	send_in(outside, 3);
	assert_int_equal(next_mark(n), 3);
	td_virtio_net_counters(n->net, &after);
	assert_int_equal(after.rx_packets, before.rx_packets + 2);
	assert_int_equal(n->brokens, 0);
	close(outside);
}

static void test_refused(void **state)
{
	struct nic *n = get(state);
	struct td_virtio_net_config good = config_of(n), config;
	struct td_virtio_net *net;
	struct td_err err = {0};

	config = good;
	config.tap_name = td_virtio_net_tap(n->net);
	assert_int_equal(td_virtio_net_create(n->vm, &config, &net, &err), -EBUSY);
	assert_int_equal(err.reason, TD_REASON_TAP_EXISTS);
	config = good;
	config.queue_pairs = 9;
	assert_int_equal(td_virtio_net_create(n->vm, &config, &net, &err), -EINVAL);
	config = good;
	config.queue_size = 100;
	assert_int_equal(td_virtio_net_create(n->vm, &config, &net, &err), -EINVAL);
	config = good;
	config.mac[0] = 1;
	assert_int_equal(td_virtio_net_create(n->vm, &config, &net, &err), -EINVAL);
	config = good;
	config.tap_name = "a-name-of-more-than-15";
	assert_int_equal(td_virtio_net_create(n->vm, &config, &net, &err), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config),
		TEST(test_feature_dependencies),
		TEST(test_events),
		TEST(test_link_and_announce),
		TEST(test_control_without_multiqueue),
		TEST(test_mac_table),
		TEST(test_multiqueue),
		TEST(test_one_slow_command_a_round),
		TEST(test_guest_offloads),
		TEST(test_control_without_answer),
		TEST(test_broken_data_queue),
		TEST(test_inject_and_counters),
		TEST(test_held),
		cmocka_unit_test_setup_teardown(test_held, setup_vhost, teardown),
		TEST(test_hold_fails),
		TEST(test_lost_tap),
		cmocka_unit_test_setup_teardown(test_lost_tap, setup_vhost, teardown),
		TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
