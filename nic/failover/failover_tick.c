/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failover_tick.c - what a failover NIC looks at: every millisecond while a flip is under way and until the guest has settled on its
 * VF, and a few times a second from then on, as long as it is there.
 */
#include <errno.h>

#include "nic/failover/failover.h"

#define ASK_AGAIN_NS	250000000ULL
#define QUIET_NS	80000000ULL /* a guest that sends nothing has nothing to move */
#define STALLED_NS	1000000000ULL
#define KICK_FIRST_NS	40000000ULL /* after igbvf's probe: a look amid its end leaves its queue stopped (failover_queue.c) */
#define KICK_AGAIN_NS	30000000ULL
#define KICKS_MAX	40U
#define SETTLED_NS	50000000ULL
#define SETTLE_LIMIT_NS 3000000000ULL /* by then igbvf has looked for its link by itself */
#define TELL_AGAIN_NS	1000000000ULL
#define KICKS_OLD_NS	10000000000ULL
#define FOLLOWED_NS	10000000000ULL /* who was misled by what the guest sent by the standby has been told by then */
#define OPENING_NS	20000000ULL
#define OPENED_NS	500000000ULL /* a driver that has no buffers by then has failed */

static ssize_t take(void *opaque, void *frame, size_t room_bytes)
{
	return td_virtio_net_take_rx(opaque, frame, room_bytes);
}

static void relay(struct td_hybrid *nic)
{
	(void)td_relay_run(&nic->relay, take, nic->net);
}

/*
 * From now on a filter for the VF in its PF would swallow what neighbours on the card send. Not before: igbvf resets the VF on its way down
 * and asks the PF for its MAC then; its interrupts are what it gives back last.
 */
static void driver_is_gone(struct td_hybrid *nic, uint64_t now_ns)
{
	nic->marks.driver_gone_ns = now_ns;
	td_failover_hold(nic, false);
	nic->path = TD_PATH_EMULATED;
	td_hybrid_guard(nic, TD_PATH_EMULATED);
	td_hybrid_vf_unsteer(nic);
}

/*
 * A leaving igbvf does not switch its interrupt on again after it has fired once: it is raised for it, so that what the VF still
 * receives is still heard.
 */
static void tick_leaving(struct td_hybrid *nic)
{
	uint64_t now_ns = td_now_ns();
	enum td_vfio_driver driver = td_hybrid_vf_driver(nic);

	if (driver == TD_VFIO_DRIVER_UP) {
		td_failover_hold(nic, true);
		relay(nic);
		if (td_vfio_pci_is_82576(nic->vf))
			td_vfio_pci_kick(nic->vf, TD_VFIO_VECTOR_RECEIVED);
	} else if (nic->was_up && !nic->marks.driver_down_ns) {
		nic->marks.driver_down_ns = now_ns;
		td_hybrid_announce(nic, TD_PATH_EMULATED);
	}
	if (driver == TD_VFIO_DRIVER_NONE && nic->was_up && !nic->marks.driver_gone_ns)
		driver_is_gone(nic, now_ns);
	if (now_ns - nic->asked_ns >= ASK_AGAIN_NS)
		td_failover_ask_unplug(nic);
}

void td_failover_driver_is_up(struct td_hybrid *nic)
{
	if (nic->leaving || nic->path == TD_PATH_VF)
		return;
	nic->marks.driver_up_ns = nic->stood_by_ns = td_now_ns();
	nic->path = TD_PATH_VF;
	td_failover_hold(nic, true);
	td_hybrid_wake(nic);
	if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF)
		(void)td_flip_done(&nic->flip, TD_FLIP_SWAP);
}

static bool sends_by_vf(struct td_hybrid *nic)
{
	struct td_vfio_counters vf;

	td_vfio_pci_counters(nic->vf, &vf);
	return vf.tx_packets != nic->verify_vf_tx;
}

/* Has the guest sent by the standby since the last look? */
static bool sends_by_standby(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t sent = td_hybrid_sent_by_standby(nic);

	if (sent == nic->verify_net_tx)
		return false;
	nic->verify_net_tx = sent;
	nic->quiet_ns = nic->stood_by_ns = now_ns;
	return true;
}

/*
 * The guest has nothing to send: then its link being up must do. One that did send since the flip began is more likely to be stalled than
 * to have ended just now.
 */
static bool quiet_and_linked(struct td_hybrid *nic, uint64_t now_ns)
{
	bool known, up = td_vfio_pci_link_up(nic->vf, &known) || !td_vfio_pci_is_82576(nic->vf);

	(void)sends_by_standby(nic, now_ns);
	return now_ns - nic->quiet_ns >= (nic->blackout.tx.moved ? STALLED_NS : QUIET_NS) && up;
}

static void make_it_look(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t since_ns = nic->kicked_ns ? nic->kicked_ns : nic->verify_ns;

	if (!td_vfio_pci_is_82576(nic->vf) || nic->queue.away_ns || nic->kicks >= KICKS_MAX ||
		now_ns - since_ns < (nic->kicked_ns ? KICK_AGAIN_NS : KICK_FIRST_NS))
		return;
	nic->kicked_ns = now_ns;
	nic->kicks++;
	td_vfio_pci_kick(nic->vf, TD_VFIO_VECTOR_MAIL);
	td_failover_queue_looked(nic, now_ns);
}

static void tick_verify(struct td_hybrid *nic)
{
	uint64_t now_ns = td_now_ns();
	bool sends = sends_by_vf(nic);

	if (sends)
		nic->marks.tx_moved_ns = now_ns;
	if (sends || quiet_and_linked(nic, now_ns))
		(void)td_flip_done(&nic->flip, TD_FLIP_VERIFY);
	else
		make_it_look(nic, now_ns);
	td_failover_queue_look(nic, now_ns);
}

/*
 * What the VF receives in the moments between its queue being on and its driver being through with opening it is lost, so held frames are
 * handed over a little later. A ring that is without buffers for a moment looks as if it were off.
 */
static bool vf_is_open(struct td_hybrid *nic, uint64_t now_ns)
{
	enum td_vfio_driver driver = td_hybrid_vf_driver(nic);

	if (driver == TD_VFIO_DRIVER_UP) {
		nic->shut_ns = 0;
		if (!nic->open_ns)
			td_failover_queue_opened(nic, now_ns);
		nic->open_ns = nic->open_ns ? nic->open_ns : now_ns;
	} else {
		nic->shut_ns = nic->shut_ns ? nic->shut_ns : now_ns;
		if (driver == TD_VFIO_DRIVER_NONE || now_ns - nic->shut_ns >= OPENING_NS)
			nic->open_ns = 0;
		if (driver == TD_VFIO_DRIVER_NONE)
			td_failover_queue_forget(nic);
		if (driver == TD_VFIO_DRIVER_NONE || now_ns - nic->opening_ns >= OPENED_NS)
			nic->opening_ns = 0;
	}
	return nic->open_ns && now_ns - nic->open_ns >= OPENING_NS;
}

/* Frames are held from its opening on: net_failover may count on the VF then. */
static void driver_is_opening(struct td_hybrid *nic)
{
	bool open = vf_is_open(nic, td_now_ns());

	nic->marks.driver_open_ns = nic->open_ns;
	td_failover_hold(nic, nic->opening_ns || nic->open_ns);
	if (open)
		td_failover_driver_is_up(nic);
}

static void tick_arriving(struct td_hybrid *nic)
{
	if (nic->flip.phase == TD_FLIP_SWAP)
		driver_is_opening(nic);
	if (nic->held && nic->path == TD_PATH_VF)
		relay(nic);
	if (td_flip_active(&nic->flip) && nic->flip.phase == TD_FLIP_VERIFY)
		tick_verify(nic);
}

/* ---- on the VF ---- */

static void announce_again(struct td_hybrid *nic, uint64_t now_ns, uint64_t pause_ns)
{
	if (now_ns - nic->announced_ns < pause_ns)
		return;
	nic->announced_ns = now_ns;
	td_hybrid_announce(nic, TD_PATH_VF);
}

void td_failover_settle(struct td_hybrid *nic)
{
	uint64_t now_ns = td_now_ns();

	if (nic->leaving || nic->path != TD_PATH_VF)
		return;
	td_failover_hold(nic, true);
	nic->quiet_ns = now_ns;
	nic->settle_until_ns = now_ns + SETTLE_LIMIT_NS;
	if (!td_flip_active(&nic->flip) && now_ns - nic->kicked_ns >= KICKS_OLD_NS)
		nic->kicks = 0;
	td_hybrid_wake(nic);
	td_hybrid_watch(nic);
}

/* In the record of the flip that brought it there, which was done before. */
static void note_told(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_hybrid_record *last = td_hybrid_last_record(nic);

	if (last && last->ok && last->to == TD_PATH_VF && !last->marks.told_ns)
		last->marks.told_ns = now_ns;
}

/*
 * The guest has not sent by the standby for a while. The outside is told first; when what was on its way then has come, the host's own
 * network lets go of the tap and is told, too.
 */
static void tell_of_vf(struct td_hybrid *nic, uint64_t now_ns, bool relayed)
{
	if (nic->announced_ns && !td_hybrid_pinned(nic) && !relayed)
		return;
	if (nic->announced_ns)
		td_hybrid_guard(nic, TD_PATH_VF);
	else
		note_told(nic, now_ns);
	nic->quiet_ns = now_ns;
	announce_again(nic, now_ns, 0);
}

/* While the guest sends by the standby, telling others that it is not there is in vain. */
static bool still_used(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t relayed = nic->relay.relayed;

	td_failover_queue_give_due(nic, now_ns);
	if (!vf_is_open(nic, now_ns) || nic->shut_ns)
		return true;
	relay(nic);
	td_failover_queue_look(nic, now_ns);
	if (!nic->marks.tx_moved_ns && sends_by_vf(nic))
		nic->marks.tx_moved_ns = now_ns;
	if (sends_by_standby(nic, now_ns)) {
		nic->announced_ns = 0; /* it has told the outside otherwise */
		make_it_look(nic, now_ns);
	} else if (now_ns - nic->quiet_ns >= SETTLED_NS) {
		tell_of_vf(nic, now_ns, nic->relay.relayed != relayed);
	}
	return !nic->marks.tx_moved_ns || nic->queue.away_ns || now_ns - nic->quiet_ns < SETTLED_NS;
}

/* Without a driver for the VF the standby is all that the guest has. */
static bool let_go(struct td_hybrid *nic)
{
	bool gone = td_hybrid_vf_driver(nic) == TD_VFIO_DRIVER_NONE;

	if (gone) {
		td_failover_queue_forget(nic);
		nic->announced_ns = 0;
	}
	td_failover_hold(nic, !gone);
	return gone;
}

/*
 * The guest may fall back to the standby after it was seen to send by the VF: igbvf's probe takes its carrier away at its end, and so does
 * a look that finds the mailbox in use. That also teaches the switch outside the old place again. So what comes by the emulated path is
 * relayed, and the guest and the outside are told again, until neither has used it for a while.
 */
static void tick_settling(struct td_hybrid *nic)
{
	uint64_t now_ns = td_now_ns();

	if (!nic->settle_until_ns)
		return;
	if (nic->host.vm->state != TD_VM_RUNNING) { /* its VF's ring fills, and nobody sends */
		nic->settle_until_ns = now_ns + SETTLE_LIMIT_NS;
		return;
	}
	if (nic->leaving || nic->path != TD_PATH_VF || let_go(nic) || !still_used(nic, now_ns) || now_ns >= nic->settle_until_ns)
		nic->settle_until_ns = 0;
}

/*
 * A frame that comes by the emulated path long after the guest has last sent there has come by the VF, too: switches bring frames
 * everywhere when they don't know better. It is discarded, as net_failover would, and the outside is told.
 */
static void discard_strays(struct td_hybrid *nic, uint64_t now_ns)
{
	if (td_relay_discard(&nic->relay, take, nic->net))
		announce_again(nic, now_ns, TELL_AGAIN_NS);
}

/* Does the outside still follow the guest to where it was? What has come of it is relayed. */
static bool is_followed(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t relayed = nic->relay.relayed;

	if (now_ns - nic->stood_by_ns >= FOLLOWED_NS)
		return false;
	relay(nic);
	if (nic->relay.relayed == relayed)
		return false;
	announce_again(nic, now_ns, TELL_AGAIN_NS);
	return true;
}

void td_failover_look(struct td_hybrid *nic, bool driver_away)
{
	uint64_t now_ns = td_now_ns();
	bool was_open = nic->open_ns, used;

	if (nic->leaving || nic->path != TD_PATH_VF || nic->settle_until_ns || let_go(nic))
		return;
	td_failover_queue_give_due(nic, now_ns);
	(void)vf_is_open(nic, now_ns);
	used = sends_by_standby(nic, now_ns);
	if (used)
		nic->announced_ns = 0;
	if (td_hybrid_pinned(nic) && nic->announced_ns)
		td_hybrid_guard(nic, TD_PATH_VF);
	if (nic->open_ns && !nic->shut_ns)
		td_failover_queue_look(nic, now_ns);
	if (nic->settle_until_ns)
		return;
	if (nic->open_ns && used)
		nic->open_ns = now_ns; /* it may have been shut since the last look, and be opening */
	if (nic->open_ns && (used || !was_open || !nic->announced_ns || (!nic->shut_ns && is_followed(nic, now_ns))))
		td_failover_settle(nic);
	else if ((nic->open_ns && !nic->shut_ns) || driver_away)
		discard_strays(nic, now_ns);
}

/* In how long there is something to look at again. */
static uint64_t again_ns(const struct td_hybrid *nic)
{
	if ((nic->held && nic->leaving) || (nic->settle_until_ns && nic->host.vm->state == TD_VM_RUNNING))
		return TD_HYBRID_TICK_NS;
	return nic->leaving || nic->settle_until_ns ? TD_HYBRID_TICK_IDLE_NS : 0;
}

uint64_t td_failover_tick(struct td_hybrid *nic)
{
	if (nic->leaving && nic->vf)
		tick_leaving(nic);
	else if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF)
		tick_arriving(nic);
	tick_settling(nic);
	td_hybrid_follow(nic);
	return again_ns(nic);
}
