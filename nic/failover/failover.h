/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover.h - what the files of mode failover share: failover.c (a flip's phases, the mode's table), failover_events.c (what the guest
 * does to its two NICs), failover_tick.c (what is looked at, and how often), failover_queue.c (a transmit queue that stands still). Main
 * loop, VM's lock held, but for td_failover_hold(), which a vCPU's thread may call with it.
 */
#ifndef TD_NIC_FAILOVER_FAILOVER_H
#define TD_NIC_FAILOVER_FAILOVER_H

#include "nic/failover/failover_mode.h"
#include "nic/hybrid_parts.h"

/* failover.c */
void td_failover_hold(struct td_hybrid *nic, bool hold);
void td_failover_ask_unplug(struct td_hybrid *nic);
/* The guest has nothing to do with the VF any more, however that came. */
void td_failover_on_emulated(struct td_hybrid *nic);

/* failover_tick.c */
uint64_t td_failover_tick(struct td_hybrid *nic);
void td_failover_driver_is_up(struct td_hybrid *nic);
/* On the VF: the emulated path is in use, or was a moment ago; it is looked at every millisecond until it is not. */
void td_failover_settle(struct td_hybrid *nic);
/* And from then on, a few times a second: is it in use again? */
void td_failover_look(struct td_hybrid *nic, bool driver_away);

/* failover_queue.c */
void td_failover_queue_forget(struct td_hybrid *nic); /* no driver runs the VF: the next to open it is one that probes it */
void td_failover_queue_opened(struct td_hybrid *nic, uint64_t now_ns);
void td_failover_queue_looked(struct td_hybrid *nic, uint64_t now_ns); /* igbvf looks for its link about now */
/* The VF is open: a queue that stands still is started. */
void td_failover_queue_look(struct td_hybrid *nic, uint64_t now_ns);
void td_failover_queue_give_due(struct td_hybrid *nic, uint64_t now_ns); /* whether it is open or not: the link, when it is time */
void td_failover_queue_end(struct td_hybrid *nic); /* nobody is going to look for a while: igbvf is left with its link */

/* failover_events.c */
extern const struct td_vfio_events td_failover_vf_events;
void td_failover_driver(struct td_hybrid *nic, bool accepted, bool standby);

#endif
