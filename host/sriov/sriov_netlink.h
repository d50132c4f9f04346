/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sriov_netlink.h - what of rtnetlink's IFLA_VFINFO_LIST goes beyond sriov.h's settings. For host/sriov/, nic/ and tests.
 */
#ifndef TD_HOST_SRIOV_SRIOV_NETLINK_H
#define TD_HOST_SRIOV_SRIOV_NETLINK_H

#include "core/base.h"
#include "core/err.h"
#include "host/sriov/sriov.h"

struct nlmsghdr;

/* As the PF counts it: rx is towards the VF. */
struct td_sriov_stats {
	bool known; /* the PF's driver tells */
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

/* Settings and statistics of VF `vf_index` from a RTM_NEWLINK message. -ENOENT: no such VF in it; -EBADMSG: malformed. */
int td_sriov_netlink_parse(
	struct nlmsghdr *header, unsigned vf_index, struct td_sriov_vf_settings *ret_settings, struct td_sriov_stats *ret_stats);

int td_sriov_netlink_stats(const char *pf_name, unsigned vf_index, struct td_sriov_stats *ret_stats, struct td_err *err);

#endif
