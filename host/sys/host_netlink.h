/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_netlink.h - one rtnetlink socket (libnl), one request at a time, with the kernel's own words about a refusal (extended ACK: Linux
 * Documentation/userspace-api/netlink/intro.rst). The messages are made by who sends them. One socket is one thread's at a time; there is
 * no other state.
 */
#ifndef TD_HOST_SYS_HOST_NETLINK_H
#define TD_HOST_SYS_HOST_NETLINK_H

#include "core/base.h"
#include "core/err.h"

struct nl_msg;
struct nl_sock;
struct nlmsghdr;

struct td_host_netlink {
	struct nl_sock *sock; /* NULL: not open */
};

int td_host_netlink_open(struct td_host_netlink *netlink, struct td_err *err);
void td_host_netlink_close(struct td_host_netlink *netlink);

/*
 * Sends a change and waits for its acknowledgement. Frees msg (NULL: -ENOMEM). `what` stands before the kernel's words in err, and err may
 * be NULL.
 */
int td_host_netlink_change(struct td_host_netlink *netlink, struct nl_msg *msg, const char *what, struct td_err *err);

/* Each message of a dump, or of a single answer, goes to `each`. Frees msg. -EAGAIN: the kernel's list changed meanwhile. */
int td_host_netlink_read(struct td_host_netlink *netlink, struct nl_msg *msg, void (*each)(struct nlmsghdr *header, void *opaque),
	void *opaque, const char *what, struct td_err *err);

#endif
