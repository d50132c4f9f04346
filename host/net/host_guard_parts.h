/* SPDX-License-Identifier: Apache-2.0 */
/* host_guard_parts.h - what host_guard.c (the bridge and its FDB) and host_guard_uplink.c (its uplinks) share. Private to them. */
#ifndef TD_HOST_NET_HOST_GUARD_PARTS_H
#define TD_HOST_NET_HOST_GUARD_PARTS_H

#include "host/net/host_guard.h"

struct td_host_guard_member {
	uint8_t mac[6];
	int link;  /* of an address that a card was told: the card; else 0 */
	int tap;   /* of a VM's: where it is behind */
	bool dead; /* and nobody is there */
};

/* As the kernel lists them while it is added to; once it is closed, sorted, and each MAC of a link once. Zeroed: empty. */
struct td_host_guard_set {
	unsigned count, room;
	struct td_host_guard_member *member; /* owned */
	bool no_memory;			     /* some were not added */
};

void td_host_guard_set_add(struct td_host_guard_set *set, const struct td_host_guard_member *member);
int td_host_guard_set_close(struct td_host_guard_set *set); /* -ENOMEM: some are missing, so nothing must be concluded from it */
/* In a closed set; NULL: not there. */
const struct td_host_guard_member *td_host_guard_set_find(const struct td_host_guard_set *set, const uint8_t mac[6], int link);
void td_host_guard_set_fini(struct td_host_guard_set *set);

/* A local VM's MAC: frames with it as source are dropped where they come in by the uplink. There already, or no such link: good. */
int td_host_guard_filter(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6], struct td_err *err);
/* Is the link, or one below it, a PF with VFs? */
bool td_host_guard_is_over_vfs(const char *link);
/* Such a card is told that the MAC is behind its PF. Nothing but VMs on VFs of this card misses it, so nothing fails for it. */
void td_host_guard_tell(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6]);
/* What is not there need not go. */
void td_host_guard_remove(struct td_host_netlink *netlink, const char *uplink, const uint8_t mac[6]);
/* Those that were added to this link, as a closed set, which the caller frees also after a failure. -ENOMEM; -EAGAIN: read it again. */
int td_host_guard_list(struct td_host_netlink *netlink, const char *uplink, struct td_host_guard_set *ret_macs);
/* An entry of an FDB, with a link's MAC; flags as of struct ndmsg. NULL without memory. */
struct nl_msg *td_host_guard_fdb(int type, int message_flags, int index, unsigned state, unsigned flags, const uint8_t mac[6]);
/* A dump's request; NULL without memory. */
struct nl_msg *td_host_guard_dump(int type, const void *body, size_t len_bytes);

#endif
