/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_guard_uplink.c - what an uplink knows of local VMs. Frames with their MAC as source are dropped where they come in, by libnl-route's
 * flower classifier; a filter's handle is made from the MAC address, so that it is found again without a list. Filters of others on the
 * same link are not touched.
 *
 * The switch of a card with VFs hands a VF's frame to the PF only if it knows the destination there; else the frame leaves the card. So the
 * PF is given the MAC as one of its own (bridge(8): fdb add MAC dev PF self). A bond hands it on to its members.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/msg.h>
#include <netlink/route/act/gact.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/flower.h>
#include <netlink/route/qdisc.h>
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "host/net/host_guard_parts.h"
#include "host/sys/names.h"
#include "host/sys/sysfs.h"

#define PRIORITY 0x7a17 /* of our filters, among others' on the same link */
#define INGRESS	 TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS	 TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)

#define DEPTH_MAX   4 /* of links below links */
#define CLEAR_TRIES 5

/* FNV-1a; 0 is no handle. */
static uint32_t handle_of(const uint8_t mac[6])
{
	uint32_t hash = 0x811c9dc5;
	for (unsigned i = 0; i < 6; i++)
		hash = (hash ^ mac[i]) * 0x01000193;
	return hash ? hash : 1;
}

static struct rtnl_cls *make_filter(int index, uint32_t handle)
{
	struct rtnl_cls *cls = rtnl_cls_alloc();
	if (!cls)
		return NULL;
	rtnl_tc_set_ifindex(TC_CAST(cls), index);
	rtnl_tc_set_parent(TC_CAST(cls), INGRESS);
	rtnl_tc_set_handle(TC_CAST(cls), handle);
	rtnl_cls_set_prio(cls, PRIORITY);
	rtnl_cls_set_protocol(cls, ETH_P_ALL);
	if (rtnl_tc_set_kind(TC_CAST(cls), "flower") < 0) {
		rtnl_cls_put(cls);
		return NULL;
	}
	return cls;
}

static struct nl_msg *add_filter_message(int index, const uint8_t mac[6])
{
	uint8_t source[6], mask[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct rtnl_cls *cls = make_filter(index, handle_of(mac));
	struct rtnl_act *act = rtnl_act_alloc();
	struct nl_msg *msg = NULL;
	memcpy(source, mac, sizeof(source));
	bool good = cls && act && rtnl_tc_set_kind(TC_CAST(act), "gact") == 0 && rtnl_gact_set_action(act, TC_ACT_SHOT) == 0 &&
		    rtnl_flower_set_src_mac(cls, source, mask) == 0 && rtnl_flower_set_flags(cls, TCA_CLS_FLAGS_SKIP_HW) == 0 &&
		    rtnl_flower_append_action(cls, act) == 0;
	if (good && rtnl_cls_build_add_request(cls, NLM_F_CREATE | NLM_F_EXCL, &msg) < 0)
		msg = NULL;
	rtnl_act_put(act);
	rtnl_cls_put(cls);
	return msg;
}

static struct rtnl_qdisc *make_clsact(int index)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	if (!qdisc)
		return NULL;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), index);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_CLSACT);
	rtnl_tc_set_handle(TC_CAST(qdisc), TC_H_MAKE(TC_H_CLSACT, 0));
	if (rtnl_tc_set_kind(TC_CAST(qdisc), "clsact") < 0) {
		rtnl_qdisc_put(qdisc);
		return NULL;
	}
	return qdisc;
}

/* The place where filters of arriving frames stand. There already: good. */
static int make_ingress(struct td_host_netlink *netlink, const char *uplink, int index, struct td_err *err)
{
	char what[64];
	struct rtnl_qdisc *qdisc = make_clsact(index);
	struct nl_msg *msg = NULL;
	snprintf(what, sizeof(what), "%s: clsact", uplink);
	if (qdisc && rtnl_qdisc_build_add_request(qdisc, NLM_F_CREATE | NLM_F_EXCL, &msg) < 0)
		msg = NULL;
	rtnl_qdisc_put(qdisc);
	int r = td_host_netlink_change(netlink, msg, what, err);
	return r == -EEXIST ? 0 : r;
}

static int add_filter(struct td_host_netlink *netlink, const char *uplink, int index, const uint8_t mac[6], struct td_err *err)
{
	char what[64];
	snprintf(what, sizeof(what), "%s: filter of a local source", uplink);
	int r = make_ingress(netlink, uplink, index, err);
	if (!r)
		r = td_host_netlink_change(netlink, add_filter_message(index, mac), what, err);
	return r == -EEXIST ? 0 : r;
}

/* No such filter: good. */
static void remove_filter(struct td_host_netlink *netlink, const char *uplink, int index, uint32_t handle)
{
	struct rtnl_cls *cls = make_filter(index, handle);
	struct nl_msg *msg = NULL;
	if (cls && rtnl_cls_build_delete_request(cls, 0, &msg) == 0)
		(void)td_host_netlink_change(netlink, msg, uplink, NULL);
	rtnl_cls_put(cls);
}

/* ---- cards with VFs */

static bool is_over_vfs(const char *link, unsigned depth)
{
	char path[PATH_MAX];
	unsigned long count = 0;
	bool any = td_sysfs_read_number(TD_SYSFS, ULONG_MAX, &count, "/class/net/%s/device/sriov_numvfs", link) == 0 && count;
	DIR *dir = any || depth == DEPTH_MAX || td_sysfs_path(path, TD_SYSFS, "/class/net/%s", link) ? NULL : opendir(path);
	for (struct dirent *entry; !any && dir && (entry = readdir(dir));)
		any = !strncmp(entry->d_name, "lower_", 6) && is_over_vfs(entry->d_name + 6, depth + 1);
	if (dir)
		closedir(dir);
	return any;
}

bool td_host_guard_is_over_vfs(const char *link)
{
	return is_over_vfs(link, 0);
}

void td_host_guard_tell(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6])
{
	int index = (int)if_nametoindex(uplink);
	struct td_err err = {0};
	if (!index)
		return;
	struct nl_msg *msg = td_host_guard_fdb(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, index, NUD_PERMANENT, NTF_SELF, mac);
	int r = td_host_netlink_change(netlink, msg, uplink, &err);
	if (r && r != -EEXIST)
		td_warn("%s: VMs on VFs of this card do not reach %s on its emulated path: the card does not take the address: %s", uplink,
			td_names_format_mac(mac, (char[TD_MAC_TEXT_BYTES]){0}), err.text);
}

int td_host_guard_filter(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6], struct td_err *err)
{
	int index = (int)if_nametoindex(uplink);
	return index ? add_filter(netlink, uplink, index, mac, err) : 0; /* 0: it has just gone */
}

void td_host_guard_remove(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6])
{
	int index = (int)if_nametoindex(uplink);
	if (!index)
		return;
	/* Whether or not it has VFs now: it had when it was told. */
	(void)td_host_netlink_change(netlink, td_host_guard_fdb(RTM_DELNEIGH, 0, index, NUD_PERMANENT, NTF_SELF, mac), uplink, NULL);
	remove_filter(netlink, uplink, index, handle_of(mac));
}

/* ---- which there are */

static void read_ours(struct nlmsghdr *header, void *opaque)
{
	struct nlattr *attr[TCA_MAX + 1], *flower[TCA_FLOWER_MAX + 1];
	struct td_host_guard_member member = {0};
	if (header->nlmsg_type != RTM_NEWTFILTER || !nlmsg_valid_hdr(header, sizeof(struct tcmsg)) ||
		nlmsg_parse(header, sizeof(struct tcmsg), attr, TCA_MAX, NULL) < 0 || !attr[TCA_OPTIONS] ||
		nla_parse_nested(flower, TCA_FLOWER_MAX, attr[TCA_OPTIONS], NULL) < 0)
		return;
	const struct tcmsg *filter = nlmsg_data(header);
	const struct nlattr *source = flower[TCA_FLOWER_KEY_ETH_SRC];
	if (TC_H_MAJ(filter->tcm_info) >> 16 != PRIORITY || !source || nla_len(source) != 6)
		return;
	memcpy(member.mac, nla_data(source), 6);
	td_host_guard_set_add(opaque, &member);
}

static void count_any(struct nlmsghdr *header, void *opaque)
{
	*(unsigned *)opaque += header->nlmsg_type == RTM_NEWTFILTER;
}

static int read_filters(struct td_host_netlink *netlink, const char *link, uint32_t parent,
	void (*each)(struct nlmsghdr *header, void *opaque), void *opaque)
{
	struct tcmsg all = {.tcm_family = AF_UNSPEC, .tcm_ifindex = (int)if_nametoindex(link), .tcm_parent = parent};
	return td_host_netlink_read(netlink, td_host_guard_dump(RTM_GETTFILTER, &all, sizeof(all)), each, opaque, link, NULL);
}

int td_host_guard_list(struct td_host_netlink *netlink, const char *uplink, struct td_host_guard_set *ret_macs)
{
	*ret_macs = (struct td_host_guard_set){0};
	int r = read_filters(netlink, uplink, INGRESS, read_ours, ret_macs);
	if (r == -EAGAIN)
		return r;
	if (r)
		ret_macs->count = 0; /* no ingress yet */
	return td_host_guard_set_close(ret_macs);
}

/* The place for filters goes too, unless somebody has others there. */
void td_host_guard_clear(struct td_host_netlink *netlink, const char *link)
{
	struct nl_msg *msg = NULL;
	struct td_host_guard_set ours = {0};
	unsigned others = 0;
	int index = (int)if_nametoindex(link);
	if (!index)
		return;
	int r = -EAGAIN;
	for (unsigned i = 0; r == -EAGAIN && i < CLEAR_TRIES; i++) {
		td_host_guard_set_fini(&ours);
		r = td_host_guard_list(netlink, link, &ours);
	}
	for (unsigned i = 0; i < ours.count; i++)
		td_host_guard_remove(netlink, link, ours.member[i].mac);
	td_host_guard_set_fini(&ours);
	if (read_filters(netlink, link, INGRESS, count_any, &others) || read_filters(netlink, link, EGRESS, count_any, &others) || others)
		return;
	struct rtnl_qdisc *qdisc = make_clsact(index);
	if (qdisc && rtnl_qdisc_build_delete_request(qdisc, &msg) == 0)
		(void)td_host_netlink_change(netlink, msg, link, NULL);
	rtnl_qdisc_put(qdisc);
}
