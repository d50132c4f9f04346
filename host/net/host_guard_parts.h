/* SPDX-License-Identifier: Apache-2.0 */
/* host_guard_parts.h - what host_guard.c (the bridge and its FDB) and host_guard_uplink.c (its uplinks) share. Private to them. */
#ifndef TD_HOST_NET_HOST_GUARD_PARTS_H
#define TD_HOST_NET_HOST_GUARD_PARTS_H

#include "host/net/host_guard.h"

#define TD_HOST_GUARD_MACS_MAX 1024U

struct td_host_guard_macs {
	unsigned count;
	uint8_t mac[TD_HOST_GUARD_MACS_MAX][6];
};

/* A local VM's MAC: frames with it as source are dropped where they come in by the uplink. There already, or no such link: good. */
int td_host_guard_filter(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6], struct td_err *err);
/* A card with VFs is told that the MAC is behind its PF. Nothing but VMs on VFs of this card misses it, so nothing fails for it. */
void td_host_guard_tell(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6]);
/* What is not there need not go. */
void td_host_guard_remove(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6]);
/* Those that were added to this link. */
void td_host_guard_list(struct td_host_netlink *netlink, const char *uplink, struct td_host_guard_macs *ret_macs);
/* An entry of an FDB, with a link's MAC; flags as of struct ndmsg. NULL without memory. */
struct nl_msg *td_host_guard_fdb(int type, int message_flags, int index, unsigned state, unsigned flags, const uint8_t mac[6]);
/* A dump's request; NULL without memory. */
struct nl_msg *td_host_guard_dump(int type, const void *body, size_t len_bytes);

#endif
