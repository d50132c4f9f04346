/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover.h - what the files of mode failover share: failover_table.c (where the guest stands, and what each event makes of it),
 * failover_events.c (does it; what the guest does to its two NICs), failover.c (a flip's phases, the mode's table), failover_tick.c (what
 * is looked at, and how often), failover_queue.c (a transmit queue that stands still). Main loop, VM's lock held, but for TD_FE_OPENING,
 * which comes on a vCPU's thread with it.
 */
#ifndef TD_NIC_FAILOVER_FAILOVER_H
#define TD_NIC_FAILOVER_FAILOVER_H

#include "nic/failover/failover_mode.h"
#include "nic/failover/failover_table.h"
#include "nic/hybrid_parts.h"

/* The transmit queue of the guest's igbvf (failover_queue.c). */
struct td_failover_queue {
	bool is_new;	    /* its probe was not seen to open the VF yet */
	uint64_t opened_ns; /* by its probe; 0: not known */
	uint64_t looked_ns; /* when igbvf may have looked for its link at a bad moment; 0: its queue is known to run */
	uint64_t away_ns;   /* since when it is shown none; 0: it is shown its link */
	uint64_t sent, sent_ns;
	unsigned tries;
};

/* The VF's receive queue as it was seen. One without buffers for a moment looks as if it were off. */
struct td_failover_ring {
	uint64_t open_ns; /* since when it is on; 0: it is off */
	uint64_t shut_ns; /* since when it looks as if it were off; 0: it does not */
};

/* nic->mode_state of such a NIC. */
struct td_failover {
	enum td_failover_state state; /* changed by td_failover_event() alone */
	uint64_t since_ns;	      /* it was entered, or began anew */
	unsigned never_count;	      /* events that cannot come where they came */
	bool driver_ok;		      /* the guest's virtio-net driver runs */
	uint64_t asked_ns;	      /* for the VF, last */
	uint64_t quiet_ns;	      /* since when neither the guest nor the outside was seen to use the standby */
	uint64_t stood_by_ns;	      /* the guest was last known to send by it */
	uint64_t told_ns;	      /* the outside was last told of the VF; 0: not since the guest was elsewhere */
	uint64_t kick_due_ns;	      /* igbvf may be made to look for its link from here on */
	uint64_t vf_tx, net_tx;	      /* sent by the VF when verifying began, by the standby at the last look */
	struct td_failover_ring ring;
	struct td_failover_queue queue;
};

static inline struct td_failover *td_failover_of(const struct td_hybrid *nic)
{
	return nic->mode_state;
}

/* failover_events.c */
extern const struct td_vfio_events td_failover_vf_events;
void td_failover_driver(struct td_hybrid *nic, bool accepted, bool standby);
/* Enters the next state and does what the table says. Events may come of it, within. */
void td_failover_event(struct td_hybrid *nic, enum td_failover_event event);
/* Once more what the state says of frames to the guest: a reset of its virtio-net driver ends it. */
void td_failover_hold(struct td_hybrid *nic);
void td_failover_ask_unplug(struct td_hybrid *nic);

/* failover_tick.c */
uint64_t td_failover_tick(struct td_hybrid *nic);
/* Ten times a second, on the VF: is the standby in use again? */
void td_failover_look(struct td_hybrid *nic, bool driver_away);
void td_failover_look_leaving(struct td_hybrid *nic);
void td_failover_relay(struct td_hybrid *nic); /* what waits in the held tap goes to the VF */
void td_failover_begin_verify(struct td_hybrid *nic);
void td_failover_begin_settling(struct td_hybrid *nic);

/* failover_queue.c */
void td_failover_queue_forget(struct td_hybrid *nic); /* no driver runs the VF: the next to open it is one that probes it */
void td_failover_queue_opened(struct td_hybrid *nic, uint64_t now_ns);
void td_failover_queue_looked(struct td_hybrid *nic, uint64_t now_ns); /* igbvf looks for its link about now */
/* The VF is open: a queue that stands still is started. */
void td_failover_queue_look(struct td_hybrid *nic, uint64_t now_ns);
void td_failover_queue_give_due(struct td_hybrid *nic, uint64_t now_ns); /* whether it is open or not: the link, when it is time */
void td_failover_queue_end(struct td_hybrid *nic); /* nobody is going to look for a while: igbvf is left with its link */

#endif
