/* SPDX-License-Identifier: Apache-2.0 */
/* host_watch.c - one socket in rtnetlink's group of links; each message is looked at for its event alone. */
#include "host/host_watch.h"

#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEPTH_MAX	 4
#define MESSAGE_BYTES	 16384
#define MESSAGES_AT_ONCE 64

int td_host_watch_open(int *ret_fd, struct td_err *err)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	td_auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return td_err_sys(err, errno, TD_REASON_NETLINK, "rtnetlink");
	*ret_fd = td_take_fd(&fd);
	return 0;
}

/* Is `name` below `link`: its port, its port's member, the NIC of its VLAN link? */
static bool is_below(const char *link, const char *name, unsigned depth)
{
	char path[64];
	bool found = false;
	snprintf(path, sizeof(path), "/sys/class/net/%.15s", link);
	DIR *dir = depth == DEPTH_MAX ? NULL : opendir(path);
	for (struct dirent *entry; !found && dir && (entry = readdir(dir));)
		if (!strncmp(entry->d_name, "lower_", 6))
			found = !strcmp(entry->d_name + 6, name) || is_below(entry->d_name + 6, name, depth + 1);
	if (dir)
		closedir(dir);
	return found;
}

static bool has_moved(struct nlmsghdr *header, const char *bridge)
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
	       if_indextoname((unsigned)info->ifi_index, name) && is_below(bridge, name, 0);
}

bool td_host_watch_read(int fd, const char *bridge)
{
	_Alignas(struct nlmsghdr) char buffer[MESSAGE_BYTES];
	bool moved = false;
	for (unsigned i = 0; i < MESSAGES_AT_ONCE; i++) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		if (got < 0)
			return moved || errno == ENOBUFS;
		int left = (int)got;
		for (struct nlmsghdr *header = (struct nlmsghdr *)(void *)buffer; nlmsg_ok(header, left);
			header = nlmsg_next(header, &left))
			moved = moved || has_moved(header, bridge);
	}
	return moved;
}
