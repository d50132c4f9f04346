/* SPDX-License-Identifier: Apache-2.0 */
/* uplink.c - see uplink.h. Source: rtnetlink(7), Linux Documentation/ABI/testing/sysfs-class-net. */
#include "cli/uplink.h"

#include <errno.h>
#include <glob.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio/sriov_sysfs.h"

#define MESSAGES_A_RUN 64U

/* ---- what sysfs says ---- */

static bool exists(const char *sys, const char *port, const char *pattern)
{
	char path[512];
	glob_t found;
	bool is;

	snprintf(path, sizeof(path), "%.200s/class/net/%.64s/%s", sys, port, pattern);
	is = glob(path, GLOB_NOSORT, NULL, &found) == 0;
	globfree(&found);
	return is;
}

static bool is_uplink(const char *sys, const char *port)
{
	return exists(sys, port, "device") || exists(sys, port, "lower_*");
}

static bool has_carrier(const char *sys, const char *port)
{
	bool up = false, carrier = false;

	return td_sriov_sysfs_link(sys, port, &up, &carrier, NULL) == 0 && carrier;
}

bool td_uplink_is_up(const char *sys, const char *tap)
{
	bool any = false, up = false;
	char path[512];
	glob_t ports;

	snprintf(path, sizeof(path), "%.200s/class/net/%.64s/master/brif/*", sys, tap);
	if (glob(path, GLOB_NOSORT, NULL, &ports) == 0)
		for (size_t i = 0; i < ports.gl_pathc && !up; i++) {
			const char *port = strrchr(ports.gl_pathv[i], '/') + 1;

			if (!is_uplink(sys, port))
				continue;
			any = true;
			up = has_carrier(sys, port);
		}
	globfree(&ports);
	return up || !any;
}

/* ---- when the kernel says that something changed ---- */

/* Bounded; what is left wakes the loop again. Which link it was does not matter, nor that some messages were too many for the socket. */
static void drain(int fd)
{
	char scrap[1];

	for (unsigned i = 0; i < MESSAGES_A_RUN; i++)
		if (recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT | MSG_TRUNC) < 0 && errno != ENOBUFS)
			return;
}

static void ready(struct td_watch *watch, uint32_t events)
{
	struct td_uplink *uplink = TD_CONTAINER_OF(watch, struct td_uplink, watch);
	bool up;

	(void)events;
	drain(watch->fd);
	up = td_uplink_is_up(TD_UPLINK_SYS, uplink->tap);
	if (up == uplink->up)
		return;
	uplink->up = up;
	uplink->changed(uplink->opaque, up);
}

int td_uplink_open(struct td_uplink *uplink, struct td_loop *loop, const char *tap, void (*changed)(void *opaque, bool up), void *opaque,
	struct td_err *err)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	td_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int rc;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return td_err_sys(err, errno, TD_REASON_NETLINK, "tap %s: watch its bridge's uplinks", tap);
	*uplink = (struct td_uplink){
		.loop = loop, .watch = {.fd = fd, .ready = ready, .events = EPOLLIN}, .tap = tap, .changed = changed, .opaque = opaque};
	rc = td_loop_watch(loop, &uplink->watch);
	if (rc < 0) {
		uplink->watch.fd = -1;
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "tap %s: watch its bridge's uplinks", tap);
	}
	(void)td_take_fd(&fd);
	uplink->up = td_uplink_is_up(TD_UPLINK_SYS, tap);
	return 0;
}

void td_uplink_close(struct td_uplink *uplink)
{
	if (uplink->watch.fd < 0)
		return;
	td_loop_unwatch(uplink->loop, &uplink->watch);
	td_cleanup_close(&uplink->watch.fd);
	uplink->watch.fd = -1;
}
