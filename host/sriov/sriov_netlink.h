/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_netlink.h - what of rtnetlink's IFLA_VFINFO_LIST goes beyond sriov.h's settings. For host/sriov/, nic/ and tests.
 */
#ifndef TD_HOST_SRIOV_SRIOV_NETLINK_H
#define TD_HOST_SRIOV_SRIOV_NETLINK_H

#include <linux/if_link.h>

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

struct nlattr;
struct nlmsghdr;

/* As the PF counts it: rx is towards the VF. */
struct td_sriov_stats {
	bool known; /* the PF's driver tells */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* field: by IFLA_VF_*, NULL: not told; IFLA_VF_MAC is there, whole. */
typedef void td_sriov_netlink_vf(unsigned vf_index, struct nlattr **field, void *opaque);
/*
 * The attributes of a RTM_NEWLINK message (NULL: not there), and each of its VFs, however long their list is. -EBADMSG: not such a message;
 * -EOVERFLOW: it holds fewer VFs than it tells (IFLA_NUM_VF); attributes and VFs that are there were given nevertheless.
 */
int td_sriov_netlink_link(struct nlmsghdr *header, struct nlattr *ret_attr[IFLA_MAX + 1], td_sriov_netlink_vf *each, void *opaque);

/* Settings and statistics of VF `vf_index` from a RTM_NEWLINK message. -ENOENT: no such VF in it; -EOVERFLOW: its list ends before;
 * -EBADMSG: malformed. */
int td_sriov_netlink_parse(
	struct nlmsghdr *header, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_sriov_stats *ret_stats);

int td_sriov_netlink_stats(const char *pf_name, unsigned vf_index, struct td_sriov_stats *ret_stats, struct td_err *err);

#endif
