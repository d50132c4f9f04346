/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits in a tap, sent into a PF: in a network of the test's own, "pf" and "wire" are a pair. Needs the right to make network
 * namespaces (root, or a kernel that lets users) and ip(8); says so and skips where one is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "emul/virtio_net.h"
#include "nic/relay.h"

#define FRAME_BYTES 100U
#define ETHER_TYPE  0x88b5 /* for experiments: nothing else sends it */
#define VLAN	    5

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 1, 2, 3}, other_mac[6] = {0x52, 0x54, 0, 1, 2, 4};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static struct td_relay relay = {.fd = -1};

/* ---- the network ---- */

static const char *make_network(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return "no right to make a network namespace";
	if (system("ip link add pf type veth peer name wire 2>/dev/null && ip link set pf up && ip link set wire up") != 0)
		return "no ip(8), or no veth in this kernel";
	return NULL;
}

/* Hears frames at the far end, behind a virtio-net header; of all kinds, for only then the kernel says what their tag was. */
static int hear(void)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex("wire")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), errno);
	assert_return_code(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), errno);
	assert_return_code(bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	return fd;
}

static uint16_t vlan_of(struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	struct tpacket_auxdata aux;

	assert_non_null(c);
	memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci : 0;
}

#define COMES_MS 30000 /* a busy machine hands frames on late */
#define NONE_MS	 200

/* The mark of the next frame, which carries that tag; -1: none came within the time. */
static int next_mark(int fd, int limit_ms, uint16_t vlan, struct virtio_net_hdr *ret_header)
{
	_Alignas(struct cmsghdr) uint8_t control[256];
	uint8_t got[2048];
	struct iovec iov = {got, sizeof(got)};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct pollfd wait = {fd, POLLIN, 0};

	do {
		message.msg_controllen = sizeof(control);
		if (poll(&wait, 1, limit_ms) != 1)
			return -1;
		assert_true(recvmsg(fd, &message, 0) > 0);
	} while (memcmp(got + sizeof(*ret_header) + 12, "\x88\xb5", 2) != 0); /* something of the kernel's own */
	assert_int_equal(vlan_of(&message), vlan);
	memcpy(ret_header, got, sizeof(*ret_header));
	assert_memory_equal(got + sizeof(*ret_header), guest_mac, 6);
	return got[sizeof(*ret_header) + FRAME_BYTES - 1];
}

/* ---- the tap ---- */

static struct {
	const uint8_t *to;
	uint8_t mark;
	bool wants_sum;
	ssize_t len; /* 0: a whole frame */
} waiting[8];
static unsigned waits, next;

static ssize_t take(void *opaque, void *frame, size_t room_bytes)
{
	struct virtio_net_hdr header = {0};
	uint8_t *at = frame;

	(void)opaque;
	if (next == waits)
		return -EAGAIN;
	assert_true(room_bytes >= TD_VIRTIO_NET_HEADER_BYTES + FRAME_BYTES);
	if (waiting[next].wants_sum)
		header = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 6};
	memset(at, 0, TD_VIRTIO_NET_HEADER_BYTES);
	memcpy(at, &header, sizeof(header));
	at += TD_VIRTIO_NET_HEADER_BYTES;
	memset(at, waiting[next].mark, FRAME_BYTES);
	memcpy(at, waiting[next].to, 6);
	memcpy(at + 6, other_mac, 6);
	at[12] = ETHER_TYPE >> 8;
	at[13] = ETHER_TYPE & 0xff;
	return waiting[next].len ? waiting[next++].len : (next++, (ssize_t)(TD_VIRTIO_NET_HEADER_BYTES + FRAME_BYTES));
}

static void wait_in_tap(const uint8_t *to, uint8_t mark, bool wants_sum, ssize_t len)
{
	assert_true(waits < TD_COUNT(waiting));
	waiting[waits].to = to;
	waiting[waits].mark = mark;
	waiting[waits].wants_sum = wants_sum;
	waiting[waits++].len = len;
}

/* ---- tests ---- */

static void open_relay(uint16_t vlan)
{
	struct td_err err = {0};

	waits = next = 0;
	relay = (struct td_relay){.fd = -1};
	if (td_relay_open(&relay, "pf", guest_mac, vlan, &err) < 0)
		fail_msg("%s", err.text);
}

static void check_relays(uint16_t vlan)
{
	struct virtio_net_hdr header;
	int fd = hear();

	open_relay(vlan);
	wait_in_tap(guest_mac, 1, false, 0);
	wait_in_tap(other_mac, 2, false, 0);
	wait_in_tap(broadcast, 3, false, 0);
	wait_in_tap(guest_mac, 4, false, TD_VIRTIO_NET_HEADER_BYTES + 13); /* no frame */
	wait_in_tap(guest_mac, 5, false, 3);
	wait_in_tap(guest_mac, 6, true, 0);
	assert_int_equal(td_relay_run(&relay, take, NULL), 6);
	assert_int_equal(relay.relayed, 2);
	assert_int_equal(relay.discarded, 4);
	assert_int_equal(next_mark(fd, COMES_MS, vlan, &header), 1);
	assert_int_equal(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
	assert_int_equal(next_mark(fd, COMES_MS, vlan, &header), 6);
	if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) /* still where it was, seen from the frame without a tag */
		assert_int_equal(header.csum_start, 34);
	wait_in_tap(guest_mac, 7, false, 0);
	wait_in_tap(broadcast, 8, false, 0);
	assert_int_equal(td_relay_discard(&relay, take, NULL), 1);
	assert_int_equal(relay.relayed, 2);
	assert_int_equal(relay.discarded, 6);
	assert_int_equal(next_mark(fd, NONE_MS, vlan, &header), -1);
	td_relay_close(&relay);
	close(fd);
}

static void test_relays(void **state)
{
	(void)state;
	check_relays(0);
}

/* The VF's VLAN in its PF: without its tag the PF's switch does not hand it anything. */
static void test_vlan(void **state)
{
	(void)state;
	check_relays(VLAN);
}

static void test_closed(void **state)
{
	struct td_err err = {0};

	(void)state;
	open_relay(0);
	td_relay_close(&relay);
	td_relay_close(&relay);
	wait_in_tap(guest_mac, 1, false, 0);
	assert_int_equal(td_relay_run(&relay, take, NULL), 0);
	assert_int_equal(td_relay_send(&relay, broadcast, 6), -EBADF);
	assert_true(td_relay_open(&relay, "nopf", guest_mac, 0, &err) < 0);
	assert_int_equal(err.reason, TD_REASON_PF_MISSING);
	assert_int_equal(relay.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_relays), cmocka_unit_test(test_vlan), cmocka_unit_test(test_closed)};
	const char *why = make_network();

	if (why) {
		printf("SKIP: all of cli_relay_test: %s\n", why);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
