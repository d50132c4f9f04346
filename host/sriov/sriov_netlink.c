/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_netlink.c - a VF's settings in its PF, by rtnetlink (uapi/linux/if_link.h, IFLA_VFINFO_LIST). libnl carries the messages; their
 * VF part is laid out here, because libnl's rtnl_link_vf objects write all settings at once where one is meant, know no trust on
 * some versions, and lose the kernel's own words about a refusal.
 */
#include "host/sriov/sriov_netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <string.h>

#include "host/sys/host_netlink.h"
#include "host/sys/names.h"

struct reply {
	unsigned vf_index;
	struct td_sriov_vf_settings settings;
	struct td_sriov_stats stats;
	int found; /* 0, or -errno of the parse */
};

static void parse_stats(struct nlattr *attr, struct td_sriov_stats *stats)
{
	struct nlattr *field[IFLA_VF_STATS_MAX + 1];

	if (!attr || nla_parse_nested(field, IFLA_VF_STATS_MAX, attr, NULL) < 0)
		return;
#define U64(name) (field[name] && nla_len(field[name]) >= 8 ? nla_get_u64(field[name]) : 0)
	stats->rx_packets = U64(IFLA_VF_STATS_RX_PACKETS);
	stats->tx_packets = U64(IFLA_VF_STATS_TX_PACKETS);
	stats->rx_bytes = U64(IFLA_VF_STATS_RX_BYTES);
	stats->tx_bytes = U64(IFLA_VF_STATS_TX_BYTES);
#undef U64
	stats->known = field[IFLA_VF_STATS_RX_PACKETS] != NULL;
}

#define FIELD(table, id, type) ((table)[id] && nla_len((table)[id]) >= (int)sizeof(type) ? (const type *)nla_data((table)[id]) : NULL)

static void parse_vf(unsigned index, struct nlattr **field, void *opaque)
{
	struct reply *reply = opaque;
	const struct ifla_vf_mac *mac = FIELD(field, IFLA_VF_MAC, struct ifla_vf_mac);
	const struct ifla_vf_vlan *vlan = FIELD(field, IFLA_VF_VLAN, struct ifla_vf_vlan);
	const struct ifla_vf_spoofchk *spoofchk = FIELD(field, IFLA_VF_SPOOFCHK, struct ifla_vf_spoofchk);
	const struct ifla_vf_trust *trust = FIELD(field, IFLA_VF_TRUST, struct ifla_vf_trust);
	const struct ifla_vf_link_state *link = FIELD(field, IFLA_VF_LINK_STATE, struct ifla_vf_link_state);
	const struct ifla_vf_rate *rate = FIELD(field, IFLA_VF_RATE, struct ifla_vf_rate);

	if (index != reply->vf_index)
		return;
	memset(&reply->settings, 0, sizeof(reply->settings));
	memcpy(reply->settings.mac, mac->mac, sizeof(reply->settings.mac));
	reply->settings.vlan = vlan ? (uint16_t)vlan->vlan : 0;
	/* A driver that does not tell reports all ones. */
	reply->settings.spoofchk = spoofchk && spoofchk->setting == 1;
	reply->settings.trust = trust && trust->setting == 1;
	reply->settings.link_state =
		link && link->link_state <= TD_SRIOV_LINK_DISABLE ? (enum td_sriov_link)link->link_state : TD_SRIOV_LINK_AUTO;
	reply->settings.min_tx_rate = rate ? rate->min_tx_rate : 0;
	reply->settings.max_tx_rate = rate ? rate->max_tx_rate : 0;
	parse_stats(field[IFLA_VF_STATS], &reply->stats);
	reply->found = 0;
}

/*
 * The list's length has 16 bits and wraps where the VFs need more. They stand there nevertheless, one behind the other, up to the number
 * told (IFLA_NUM_VF): so it is the message's end that bounds them, and not the list's. Returns where they end; each may be NULL.
 */
static struct nlattr *walk_list(struct nlattr *list, int left, unsigned told, td_sriov_netlink_vf *each, void *opaque, unsigned *ret_found)
{
	struct nlattr *field[IFLA_VF_MAX + 1], *vf = nla_data(list);

	left = told ? left - nla_attr_size(0) : nla_len(list);
	for (*ret_found = 0; nla_ok(vf, left) && nla_type(vf) == IFLA_VF_INFO && (!told || *ret_found < told); vf = nla_next(vf, &left)) {
		++*ret_found;
		if (!each || nla_parse_nested(field, IFLA_VF_MAX, vf, NULL) < 0)
			continue;
		const struct ifla_vf_mac *mac = FIELD(field, IFLA_VF_MAC, struct ifla_vf_mac);
		if (mac)
			each(mac->vf, field, opaque);
	}
	return vf;
}

int td_sriov_netlink_link(struct nlmsghdr *header, struct nlattr *ret_attr[IFLA_MAX + 1], td_sriov_netlink_vf *each, void *opaque)
{
	unsigned told = 0, found = 0;

	memset(ret_attr, 0, (IFLA_MAX + 1) * sizeof(*ret_attr));
	if (header->nlmsg_type != RTM_NEWLINK || !nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)))
		return -EBADMSG;
	struct nlattr *at = nlmsg_attrdata(header, sizeof(struct ifinfomsg));
	int left = nlmsg_attrlen(header, sizeof(struct ifinfomsg));
	/* A list's length that wrapped may even be none. */
	while (nla_ok(at, left) || (told && left >= nla_attr_size(0) && nla_type(at) == IFLA_VFINFO_LIST)) {
		struct nlattr *next = (struct nlattr *)(void *)((char *)at + nla_total_size(nla_len(at)));

		if (nla_type(at) <= IFLA_MAX)
			ret_attr[nla_type(at)] = at;
		if (nla_type(at) == IFLA_NUM_VF && nla_len(at) >= 4)
			told = nla_get_u32(at);
		if (nla_type(at) == IFLA_VFINFO_LIST) {
			struct nlattr *end = walk_list(at, left, told, each, opaque, &found);

			next = TD_MAX(next, end); /* what stands inside a list that wrapped is no attribute of the link */
		}
		left -= (int)((char *)next - (char *)at);
		at = next;
	}
	return found < told && ret_attr[IFLA_VFINFO_LIST] ? -EOVERFLOW : 0;
}

static int parse_link(struct nlmsghdr *header, struct reply *reply)
{
	struct nlattr *attr[IFLA_MAX + 1];

	reply->found = -ENOENT;
	int rc = td_sriov_netlink_link(header, attr, parse_vf, reply);
	if (rc < 0 && reply->found < 0)
		reply->found = rc;
	return reply->found;
}

int td_sriov_netlink_parse(
	struct nlmsghdr *header, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_sriov_stats *ret_stats)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = parse_link(header, &reply);

	if (rc == 0) {
		*ret_settings = reply.settings;
		*ret_stats = reply.stats;
	}
	return rc;
}

static void read_link(struct nlmsghdr *header, void *opaque)
{
	parse_link(header, opaque);
}

/* Opened once a thread: that takes as long as a change does, and some changes are made while a guest stands still for them. */
static _Thread_local struct td_host_netlink kept;

/* After a failure the socket is not used again: what comes then belongs to nothing. Names the PF where it is missing. */
static int finish(int rc, struct td_err *err)
{
	if (rc < 0)
		td_host_netlink_close(&kept);
	if (rc == -ENODEV && err)
		err->reason = TD_REASON_PF_MISSING;
	return rc;
}

static struct nl_msg *make_request(int type, int flags, const char *pf_name)
{
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
	struct nl_msg *msg = nlmsg_alloc_simple(type, NLM_F_REQUEST | flags);

	if (msg && (nlmsg_append(msg, &info, sizeof(info), NLMSG_ALIGNTO) < 0 || nla_put_string(msg, IFLA_IFNAME, pf_name) < 0)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int begin(const char *pf_name, struct td_err *err)
{
	if (!td_names_is_interface(pf_name))
		return td_err_set(err, EINVAL, TD_REASON_PF_MISSING, "pf '%.32s': not a name of a network interface", pf_name);
	return kept.sock ? 0 : td_host_netlink_open(&kept, err);
}

static int fail_find(const char *pf_name, const struct reply *reply, struct td_err *err)
{
	if (reply->found == -EOVERFLOW)
		return td_err_set(err, EOVERFLOW, TD_REASON_VF_LIST_CUT, "pf %s: VF %u: the kernel's list of this PF's VFs is cut short",
			pf_name, reply->vf_index);
	return td_err_sys(err, -reply->found, TD_REASON_NETLINK, "pf %s: VF %u: read settings", pf_name, reply->vf_index);
}

/* Counters make the answer half as large again, and some cards are asked for each by a message of its own. */
static int get(const char *pf_name, bool counters, struct reply *reply, struct td_err *err)
{
	char what[64];
	int rc = begin(pf_name, err);

	if (rc < 0)
		return rc;
	snprintf(what, sizeof(what), "pf %s: VF %u: read settings", pf_name, reply->vf_index);
	struct nl_msg *msg = make_request(RTM_GETLINK, 0, pf_name);
	if (msg && nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | (counters ? 0 : RTEXT_FILTER_SKIP_STATS)) < 0) {
		nlmsg_free(msg);
		msg = NULL;
	}
	reply->found = -ENOENT;
	rc = finish(td_host_netlink_read(&kept, msg, read_link, reply, what, err), err);
	return rc == 0 && reply->found < 0 ? fail_find(pf_name, reply, err) : rc;
}

int td_sriov_get(const char *pf_name, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_err *err)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = get(pf_name, false, &reply, err);

	if (rc == 0)
		*ret_settings = reply.settings;
	return rc;
}

int td_sriov_netlink_stats(const char *pf_name, unsigned vf_index, struct td_sriov_stats *ret_stats, struct td_err *err)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = get(pf_name, true, &reply, err);

	if (rc == 0)
		*ret_stats = reply.stats;
	return rc;
}

/* One attribute of one VF. */
static int set(const char *pf_name, unsigned vf_index, int attribute, const void *data, int len, const char *verb, struct td_err *err)
{
	char what[64];
	int rc = begin(pf_name, err);

	if (rc < 0)
		return rc;
	snprintf(what, sizeof(what), "pf %s: VF %u: %s", pf_name, vf_index, verb);
	struct nl_msg *msg = make_request(RTM_SETLINK, NLM_F_ACK, pf_name);
	struct nlattr *list = msg ? nla_nest_start(msg, IFLA_VFINFO_LIST) : NULL;
	struct nlattr *vf = list ? nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	if (!vf || nla_put(msg, attribute, len, data) < 0) {
		nlmsg_free(msg);
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", what);
	}
	nla_nest_end(msg, vf);
	nla_nest_end(msg, list);
	return finish(td_host_netlink_change(&kept, msg, what, err), err);
}

int td_sriov_set_mac(const char *pf_name, unsigned vf_index, const uint8_t mac[6], struct td_err *err)
{
	struct ifla_vf_mac request = {.vf = vf_index};

	memcpy(request.mac, mac, 6);
	return set(pf_name, vf_index, IFLA_VF_MAC, &request, sizeof(request), "set MAC", err);
}

int td_sriov_set_vlan(const char *pf_name, unsigned vf_index, uint16_t vlan, struct td_err *err)
{
	struct ifla_vf_vlan request = {.vf = vf_index, .vlan = vlan};

	return set(pf_name, vf_index, IFLA_VF_VLAN, &request, sizeof(request), "set VLAN", err);
}

int td_sriov_set_trust(const char *pf_name, unsigned vf_index, bool on, struct td_err *err)
{
	struct ifla_vf_trust request = {.vf = vf_index, .setting = on};

	return set(pf_name, vf_index, IFLA_VF_TRUST, &request, sizeof(request), "set trust", err);
}

int td_sriov_set_spoofchk(const char *pf_name, unsigned vf_index, bool on, struct td_err *err)
{
	struct ifla_vf_spoofchk request = {.vf = vf_index, .setting = on};

	return set(pf_name, vf_index, IFLA_VF_SPOOFCHK, &request, sizeof(request), "set spoof check", err);
}

int td_sriov_set_link_state(const char *pf_name, unsigned vf_index, enum td_sriov_link state, struct td_err *err)
{
	struct ifla_vf_link_state request = {.vf = vf_index, .link_state = state};

	return set(pf_name, vf_index, IFLA_VF_LINK_STATE, &request, sizeof(request), "set link state", err);
}

int td_sriov_set_rate(const char *pf_name, unsigned vf_index, uint32_t min, uint32_t max, struct td_err *err)
{
	struct ifla_vf_rate request = {.vf = vf_index, .min_tx_rate = min, .max_tx_rate = max};

	return set(pf_name, vf_index, IFLA_VF_RATE, &request, sizeof(request), "set transmit rate", err);
}
