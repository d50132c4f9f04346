/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_port.c - see host_port.h. The tap is down while it becomes a port and its VLANs are set: the bridge puts each new port into its
 * default VLAN, and forwards nothing of one that is down.
 */
#include "host/net/host_port.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stdio.h>

#include "host/net/host_uplink.h"
#include "host/sys/sysfs.h"

/* ---- may it? ---- */

static int check_unaware(const struct td_host_port *port, const struct td_host_path_facts *facts, struct td_err *err)
{
	const char *bridge = port->bridge;
	unsigned outside = facts->outside_vlan;

	if (port->tagged_count)
		return td_err_set(err, EINVAL, TD_REASON_VLAN_MISSING,
			"bridge %s does not tell VLANs apart, so vlans has no effect: ip link set %s type bridge vlan_filtering 1, or "
			"leave "
			"vlans out",
			bridge, bridge);
	if (!facts->uplinks || outside == port->vlan)
		return 0;
	if (port->vlan)
		return td_err_set(err, EINVAL, TD_REASON_VLAN_MISSING,
			"bridge %s is not in VLAN %u outside, and does not tell VLANs apart: ip link set %s type bridge vlan_filtering 1, "
			"or give a bridge whose uplink is a link of VLAN %u",
			bridge, port->vlan, bridge, port->vlan);
	if (port->has_vf)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_VALUE,
			"bridge %s is in VLAN %u outside, and the VF would be in none: give the NIC vlan: %u", bridge, outside, outside);
	return 0;
}

int td_host_port_check(const struct td_host_port *port, const struct td_host_path_facts *facts, struct td_err *err)
{
	if (!facts->bridge.index)
		return td_err_set(err, ENODEV, TD_REASON_BRIDGE, "bridge %s: there is no such link", port->bridge);
	if (!facts->bridge.bridge)
		return td_err_set(err, EINVAL, TD_REASON_BRIDGE, "%s is no bridge", port->bridge);
	return facts->bridge.vlan_aware ? 0 : check_unaware(port, facts, err);
}

/* ---- the link ---- */

enum { LINK_DOWN, LINK_UP };

static struct nl_msg *port_message(int type, int family, const struct td_host_port *port, unsigned flags, unsigned changed)
{
	struct ifinfomsg info = {
		.ifi_family = (unsigned char)family, .ifi_index = (int)port->tap_index, .ifi_flags = flags, .ifi_change = changed};
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK);

	if (msg && nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int port_change(
	struct td_host_netlink *netlink, const struct td_host_port *port, struct nl_msg *msg, const char *verb, struct td_err *err)
{
	char what[96];

	snprintf(what, sizeof(what), "tap %s: %s %s", port->tap, verb, port->bridge);
	return td_host_netlink_change(netlink, msg, what, err);
}

static int set_up(struct td_host_netlink *netlink, const struct td_host_port *port, bool up, struct td_err *err)
{
	return port_change(netlink, port, port_message(RTM_SETLINK, AF_UNSPEC, port, up ? IFF_UP : 0, IFF_UP),
		up ? "come up for" : "go down for", err);
}

static int set_attribute(struct td_host_netlink *netlink, const struct td_host_port *port, int attribute, unsigned value, const char *verb,
	struct td_err *err)
{
	struct nl_msg *msg = port_message(RTM_SETLINK, AF_UNSPEC, port, 0, 0);

	if (msg && nla_put_u32(msg, attribute, value) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return port_change(netlink, port, msg, verb, err);
}

/* ---- its VLANs ---- */

/* type: RTM_SETLINK adds them, RTM_DELLINK takes them away. */
static int port_vlans(struct td_host_netlink *netlink, const struct td_host_port *port, int type, unsigned first, unsigned last,
	unsigned flags, struct td_err *err)
{
	struct bridge_vlan_info info = {.vid = (uint16_t)first, .flags = (uint16_t)flags}, end = info;
	struct nl_msg *msg = port_message(type, AF_BRIDGE, port, 0, 0);
	struct nlattr *nest = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
	bool good = nest;

	end.vid = (uint16_t)last;
	if (first != last) {
		info.flags |= BRIDGE_VLAN_INFO_RANGE_BEGIN;
		end.flags |= BRIDGE_VLAN_INFO_RANGE_END;
		good = good && nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(info), &info) == 0;
	}
	good = good && nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(end), &end) == 0;
	if (good)
		nla_nest_end(msg, nest);
	if (msg && !good) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return port_change(netlink, port, msg, type == RTM_SETLINK ? "enter VLANs of" : "leave the default VLAN of", err);
}

static int set_vlans(
	struct td_host_netlink *netlink, const struct td_host_port *port, const struct td_host_path_facts *facts, struct td_err *err)
{
	const unsigned untagged = BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, given = facts->bridge.default_pvid;
	int rc = port->vlan ? port_vlans(netlink, port, RTM_SETLINK, port->vlan, port->vlan, untagged, err) : 0;

	if (rc == 0 && port->vlan && given && given != port->vlan)
		rc = port_vlans(netlink, port, RTM_DELLINK, given, given, 0, err);
	for (unsigned i = 0; rc == 0 && i < port->tagged_count; i++)
		rc = port_vlans(netlink, port, RTM_SETLINK, port->tagged[i].first, port->tagged[i].last, 0, err);
	/* Where the bridge does not tell VLANs apart this is for the day it does, and its kernel may not know how. */
	return facts->bridge.vlan_aware || rc != -EOPNOTSUPP ? rc : 0;
}

/* ---- */

static int look(struct td_host_netlink *netlink, const struct td_host_port *port, struct td_host_path_facts *facts, struct td_err *err)
{
	const struct td_host_path_want want = {
		.tap = port->tap, .tap_index = port->tap_index, .bridge = port->bridge, .vlan = port->vlan, .has_vf = port->has_vf};

	return td_host_path_look(netlink, &want, facts, err);
}

static int enslave(
	struct td_host_netlink *netlink, const struct td_host_port *port, const struct td_host_path_facts *facts, struct td_err *err)
{
	int rc = set_up(netlink, port, false, err);

	if (rc == 0 && facts->tap.mtu != facts->bridge.mtu)
		rc = set_attribute(netlink, port, IFLA_MTU, facts->bridge.mtu, "take the MTU of", err);
	if (rc == 0)
		rc = set_attribute(netlink, port, IFLA_MASTER, facts->bridge.index, "join", err);
	if (rc == 0)
		rc = set_vlans(netlink, port, facts, err);
	if (rc < 0)
		(void)set_attribute(netlink, port, IFLA_MASTER, 0, "leave", NULL);
	if (rc < 0) {
		(void)set_up(netlink, port, true, NULL);
		return rc;
	}
	return set_up(netlink, port, true, err);
}

/* *ret_apart: the bridge is there, and the tap a port of nothing. */
static int join(const struct td_host_port *port, bool if_apart, bool *ret_apart, struct td_err *err)
{
	struct td_host_netlink netlink;
	struct td_host_path_facts facts;
	int rc = td_host_netlink_open(&netlink, err);

	if (rc < 0)
		return rc;
	rc = look(&netlink, port, &facts, err);
	*ret_apart = rc == 0 && facts.tap.there && !facts.tap.master && facts.bridge.index;
	if (rc == 0 && (*ret_apart || !if_apart))
		rc = td_host_port_check(port, &facts, err);
	if (rc == 0 && (*ret_apart || !if_apart))
		rc = enslave(&netlink, port, &facts, err);
	td_host_netlink_close(&netlink);
	return rc;
}

int td_host_port_join(const struct td_host_port *port, struct td_err *err)
{
	bool apart;

	return join(port, false, &apart, err);
}

int td_host_port_rejoin(const struct td_host_port *port, struct td_err *err)
{
	bool apart = false;
	int rc = join(port, true, &apart, err);

	return rc < 0 ? rc : apart;
}

/* ---- its MTU ---- */

unsigned td_host_port_mtu(unsigned tap, unsigned bridge, unsigned uplinks)
{
	return bridge > tap || !uplinks || bridge < uplinks ? bridge : tap;
}

static void least_mtu(const char *uplink, bool carrier, void *opaque)
{
	unsigned *least = opaque;
	unsigned long mtu = 0;

	(void)carrier;
	if (td_sysfs_read_number(TD_SYSFS, UINT16_MAX + 1UL, &mtu, "/class/net/%s/mtu", uplink) == 0 && (!*least || mtu < *least))
		*least = (unsigned)mtu;
}

int td_host_port_follow_mtu(const struct td_host_port *port, struct td_err *err)
{
	struct td_host_netlink netlink;
	struct td_host_path_facts facts;
	unsigned uplinks = 0, mtu;
	int rc = td_host_netlink_open(&netlink, err);

	if (rc < 0)
		return rc;
	rc = look(&netlink, port, &facts, err);
	if (rc == 0 && facts.tap.there && facts.tap.master == facts.bridge.index && facts.bridge.bridge) {
		td_host_uplink_each(TD_SYSFS, facts.bridge.name, least_mtu, &uplinks);
		mtu = td_host_port_mtu(facts.tap.mtu, facts.bridge.mtu, uplinks);
		if (mtu != facts.tap.mtu)
			rc = set_attribute(&netlink, port, IFLA_MTU, mtu, "take the MTU of", err);
	}
	td_host_netlink_close(&netlink);
	return rc;
}
