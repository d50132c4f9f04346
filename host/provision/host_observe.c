/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_observe.c - links as rtnetlink shows them (uapi/linux/if_link.h). libnl carries the messages; it has no reader for bonds, bridges'
 * own attributes and all of what is said of VFs, so attributes are read here. Routes are host_observe_route.c, sysfs is
 * host_observe_sysfs.c.
 */
#include "host/provision/host_observe.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/log.h"
#include "host/provision/host_words.h"
#include "host/sriov/sriov_netlink.h"

#define TRIES 5 /* while others change links */

#define FIELD(table, id, type) ((table)[id] && nla_len((table)[id]) >= (int)sizeof(type) ? (const type *)nla_data((table)[id]) : NULL)

static struct td_host_seen_link *find_index(const struct td_host_seen *seen, int index)
{
	for (unsigned i = 0; index > 0 && i < seen->count; i++)
		if (seen->link[i].index == index)
			return &seen->link[i];
	return NULL;
}

const struct td_host_seen_link *td_host_observe_by_index(const struct td_host_seen *seen, int index)
{
	return find_index(seen, index);
}

/* Names go into files and output as they are: others than plain text are not looked at. */
static bool name_ok(const char *name)
{
	size_t len = strlen(name);
	for (const char *c = name; *c; c++)
		if (*c <= 0x20 || *c >= 0x7f || *c == '/')
			return false;
	return len > 0 && len < IF_NAMESIZE;
}

static struct td_host_seen_link *add_link(struct td_host_seen *seen, int index, const char *name)
{
	if (seen->count == seen->room) {
		unsigned room = seen->room ? seen->room * 2 : 32;
		struct td_host_seen_link *more = realloc(seen->link, room * sizeof(*more));
		if (!more) {
			seen->is->no_memory = true;
			return NULL;
		}
		seen->link = more;
		seen->room = room;
	}
	struct td_host_seen_link *link = &seen->link[seen->count++];
	*link = (struct td_host_seen_link){.index = index};
	memcpy(link->name, name, strlen(name) + 1);
	return link;
}

static void put(const struct td_host_seen *seen, const char *link, enum td_host_attr attr, const char *value)
{
	td_host_state_set(seen->is, TD_HOST_LINK, link, attr, value);
}

static void put_word(const struct td_host_seen *seen, const char *link, enum td_host_attr attr, struct nlattr *value,
	const char *const *words, unsigned count)
{
	if (value && nla_len(value) >= 1 && nla_get_u8(value) < count)
		put(seen, link, attr, words[nla_get_u8(value)]);
}

static void put_switch(const struct td_host_seen *seen, const char *link, enum td_host_attr attr, struct nlattr *value)
{
	if (value && nla_len(value) >= 1)
		put(seen, link, attr, nla_get_u8(value) ? "yes" : "no");
}

static void put_number(const struct td_host_seen *seen, const char *link, enum td_host_attr attr, const uint32_t *number)
{
	if (number)
		td_host_state_setf(seen->is, TD_HOST_LINK, link, attr, "%u", *number);
}

static void read_bond(struct td_host_seen *seen, struct td_host_seen_link *link, struct nlattr *data)
{
	struct nlattr *attr[IFLA_BOND_MAX + 1];
	if (nla_parse_nested(attr, IFLA_BOND_MAX, data, NULL) < 0)
		return;
	const uint32_t *miimon = FIELD(attr, IFLA_BOND_MIIMON, uint32_t), *primary = FIELD(attr, IFLA_BOND_PRIMARY, uint32_t);
	put_word(seen, link->name, TD_HOST_ATTR_MODE, attr[IFLA_BOND_MODE], td_host_words_mode, TD_COUNT(td_host_words_mode));
	put_word(seen, link->name, TD_HOST_ATTR_HASH, attr[IFLA_BOND_XMIT_HASH_POLICY], td_host_words_hash, TD_COUNT(td_host_words_hash));
	put_word(seen, link->name, TD_HOST_ATTR_LACP_RATE, attr[IFLA_BOND_AD_LACP_RATE], td_host_words_lacp_rate,
		TD_COUNT(td_host_words_lacp_rate));
	put_number(seen, link->name, TD_HOST_ATTR_MIIMON, miimon);
	link->primary = primary ? (int)*primary : 0;
	put(seen, link->name, TD_HOST_ATTR_PRIMARY, "");
}

static void read_bridge(struct td_host_seen *seen, struct td_host_seen_link *link, struct nlattr *data)
{
	struct nlattr *attr[IFLA_BR_MAX + 1];
	if (nla_parse_nested(attr, IFLA_BR_MAX, data, NULL) < 0)
		return;
	put_switch(seen, link->name, TD_HOST_ATTR_VLAN_FILTERING, attr[IFLA_BR_VLAN_FILTERING]);
	put_switch(seen, link->name, TD_HOST_ATTR_MCAST_SNOOPING, attr[IFLA_BR_MCAST_SNOOPING]);
}

static void read_vlan(struct td_host_seen_link *link, struct nlattr *data)
{
	struct nlattr *attr[IFLA_VLAN_MAX + 1];
	if (nla_parse_nested(attr, IFLA_VLAN_MAX, data, NULL) < 0)
		return;
	const uint16_t *id = FIELD(attr, IFLA_VLAN_ID, uint16_t);
	link->vlan = id ? *id : 0;
}

/* What a link is: its driver's kind, "nic" for those without. */
static void read_info(struct td_host_seen *seen, struct td_host_seen_link *link, struct nlattr *info)
{
	struct nlattr *attr[IFLA_INFO_MAX + 1], *port[IFLA_BRPORT_MAX + 1];
	char kind[32] = "nic", slave[32] = "";
	if (info && nla_parse_nested(attr, IFLA_INFO_MAX, info, NULL) < 0)
		return;
	if (!info)
		memset(attr, 0, sizeof(attr));
	if (attr[IFLA_INFO_KIND])
		nla_strlcpy(kind, attr[IFLA_INFO_KIND], sizeof(kind));
	if (attr[IFLA_INFO_SLAVE_KIND])
		nla_strlcpy(slave, attr[IFLA_INFO_SLAVE_KIND], sizeof(slave));
	put(seen, link->name, TD_HOST_ATTR_KIND, name_ok(kind) ? kind : "other");
	struct nlattr *data = attr[IFLA_INFO_DATA];
	if (data && !strcmp(kind, "bond"))
		read_bond(seen, link, data);
	else if (data && !strcmp(kind, "bridge"))
		read_bridge(seen, link, data);
	else if (data && !strcmp(kind, "vlan"))
		read_vlan(link, data);
	if (attr[IFLA_INFO_SLAVE_DATA] && !strcmp(slave, "bridge") &&
		nla_parse_nested(port, IFLA_BRPORT_MAX, attr[IFLA_INFO_SLAVE_DATA], NULL) == 0)
		put_switch(seen, link->name, TD_HOST_ATTR_ISOLATED, port[IFLA_BRPORT_ISOLATED]);
}

static void put_vf(const struct td_host_seen *seen, const char *vf, enum td_host_attr attr, const char *value)
{
	td_host_state_set(seen->is, TD_HOST_VF, vf, attr, value);
}

static void put_vf_number(const struct td_host_seen *seen, const char *vf, enum td_host_attr attr, uint32_t number)
{
	td_host_state_setf(seen->is, TD_HOST_VF, vf, attr, "%u", number);
}

/* What a driver does not tell is all ones. */
static void read_vf(unsigned index, struct nlattr **field, void *opaque)
{
	const struct td_host_seen *seen = opaque;
	const char *pf = seen->link[seen->count - 1].name;
	char name[TD_HOST_NAME_BYTES];
	const struct ifla_vf_vlan *vlan = FIELD(field, IFLA_VF_VLAN, struct ifla_vf_vlan);
	const struct ifla_vf_rate *rate = FIELD(field, IFLA_VF_RATE, struct ifla_vf_rate);
	const struct ifla_vf_spoofchk *spoofchk = FIELD(field, IFLA_VF_SPOOFCHK, struct ifla_vf_spoofchk);
	const struct ifla_vf_trust *trust = FIELD(field, IFLA_VF_TRUST, struct ifla_vf_trust);
	const struct ifla_vf_link_state *state = FIELD(field, IFLA_VF_LINK_STATE, struct ifla_vf_link_state);
	if (index > 65535)
		return;
	td_host_state_join_vf(pf, index, name);
	if (spoofchk && spoofchk->setting <= 1)
		put_vf(seen, name, TD_HOST_ATTR_SPOOFCHK, spoofchk->setting ? "yes" : "no");
	if (trust && trust->setting <= 1)
		put_vf(seen, name, TD_HOST_ATTR_TRUST, trust->setting ? "yes" : "no");
	if (state && state->link_state < TD_COUNT(td_host_words_link_state))
		put_vf(seen, name, TD_HOST_ATTR_LINK_STATE, td_host_words_link_state[state->link_state]);
	if (vlan)
		put_vf_number(seen, name, TD_HOST_ATTR_VLAN, vlan->vlan);
	if (rate)
		put_vf_number(seen, name, TD_HOST_ATTR_MAX_TX_RATE, rate->max_tx_rate);
	if (rate)
		put_vf_number(seen, name, TD_HOST_ATTR_MIN_TX_RATE, rate->min_tx_rate);
}

/* Names that are no interface's name, being too long, take none from anybody. */
static void read_alt_names(const struct td_host_seen *seen, const char *link, struct nlattr *list)
{
	char names[256] = "", name[IF_NAMESIZE];
	struct nlattr *item;
	int left;
	if (!list)
		return;
	nla_for_each_nested(item, list, left)
	{
		size_t used = strlen(names);
		if (nla_type(item) != IFLA_ALT_IFNAME || nla_len(item) > IF_NAMESIZE || used + IF_NAMESIZE >= sizeof(names))
			continue;
		nla_strlcpy(name, item, sizeof(name));
		if (name_ok(name))
			snprintf(names + used, sizeof(names) - used, "%s%s", used ? " " : "", name);
	}
	if (*names)
		put(seen, link, TD_HOST_ATTR_ALT_NAMES, names);
}

void td_host_observe_link(struct nlmsghdr *header, void *opaque)
{
	struct td_host_seen *seen = opaque;
	struct nlattr *attr[IFLA_MAX + 1];
	char name[IF_NAMESIZE] = "", alias[64] = "";
	if (td_sriov_netlink_link(header, attr, NULL, NULL) == -EBADMSG)
		return;
	const struct ifinfomsg *message = nlmsg_data(header);
	if (attr[IFLA_IFNAME])
		nla_strlcpy(name, attr[IFLA_IFNAME], sizeof(name));
	struct td_host_seen_link *link = name_ok(name) && message->ifi_index > 0 ? add_link(seen, message->ifi_index, name) : NULL;
	if (!link)
		return;
	const uint32_t *mtu = FIELD(attr, IFLA_MTU, uint32_t), *master = FIELD(attr, IFLA_MASTER, uint32_t),
		       *lower = FIELD(attr, IFLA_LINK, uint32_t), *group = FIELD(attr, IFLA_GROUP, uint32_t);
	const uint8_t *carrier = FIELD(attr, IFLA_CARRIER, uint8_t);
	link->master = master ? (int)*master : 0;
	link->lower = lower && !attr[IFLA_LINK_NETNSID] ? (int)*lower : 0; /* else a number in another namespace */
	if (attr[IFLA_IFALIAS])
		nla_strlcpy(alias, attr[IFLA_IFALIAS], sizeof(alias));
	bool making = group && *group == TD_HOST_MAKING_GROUP;
	put(seen, name, TD_HOST_ATTR_MARK,
		making			  ? TD_HOST_MARK " making"
		: td_names_is_mark(alias) ? alias
					  : ""); /* another's own text is no matter of ours */
	put(seen, name, TD_HOST_ATTR_UP, message->ifi_flags & IFF_UP ? "yes" : "no");
	put(seen, name, TD_HOST_ATTR_MASTER, "");
	put_number(seen, name, TD_HOST_ATTR_MTU, mtu);
	put_number(seen, name, TD_HOST_ATTR_MIN_MTU, FIELD(attr, IFLA_MIN_MTU, uint32_t));
	put_number(seen, name, TD_HOST_ATTR_MAX_MTU, FIELD(attr, IFLA_MAX_MTU, uint32_t));
	put(seen, name, TD_HOST_ATTR_ETHERNET, message->ifi_type == ARPHRD_ETHER ? "yes" : "no");
	read_alt_names(seen, name, attr[IFLA_PROP_LIST]);
	if (carrier)
		put(seen, name, TD_HOST_ATTR_CARRIER, *carrier ? "yes" : "no");
	read_info(seen, link, attr[IFLA_LINKINFO]);
	if (td_sriov_netlink_link(header, attr, read_vf, seen) == -EOVERFLOW)
		td_warn("pf %s: the kernel's list of its VFs is cut short: settings of the last ones are not known", name);
}

/* A port's VLANs come one by one or as the two ends of a range. */
void td_host_observe_bridge_port(struct nlmsghdr *header, void *opaque)
{
	struct td_host_seen *seen = opaque;
	struct nlattr *attr[IFLA_MAX + 1], *info;
	struct td_host_vlans vlans = {0};
	unsigned first = 0;
	int left;
	if (header->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)) ||
		nlmsg_parse(header, sizeof(struct ifinfomsg), attr, IFLA_MAX, NULL) < 0 || !attr[IFLA_AF_SPEC])
		return;
	const struct ifinfomsg *message = nlmsg_data(header);
	const struct td_host_seen_link *link = find_index(seen, message->ifi_index);
	if (!link || !link->master)
		return;
	nla_for_each_nested(info, attr[IFLA_AF_SPEC], left)
	{
		const struct bridge_vlan_info *vlan = nla_data(info);
		if (nla_type(info) != IFLA_BRIDGE_VLAN_INFO || nla_len(info) < (int)sizeof(*vlan) || vlan->vid > 4094)
			continue;
		if (vlan->flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) {
			first = vlan->vid;
			continue;
		}
		bool ends = vlan->flags & BRIDGE_VLAN_INFO_RANGE_END && first;
		if (!(vlan->flags & BRIDGE_VLAN_INFO_UNTAGGED))
			td_host_state_vlans_add(&vlans, ends ? first : vlan->vid, vlan->vid);
		first = 0;
	}
	vlans.bits[0] &= ~1ULL;
	td_auto_free char *text = td_host_state_vlans_print(&vlans);
	put(seen, link->name, TD_HOST_ATTR_VLANS, text);
}

/* Links that take all that comes in by the one below them: it can be in no bridge or bond. */
static bool is_stacked(const char *kind, const char **ret_kind)
{
	static const char *const kinds[] = {"macvlan", "macvtap", "ipvlan", "ipvtap"};
	for (unsigned i = 0; kind && i < TD_COUNT(kinds); i++)
		if (!strcmp(kind, kinds[i])) {
			*ret_kind = kinds[i];
			return true;
		}
	return false;
}

void td_host_observe_resolve(struct td_host_seen *seen)
{
	const char *kind;
	for (unsigned i = 0; i < seen->count; i++) {
		const struct td_host_seen_link *link = &seen->link[i], *master = find_index(seen, link->master),
					       *lower = find_index(seen, link->lower), *primary = find_index(seen, link->primary);
		if (master)
			put(seen, link->name, TD_HOST_ATTR_MASTER, master->name);
		if (primary)
			put(seen, link->name, TD_HOST_ATTR_PRIMARY, primary->name);
		if (lower && link->vlan)
			td_host_state_setf(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_KIND, "vlan %s %u", lower->name, link->vlan);
		else if (lower && is_stacked(td_host_state_get(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_KIND), &kind))
			td_host_state_setf(seen->is, TD_HOST_LINK, link->name, TD_HOST_ATTR_KIND, "%s %s", kind, lower->name);
	}
}

void td_host_observe_free(struct td_host_seen *seen)
{
	free(seen->link);
	seen->link = NULL;
	seen->count = seen->room = 0;
}

static struct nl_msg *link_dump(int family, uint32_t filter)
{
	struct ifinfomsg info = {.ifi_family = (unsigned char)family};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP);
	if (msg && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0 || nla_put_u32(msg, IFLA_EXT_MASK, filter) < 0)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int observe_links(
	const struct td_host_observe *observe, struct td_host_seen *seen, struct td_host_netlink *netlink, struct td_err *err)
{
	int r = td_host_netlink_read(
		netlink, link_dump(AF_UNSPEC, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS), td_host_observe_link, seen, "list of links", err);
	if (!r)
		r = td_host_netlink_read(netlink, link_dump(AF_BRIDGE, RTEXT_FILTER_BRVLAN_COMPRESSED), td_host_observe_bridge_port, seen,
			"list of bridges' ports", err);
	td_host_observe_resolve(seen);
	return r ? r : td_host_observe_routes(seen, netlink, observe->ssh_client, err);
}

static int observe_once(
	const struct td_host_observe *observe, struct td_host_netlink *netlink, struct td_host_state *ret_is, struct td_err *err)
{
	struct td_host_seen seen = {.is = ret_is};
	*ret_is = (struct td_host_state){0};
	int r = observe_links(observe, &seen, netlink, err);
	td_host_observe_free(&seen);
	for (unsigned i = 0; i < observe->user_count; i++)
		if (td_host_state_find(ret_is, TD_HOST_LINK, observe->users[i].tap))
			td_host_state_set(ret_is, TD_HOST_LINK, observe->users[i].tap, TD_HOST_ATTR_HOLDER, observe->users[i].who);
	if (!r)
		r = td_host_observe_sysfs(observe, ret_is, err);
	if (!r && ret_is->no_memory)
		r = td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	if (r)
		td_host_state_fini(ret_is);
	return r;
}

int td_host_observe(
	const struct td_host_observe *observe, struct td_host_netlink *netlink, struct td_host_state *ret_is, struct td_err *err)
{
	for (unsigned try = 0;; try++) {
		int r = observe_once(observe, netlink, ret_is, err);
		if (r != -EAGAIN || try == TRIES)
			return r;
	}
}
