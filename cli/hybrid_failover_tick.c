/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid_failover_tick.c - what a failover NIC looks at every millisecond while a flip is under way, and a little after. */
#include <errno.h>

#include "cli/hybrid_parts.h"

#define ASK_AGAIN_NS	250000000ULL
#define QUIET_NS	80000000ULL /* a guest that sends nothing has nothing to move */
#define STALLED_NS	1000000000ULL
#define KICK_FIRST_NS	5000000ULL
#define KICK_AGAIN_NS	30000000ULL
#define KICKS_MAX	40U
#define SETTLED_NS	50000000ULL
#define SETTLE_LIMIT_NS 3000000000ULL /* by then igbvf has looked for its link by itself */
#define TELL_LAST_NS	1000000000ULL
#define OPENING_NS	20000000ULL
#define VECTOR_RECEIVE	1U
#define VECTOR_MAIL	2U

/*
 * From now on a filter for the VF in its PF would swallow what neighbours on the card send. Not before: igbvf resets the VF on its way down
 * and asks the PF for its MAC then; its interrupts are what it gives back last.
 */
static void driver_is_gone(struct td_hybrid *nic, uint64_t now_ns)
{
	nic->marks.driver_gone_ns = now_ns;
	td_hybrid_hold(nic, false);
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
		td_hybrid_hold(nic, true);
		td_hybrid_relay(nic);
		if (td_vfio_pci_is_82576(nic->vf))
			td_vfio_pci_kick(nic->vf, VECTOR_RECEIVE);
	} else if (nic->was_up && !nic->marks.driver_down_ns) {
		nic->marks.driver_down_ns = now_ns;
		td_hybrid_announce(nic, TD_PATH_EMULATED);
	}
	if (driver == TD_VFIO_DRIVER_NONE && nic->was_up && !nic->marks.driver_gone_ns)
		driver_is_gone(nic, now_ns);
	if (now_ns - nic->asked_ns >= ASK_AGAIN_NS)
		td_hybrid_ask_unplug(nic);
}

void td_hybrid_settle(struct td_hybrid *nic)
{
	if (nic->leaving || nic->path != TD_PATH_VF)
		return;
	td_hybrid_hold(nic, true);
	nic->quiet_ns = nic->told_ns = td_now_ns();
	nic->settle_until_ns = nic->quiet_ns + SETTLE_LIMIT_NS;
	if (!nic->tell_again_ns) {
		nic->tell_again_ns = SETTLED_NS;
		nic->kicks = nic->flip.active ? nic->kicks : 0;
	}
	td_hybrid_wake(nic);
}

void td_hybrid_driver_is_up(struct td_hybrid *nic)
{
	if (nic->path == TD_PATH_VF && !nic->flip.active)
		td_hybrid_settle(nic); /* it had been down in between */
	if (nic->leaving || nic->path == TD_PATH_VF)
		return;
	nic->marks.driver_up_ns = td_now_ns();
	nic->path = TD_PATH_VF;
	td_hybrid_hold(nic, true);
	td_hybrid_wake(nic);
	if (nic->flip.active && nic->flip.to == TD_PATH_VF)
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
	struct td_net_counters net;

	td_virtio_net_counters(nic->net, &net);
	if (net.tx_packets == nic->verify_net_tx)
		return false;
	nic->verify_net_tx = net.tx_packets;
	nic->quiet_ns = now_ns;
	return true;
}

/*
 * The guest has nothing to send: then its link being up must do. One that did send since the flip began is more likely to be stalled than
 * to have ended just now.
 */
static bool quiet_and_linked(struct td_hybrid *nic, uint64_t now_ns)
{
	bool known, up = td_vfio_pci_link_up(nic->vf, &known);

	(void)sends_by_standby(nic, now_ns);
	return now_ns - nic->quiet_ns >= (nic->blackout.tx.moved ? STALLED_NS : QUIET_NS) && (up || !known);
}

static void make_it_look(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t since_ns = nic->kicked_ns ? nic->kicked_ns : nic->verify_ns;

	if (!td_vfio_pci_is_82576(nic->vf) || nic->kicks >= KICKS_MAX ||
		now_ns - since_ns < (nic->kicked_ns ? KICK_AGAIN_NS : KICK_FIRST_NS))
		return;
	nic->kicked_ns = now_ns;
	nic->kicks++;
	td_vfio_pci_kick(nic->vf, VECTOR_MAIL);
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
}

/*
 * What the VF receives in the moments between its queue being on and its driver being through with opening it is lost, so the outside is
 * told, and held frames are handed over, a little later.
 */
static bool vf_is_open(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t *since_ns = &nic->marks.driver_open_ns;

	if (td_hybrid_vf_driver(nic) != TD_VFIO_DRIVER_UP)
		*since_ns = 0;
	else if (!*since_ns)
		*since_ns = now_ns;
	return *since_ns && now_ns - *since_ns >= OPENING_NS;
}

/* Frames are held from its opening on: net_failover may count on the VF then. */
static void driver_is_opening(struct td_hybrid *nic)
{
	bool open = vf_is_open(nic, td_now_ns());

	if (nic->marks.driver_open_ns)
		td_hybrid_hold(nic, true);
	if (open)
		td_hybrid_driver_is_up(nic);
}

static void tick_arriving(struct td_hybrid *nic)
{
	if (nic->flip.phase == TD_FLIP_SWAP)
		driver_is_opening(nic);
	if (nic->held && nic->path == TD_PATH_VF)
		td_hybrid_relay(nic);
	if (nic->flip.active && nic->flip.phase == TD_FLIP_VERIFY)
		tick_verify(nic);
}

/* Who has not learned it by now, of whatever kind, is told ever more rarely. */
static void tell_again(struct td_hybrid *nic, uint64_t now_ns)
{
	if (now_ns - nic->told_ns < nic->tell_again_ns)
		return;
	nic->told_ns = now_ns;
	nic->tell_again_ns = TD_MIN(2 * nic->tell_again_ns, TELL_LAST_NS);
	td_hybrid_announce(nic, TD_PATH_VF);
}

/* Is the emulated path in use, by the guest or by the outside? While the guest sends by it, telling others where it is is in vain. */
static bool still_used(struct td_hybrid *nic, uint64_t now_ns)
{
	uint64_t relayed = nic->relay.relayed;

	if (!vf_is_open(nic, now_ns))
		return true;
	if (nic->held)
		td_hybrid_relay(nic);
	if (!nic->marks.tx_moved_ns && sends_by_vf(nic))
		nic->marks.tx_moved_ns = now_ns;
	if (sends_by_standby(nic, now_ns)) {
		nic->told_ns = now_ns;
		make_it_look(nic, now_ns);
	} else if (nic->relay.relayed != relayed) {
		nic->quiet_ns = now_ns;
		tell_again(nic, now_ns);
	}
	return !nic->marks.tx_moved_ns || now_ns - nic->quiet_ns < SETTLED_NS;
}

/*
 * The guest may fall back to the standby after it was seen to send by the VF: a kick takes igbvf's carrier away until it has looked for it,
 * and so does its probe, at its end. That also teaches the switch outside the old place again. So the emulated path stays held and what
 * comes by it is relayed. When neither side has used it for a while, it is looked at again when a frame comes by it. A driver that stays
 * down is no longer waited for.
 */
static void tick_settling(struct td_hybrid *nic)
{
	uint64_t now_ns = td_now_ns();
	bool used;

	if (!nic->settle_until_ns || nic->leaving || nic->path != TD_PATH_VF) {
		nic->settle_until_ns = 0;
		return;
	}
	used = still_used(nic, now_ns);
	if (used && now_ns < nic->settle_until_ns)
		return;
	nic->settle_until_ns = 0;
	if (!used)
		nic->tell_again_ns = 0;
	if (nic->held && (!nic->marks.driver_open_ns || td_virtio_net_await_rx(nic->net, true) < 0))
		td_hybrid_hold(nic, false);
}

void td_hybrid_failover_tick(struct td_hybrid *nic)
{
	if (nic->leaving && nic->vf)
		tick_leaving(nic);
	else if (nic->flip.active && nic->flip.to == TD_PATH_VF)
		tick_arriving(nic);
	tick_settling(nic);
	td_hybrid_follow(nic);
}
