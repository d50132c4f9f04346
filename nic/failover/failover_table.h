/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover_table.h - where a guest with net_failover stands between its two paths, what the NIC keeps true there, and what each event makes
 * of it. Pure: no device, no clock. The actions themselves are in failover_events.c.
 *
 *             PLUGGED          OPENING           OPEN               SETTLE           QUIET
 *   EMULATED --------> PLUGGED -------> OPENING -----> VERIFYING --------> SETTLING <-----> ON_VF <---> AWAY
 *      ^                  |                |               |                  |      USED     |           |
 *      |                  +--- WITHDRAWN --+               +--- WITHDRAWN ----+---- ASKED ----+           |
 *      |                           v                                          v                           |
 *      +------- EJECTED ------- LET_GO <------- DEAF <------- LEAVING <-------+                           |
 *                                  ^                                                    ASKED             |
 *                                  +----------------------------------------------------------------------+
 *
 * Not in the picture: UNUSED, back from LEAVING when the guest keeps its VF, and that from each state EJECTED, TAKEN and RESET lead to
 * EMULATED.
 */
#ifndef TD_NIC_FAILOVER_FAILOVER_TABLE_H
#define TD_NIC_FAILOVER_FAILOVER_TABLE_H

#include "core/base.h"
#include "policy/flip.h"

enum td_failover_state {
	TD_FS_EMULATED,	 /* the guest has no VF */
	TD_FS_PLUGGED,	 /* a flip gave it one; its driver has not begun to open it */
	TD_FS_OPENING,	 /* its driver opens it: net_failover may count on it at any moment */
	TD_FS_VERIFYING, /* it receives by it; the flip waits to see it send by it */
	TD_FS_SETTLING,	 /* the flip is done; the guest, or the outside, may use the standby, still or again */
	TD_FS_ON_VF,	 /* neither does */
	TD_FS_AWAY,	 /* on the VF, which no driver runs any more: the standby is all that the guest has */
	TD_FS_LEAVING,	 /* it was asked for the VF, and still receives by it */
	TD_FS_DEAF,	 /* its driver has stopped receiving; net_failover still discards what comes by the standby */
	TD_FS_LET_GO,	 /* its driver has given the VF's interrupts back, or never used it; the eject is still to come */
	TD_FS_UNUSED,	 /* it has the VF and was left with it: its interface is down, or no driver runs it */
	TD_FS_COUNT
};

enum td_failover_event {
	/* of flips */
	TD_FE_PLUGGED,	 /* the VF is in the guest, for a flip to it */
	TD_FE_SETTLE,	 /* the flip to the VF commits */
	TD_FE_WITHDRAWN, /* the flip to the VF has failed: the guest is to give it back */
	TD_FE_DOWN,	 /* so too, but only because its interface is down: it may keep it */
	TD_FE_ASKED,	 /* a flip to the emulated path wants the VF from the guest */
	TD_FE_KEPT,	 /* and ends without it */
	/* of the guest */
	TD_FE_OPENING,	 /* its driver is about to switch the VF's receive queue on; on a vCPU's thread */
	TD_FE_DRIVER_UP, /* it has */
	TD_FE_EJECTED,	 /* it gave the VF up */
	TD_FE_RESET,	 /* it was reset, and has no VF any more */
	/* seen by a look */
	TD_FE_SEES_UP,	 /* its driver receives by the VF */
	TD_FE_SEES_SHUT, /* it does not, or is without buffers for a moment */
	TD_FE_SEES_NONE, /* no driver runs the VF */
	TD_FE_OPEN,	 /* its queue has been on for long enough */
	TD_FE_USED,	 /* the guest, or who sends to it, uses the standby */
	TD_FE_QUIET,	 /* neither has for a while */
	TD_FE_PAUSED,	 /* the VM stands still, and what it is waited for with it */
	TD_FE_TIMEOUT,	 /* it has stood there for as long as it may */
	/* of the host */
	TD_FE_TAKEN, /* the VF was taken away without the guest */
	TD_FE_COUNT
};

/* What is done when an event has come, and the next state is entered. */
enum td_failover_action {
	TD_FA_NEVER, /* it cannot come there: counted, said to who debugs, and nothing else */
	TD_FA_STAY,  /* it says nothing new there, or comes too late: nothing */
	TD_FA_ENTER, /* nothing beside what the next state keeps true */
	TD_FA_AGAIN, /* the state's time begins anew */
	TD_FA_WAKE,  /* it is looked at soon */
	TD_FA_ARRIVE,
	TD_FA_SETTLE,
	TD_FA_LOSE_DRIVER,
	TD_FA_ASK,	/* for the VF */
	TD_FA_ASK_AWAY, /* so too, of a guest that is on its standby already */
	TD_FA_RELAY,	/* what still comes by the emulated path, while it leaves */
	TD_FA_GO_DEAF,
	TD_FA_LET_GO,
	TD_FA_LET_GO_AT_ONCE, /* both between two looks */
	TD_FA_KEEP_UNUSED,
	TD_FA_UNSTEER,
	TD_FA_COME_LATE,
	TD_FA_TO_EMULATED,
	TD_FA_COUNT
};

/* What holds in a state, from its entry on. */
struct td_failover_stand {
	const char *name;
	enum td_path path; /* where the NIC's traffic is */
	bool plugged;	   /* the guest has the VF */
	bool held;	   /* frames to the guest wait in the tap: net_failover would discard them */
	bool leaving;	   /* it was asked for the VF */
	uint64_t tick_ns;  /* so often it is looked at; 0: by flips, and ten times a second (hybrid_watch.c), only */
};

struct td_failover_step {
	enum td_failover_action action;
	enum td_failover_state next; /* the same for TD_FA_STAY; of no meaning for TD_FA_NEVER */
};

const struct td_failover_stand *td_failover_stand(enum td_failover_state state);
struct td_failover_step td_failover_step(enum td_failover_state state, enum td_failover_event event);

#endif
