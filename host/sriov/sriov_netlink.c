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
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host/sys/names.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

struct reply {
	unsigned vf_index;
	struct td_sriov_vf_settings settings;
	struct td_sriov_stats stats;
	uint32_t min_tx_rate, max_tx_rate;
	int found;     /* 0, or -errno of the parse */
	int errnum;    /* what the kernel answered */
	char said[96]; /* its words, if it had some */
};

static void cleanup_msg(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

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

static void parse_vf(struct nlattr **field, struct reply *reply)
{
	const struct ifla_vf_mac *mac = FIELD(field, IFLA_VF_MAC, struct ifla_vf_mac);
	const struct ifla_vf_vlan *vlan = FIELD(field, IFLA_VF_VLAN, struct ifla_vf_vlan);
	const struct ifla_vf_spoofchk *spoofchk = FIELD(field, IFLA_VF_SPOOFCHK, struct ifla_vf_spoofchk);
	const struct ifla_vf_trust *trust = FIELD(field, IFLA_VF_TRUST, struct ifla_vf_trust);
	const struct ifla_vf_link_state *link = FIELD(field, IFLA_VF_LINK_STATE, struct ifla_vf_link_state);
	const struct ifla_vf_rate *rate = FIELD(field, IFLA_VF_RATE, struct ifla_vf_rate);

	memset(&reply->settings, 0, sizeof(reply->settings));
	memcpy(reply->settings.mac, mac->mac, sizeof(reply->settings.mac));
	reply->settings.vlan = vlan ? (uint16_t)vlan->vlan : 0;
	/* A driver that does not tell reports all ones. */
	reply->settings.spoofchk = spoofchk && spoofchk->setting == 1;
	reply->settings.trust = trust && trust->setting == 1;
	reply->settings.link_state =
		link && link->link_state <= TD_SRIOV_LINK_DISABLE ? (enum td_sriov_link)link->link_state : TD_SRIOV_LINK_AUTO;
	reply->min_tx_rate = rate ? rate->min_tx_rate : 0;
	reply->max_tx_rate = rate ? rate->max_tx_rate : 0;
	parse_stats(field[IFLA_VF_STATS], &reply->stats);
	reply->found = 0;
}

static int parse_link(struct nlmsghdr *header, struct reply *reply)
{
	struct nlattr *attr[IFLA_MAX + 1], *vf;
	int left;

	reply->found = -ENOENT;
	if (!nlmsg_valid_hdr(header, sizeof(struct ifinfomsg)) || nlmsg_parse(header, sizeof(struct ifinfomsg), attr, IFLA_MAX, NULL) < 0)
		return reply->found = -EBADMSG;
	if (!attr[IFLA_VFINFO_LIST])
		return reply->found;
	nla_for_each_nested(vf, attr[IFLA_VFINFO_LIST], left)
	{
		struct nlattr *field[IFLA_VF_MAX + 1];

		if (nla_type(vf) != IFLA_VF_INFO || nla_parse_nested(field, IFLA_VF_MAX, vf, NULL) < 0)
			continue;
		const struct ifla_vf_mac *mac = FIELD(field, IFLA_VF_MAC, struct ifla_vf_mac);
		if (mac && mac->vf == reply->vf_index)
			parse_vf(field, reply);
	}
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

static int on_link(struct nl_msg *msg, void *opaque)
{
	parse_link(nlmsg_hdr(msg), opaque);
	return NL_OK;
}

/* The kernel's words stand behind the error, and behind the request's copy unless that was left out (NLM_F_CAPPED). */
static int on_error(struct sockaddr_nl *from, struct nlmsgerr *answer, void *opaque)
{
	struct reply *reply = opaque;
	struct nlmsghdr *header = (struct nlmsghdr *)((char *)answer - NLMSG_HDRLEN);
	size_t skip = sizeof(*answer);

	(void)from;
	reply->errnum = -answer->error;
	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(header->nlmsg_flags & NLM_F_CAPPED))
		skip += answer->msg.nlmsg_len - NLMSG_HDRLEN;
	struct nlattr *attr[NLMSGERR_ATTR_MAX + 1];
	if (skip <= (size_t)nlmsg_datalen(header) && nlmsg_parse(header, (int)skip, attr, NLMSGERR_ATTR_MAX, NULL) == 0 &&
		attr[NLMSGERR_ATTR_MSG])
		nla_strlcpy(reply->said, attr[NLMSGERR_ATTR_MSG], sizeof(reply->said));
	return NL_STOP;
}

/* Opened once a thread: that takes as long as a change does, and some changes are made while a guest stands still for them. */
static _Thread_local struct nl_sock *kept;

static void forget_socket(void)
{
	nl_socket_free(kept);
	kept = NULL;
}

static struct nl_sock *get_socket(void)
{
	int on = 1;

	if (kept)
		return kept;
	kept = nl_socket_alloc();
	if (!kept || nl_connect(kept, NETLINK_ROUTE) < 0) {
		forget_socket();
		return NULL;
	}
	(void)setsockopt(nl_socket_get_fd(kept), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	nl_socket_disable_auto_ack(kept); /* of a get the answer is the end */
	nl_socket_enable_msg_peek(kept);
	return kept;
}

/*
 * Sends the request and waits for its end: the acknowledgement of a change; an answer, which is parsed into *reply. What comes otherwise
 * belongs to nothing any more, and the socket is not used again.
 */
static int exchange(struct nl_msg *msg, struct reply *reply)
{
	struct nl_sock *sock = get_socket();

	if (!sock)
		return -ENOBUFS;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_link, reply);
	nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, reply);
	int rc = nl_send_auto(sock, msg);
	if (rc >= 0)
		rc = nl_recvmsgs_default(sock);
	if (rc < 0)
		forget_socket();
	if (reply->errnum)
		return -reply->errnum;
	return rc < 0 ? -EIO : 0;
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

static int fail(const char *pf_name, unsigned vf_index, const char *what, int errnum, const struct reply *reply, struct td_err *err)
{
	enum td_reason reason = errnum == ENODEV ? TD_REASON_PF_MISSING : TD_REASON_NETLINK;

	if (reply->said[0])
		return td_err_sys(err, errnum, reason, "pf %s: VF %u: %s: %s", pf_name, vf_index, what, reply->said);
	return td_err_sys(err, errnum, reason, "pf %s: VF %u: %s", pf_name, vf_index, what);
}

static int check_name(const char *pf_name, struct td_err *err)
{
	if (td_names_is_interface(pf_name))
		return 0;
	return td_err_set(err, EINVAL, TD_REASON_PF_MISSING, "pf '%.32s': not a name of a network interface", pf_name);
}

static int get(const char *pf_name, struct reply *reply, struct td_err *err)
{
	int rc = check_name(pf_name, err);

	if (rc < 0)
		return rc;
	__attribute__((cleanup(cleanup_msg))) struct nl_msg *msg = make_request(RTM_GETLINK, 0, pf_name);
	if (!msg || nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF) < 0)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "pf %s: netlink message", pf_name);
	reply->found = -ENOENT;
	rc = exchange(msg, reply);
	if (rc == 0)
		rc = reply->found;
	return rc < 0 ? fail(pf_name, reply->vf_index, "read settings", -rc, reply, err) : 0;
}

int td_sriov_get(const char *pf_name, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_err *err)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = get(pf_name, &reply, err);

	if (rc == 0)
		*ret_settings = reply.settings;
	return rc;
}

int td_sriov_netlink_stats(const char *pf_name, unsigned vf_index, struct td_sriov_stats *ret_stats, struct td_err *err)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = get(pf_name, &reply, err);

	if (rc == 0)
		*ret_stats = reply.stats;
	return rc;
}

/* One attribute of one VF. `what` is for the message. */
static int set(const char *pf_name, unsigned vf_index, int attribute, const void *data, int len, const char *what, struct td_err *err)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = check_name(pf_name, err);

	if (rc < 0)
		return rc;
	__attribute__((cleanup(cleanup_msg))) struct nl_msg *msg = make_request(RTM_SETLINK, NLM_F_ACK, pf_name);
	struct nlattr *list = msg ? nla_nest_start(msg, IFLA_VFINFO_LIST) : NULL;
	struct nlattr *vf = list ? nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	if (!vf || nla_put(msg, attribute, len, data) < 0)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "pf %s: netlink message", pf_name);
	nla_nest_end(msg, vf);
	nla_nest_end(msg, list);
	rc = exchange(msg, &reply);
	return rc < 0 ? fail(pf_name, vf_index, what, -rc, &reply, err) : 0;
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

int td_sriov_get_rate(const char *pf_name, unsigned vf_index, uint32_t *ret_min, uint32_t *ret_max, struct td_err *err)
{
	struct reply reply = {.vf_index = vf_index};
	int rc = get(pf_name, &reply, err);

	if (rc == 0) {
		*ret_min = reply.min_tx_rate;
		*ret_max = reply.max_tx_rate;
	}
	return rc;
}

int td_sriov_set_rate(const char *pf_name, unsigned vf_index, uint32_t min, uint32_t max, struct td_err *err)
{
	struct ifla_vf_rate request = {.vf = vf_index, .min_tx_rate = min, .max_tx_rate = max};

	return set(pf_name, vf_index, IFLA_VF_RATE, &request, sizeof(request), "set transmit rate", err);
}
