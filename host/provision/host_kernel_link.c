/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_kernel_link.c - changes of links by rtnetlink. What libnl-route's link objects can say is said by them; attributes of bonds and of
 * bridges and their ports, which they lack, are put into the messages here (uapi/linux/if_link.h, if_bridge.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net/host_guard.h"
#include "host/provision/host_kernel.h"
#include "host/provision/host_kmod.h"
#include "host/sriov/sriov.h"
#include "host/sys/sysfs.h"

static void cleanup_link(struct rtnl_link **link)
{
	rtnl_link_put(*link);
}

#define auto_link __attribute__((cleanup(cleanup_link))) struct rtnl_link

/* What stands before the kernel's words: "up0: master br0". */
struct what {
	char text[96];
};

static const char *what_text(struct what *what, const char *link, const char *attr, const char *to)
{
	snprintf(what->text, sizeof(what->text), "%s: %s%s%s", link, attr, *to ? " " : "", to);
	return what->text;
}

static int fail_missing(const char *link, struct td_err *err)
{
	return td_err_set(err, ENODEV, TD_REASON_LINK_MISSING, "%s: no such network interface", link);
}

/* The last part of what a link in /sys points to; "" when there is none. */
static void read_master(const char *link, char master[IF_NAMESIZE])
{
	char path[64], target[256];
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/master", link);
	ssize_t len = readlink(path, target, sizeof(target) - 1);
	target[len > 0 ? len : 0] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(master, IF_NAMESIZE, "%.15s", slash ? slash + 1 : target);
}

static bool is_in_making_group(const char *link)
{
	char text[32];
	return !td_sysfs_read(TD_SYSFS, text, sizeof(text), "/class/net/%s/netdev_group", link) &&
	       strtoul(text, NULL, 10) == TD_HOST_MAKING_GROUP;
}

/* What is called so may have become another's link since it was looked at. */
static bool is_ours(const char *link)
{
	char alias[256];
	bool read = !td_sysfs_read(TD_SYSFS, alias, sizeof(alias), "/class/net/%s/ifalias", link);
	return (read && td_names_is_mark(alias)) || is_in_making_group(link);
}

static bool is_bond(const char *link)
{
	char path[64];
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/bonding", link);
	return !access(path, F_OK);
}

/* Sends the differences that `changes` holds to the link called `name`. */
static int change_link(struct td_host_kernel *kernel, const char *name, struct rtnl_link *changes, const char *what, struct td_err *err)
{
	auto_link *link = rtnl_link_alloc();
	struct nl_msg *msg = NULL;
	int index = (int)if_nametoindex(name);
	if (!index)
		return fail_missing(name, err);
	if (link)
		rtnl_link_set_ifindex(link, index);
	if (link && changes && rtnl_link_build_change_request(link, changes, 0, &msg) < 0)
		msg = NULL;
	return td_host_netlink_change(&kernel->netlink, msg, what, err);
}

static int set_up(struct td_host_kernel *kernel, const char *name, bool up, struct td_err *err)
{
	auto_link *changes = rtnl_link_alloc();
	struct what what;
	if (changes && up)
		rtnl_link_set_flags(changes, IFF_UP);
	else if (changes)
		rtnl_link_unset_flags(changes, IFF_UP);
	return change_link(kernel, name, changes, what_text(&what, name, "set", up ? "up" : "down"), err);
}

static int write_mtu(struct td_host_kernel *kernel, const char *name, unsigned mtu, const char *what, struct td_err *err)
{
	auto_link *changes = rtnl_link_alloc();
	if (changes)
		rtnl_link_set_mtu(changes, mtu);
	return change_link(kernel, name, changes, what, err);
}

/*
 * A bridge follows the MTU of its ports until somebody changes its own; telling it what it has is no change. So it is given another for a
 * moment.
 */
static int set_mtu(struct td_host_kernel *kernel, const char *name, const char *to, struct td_err *err)
{
	char path[64];
	struct what what;
	unsigned mtu = (unsigned)strtoul(to, NULL, 10);
	what_text(&what, name, "mtu", to);
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/bridge", name);
	if (!access(path, F_OK))
		(void)write_mtu(kernel, name, mtu + 1, what.text, NULL);
	return write_mtu(kernel, name, mtu, what.text, err);
}

/* The alias first: a link that has neither alias nor group is nobody's. */
static int set_mark(struct td_host_kernel *kernel, const char *name, const char *to, struct td_err *err)
{
	auto_link *alias = rtnl_link_alloc(), *group = rtnl_link_alloc();
	struct what what;
	if (alias)
		rtnl_link_set_ifalias(alias, to);
	int r = change_link(kernel, name, alias, what_text(&what, name, "mark", to), err);
	if (r || !is_in_making_group(name))
		return r;
	if (group)
		rtnl_link_set_group(group, 0);
	return change_link(kernel, name, group, what.text, err);
}

/* ---- into and out of bridges and bonds */

static int put_into(struct td_host_kernel *kernel, const char *name, const char *master, struct td_err *err)
{
	auto_link *changes = rtnl_link_alloc();
	struct what what;
	int index = *master ? (int)if_nametoindex(master) : 0;
	if (*master && !index)
		return fail_missing(master, err);
	if (changes)
		rtnl_link_set_master(changes, index);
	return change_link(kernel, name, changes, what_text(&what, name, *master ? "put into" : "take out of its master", master), err);
}

/* A bond takes only members that are down and brings them up, and sets those down that leave: else up stays up. */
static int set_master(struct td_host_kernel *kernel, const char *name, const char *to, struct td_err *err)
{
	char now[IF_NAMESIZE];
	bool up = false, carrier;
	read_master(name, now);
	if (!strcmp(now, to))
		return 0;
	/* Nothing is taken out of what others made: who has put it there meanwhile has it. */
	if (*now && !is_ours(now))
		return *to ? td_err_set(err, EBUSY, TD_REASON_NOT_OURS, "%s: is in %s now, and tandem did not make that", name, now) : 0;
	int r = td_sriov_pf_link(name, &up, &carrier, err);
	if (!r && *now)
		r = put_into(kernel, name, "", err);
	if (!r && *now && !is_bond(now))
		td_host_guard_clear(&kernel->netlink, name);
	if (!r && *to && up && is_bond(to))
		r = set_up(kernel, name, false, err);
	if (!r && *to)
		r = put_into(kernel, name, to, err);
	if (up && (!r || *to)) {
		int back = set_up(kernel, name, true, r ? NULL : err);
		r = r ? r : back;
	}
	return r;
}

/* ---- made and taken away */

/* The kernel would load it by itself, and it makes a bond0 that nobody asked for then. */
static int load_bonding(struct td_err *err)
{
	return td_host_kmod_look("bonding") == TD_HOST_KMOD_LOADED ? 0 : td_host_kmod_load("bonding", err);
}

static int make(struct td_host_kernel *kernel, const char *name, const char *kind, struct td_err *err)
{
	char lower[32] = "", type[16];
	unsigned id = 0;
	struct what what;
	struct nl_msg *msg = NULL;
	bool vlan = sscanf(kind, "vlan %31s %u", lower, &id) == 2;
	snprintf(type, sizeof(type), "%.15s", vlan ? "vlan" : kind);
	auto_link *link = vlan ? rtnl_link_vlan_alloc() : rtnl_link_alloc();
	int lower_index = vlan ? (int)if_nametoindex(lower) : 0;
	if (vlan && !lower_index)
		return fail_missing(lower, err);
	/* It may be there: a step is repeated when nobody knows whether it was done. */
	if (is_ours(name))
		return set_mark(kernel, name, TD_HOST_MARK, err);
	int r = strcmp(type, "bond") ? 0 : load_bonding(err);
	if (r)
		return r;
	if (link && !vlan)
		rtnl_link_set_type(link, type);
	if (link)
		rtnl_link_set_name(link, name);
	if (link)
		rtnl_link_set_group(link, TD_HOST_MAKING_GROUP);
	if (link && vlan) {
		rtnl_link_set_link(link, lower_index);
		rtnl_link_vlan_set_id(link, (uint16_t)id);
	}
	if (link && rtnl_link_build_add_request(link, NLM_F_CREATE | NLM_F_EXCL, &msg) < 0)
		msg = NULL;
	r = td_host_netlink_change(&kernel->netlink, msg, what_text(&what, name, "make", kind), err);
	return r ? r : set_mark(kernel, name, TD_HOST_MARK, err);
}

static int take_away(struct td_host_kernel *kernel, const char *name, struct td_err *err)
{
	auto_link *link = rtnl_link_alloc();
	struct what what;
	struct nl_msg *msg = NULL;
	int index = (int)if_nametoindex(name);
	if (!index || !is_ours(name))
		return 0;
	if (link)
		rtnl_link_set_ifindex(link, index);
	if (link && rtnl_link_build_delete_request(link, &msg) < 0)
		msg = NULL;
	return td_host_netlink_change(&kernel->netlink, msg, what_text(&what, name, "take away", ""), err);
}

/* ---- bridges and their ports */

/* A message about a link, to be filled; NULL without memory. */
static struct nl_msg *link_message(int type, int family, int index)
{
	struct ifinfomsg info = {.ifi_family = (unsigned char)family, .ifi_index = index};
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK);
	if (msg && nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int set_bridge(struct td_host_kernel *kernel, const char *bridge, enum td_host_attr attr, const char *to, struct td_err *err)
{
	struct what what;
	int index = (int)if_nametoindex(bridge);
	if (!index)
		return fail_missing(bridge, err);
	struct nl_msg *msg = link_message(RTM_NEWLINK, AF_UNSPEC, index);
	struct nlattr *info = msg ? nla_nest_start(msg, IFLA_LINKINFO) : NULL, *data = NULL;
	bool good = info && nla_put_string(msg, IFLA_INFO_KIND, "bridge") == 0 && (data = nla_nest_start(msg, IFLA_INFO_DATA)) &&
		    nla_put_u8(msg, attr == TD_HOST_ATTR_VLAN_FILTERING ? IFLA_BR_VLAN_FILTERING : IFLA_BR_MCAST_SNOOPING,
			    !strcmp(to, "yes")) == 0;
	if (good) {
		nla_nest_end(msg, data);
		nla_nest_end(msg, info);
	} else if (msg) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return td_host_netlink_change(&kernel->netlink, msg, what_text(&what, bridge, td_host_state_attr_name(attr), to), err);
}

static int set_isolated(struct td_host_kernel *kernel, const char *port, const char *to, struct td_err *err)
{
	struct what what;
	char master[IF_NAMESIZE];
	int index = (int)if_nametoindex(port);
	read_master(port, master);
	if (!*master && !strcmp(to, "no"))
		return 0; /* in no bridge */
	if (!index)
		return fail_missing(port, err);
	struct nl_msg *msg = link_message(RTM_SETLINK, AF_BRIDGE, index);
	struct nlattr *info = msg ? nla_nest_start(msg, IFLA_PROTINFO) : NULL;
	if (info && nla_put_u8(msg, IFLA_BRPORT_ISOLATED, !strcmp(to, "yes")) == 0) {
		info->nla_type |= NLA_F_NESTED;
		nla_nest_end(msg, info);
	} else if (msg) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return td_host_netlink_change(&kernel->netlink, msg, what_text(&what, port, "isolated", to), err);
}

static int change_vlan(struct td_host_kernel *kernel, int type, const char *port, int index, unsigned vlan, struct td_err *err)
{
	struct what what;
	char text[16];
	struct bridge_vlan_info vlan_info = {.vid = (uint16_t)vlan};
	struct nl_msg *msg = link_message(type, AF_BRIDGE, index);
	struct nlattr *info = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
	snprintf(text, sizeof(text), "%u", vlan);
	if (info && nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(vlan_info), &vlan_info) == 0) {
		nla_nest_end(msg, info);
	} else if (msg) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return td_host_netlink_change(&kernel->netlink, msg, what_text(&what, port, "vlan", text), err);
}

/* What it has is not asked: VLANs that are there are added again, those of `from` and not of `to` are taken away if they are there. */
static int set_vlans(struct td_host_kernel *kernel, const char *port, const char *from, const char *to, struct td_err *err)
{
	struct td_host_vlans before = {0}, after;
	char master[IF_NAMESIZE];
	int index = (int)if_nametoindex(port), r = 0;
	read_master(port, master);
	if (!*master && !*to)
		return 0;
	if (!index)
		return fail_missing(port, err);
	if ((from && !td_host_state_vlans_scan(from, &before)) || !td_host_state_vlans_scan(to, &after))
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: vlans '%.64s'", port, to);
	for (unsigned vlan = 1; vlan < 4095 && !r; vlan++) {
		if (td_host_state_vlans_has(&after, vlan))
			r = change_vlan(kernel, RTM_SETLINK, port, index, vlan, err);
		else if (td_host_state_vlans_has(&before, vlan))
			(void)change_vlan(kernel, RTM_DELLINK, port, index, vlan, NULL);
	}
	return r;
}

int td_host_kernel_link(
	struct td_host_kernel *kernel, const char *link, enum td_host_attr attr, const char *from, const char *to, struct td_err *err)
{
	switch (attr) {
	case TD_HOST_ATTR_KIND:
		return *to ? make(kernel, link, to, err) : take_away(kernel, link, err);
	case TD_HOST_ATTR_MARK:
		return set_mark(kernel, link, to, err);
	case TD_HOST_ATTR_MTU:
		return set_mtu(kernel, link, to, err);
	case TD_HOST_ATTR_UP:
		return set_up(kernel, link, !strcmp(to, "yes"), err);
	case TD_HOST_ATTR_MASTER:
		return set_master(kernel, link, to, err);
	case TD_HOST_ATTR_MODE:
	case TD_HOST_ATTR_MIIMON:
	case TD_HOST_ATTR_LACP_RATE:
	case TD_HOST_ATTR_HASH:
	case TD_HOST_ATTR_PRIMARY:
		return td_host_kernel_bond(kernel, link, attr, to, err);
	case TD_HOST_ATTR_VLAN_FILTERING:
	case TD_HOST_ATTR_MCAST_SNOOPING:
		return set_bridge(kernel, link, attr, to, err);
	case TD_HOST_ATTR_ISOLATED:
		return set_isolated(kernel, link, to, err);
	case TD_HOST_ATTR_VLANS:
		return set_vlans(kernel, link, from, to, err);
	default:
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: %s cannot be set", link, td_host_state_attr_name(attr));
	}
}
