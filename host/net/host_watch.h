/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_watch.h - tells a NIC, by one rtnetlink socket on the loop, what becomes of its emulated path. What to do about it is the caller's.
 *
 * - Whether the path works (host_path.h), when that changes.
 * - Whether any uplink of its bridge has a carrier, when that changes: a bridge without uplinks counts as one that has.
 * - That the network goes on by another way: a team changes its active member. The switch outside then has the VMs' addresses at the old
 *   port until they are told anew, and bonding tells only the host's own.
 * - That the bridge has another MTU.
 * - That the bridge has other ports: one has left, as the tap of a VM that was killed does; or an uplink has joined, or
 *   changed; or it is another bridge of this name.
 *
 * - That a PF has changed, as it does when the settings of one of its VFs are changed; also its name.
 *
 * Nothing is looked at while the kernel says nothing.
 */
#ifndef TD_HOST_NET_HOST_WATCH_H
#define TD_HOST_NET_HOST_WATCH_H

#include "core/base.h"
#include "core/err.h"
#include "core/job.h"
#include "core/loop.h"
#include "host/net/host_path.h"

struct td_host_watch_events {
	void (*health)(void *opaque); /* watch->health is another than it was */
	void (*uplink)(void *opaque, bool up);
	void (*mtu)(void *opaque); /* the bridge that the tap is a port of has another MTU, and not the tap's */
	/* These two also when so much was said that it may be so. */
	void (*moved)(void *opaque); /* a link below the bridge; or the path works again, or by other links, before it was missed */
	void (*ports)(void *opaque, int left);	    /* left: the index of a link that is no port any more; 0: none is known to have left */
	void (*pf)(void *opaque, const char *name); /* name: of the PF now; "": it was not said */
	void *opaque;
};

#define TD_HOST_WATCH_LEFT 64U

/* What a look is about, and what it has found. */
struct td_host_watch_said {
	struct td_host_path_want want;
	struct td_host_path_facts facts;
	bool told;     /* the kernel said something that may concern the path: it is looked at */
	bool known;    /* facts are */
	bool faltered; /* a link of the path was down, or without a carrier, in between */
	bool moved, ports;
	unsigned pf_index; /* 0: none is of interest */
	bool pf;	   /* it has changed */
	char pf_name[IF_NAMESIZE];
	unsigned left_count;
	int left[TD_HOST_WATCH_LEFT]; /* indices of links that are no ports any more */
};

struct td_host_watch {
	struct td_loop *loop;
	struct td_jobs *jobs;
	struct td_job look; /* messages are read and sysfs is looked at beside the loop: both may wait for whoever changes links */
	struct td_host_watch_said said;
	bool closing;
	bool again;			/* a look was asked for while one was under way */
	struct td_watch watch;		/* its descriptor is owned; -1: not open */
	struct td_host_netlink netlink; /* for looks: the jobs' thread has it while one is under way */
	struct td_host_path_want want;
	struct td_host_path_facts facts; /* of the last look that was answered */
	struct td_host_path_health health;
	unsigned bridge_index; /* 0: there has been none yet */
	unsigned mtu;	       /* of the bridge that the tap is a port of */
	unsigned pf_index;     /* 0: none */
	bool up;
	struct td_host_watch_events events;
};

/*
 * want->tap NULL: there is no path to look at. want->bridge NULL: nothing of ports and moves is told. The PF is kept that was said before.
 * health and up are what is so now; a path that the kernel does not tell of is
 * unknown. Events come on the loop, whose jobs these are.
 */
int td_host_watch_open(struct td_host_watch *watch, struct td_jobs *jobs, const struct td_host_path_want *want,
	const struct td_host_watch_events *events, struct td_err *err);
/* Changes of this PF are told from now on; 0: of none. Also before it is open, if the descriptor is -1. */
void td_host_watch_pf(struct td_host_watch *watch, unsigned pf_index);
/* The NIC has another tap now; 0: none. It is looked at soon. */
void td_host_watch_tap(struct td_host_watch *watch, const char *tap, unsigned tap_index);
void td_host_watch_close(struct td_host_watch *watch); /* harmless when not open, if the descriptor is -1 */

#endif
