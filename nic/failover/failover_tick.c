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

static ssize_t failover_take(void *opaque, void *frame, size_t room_bytes)
{
	return td_virtio_net_take_rx(opaque, frame, room_bytes);
}

void td_failover_relay(struct td_hybrid *nic)
{
	(void)td_relay_run(&nic->relay, failover_take, nic->net);
}

/* What a look finds of the guest's driver. */
static void see_driver(struct td_hybrid *nic)
{
	static const enum td_failover_event seen[] = {
		[TD_VFIO_DRIVER_NONE] = TD_FE_SEES_NONE, [TD_VFIO_DRIVER_BOUND] = TD_FE_SEES_SHUT, [TD_VFIO_DRIVER_UP] = TD_FE_SEES_UP};

	td_failover_event(nic, seen[td_hybrid_vf_driver(nic)]);
}

void td_failover_look_leaving(struct td_hybrid *nic)
{
	see_driver(nic);
	if (td_now_ns() - td_failover_of(nic)->asked_ns >= ASK_AGAIN_NS)
		td_failover_ask_unplug(nic);
}

/* ---- to the VF ---- */

void td_failover_begin_verify(struct td_hybrid *nic)
{
	struct td_failover *f = td_failover_of(nic);
	struct td_vfio_counters vf;
	struct td_net_counters net;

	td_vfio_pci_counters(nic->vf, &vf);
	td_virtio_net_counters(nic->net, &net);
	f->vf_tx = vf.tx_packets;
	f->net_tx = net.tx_packets;
	f->quiet_ns = td_now_ns();
	f->kick_due_ns = f->quiet_ns + KICK_FIRST_NS;
}

static bool sends_by_vf(struct td_hybrid *nic)
{
	struct td_vfio_counters vf;

	td_vfio_pci_counters(nic->vf, &vf);
	return vf.tx_packets != td_failover_of(nic)->vf_tx;
}

/* Has the guest sent by the standby since the last look? */
static bool sends_by_standby(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t sent = td_hybrid_sent_by_standby(nic);

	if (sent == f->net_tx)
		return false;
	f->net_tx = sent;
	f->quiet_ns = f->stood_by_ns = now_ns;
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
	return now_ns - td_failover_of(nic)->quiet_ns >= (nic->blackout.tx.moved ? STALLED_NS : QUIET_NS) && up;
}

static void make_it_look(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);

	if (!td_vfio_pci_is_82576(nic->vf) || f->queue.away_ns || nic->marks.kicks >= KICKS_MAX || now_ns < f->kick_due_ns)
		return;
	f->kick_due_ns = now_ns + KICK_AGAIN_NS;
	nic->marks.kicks++;
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
 * handed over a little later.
 */
static bool vf_is_open(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover_ring *ring = &td_failover_of(nic)->ring;
	enum td_vfio_driver driver = td_hybrid_vf_driver(nic);

	if (driver == TD_VFIO_DRIVER_UP) {
		ring->shut_ns = 0;
		if (!ring->open_ns)
			td_failover_queue_opened(nic, now_ns);
		ring->open_ns = ring->open_ns ? ring->open_ns : now_ns;
	} else {
		ring->shut_ns = ring->shut_ns ? ring->shut_ns : now_ns;
		if (driver == TD_VFIO_DRIVER_NONE || now_ns - ring->shut_ns >= OPENING_NS)
			ring->open_ns = 0;
		if (driver == TD_VFIO_DRIVER_NONE)
			td_failover_queue_forget(nic);
	}
	return ring->open_ns && now_ns - ring->open_ns >= OPENING_NS;
}

static void look_plugged(struct td_hybrid *nic)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t now_ns = td_now_ns();
	bool open = vf_is_open(nic, now_ns);

	nic->marks.driver_open_ns = f->ring.open_ns;
	see_driver(nic);
	if (f->state != TD_FS_OPENING)
		return;
	if (open)
		td_failover_event(nic, TD_FE_OPEN);
	else if (!f->ring.open_ns && now_ns - f->since_ns >= OPENED_NS)
		td_failover_event(nic, TD_FE_TIMEOUT);
}

static void look_verifying(struct td_hybrid *nic)
{
	td_failover_relay(nic);
	if (nic->flip.phase == TD_FLIP_VERIFY)
		tick_verify(nic);
}

/* ---- on the VF ---- */

static void announce_again(struct td_hybrid *nic, uint64_t now_ns, uint64_t pause_ns)
{
	struct td_failover *f = td_failover_of(nic);

	if (now_ns - f->told_ns < pause_ns)
		return;
	f->told_ns = now_ns;
	td_hybrid_announce(nic, TD_PATH_VF);
}

void td_failover_begin_settling(struct td_hybrid *nic)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t now_ns = td_now_ns();

	f->quiet_ns = now_ns;
	if (!td_flip_active(&nic->flip) && now_ns >= f->kick_due_ns + KICKS_OLD_NS)
		nic->marks.kicks = 0;
	td_hybrid_wake(nic);
	td_hybrid_watch(nic);
}

/* In the record of the flip that brought it there, which was done before. */
static void failover_note_told(struct td_hybrid *nic, uint64_t now_ns)
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
	struct td_failover *f = td_failover_of(nic);

	if (f->told_ns && !td_hybrid_pinned(nic) && !relayed)
		return;
	if (f->told_ns)
		td_hybrid_guard(nic, TD_PATH_VF);
	else
		failover_note_told(nic, now_ns);
	f->quiet_ns = now_ns;
	announce_again(nic, now_ns, 0);
}

/* While the guest sends by the standby, telling others that it is not there is in vain. */
static bool still_used(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t relayed = nic->relay.relayed;

	td_failover_queue_give_due(nic, now_ns);
	if (!vf_is_open(nic, now_ns) || f->ring.shut_ns)
		return true;
	td_failover_relay(nic);
	td_failover_queue_look(nic, now_ns);
	if (!nic->marks.tx_moved_ns && sends_by_vf(nic))
		nic->marks.tx_moved_ns = now_ns;
	if (sends_by_standby(nic, now_ns)) {
		f->told_ns = 0; /* it has told the outside otherwise */
		make_it_look(nic, now_ns);
	} else if (now_ns - f->quiet_ns >= SETTLED_NS) {
		tell_of_vf(nic, now_ns, nic->relay.relayed != relayed);
	}
	return !nic->marks.tx_moved_ns || f->queue.away_ns || now_ns - f->quiet_ns < SETTLED_NS;
}

/*
 * The guest may fall back to the standby after it was seen to send by the VF: igbvf's probe takes its carrier away at its end, and so does
 * a look that finds the mailbox in use. That also teaches the switch outside the old place again. So what comes by the emulated path is
 * relayed, and the guest and the outside are told again, until neither has used it for a while.
 */
static void look_settling(struct td_hybrid *nic)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t now_ns = td_now_ns();

	if (nic->host.vm->state != TD_VM_RUNNING) { /* its VF's ring fills, and nobody sends */
		td_failover_event(nic, TD_FE_PAUSED);
		return;
	}
	see_driver(nic);
	if (f->state != TD_FS_SETTLING)
		return;
	if (!still_used(nic, now_ns))
		td_failover_event(nic, TD_FE_QUIET);
	else if (now_ns - f->since_ns >= SETTLE_LIMIT_NS)
		td_failover_event(nic, TD_FE_TIMEOUT);
}

/*
 * A frame that comes by the emulated path long after the guest has last sent there has come by the VF, too: switches bring frames
 * everywhere when they don't know better. It is discarded, as net_failover would, and the outside is told.
 */
static void discard_strays(struct td_hybrid *nic, uint64_t now_ns)
{
	if (td_relay_discard(&nic->relay, failover_take, nic->net))
		announce_again(nic, now_ns, TELL_AGAIN_NS);
}

/* Does the outside still follow the guest to where it was? What has come of it is relayed. */
static bool is_followed(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t relayed = nic->relay.relayed;

	if (now_ns - td_failover_of(nic)->stood_by_ns >= FOLLOWED_NS)
		return false;
	td_failover_relay(nic);
	if (nic->relay.relayed == relayed)
		return false;
	announce_again(nic, now_ns, TELL_AGAIN_NS);
	return true;
}

/* Of a guest that has settled: does it use the standby again, or is its VF open anew? */
static bool is_unsettled(struct td_hybrid *nic, uint64_t now_ns)
{
	struct td_failover *f = td_failover_of(nic);
	struct td_failover_ring *ring = &f->ring;
	bool was_open = ring->open_ns, used = sends_by_standby(nic, now_ns);

	(void)vf_is_open(nic, now_ns);
	if (used)
		f->told_ns = 0;
	if (td_hybrid_pinned(nic) && f->told_ns)
		td_hybrid_guard(nic, TD_PATH_VF);
	if (ring->open_ns && !ring->shut_ns)
		td_failover_queue_look(nic, now_ns);
	if (f->state != TD_FS_ON_VF || !ring->open_ns)
		return false;
	if (used)
		ring->open_ns = now_ns; /* it may have been shut since the last look, and be opening */
	return used || !was_open || !f->told_ns || (!ring->shut_ns && is_followed(nic, now_ns));
}

void td_failover_look(struct td_hybrid *nic, bool driver_away)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t now_ns = td_now_ns();

	td_failover_hold(nic);
	if (f->state == TD_FS_ON_VF || f->state == TD_FS_AWAY)
		see_driver(nic);
	if (f->state != TD_FS_ON_VF)
		return;
	td_failover_queue_give_due(nic, now_ns);
	if (is_unsettled(nic, now_ns))
		td_failover_event(nic, TD_FE_USED);
	else if (f->state == TD_FS_ON_VF && ((f->ring.open_ns && !f->ring.shut_ns) || driver_away))
		discard_strays(nic, now_ns);
}

uint64_t td_failover_tick(struct td_hybrid *nic)
{
	struct td_failover *f = td_failover_of(nic);
	uint64_t tick_ns;

	td_failover_hold(nic);
	if (td_failover_stand(f->state)->leaving)
		td_failover_look_leaving(nic);
	if (f->state == TD_FS_PLUGGED || f->state == TD_FS_OPENING)
		look_plugged(nic);
	if (f->state == TD_FS_VERIFYING)
		look_verifying(nic);
	if (f->state == TD_FS_SETTLING)
		look_settling(nic);
	td_hybrid_follow(nic);
	tick_ns = td_failover_stand(f->state)->tick_ns;
	return tick_ns && nic->host.vm->state != TD_VM_RUNNING ? TD_HYBRID_TICK_IDLE_NS : tick_ns;
}
