/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_watch.h - tells a NIC, by one rtnetlink socket on the loop, what becomes of its network's uplinks. What to do about it is the
 * caller's.
 *
 * - Whether any has a carrier (host_uplink.h), when that changes.
 * - That the network goes on by another way: a team changes its active member. The switch outside then has the VMs' addresses at the old
 *   port until they are told anew, and bonding tells only the host's own.
 * - That the bridge has other ports: one has left, as the tap of a VM that was killed does; or an uplink has joined, or
 *   changed; or it is another bridge of this name.
 */
#ifndef TD_HOST_NET_HOST_WATCH_H
#define TD_HOST_NET_HOST_WATCH_H

#include "core/base.h"
#include "core/err.h"
#include "core/job.h"
#include "core/loop.h"

struct td_host_watch_events {
	void (*uplink)(void *opaque, bool up);
	/* These two also when so much was said that it may be so. */
	void (*moved)(void *opaque);	       /* a link below the bridge */
	void (*ports)(void *opaque, int left); /* left: the index of a link that is no port any more; 0: none is known to have left */
	void *opaque;
};

#define TD_HOST_WATCH_LEFT 64U

/* What a look has found. */
struct td_host_watch_said {
	bool moved, ports, up;
	unsigned bridge_index; /* 0: there is none */
	unsigned left_count;
	int left[TD_HOST_WATCH_LEFT]; /* indices of links that are no ports any more */
};

struct td_host_watch {
	struct td_loop *loop;
	struct td_jobs *jobs;
	struct td_job look; /* messages are read and sysfs is looked at beside the loop: both may wait for whoever changes links */
	struct td_host_watch_said said;
	bool closing;
	struct td_watch watch; /* its descriptor is owned; -1: not open */
	const char *tap, *bridge;
	unsigned bridge_index;
	bool up;
	struct td_host_watch_events events;
};

/*
 * tap: whose bridge's carrier is looked at; watch->up is set. bridge: whose ports, and below which links may move. Either may be NULL: no
 * such event; both are borrowed. Events come on the loop, whose jobs these are.
 */
int td_host_watch_open(struct td_host_watch *watch, struct td_jobs *jobs, const char *tap, const char *bridge,
	const struct td_host_watch_events *events, struct td_err *err);
void td_host_watch_close(struct td_host_watch *watch); /* harmless when not open, if the descriptor is -1 */

#endif
