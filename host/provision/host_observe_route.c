/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_observe_route.c - which links the host itself is reached by: those of default routes, and the one towards the SSH client that runs
 * the command. Links below them count as well: the ports of a bridge, the members of a bond, the NIC of a VLAN link.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "host/provision/host_observe.h"

#define DEPTH_MAX 8

struct routes {
	const struct td_host_seen *seen;
	const char *what;
	bool any; /* not only default routes */
};

static void mark_below(const struct td_host_seen *seen, int index, const char *what, unsigned depth)
{
	const struct td_host_seen_link *link = td_host_observe_by_index(seen, index);
	if (!link || depth == DEPTH_MAX)
		return;
	if (!td_host_state_get(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_ROUTE))
		td_host_state_set(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_ROUTE, what);
	int lower = link->vlan ? link->lower : 0; /* link moves with nothing: seen does not grow any more */
	for (unsigned i = 0; i < seen->count; i++)
		if (seen->link[i].master == index)
			mark_below(seen, seen->link[i].index, what, depth + 1);
	mark_below(seen, lower, what, depth + 1);
}

static void read_route(struct nlmsghdr *header, void *opaque)
{
	const struct routes *routes = opaque;
	struct nlattr *attr[RTA_MAX + 1];
	if (header->nlmsg_type != RTM_NEWROUTE || !nlmsg_valid_hdr(header, sizeof(struct rtmsg)) ||
		nlmsg_parse(header, sizeof(struct rtmsg), attr, RTA_MAX, NULL) < 0)
		return;
	const struct rtmsg *route = nlmsg_data(header);
	if (!routes->any && (route->rtm_dst_len || route->rtm_table != RT_TABLE_MAIN || route->rtm_type != RTN_UNICAST))
		return;
	if (attr[RTA_OIF] && nla_len(attr[RTA_OIF]) >= 4)
		mark_below(routes->seen, (int)nla_get_u32(attr[RTA_OIF]), routes->what, 0);
	if (!attr[RTA_MULTIPATH])
		return;
	const struct rtnexthop *hop = nla_data(attr[RTA_MULTIPATH]);
	for (int left = nla_len(attr[RTA_MULTIPATH]); RTNH_OK(hop, left); left -= RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		mark_below(routes->seen, hop->rtnh_ifindex, routes->what, 0);
}

/* The first address of a link, but for those that each link has. */
static void read_address(struct nlmsghdr *header, void *opaque)
{
	const struct td_host_seen *seen = opaque;
	struct nlattr *attr[IFA_MAX + 1];
	char text[INET6_ADDRSTRLEN];
	if (header->nlmsg_type != RTM_NEWADDR || !nlmsg_valid_hdr(header, sizeof(struct ifaddrmsg)) ||
		nlmsg_parse(header, sizeof(struct ifaddrmsg), attr, IFA_MAX, NULL) < 0)
		return;
	const struct ifaddrmsg *address = nlmsg_data(header);
	const struct td_host_seen_link *link = td_host_observe_by_index(seen, (int)address->ifa_index);
	struct nlattr *value = attr[IFA_LOCAL] ? attr[IFA_LOCAL] : attr[IFA_ADDRESS];
	int needed = address->ifa_family == AF_INET ? 4 : 16;
	if (!link || !value || nla_len(value) < needed || address->ifa_scope >= RT_SCOPE_LINK ||
		(address->ifa_family != AF_INET && address->ifa_family != AF_INET6) ||
		!inet_ntop(address->ifa_family, nla_data(value), text, sizeof(text)) ||
		td_host_state_get(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_ADDRESS))
		return;
	td_host_state_setf(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_ADDRESS, "%s/%u", text, address->ifa_prefixlen);
}

static struct nl_msg *dump_request(int type, const void *body, size_t len)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_DUMP);
	if (msg && nlmsg_append(msg, (void *)(uintptr_t)body, len, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static struct nl_msg *lookup_request(int family, const void *address, unsigned len)
{
	struct rtmsg route = {.rtm_family = (unsigned char)family, .rtm_dst_len = (unsigned char)(8 * len)};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST);
	if (msg && (nlmsg_append(msg, &route, sizeof(route), NLMSG_ALIGNTO) < 0 || nla_put(msg, RTA_DST, (int)len, address) < 0)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* No way to the client now: none to be cut. */
static void mark_client(const struct td_host_seen *seen, struct td_host_netlink *netlink, const char *client)
{
	unsigned char address[16];
	char what[96];
	struct routes routes = {.seen = seen, .what = what, .any = true};
	int family = strchr(client, ':') ? AF_INET6 : AF_INET;
	snprintf(what, sizeof(what), "the SSH session from %.64s", client);
	if (inet_pton(family, client, address) == 1)
		(void)td_host_netlink_read(
			netlink, lookup_request(family, address, family == AF_INET ? 4 : 16), read_route, &routes, "route", NULL);
}

int td_host_observe_routes(const struct td_host_seen *seen, struct td_host_netlink *netlink, const char *ssh_client, struct td_err *err)
{
	const struct ifaddrmsg all_addresses = {.ifa_family = AF_UNSPEC};
	const int families[] = {AF_INET, AF_INET6};
	struct routes routes = {.seen = seen, .what = "the default route"};
	if (ssh_client)
		mark_client(seen, netlink, ssh_client);
	int r = td_host_netlink_read(netlink, dump_request(RTM_GETADDR, &all_addresses, sizeof(all_addresses)), read_address,
		(void *)(uintptr_t)seen, "list of addresses", err);
	for (unsigned i = 0; !r && i < TD_COUNT(families); i++) {
		const struct rtmsg all_routes = {.rtm_family = (unsigned char)families[i], .rtm_table = RT_TABLE_MAIN};
		r = td_host_netlink_read(
			netlink, dump_request(RTM_GETROUTE, &all_routes, sizeof(all_routes)), read_route, &routes, "list of routes", err);
		if (r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
			r = 0; /* a kernel without IPv6 */
	}
	return r;
}
