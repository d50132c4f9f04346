/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_call.h - what a NIC asks of its host: a VF leased and given back, its MAC filter, frames that come back, counters of the PF. Each
 * may wait (netlink, sysfs, fsync), so each is a host job (core/job.h).
 *
 * A call is plain data and descriptors, both ways; td_host_call_answer() is all that looks at it. So whoever has the privilege may answer:
 * today a thread of this process, tomorrow another process that is sent the call and sends it back.
 */
#ifndef TD_NIC_HOST_CALL_H
#define TD_NIC_HOST_CALL_H

#include <net/if.h>

#include "core/err.h"
#include "core/job.h"
#include "emul/tap.h"
#include "host/net/host_port.h"
#include "host/sriov/lease.h"
#include "host/sriov/sriov_netlink.h"
#include "host/sriov/sriov_settings.h"
#include "host/sys/names.h"
#include "nic/witness.h"

#define TD_HOST_CALL_KEPT 8U

enum td_host_call_kind {
	TD_HOST_CALL_RESERVE, /* lease, unless it is held; settings as the NIC wants them; then the PF's link -> lease, pf_index, found, up,
				 carrier */
	TD_HOST_CALL_GIVE,    /* lease */
	TD_HOST_CALL_STEER,   /* pf_name, vf_index, mac (all zero: no filter) */
	TD_HOST_CALL_JOIN,    /* port: the tap becomes one -> bridge_index */
	TD_HOST_CALL_MTU,     /* port: its bridge has another MTU */
	TD_HOST_CALL_TAP,     /* port, mac, mtu, queues, named: the tap was lost -> tap, bridge_index */
	TD_HOST_CALL_GUARD,   /* port, mac, from, to -> from: how it is now */
	TD_HOST_CALL_TEND,    /* port, mac, from, bridge_index: ports have changed -> bridge_index, rejoined */
	TD_HOST_CALL_LEFT,    /* left: the index of a link that is no port any more */
	TD_HOST_CALL_LINK,    /* pf_name -> up, carrier */
	TD_HOST_CALL_COUNT,   /* pf_name, vf_index -> stats */
	TD_HOST_CALL_SETTLE,  /* lease, vlan, steered, mac: the VF's settings as they are to be -> found */
	TD_HOST_CALL_WITNESS, /* port, mac -> witness */
};

/* The guest's MAC in the emulated path's bridge (host/net/host_guard.h). */
enum td_guard {
	TD_GUARD_OFF, /* nothing stands; also on a bridge that is another's */
	TD_GUARD_ON,
	TD_GUARD_PINNED,
};

struct td_host_call {
	struct td_job job; /* done is the owner's */
	enum td_host_call_kind kind;

	/* Of the VF. */
	char run_dir[96], bdf[TD_BDF_BYTES], pf_name[IF_NAMESIZE]; /* bdf or pf_name, as struct td_lease_request has them */
	char kept[TD_HOST_CALL_KEPT][TD_BDF_BYTES];
	unsigned kept_count, vf_index;
	uint16_t vlan;
	struct td_lease lease;
	unsigned pf_index; /* of the PF's interface; 0: it has none */
	bool steered;	   /* the VF has the NIC's MAC */
	struct td_sriov_found
		found; /* of a lease that was held before: what somebody has changed, and is put back unless rc says otherwise */
	bool up, carrier;
	struct td_sriov_stats stats;

	/* Of the emulated path's network. */
	struct td_host_port port;
	uint16_t mtu;
	unsigned queues;
	bool named;	   /* by the user: it has this name, or is not made */
	struct td_tap tap; /* made anew, as td_tap_open() leaves it, and a port of its bridge if that is there; the caller's */
	enum td_guard from, to;
	unsigned bridge_index; /* of the bridge that the tap joined last; 0: none */
	bool rejoined;
	int left;
	struct td_witness witness; /* its descriptors are the caller's */

	uint8_t mac[6];

	/* The answer. */
	int rc; /* 0 or -errno, then with err */
	struct td_err err;
};

/* Does what is asked, and fills the answer in. Any thread, without a lock; waits. */
void td_host_call_answer(struct td_host_call *call);

/* Has it answered beside the loop, then call->job.done() comes. Not while it is busy. */
void td_host_call_submit(struct td_jobs *jobs, struct td_host_call *call);

#endif
