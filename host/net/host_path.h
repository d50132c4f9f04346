/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_path.h - does a NIC's emulated path work? The way is tap, bridge port, bridge, uplink; what the kernel says of each is a fact, and
 * the judgement over the facts is pure. Links are known by their index: a name may be somebody else's by now. When to look again:
 * host_watch.h.
 *
 * Source: rtnetlink(7), uapi/linux/if_link.h (IFLA_BR_*, IFLA_BRPORT_*), uapi/linux/if_bridge.h (BR_STATE_*, RTM_GETVLAN).
 */
#ifndef TD_HOST_NET_HOST_PATH_H
#define TD_HOST_NET_HOST_PATH_H

#include <net/if.h>

#include "core/base.h"
#include "core/err.h"
#include "host/sys/host_netlink.h"

#define TD_HOST_PATH_UPLINKS 16U

/* What the NIC needs of its path. Strings are borrowed. */
struct td_host_path_want {
	const char *tap;       /* its name when it was made: for texts */
	unsigned tap_index;    /* 0: it is lost */
	const char *bridge;    /* whose port it is to be; NULL: nobody said */
	unsigned bridge_index; /* of the one that it has joined, whatever its name is now; 0: of none yet */
	uint16_t vlan;	       /* that the untagged frames of the NIC are in; 0: none was given */
	bool tagged;	       /* it has others by their tags, so its untagged frames may be in none */
	unsigned mtu;	       /* of the guest, in bytes; 0: 1500 */
	bool had_uplinks;      /* the bridge has had some since the NIC is there */
	bool has_vf; /* its other path is a VF, which is tagged outside if there is a vlan, and else is not: so is this one to be */
};

/* As the kernel says it now. What follows from "there is none" is zero. */
struct td_host_path_facts {
	struct {
		bool there, up, port; /* port: of a bridge of the kernel's */
		char name[IF_NAMESIZE];
		unsigned master; /* index of what it is a port of; 0: of nothing */
		unsigned state;	 /* of the port: BR_STATE_* */
		unsigned mtu;
	} tap;
	/* The bridge that was asked for; where none was, the one that the tap is a port of. */
	struct {
		unsigned index; /* 0: there is none */
		char name[IF_NAMESIZE];
		bool bridge;			      /* of the kernel's */
		bool up, stp, kernel_stp, vlan_aware; /* kernel_stp: and it is the kernel that lets ports forward in time */
		unsigned mtu, forward_delay_ms, default_pvid;
	} bridge;
	char master_name[IF_NAMESIZE]; /* of tap.master, where that is not the bridge */
	/* On a bridge that is aware of VLANs: of the port, which one untagged frames are in, both ways; and on the way in alone. 0: none.
	 */
	unsigned pvid, pvid_tagged;
	/* On one that is not: which one the bridge is in outside; 0: none, or several (host_uplink.h). */
	unsigned outside_vlan;
	unsigned uplinks;	     /* how many the bridge has; each of those below is one of those above */
	unsigned uplinks_up;	     /* have a carrier */
	unsigned uplinks_forwarding; /* forward */
	unsigned uplinks_working;    /* take the port's VLAN, as the VF would have it */
	unsigned uplinks_mtu;	     /* the greatest of the latter */
	unsigned uplinks_wait_ms;    /* one that has a carrier forwards in this time; 0: not that anybody knows */
	struct {
		unsigned index;
		bool working;
	} uplink[TD_HOST_PATH_UPLINKS]; /* the first of them */
	/* One of those that are in the count above and not in the next. */
	char down[IF_NAMESIZE], not_forwarding[IF_NAMESIZE], other_vlan[IF_NAMESIZE];
};

struct td_host_path_health {
	bool known; /* the kernel was asked, and has answered */
	/*
	 * TD_REASON_NONE: it works, by all that is known. Else the first thing on the way that does not: TAP_LOST, BRIDGE_DOWN, NO_PORT,
	 * PORT_NOT_FORWARDING, VLAN_MISSING, MTU_TOO_SMALL, NO_CARRIER.
	 */
	enum td_reason reason;
	unsigned wait_ms;  /* it will work by itself, and no later than in this time; 0: not that anybody knows */
	char text[160];	   /* what is wrong, by name; "" when nothing is */
	uint64_t since_ns; /* td_now_ns(), when it was seen to be so first; the judgement leaves it 0 */
};

/* Asks the kernel. Waits; any thread. -errno, with err, where it gives no answer: then nothing is known. */
int td_host_path_look(
	struct td_host_netlink *netlink, const struct td_host_path_want *want, struct td_host_path_facts *ret_facts, struct td_err *err);

void td_host_path_judge(
	const struct td_host_path_want *want, const struct td_host_path_facts *facts, struct td_host_path_health *ret_health);

/* In how long the kernel's spanning tree lets a port forward that is in this state; 0: it may stay so. */
unsigned td_host_path_wait_ms(unsigned state, unsigned forward_delay_ms);

/* "ok", "unknown", or the reason's name: what tables show. */
const char *td_host_path_word(const struct td_host_path_health *health);

#endif
