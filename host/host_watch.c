/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_watch.c - see host_watch.h. A carrier is looked at in sysfs whatever the kernel has said: which link it was does not matter then,
 * nor that some messages were too many for the socket. A move is an event in a message (IFLA_EVENT), and leaves no trace. Source:
 * rtnetlink(7).
 */
#include "host/host_watch.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/host_uplink.h"

#define MESSAGE_BYTES	 16384
#define MESSAGES_AT_ONCE 64U

static bool is_move(struct nlmsghdr *header, const char *bridge)
{
	struct nlattr *attr[IFLA_MAX + 1];
	char name[IF_NAMESIZE];
	if (header->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)) ||
		nlmsg_parse(header, sizeof(struct ifinfomsg), attr, IFLA_MAX, NULL) < 0 || !attr[IFLA_EVENT] ||
		nla_len(attr[IFLA_EVENT]) < 4)
		return false;
	const struct ifinfomsg *info = nlmsg_data(header);
	uint32_t event = nla_get_u32(attr[IFLA_EVENT]);
	return (event == IFLA_EVENT_BONDING_FAILOVER || event == IFLA_EVENT_NOTIFY_PEERS) &&
	       if_indextoname((unsigned)info->ifi_index, name) && td_host_uplink_is_below(TD_HOST_UPLINK_SYS, bridge, name);
}

/* Bounded; what is left wakes the loop again. True: a link below the bridge has moved, or may have. */
static bool read_messages(struct td_host_watch *watch)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_BYTES];
	bool moved = false;
	for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
		int left = (int)recv(watch->watch.fd, buffer, sizeof(buffer), 0);
		if (left < 0 && errno != ENOBUFS)
			break;
		moved = moved || left < 0;
		for (struct nlmsghdr *header = (struct nlmsghdr *)(void *)buffer; !moved && watch->bridge && nlmsg_ok(header, left);
			header = nlmsg_next(header, &left))
			moved = is_move(header, watch->bridge);
	}
	return moved && watch->bridge;
}

static bool is_up(const struct td_host_watch *watch)
{
	return !watch->tap || td_host_uplink_is_up(TD_HOST_UPLINK_SYS, watch->tap);
}

static void ready(struct td_watch *base, uint32_t events)
{
	struct td_host_watch *watch = TD_CONTAINER_OF(base, struct td_host_watch, watch);
	bool moved = read_messages(watch), up = is_up(watch);

	(void)events;
	if (up != watch->up) {
		watch->up = up;
		watch->events.uplink(watch->events.opaque, up);
	}
	if (moved)
		watch->events.moved(watch->events.opaque);
}

int td_host_watch_open(struct td_host_watch *watch, struct td_loop *loop, const char *tap, const char *bridge,
	const struct td_host_watch_events *events, struct td_err *err)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	td_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int rc;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return td_err_sys(err, errno, TD_REASON_NETLINK, "rtnetlink: watch links");
	*watch = (struct td_host_watch){
		.loop = loop, .watch = {.fd = fd, .ready = ready, .events = EPOLLIN}, .tap = tap, .bridge = bridge, .events = *events};
	rc = td_loop_watch(loop, &watch->watch);
	if (rc < 0) {
		watch->watch.fd = -1;
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "rtnetlink: watch links");
	}
	(void)td_take_fd(&fd);
	watch->up = is_up(watch);
	return 0;
}

void td_host_watch_close(struct td_host_watch *watch)
{
	if (watch->watch.fd < 0)
		return;
	td_loop_unwatch(watch->loop, &watch->watch);
	td_cleanup_close(&watch->watch.fd);
	watch->watch.fd = -1;
}
