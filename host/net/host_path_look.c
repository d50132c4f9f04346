/* SPDX-License-Identifier: Apache-2.0 */
/* host_path_look.c - see host_path.h: the facts, as the kernel tells them: a question a link, and one for the VLANs of a port. */
#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "host/net/host_path.h"
#include "host/net/host_uplink.h"
#include "host/sys/sysfs.h"

#define CENTISECOND_MS 10U /* the unit of a bridge's timers (USER_HZ) */
#define STP_KERNEL     1U  /* IFLA_BR_STP_STATE: 2 is a program's */

/* ---- a link ---- */

struct link_said {
	unsigned index, master, mtu, flags;
	char name[IF_NAMESIZE];
	bool is_bridge, is_port;
	unsigned state, stp, vlan_aware, forward_delay, default_pvid;
};

static uint32_t number(const struct nlattr *attr)
{
	switch (attr ? nla_len(attr) : 0) {
	case 1:
		return nla_get_u8(attr);
	case 2:
		return nla_get_u16(attr);
	case 4:
		return nla_get_u32(attr);
	default:
		return 0;
	}
}

static void read_bridge(struct link_said *said, struct nlattr *data)
{
	struct nlattr *attr[IFLA_BR_MAX + 1];

	if (!data || nla_parse_nested(attr, IFLA_BR_MAX, data, NULL) < 0)
		return;
	said->stp = number(attr[IFLA_BR_STP_STATE]);
	said->vlan_aware = number(attr[IFLA_BR_VLAN_FILTERING]);
	said->forward_delay = number(attr[IFLA_BR_FORWARD_DELAY]);
	said->default_pvid = number(attr[IFLA_BR_VLAN_DEFAULT_PVID]);
}

static void read_kind(struct link_said *said, struct nlattr *linkinfo)
{
	struct nlattr *attr[IFLA_INFO_MAX + 1], *port[IFLA_BRPORT_MAX + 1];
	const struct nlattr *kind, *slave_kind;

	if (!linkinfo || nla_parse_nested(attr, IFLA_INFO_MAX, linkinfo, NULL) < 0)
		return;
	kind = attr[IFLA_INFO_KIND];
	slave_kind = attr[IFLA_INFO_SLAVE_KIND];
	said->is_bridge = kind && nla_strcmp(kind, "bridge") == 0;
	said->is_port = slave_kind && nla_strcmp(slave_kind, "bridge") == 0;
	if (said->is_bridge)
		read_bridge(said, attr[IFLA_INFO_DATA]);
	if (said->is_port && attr[IFLA_INFO_SLAVE_DATA] && nla_parse_nested(port, IFLA_BRPORT_MAX, attr[IFLA_INFO_SLAVE_DATA], NULL) == 0)
		said->state = number(port[IFLA_BRPORT_STATE]);
}

static void read_link_said(struct nlmsghdr *header, void *opaque)
{
	struct link_said *said = opaque;
	struct nlattr *attr[IFLA_MAX + 1];
	const struct ifinfomsg *info = nlmsg_data(header);

	if (header->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(header, sizeof(*info)) ||
		nlmsg_parse(header, sizeof(*info), attr, IFLA_MAX, NULL) < 0)
		return;
	*said = (struct link_said){.index = (unsigned)info->ifi_index,
		.flags = info->ifi_flags,
		.mtu = number(attr[IFLA_MTU]),
		.master = number(attr[IFLA_MASTER])};
	if (attr[IFLA_IFNAME])
		nla_strlcpy(said->name, attr[IFLA_IFNAME], sizeof(said->name));
	read_kind(said, attr[IFLA_LINKINFO]);
}

/* By index, or where that is 0, by name. No such link: said->index stays 0. */
static int look_at_link(struct td_host_netlink *netlink, unsigned index, const char *name, struct link_said *said, struct td_err *err)
{
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST);
	char what[64];
	int rc;

	*said = (struct link_said){0};
	snprintf(what, sizeof(what), "link %.32s", name);
	if (msg && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0 || (!index && nla_put_string(msg, IFLA_IFNAME, name) < 0) ||
			   nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	rc = td_host_netlink_read(netlink, msg, read_link_said, said, what, err);
	return rc == -ENODEV ? 0 : rc;
}

/* ---- VLANs of a port ---- */

struct vlans_said {
	unsigned wanted;      /* 0: which untagged frames are in */
	unsigned pvid;	      /* both ways; 0: none */
	unsigned pvid_tagged; /* on the way in alone */
	bool member, untagged;
};

static void read_entry(struct vlans_said *said, struct nlattr *entry)
{
	struct nlattr *attr[BRIDGE_VLANDB_ENTRY_MAX + 1];
	const struct bridge_vlan_info *info;
	unsigned last;

	if (nla_parse_nested(attr, BRIDGE_VLANDB_ENTRY_MAX, entry, NULL) < 0 || !attr[BRIDGE_VLANDB_ENTRY_INFO] ||
		nla_len(attr[BRIDGE_VLANDB_ENTRY_INFO]) < (int)sizeof(*info))
		return;
	info = nla_data(attr[BRIDGE_VLANDB_ENTRY_INFO]);
	last = attr[BRIDGE_VLANDB_ENTRY_RANGE] ? number(attr[BRIDGE_VLANDB_ENTRY_RANGE]) : info->vid;
	if (info->flags & BRIDGE_VLAN_INFO_PVID && info->flags & BRIDGE_VLAN_INFO_UNTAGGED)
		said->pvid = info->vid;
	else if (info->flags & BRIDGE_VLAN_INFO_PVID)
		said->pvid_tagged = info->vid;
	if (said->wanted >= info->vid && said->wanted <= last) {
		said->member = true;
		said->untagged = info->flags & BRIDGE_VLAN_INFO_UNTAGGED;
	}
}

static void read_vlans(struct nlmsghdr *header, void *opaque)
{
	const int body = NLMSG_ALIGN(sizeof(struct br_vlan_msg));
	int left;

	if (header->nlmsg_type != RTM_NEWVLAN || !nlmsg_valid_hdr(header, sizeof(struct br_vlan_msg)))
		return;
	left = nlmsg_attrlen(header, body);
	for (struct nlattr *entry = nlmsg_attrdata(header, body); nla_ok(entry, left); entry = nla_next(entry, &left))
		if (nla_type(entry) == BRIDGE_VLANDB_ENTRY)
			read_entry(opaque, entry);
}

/* A port that has just left its bridge is in none: the kernel tells of it, and it is looked again. */
static int look_at_vlans(struct td_host_netlink *netlink, unsigned index, struct vlans_said *said, struct td_err *err)
{
	int rc;
	struct br_vlan_msg port = {.family = AF_BRIDGE, .ifindex = index};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETVLAN, NLM_F_REQUEST | NLM_F_DUMP);

	if (msg && nlmsg_append(msg, &port, sizeof(port), NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	rc = td_host_netlink_read(netlink, msg, read_vlans, said, "VLANs of a port", err);
	return rc == -ENODEV || rc == -EINVAL ? 0 : rc;
}

/* ---- uplinks ---- */

struct uplinks_look {
	struct td_host_netlink *netlink;
	const struct td_host_path_want *want;
	struct td_host_path_facts *facts;
	struct td_err *err;
	int rc;
};

static bool takes_vlan(struct uplinks_look *look, unsigned index)
{
	const struct td_host_path_facts *facts = look->facts;
	struct vlans_said said = {.wanted = facts->pvid};
	int rc;

	if (!facts->bridge.vlan_aware || !facts->pvid)
		return true;
	rc = look_at_vlans(look->netlink, index, &said, look->err);
	if (rc < 0)
		look->rc = rc;
	return said.member && (!look->want->has_vf || said.untagged == !look->want->vlan);
}

static void copy_name(char to[IF_NAMESIZE], const char *name)
{
	if (!to[0])
		snprintf(to, IF_NAMESIZE, "%.15s", name);
}

static unsigned wait_ms(const struct td_host_path_facts *facts, unsigned state)
{
	return facts->bridge.kernel_stp ? td_host_path_wait_ms(state, facts->bridge.forward_delay_ms) : 0;
}

/* Is it one that frames leave by? What is in its way stands in the facts. */
static bool uplink_works(struct uplinks_look *look, const struct link_said *said, const char *port, bool carrier)
{
	struct td_host_path_facts *facts = look->facts;

	facts->uplinks_up += carrier;
	if (!carrier) {
		copy_name(facts->down, port);
		return false;
	}
	if (said->state != BR_STATE_FORWARDING) {
		copy_name(facts->not_forwarding, port);
		facts->uplinks_wait_ms = TD_MAX(facts->uplinks_wait_ms, wait_ms(facts, said->state));
		return false;
	}
	facts->uplinks_forwarding++;
	if (takes_vlan(look, said->index))
		return true;
	copy_name(facts->other_vlan, port);
	return false;
}

/* One that goes while it is looked at does not count; the kernel tells of it, and it is looked again. */
static void look_at_uplink(const char *port, bool carrier, void *opaque)
{
	struct uplinks_look *look = opaque;
	struct td_host_path_facts *facts = look->facts;
	struct link_said said;
	int rc = look->rc < 0 ? look->rc : look_at_link(look->netlink, 0, port, &said, look->err);
	bool works;

	if (rc < 0)
		look->rc = rc;
	if (rc < 0 || said.master != facts->bridge.index)
		return;
	works = uplink_works(look, &said, port, carrier);
	if (facts->uplinks < TD_HOST_PATH_UPLINKS) {
		facts->uplink[facts->uplinks].index = said.index;
		facts->uplink[facts->uplinks].working = works;
	}
	facts->uplinks++;
	facts->uplinks_working += works;
	facts->uplinks_mtu = TD_MAX(facts->uplinks_mtu, works ? said.mtu : 0);
}

static int look_at_uplinks(
	struct td_host_netlink *netlink, const struct td_host_path_want *want, struct td_host_path_facts *facts, struct td_err *err)
{
	struct uplinks_look look = {.netlink = netlink, .want = want, .facts = facts, .err = err};

	if (facts->bridge.bridge) {
		int rc = td_host_uplink_each(TD_SYSFS, facts->bridge.name, look_at_uplink, &look);

		if (rc < 0)
			return td_err_sys(err, -rc, TD_REASON_SYSTEM, "bridge %s: its ports", facts->bridge.name);
	}
	if (!facts->bridge.vlan_aware && (want->vlan || want->has_vf))
		facts->outside_vlan = td_host_uplink_vlan("/proc", TD_SYSFS, facts->bridge.name);
	return look.rc;
}

/* ---- */

static void note_tap(const struct link_said *said, const struct td_host_path_want *want, struct td_host_path_facts *facts)
{
	facts->tap.there = said->index;
	facts->tap.up = said->flags & IFF_UP;
	facts->tap.port = said->is_port;
	facts->tap.master = said->master;
	facts->tap.state = said->state;
	facts->tap.mtu = said->mtu;
	snprintf(facts->tap.name, sizeof(facts->tap.name), "%.15s", said->index ? said->name : want->tap);
}

static void note_bridge(const struct link_said *said, struct td_host_path_facts *facts)
{
	facts->bridge.index = said->index;
	facts->bridge.bridge = said->is_bridge;
	facts->bridge.up = said->flags & IFF_UP;
	facts->bridge.mtu = said->mtu;
	facts->bridge.stp = said->stp;
	facts->bridge.kernel_stp = said->stp == STP_KERNEL;
	facts->bridge.vlan_aware = said->vlan_aware;
	facts->bridge.forward_delay_ms = said->forward_delay * CENTISECOND_MS;
	facts->bridge.default_pvid = said->default_pvid;
	memcpy(facts->bridge.name, said->name, sizeof(facts->bridge.name));
}

static int look_at_bridge(
	struct td_host_netlink *netlink, const struct td_host_path_want *want, struct td_host_path_facts *facts, struct td_err *err)
{
	struct link_said said = {0};
	int rc = 0;

	if (want->bridge && want->bridge_index) /* under whatever name */
		rc = look_at_link(netlink, want->bridge_index, want->bridge, &said, err);
	if (rc == 0 && !said.index && (want->bridge || facts->tap.master))
		rc = look_at_link(netlink, want->bridge ? 0 : facts->tap.master, want->bridge ? want->bridge : "bridge", &said, err);
	note_bridge(&said, facts);
	if (rc < 0 || !facts->tap.master || facts->tap.master == said.index)
		return rc;
	rc = look_at_link(netlink, facts->tap.master, "bridge", &said, err);
	memcpy(facts->master_name, said.name, sizeof(facts->master_name));
	return rc;
}

int td_host_path_look(
	struct td_host_netlink *netlink, const struct td_host_path_want *want, struct td_host_path_facts *ret_facts, struct td_err *err)
{
	struct td_host_path_facts facts = {0};
	struct link_said tap = {0};
	int rc = want->tap_index ? look_at_link(netlink, want->tap_index, want->tap, &tap, err) : 0;

	note_tap(&tap, want, &facts);
	if (rc == 0)
		rc = look_at_bridge(netlink, want, &facts, err);
	if (rc == 0 && facts.tap.port && facts.bridge.vlan_aware) {
		struct vlans_said vlans = {0};

		rc = look_at_vlans(netlink, tap.index, &vlans, err);
		facts.pvid = vlans.pvid;
		facts.pvid_tagged = vlans.pvid_tagged;
	}
	if (rc == 0)
		rc = look_at_uplinks(netlink, want, &facts, err);
	if (rc == 0)
		*ret_facts = facts;
	return rc;
}
