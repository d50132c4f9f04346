/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent.c - mode transparent: the guest's 82576 VF (emul/igbvf.h) is served by its software model or by a hardware VF
 * (vfio/hw82576.h), and its driver is not told. Here is what both directions of a flip share, how one is undone, and what happens between
 * flips. The phases themselves (policy/flip.h): transparent_vf.c, transparent_back.c. What connects the guest's function and
 * the hardware: transparent_hw.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "nic/transparent/transparent.h"

#define RETRY_LAST_NS 60000000000ULL
#define ROOM_KEPT     64U /* buffers, for what comes to the VF by itself meanwhile */
#define ROOM_STEP     16U
#define LATE_LOOKS    2000U /* a guest that posts nothing, and who goes on sending to the tap, is not waited for longer */

/* ---- the pause ---- */

static uint64_t thread_cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* During its reset, and while the VM is paused, the guest stands still already, and is not ours to let go. */
static bool stops_vcpus(const struct td_hybrid *nic)
{
	return !nic->resetting && nic->host.vm->state == TD_VM_RUNNING;
}

void td_transparent_park(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);

	if (t->parked)
		return;
	t->parked = true;
	t->parked_ns = td_now_ns();
	t->parked_cpu_ns = thread_cpu_ns();
	if (stops_vcpus(nic))
		td_vm_park(nic->host.vm);
}

void td_transparent_unpark(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);

	if (!t->parked)
		return;
	t->parked = false;
	nic->marks.pause_ns += td_now_ns() - t->parked_ns;
	nic->marks.pause_cpu_ns += thread_cpu_ns() - t->parked_cpu_ns;
	if (stops_vcpus(nic))
		td_vm_unpark(nic->host.vm);
}

/* ---- what the guest sends ---- */

void td_transparent_note_held(struct td_hybrid *nic, bool held)
{
	struct td_transparent *t = td_transparent_of(nic);

	if (held == (t->held_ns != 0))
		return;
	if (!held)
		nic->marks.held_ns += td_now_ns() - t->held_ns;
	t->held_ns = held ? td_now_ns() : 0;
}

void td_transparent_hold(struct td_hybrid *nic)
{
	/* One that no longer answers has nothing to be held back from. */
	if (!td_transparent_of(nic)->on_hardware || !td_hw82576_read(td_transparent_hw(nic), TD_VF_STATUS))
		return;
	td_igbvf_hold_tx(nic->igbvf);
	td_transparent_note_held(nic, true);
}

void td_transparent_release(struct td_hybrid *nic)
{
	if (!td_transparent_of(nic)->held_ns)
		return;
	td_igbvf_release_tx(nic->igbvf);
	td_transparent_note_held(nic, false);
	td_transparent_park(nic);
	td_igbvf_give_pages(nic->igbvf);
	td_transparent_unpark(nic);
}

/* ---- the tap's frames ---- */

/*
 * A broadcast that came while neither model nor VF received: to send it into the PF would be to send it to the whole network again. So it
 * goes to the guest alone, by the guest's own address; what is above Ethernet in the guest does not look at that.
 */
static void readdress(struct td_hybrid *nic, uint8_t *frame)
{
	if (frame[0] & 1 && td_igbvf_hears(nic->igbvf, frame))
		memcpy(frame, nic->config->mac, sizeof(nic->config->mac));
}

/* A guest that is slower than what it is brought would lose it. Each look costs reads of the card, so not at each frame. */
static bool vf_has_room(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);
	uint32_t count, head, tail, posted, kept;

	if (!t->on_hardware || t->room)
		return true;
	count = td_hw82576_read(td_transparent_hw(nic), TD_VF_RDLEN) / TD_TRANSPARENT_DESC_BYTES;
	head = td_hw82576_read(td_transparent_hw(nic), TD_VF_RDH);
	tail = td_hw82576_read(td_transparent_hw(nic), TD_VF_RDT);
	if (head >= count || tail >= count)
		return true; /* nobody knows: a driver that starts anew */
	posted = (tail + count - head) % count;
	kept = TD_MIN(ROOM_KEPT, count / 4);
	if (posted > kept)
		t->room = TD_MIN(posted - kept, ROOM_STEP);
	return posted > kept;
}

static ssize_t take(void *opaque, void *frame, size_t room_bytes)
{
	struct td_hybrid *nic = opaque;
	struct td_transparent *t = td_transparent_of(nic);
	ssize_t len;

	if (!vf_has_room(nic) && td_igbvf_await_rx(nic->igbvf, 0))
		return -ENOBUFS;
	len = td_igbvf_take_rx(nic->igbvf, frame, room_bytes);
	t->room -= len >= 0 && t->room;
	if (len < 0)
		t->unheard = false; /* what comes from here on the VF hears, too */
	else if (t->unheard && len >= (ssize_t)(TD_VIRTIO_NET_HEADER_BYTES + sizeof(nic->config->mac)))
		readdress(nic, (uint8_t *)frame + TD_VIRTIO_NET_HEADER_BYTES);
	return len;
}

bool td_transparent_relay(struct td_hybrid *nic)
{
	return td_relay_run(&nic->relay, take, nic) > 0;
}

/* ---- the mode's table ---- */

static int begin(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	return to == TD_PATH_VF ? td_transparent_begin_vf(nic, phase, err) : td_transparent_begin_emulated(nic, phase, err);
}

/* The guest is on hardware and is to go back, in whatever phase that became clear. */
static void back_to_software(struct td_hybrid *nic)
{
	if (!td_transparent_of(nic)->on_hardware)
		return;
	td_transparent_hold(nic);
	td_igbvf_listen(nic->igbvf, true);
	td_hybrid_vf_unsteer(nic);
	td_transparent_park(nic);
	td_transparent_take_rings(nic);
	td_transparent_unpark(nic);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
	td_hybrid_guard(nic, TD_PATH_EMULATED);
}

/* Counted from a flip's end: some take longer to fail than the guest should be left alone. */
static void try_later(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);

	t->patience_ns = TD_MAX(t->patience_ns, TD_TRANSPARENT_RETRY_FIRST_NS);
	t->retry_at_ns = td_now_ns() + t->patience_ns;
	t->patience_ns = TD_MIN(2 * t->patience_ns, RETRY_LAST_NS);
}

static void undo_to_vf(struct td_hybrid *nic, enum td_flip_phase phase)
{
	if (phase == TD_FLIP_RESERVE)
		try_later(nic);
	if (phase == TD_FLIP_STEER)
		back_to_software(nic);
	if (phase == TD_FLIP_QUIESCE) {
		td_transparent_go(nic);
		td_transparent_unpark(nic);
	}
	if (phase == TD_FLIP_PREPARE && nic->vf_is_open) /* while it stands by it must not hear the guest's multicasts */
		td_hw82576_unprepare(td_transparent_hw(nic));
	if (phase == TD_FLIP_RESERVE && (!nic->config->warm || nic->lost))
		nic->give_back = true;
}

static int run_quiet(struct td_hybrid *nic, struct td_err *err)
{
	return td_hw82576_quiet_wait(td_transparent_hw(nic), err);
}

static void unquieted(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	td_hw82576_quiet_end(td_transparent_hw(nic));
	if (rc < 0)
		td_warn("nic %s: %s", nic->config->id, err->text);
	td_hybrid_wake(nic);
}

/* It hears the guest's multicasts again. */
static void unquiet(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (nic->lost || td_hw82576_unquiet(td_transparent_hw(nic), td_igbvf_state(nic->igbvf), &err) < 0)
		td_debug("nic %s: %s", nic->config->id, err.text);
	else
		td_hybrid_work_submit(nic, &nic->work, run_quiet, unquieted);
}

static void undo_to_emulated(struct td_hybrid *nic, enum td_flip_phase phase)
{
	if (phase == TD_FLIP_STEER) {
		td_transparent_of(nic)->settle_until_ns = td_now_ns() + TD_TRANSPARENT_LATE_NS;
		if (td_transparent_of(nic)->on_hardware && !nic->lost) /* was it taken away? */
			(void)td_hybrid_vf_steer(nic, true);
		td_hybrid_announce(nic, nic->path);
		td_transparent_unpark(nic);
	}
	if (phase == TD_FLIP_QUIESCE)
		td_transparent_release(nic);
	if (!td_transparent_of(nic)->on_hardware) /* the rings are the model's already: what is late is still caught */
		return;
	if (phase != TD_FLIP_PREPARE)
		return;
	td_catch_close(&nic->catch);
	unquiet(nic);
}

static void undo(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase)
{
	if (to == TD_PATH_VF)
		undo_to_vf(nic, phase);
	else
		undo_to_emulated(nic, phase);
}

static bool explain_timeout(struct td_hybrid *nic, struct td_err *err)
{
	unsigned limit_ms = nic->flip.limit_ms[nic->flip.phase];

	if (nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_QUIESCE)
		td_err_set(err, ETIMEDOUT, TD_REASON_FLIP_TIMEOUT,
			"nic %s: the guest's driver did not post its receive buffers again within %u ms", nic->config->id, limit_ms);
	else if (nic->flip.to == TD_PATH_VF && nic->flip.phase == TD_FLIP_VERIFY)
		td_err_set(err, ETIMEDOUT, TD_REASON_NO_CARRIER, "nic %s: the VF has no link after %u ms", nic->config->id, limit_ms);
	else
		return false;
	return true;
}

static void force_off(struct td_hybrid *nic)
{
	back_to_software(nic);
	nic->give_back = true;
}

static void guest_reset(struct td_hybrid *nic)
{
	back_to_software(nic);
	td_hybrid_wake(nic);
}

/*
 * A driver that has come up is given the path that the NIC is wanted on. What fails is tried again, ever less often: the driver may have
 * been amid its set-up, or the PF without link.
 */
static void follow_driver(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);
	struct td_err err = {0};

	nic->reconsider = nic->wanted == TD_PATH_VF && nic->path == TD_PATH_EMULATED; /* looked at again */
	if (!td_igbvf_driver_up(nic->igbvf)) {
		t->patience_ns = TD_TRANSPARENT_RETRY_FIRST_NS;
		t->retry_at_ns = 0;
		return;
	}
	if (!nic->reconsider || nic->give_back || td_now_ns() < t->retry_at_ns || td_igbvf_check(nic->igbvf, &err) < 0)
		return;
	td_hybrid_flip_by_itself(nic, TD_PATH_VF, false);
}

/* In the tap for the VF, which may have no room for it: who stops listening throws it away. */
static bool still_waits(struct td_hybrid *nic)
{
	return nic->path == TD_PATH_VF && td_igbvf_await_rx(nic->igbvf, 0);
}

/* What still comes to the path of before. */
static void settle(struct td_hybrid *nic)
{
	if (nic->path == TD_PATH_VF)
		(void)td_transparent_relay(nic);
	else
		td_catch_run(&nic->catch); /* not on the VF, which has those frames itself, after a flip back so soon */
	if (td_now_ns() < td_transparent_of(nic)->settle_until_ns ||
		(still_waits(nic) && td_transparent_of(nic)->late_looks++ < LATE_LOOKS))
		return;
	td_transparent_of(nic)->settle_until_ns = 0;
	td_catch_close(&nic->catch);
	if (nic->path == TD_PATH_VF)
		td_igbvf_listen(nic->igbvf, false); /* copies of broadcasts only, which the VF hears itself */
}

/* The rings or the filter have moved, and the other is to: what comes by either path is the flip's to look after. */
static bool steering(const struct td_flip *flip)
{
	return flip->state == TD_FLIP_RUNNING && flip->phase == TD_FLIP_STEER;
}

static void transparent_work(struct td_hybrid *nic)
{
	const struct td_flip *flip = &nic->flip;
	struct td_err err = {0};
	int rc;

	if (td_transparent_of(nic)->settle_until_ns && !steering(flip))
		settle(nic);
	if (!td_flip_active(flip))
		follow_driver(nic);
	if (flip->state != TD_FLIP_RUNNING)
		return;
	if (flip->to == TD_PATH_VF && flip->phase == TD_FLIP_QUIESCE) {
		rc = td_transparent_try_rest(nic, &err);
		if (rc == 0)
			(void)td_flip_done(&nic->flip, TD_FLIP_QUIESCE);
		else if (rc != -EINPROGRESS)
			(void)td_flip_fail(&nic->flip, TD_FLIP_QUIESCE, &err);
	} else if (flip->to == TD_PATH_VF && flip->phase == TD_FLIP_VERIFY) {
		if (td_hw82576_link_up(td_transparent_hw(nic)))
			(void)td_flip_done(&nic->flip, TD_FLIP_VERIFY);
	} else if (flip->to == TD_PATH_VF && flip->phase == TD_FLIP_STEER) {
		td_transparent_bring(nic);
	} else if (flip->to == TD_PATH_EMULATED) {
		td_transparent_tick_back(nic);
	}
}

static uint64_t transparent_tick(struct td_hybrid *nic)
{
	bool runs = nic->host.vm->state == TD_VM_RUNNING;

	if (runs)
		transparent_work(nic);
	if (!td_transparent_of(nic)->settle_until_ns)
		return 0;
	return runs ? TD_HYBRID_TICK_NS : TD_HYBRID_TICK_IDLE_NS;
}

static void look(struct td_hybrid *nic, bool driver_away)
{
	(void)nic, (void)driver_away; /* all that it looks for it sees at its ticks */
}

/* The guest is not asked for a VF that it does not know of. */
static bool leaving(const struct td_hybrid *nic)
{
	(void)nic;
	return false;
}

static void not_before(struct td_hybrid *nic, uint64_t ns)
{
	struct td_transparent *t = td_transparent_of(nic);

	t->retry_at_ns = TD_MAX(t->retry_at_ns, ns);
}

/* A filter that could not be taken away goes with the lease, or its journal says that it is to go. */
static void steered(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	bool waits = nic->flip.state == TD_FLIP_RUNNING && nic->flip.phase == TD_FLIP_STEER;

	if (waits && nic->flip.to == TD_PATH_VF)
		td_transparent_steered_to_vf(nic, rc, err);
	else if (waits)
		td_transparent_steered_back(nic, rc, err);
	else if (rc < 0 && nic->path == TD_PATH_EMULATED)
		nic->give_back = true;
}

static int create(struct td_hybrid *nic, struct td_err *err)
{
	nic->mode_state = calloc(1, sizeof(struct td_transparent));
	return nic->mode_state ? 0 : td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "nic %s", nic->config->id);
}

static void destroy(struct td_hybrid *nic)
{
	free(nic->mode_state);
}

const struct td_hybrid_mode td_transparent_mode = {.create = create,
	.destroy = destroy,
	.begin = begin,
	.undo = undo,
	.explain_timeout = explain_timeout,
	.force_off = force_off,
	.guest_reset = guest_reset,
	.tick = transparent_tick,
	.look = look,
	.leaving = leaving,
	.not_before = not_before,
	.steered = steered,
	.vf_kind = &td_transparent_vf_kind,
	.vf_state = td_transparent_vf_state,
	.count_vf = td_transparent_count};
