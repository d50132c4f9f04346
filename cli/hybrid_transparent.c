/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_transparent.c - the phases of a transparent NIC's flip (policy/flip.h): the guest's 82576 VF (emul/igbvf.h) is served by its
 * software model or by a hardware VF (vfio/hw82576.h), and its driver is not told. What connects the two is hybrid_transparent_hw.c.
 *
 * Theory of operation. To the VF, the hardware is made ready while the model still works: reset, handshake with the PF, filters, registers.
 * Its heads start at 0 and are never written, so the model first gives receive buffers back unused until its own receive head is 0. Then
 * vCPUs are stopped, the rings change hands, the PF's filter moves, and vCPUs go on. Frames that still come by the tap are sent into the
 * PF, whose embedded switch hands them to the VF, for as long as switches outside may need to learn.
 *
 * To the emulated path, vCPUs are stopped first, so that nothing teaches the outside the old place again; then the outside is told; only
 * what is under way by then still comes to the VF, so its filter goes a moment later and its rings last. What came by the tap meanwhile
 * is behind it, in order.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "cli/hybrid_transparent.h"
#include "core/log.h"

#define LATE_NS		 300000000ULL /* switches have learned by then */
#define UNDER_WAY_NS	 1000000ULL   /* what was sent to the old place before the outside was told */
#define RETRY_FIRST_NS	 1000000000ULL
#define RETRY_LAST_NS	 60000000000ULL
#define REST_NS		 50000000ULL
#define PATIENCE_NS	 15000000ULL
#define DESCRIPTOR_BYTES 16U
#define PREPARATIONS	 5U /* a guest that changes its filters in each of so many tries has a reason to */

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

static void park(struct td_hybrid *nic)
{
	struct td_transparent *t = &nic->transparent;

	if (t->parked)
		return;
	t->parked = true;
	t->parked_ns = td_now_ns();
	t->parked_cpu_ns = thread_cpu_ns();
	if (stops_vcpus(nic))
		td_vm_park(nic->host.vm);
}

static void unpark(struct td_hybrid *nic)
{
	struct td_transparent *t = &nic->transparent;

	if (!t->parked)
		return;
	t->parked = false;
	nic->marks.pause_ns += td_now_ns() - t->parked_ns;
	nic->marks.pause_cpu_ns += thread_cpu_ns() - t->parked_cpu_ns;
	if (stops_vcpus(nic))
		td_vm_unpark(nic->host.vm);
}

/* ---- the tap's frames ---- */

static ssize_t take(void *opaque, void *frame, size_t room_bytes)
{
	return td_igbvf_take_rx(opaque, frame, room_bytes);
}

/* Bounded: whoever floods the guest's address must not hold up the flip. */
static bool relay(struct td_hybrid *nic)
{
	return td_relay_run(&nic->relay, take, nic->igbvf) > 0;
}

static void wait_ns(uint64_t ns)
{
	const struct timespec time = {.tv_nsec = (long)ns};

	nanosleep(&time, NULL);
}

/* ---- to the VF ---- */

static int begin_reserve(struct td_hybrid *nic, struct td_err *err)
{
	int rc;

	if (!td_igbvf_driver_up(nic->igbvf))
		return td_err_set(err, EAGAIN, TD_REASON_DRIVER_DOWN, "nic %s: the guest's driver does not run the NIC", nic->config->id);
	rc = td_igbvf_check(nic->igbvf, err);
	if (rc == 0)
		rc = td_hybrid_vf_acquire(nic, err);
	return rc < 0 ? rc : td_hybrid_vf_check_link(nic, err);
}

static int prepare(struct td_hybrid *nic, struct td_err *err)
{
	const int fds[2] = {td_igbvf_msix_fd(nic->igbvf, 0), td_igbvf_msix_fd(nic->igbvf, 1)};
	struct td_transparent *t = &nic->transparent;
	int rc = td_hybrid_vf_open(nic, err);

	t->prepared = *td_igbvf_state(nic->igbvf);
	if (rc == 0)
		rc = td_hw82576_prepare(nic->hw, &t->prepared, err);
	return rc < 0 ? rc : td_hw82576_connect(nic->hw, fds, err); /* milliseconds, so before the pause */
}

/* What td_hw82576_prepare() told hardware and PF still holds. */
static bool still_prepared(struct td_hybrid *nic)
{
	const struct td_vf82576_state *was = &nic->transparent.prepared, *is = td_igbvf_state(nic->igbvf);

	return was->hash_count == is->hash_count && was->frame_max_bytes == is->frame_max_bytes && was->promisc == is->promisc &&
	       was->psrtype == is->psrtype && was->ivar0 == is->ivar0 && was->ivar_misc == is->ivar_misc && was->eiac == is->eiac &&
	       was->eiam == is->eiam && !memcmp(was->eitr, is->eitr, sizeof(is->eitr)) && !memcmp(was->hash, is->hash, sizeof(is->hash)) &&
	       !memcmp(was->vlan, is->vlan, sizeof(is->vlan));
}

static int prepare_again(struct td_hybrid *nic, struct td_err *err)
{
	if (++nic->transparent.preparations >= PREPARATIONS)
		return td_err_set(
			err, EAGAIN, TD_REASON_FLIP_ABORTED, "nic %s: the guest's driver keeps changing its filters", nic->config->id);
	return prepare(nic, err);
}

/* Does the hardware find buffers to receive into? It starts with what the guest has posted by then; a slow guest is not waited for. */
static bool enough_posted(const struct td_vf82576_ring *ring, uint64_t waited_ns)
{
	uint32_t count = ring->len_bytes / DESCRIPTOR_BYTES, want = waited_ns < PATIENCE_NS ? count - count / 4 : count / 4;

	return !(ring->control & TD_VF_QUEUE_ENABLE) || (ring->tail < count && ring->tail - ring->head >= want);
}

/* At rest the model raises nothing; the guest's driver takes buffers back and posts them again when it is raised for it. */
static void raise_receive(struct td_hybrid *nic)
{
	unsigned vector = td_igbvf_state(nic->igbvf)->ivar0 & 0x7f;

	if (vector < TD_VF82576_VECTORS)
		(void)eventfd_write(td_igbvf_msix_fd(nic->igbvf, vector), 1);
}

/* The model has no part in the rings any more and the guest has posted most of its buffers; else it goes on now or in a while. */
static bool burned_down(struct td_hybrid *nic)
{
	struct td_transparent *t = &nic->transparent;
	unsigned burned = 0;
	int rc;

	td_igbvf_rest(nic->igbvf);
	if (!t->rest_ns)
		t->rest_ns = td_now_ns();
	rc = td_igbvf_burn_to_start(nic->igbvf, &burned);
	nic->marks.burned += burned;
	if (rc == 0 && enough_posted(&td_igbvf_state(nic->igbvf)->rx[0], td_now_ns() - t->rest_ns))
		return true;
	if (td_now_ns() - t->rest_ns < REST_NS) {
		raise_receive(nic);
	} else {
		t->rest_ns = 0;
		t->again_ns = td_now_ns() + REST_NS;
		td_igbvf_go(nic->igbvf);
	}
	return false;
}

static bool can_move(struct td_hybrid *nic, struct td_err *err)
{
	return td_igbvf_driver_up(nic->igbvf) && still_prepared(nic) && td_igbvf_state(nic->igbvf)->rx[0].head == 0 &&
	       td_igbvf_check(nic->igbvf, err) == 0;
}

/*
 * One try to find the model at rest with its receive head at 0 and the guest stopped; vCPUs are parked when this returns 0. Frames wait in
 * the tap meanwhile.
 */
static int try_rest(struct td_hybrid *nic, struct td_err *err)
{
	int rc = 0;

	if (td_igbvf_mail_pending(nic->igbvf) || td_now_ns() < nic->transparent.again_ns)
		return -EINPROGRESS;
	if (td_igbvf_driver_up(nic->igbvf) && still_prepared(nic)) {
		if (!burned_down(nic))
			return -EINPROGRESS;
		park(nic);
		if (can_move(nic, err))
			return 0;
		unpark(nic);
	}
	nic->transparent.rest_ns = 0;
	if (!td_igbvf_driver_up(nic->igbvf))
		rc = td_err_set(err, EAGAIN, TD_REASON_DRIVER_DOWN, "nic %s: the guest's driver let go of the NIC", nic->config->id);
	td_igbvf_go(nic->igbvf);
	if (rc == 0 && !still_prepared(nic))
		rc = prepare_again(nic, err);
	return rc < 0 ? rc : -EINPROGRESS;
}

/*
 * The rings change hands. On failure the model has them as they were. What waits to be sent waits on: a PF that checks its VFs' source
 * addresses drops it until it knows the MAC.
 */
static int give_rings(struct td_hybrid *nic, struct td_err *err)
{
	struct td_vf82576_state state = *td_igbvf_state(nic->igbvf);
	uint32_t tail = state.tx[0].tail;
	int rc = td_transparent_join(nic, err);

	if (rc < 0)
		return rc;
	state.tx[0].tail = state.tx[0].head;
	rc = td_hw82576_restore(nic->hw, &state, err);
	state.tx[0].tail = tail;
	nic->transparent.on_hardware = nic->transparent.tail_waits = rc == 0;
	nic->transparent.tail = tail;
	if (rc == 0)
		return 0;
	memset(state.counter, 0, sizeof(state.counter));
	td_igbvf_to_software(nic->igbvf, &state);
	return rc;
}

/*
 * Frames that wait in the tap are older than any that will come to the VF, so they go there first, and the outside is told, before the
 * guest sends anything by the VF, which would tell it too.
 */
static void move_outside(struct td_hybrid *nic)
{
	uint64_t end_ns = td_now_ns() + UNDER_WAY_NS;

	while (relay(nic) && td_now_ns() < end_ns)
		;
	td_hybrid_announce(nic, TD_PATH_VF);
	end_ns = td_now_ns() + UNDER_WAY_NS;
	while (td_now_ns() < end_ns)
		if (!relay(nic))
			wait_ns(UNDER_WAY_NS / 20);
}

static int steer_to_vf(struct td_hybrid *nic, struct td_err *err)
{
	int rc = give_rings(nic, err);

	if (rc == 0)
		rc = td_hybrid_vf_steer(nic, true, err);
	if (rc < 0)
		return rc;
	move_outside(nic);
	td_hw82576_write(nic->hw, TD_VF_TDT, nic->transparent.tail);
	nic->transparent.tail_waits = false;
	return 0;
}

static int begin_to_vf(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err)
{
	switch (phase) {
	case TD_FLIP_RESERVE:
		return begin_reserve(nic, err);
	case TD_FLIP_PREPARE:
		nic->transparent.preparations = 0;
		nic->transparent.rest_ns = nic->transparent.again_ns = 0;
		return prepare(nic, err);
	case TD_FLIP_QUIESCE:
		return try_rest(nic, err);
	case TD_FLIP_STEER:
		return steer_to_vf(nic, err);
	case TD_FLIP_SWAP:
		nic->path = TD_PATH_VF;
		nic->settle_until_ns = td_now_ns() + LATE_NS;
		unpark(nic);
		return 0;
	case TD_FLIP_ANNOUNCE:
		td_hybrid_announce(nic, TD_PATH_VF); /* again, should the first have been lost */
		return 0;
	case TD_FLIP_COMMIT:
		nic->transparent.patience_ns = RETRY_FIRST_NS;
		return 0;
	case TD_FLIP_VERIFY:
		return td_hw82576_link_up(nic->hw) ? 0 : -EINPROGRESS;
	default:
		return 0;
	}
}

/* ---- to the emulated path ---- */

/*
 * A VF that is gone, or whose PF was reset, no longer knows the guest's rings: the driver is told by its PF to start anew, as it would be
 * on hardware.
 */
static void start_anew(struct td_hybrid *nic)
{
	static const uint32_t words[TD_VF_MAIL_WORDS] = {TD_VF_MAIL_PF_CONTROL | TD_VF_MAIL_ANSWER_NACK};

	td_warn("nic %s: the VF lost the guest's rings, so its driver is told to start anew: its link drops for a moment", nic->config->id);
	td_igbvf_pf_message(nic->igbvf, words);
}

/* The model has the rings again, as far as the hardware worked them. vCPUs are parked. */
static void take_rings(struct td_hybrid *nic)
{
	struct td_vf82576_state rings = *td_igbvf_state(nic->igbvf);
	struct td_err err = {0};
	bool lost = false, anew;

	if (td_hw82576_capture(nic->hw, &rings, &lost, &err) < 0)
		td_warn("nic %s: %s", nic->config->id, err.text);
	nic->give_back |= lost;
	lost |= rings.rx[0].len_bytes == 0 && nic->transparent.prepared.rx[0].len_bytes;
	if (nic->transparent.tail_waits && !nic->resetting)
		rings.tx[0].tail = nic->transparent.tail;
	anew = lost || (!rings.handshaken && rings.rx[0].control & TD_VF_QUEUE_ENABLE);
	/* Where the VF was in its rings is not known: to go on with them would be to write to buffers that are the guest's again. */
	for (unsigned i = 0; lost && i < TD_VF82576_QUEUES; i++) {
		rings.rx[i].control &= ~TD_VF_QUEUE_ENABLE;
		rings.tx[i].control &= ~TD_VF_QUEUE_ENABLE;
	}
	td_transparent_keep_counters(nic, &rings);
	td_igbvf_to_software(nic->igbvf, &rings);
	if (anew && !nic->resetting)
		start_anew(nic);
	nic->transparent.on_hardware = false;
	nic->path = TD_PATH_EMULATED;
	nic->settle_until_ns = td_now_ns() + LATE_NS;
}

static int begin_steer_back(struct td_hybrid *nic, struct td_err *err)
{
	int rc;

	td_igbvf_listen(nic->igbvf, true);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
	wait_ns(UNDER_WAY_NS);
	td_catch_forget(&nic->catch);
	rc = nic->lost ? 0 : td_hybrid_vf_steer(nic, false, err);
	if (rc < 0)
		return rc;
	take_rings(nic);
	td_catch_run(&nic->catch);
	return 0;
}

/*
 * What helps to lose nothing. Neither is a reason to stay: a PF that no longer answers is why the guest should go. A VF that could not be
 * told hears the multicasts it heard before, until its reset at the end.
 */
static void prepare_back(struct td_hybrid *nic)
{
	struct td_err err = {0};
	int rc = 0;

	if (!nic->config->vlan) /* the PF hears a VF's VLAN with its tag */
		rc = td_catch_open(&nic->catch, nic->lease.vf.pf_name, td_igbvf_tap(nic->igbvf), nic->config->mac, &err);
	if (rc == 0)
		rc = td_hw82576_quiet(nic->hw, &err);
	if (rc < 0)
		td_warn("nic %s: %s", nic->config->id, err.text);
}

/* A driver that does what the model does not know is better off where it is. A VF that knows no rings has lost them with its PF. */
static int begin_leaving(struct td_hybrid *nic, struct td_err *err)
{
	if (nic->lost || !td_igbvf_driver_up(nic->igbvf) || !td_hw82576_read(nic->hw, TD_VF_RDLEN))
		return 0;
	return td_igbvf_check(nic->igbvf, err);
}

static int begin_to_emulated(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err)
{
	switch (phase) {
	case TD_FLIP_RESERVE:
		return begin_leaving(nic, err);
	case TD_FLIP_PREPARE:
		if (nic->lost)
			return 0;
		if (td_igbvf_mail_pending(nic->igbvf))
			return -EINPROGRESS;
		prepare_back(nic);
		return 0;
	case TD_FLIP_QUIESCE:
		park(nic);
		return 0;
	case TD_FLIP_STEER:
		return begin_steer_back(nic, err);
	case TD_FLIP_SWAP:
		unpark(nic);
		return 0;
	case TD_FLIP_ANNOUNCE:
		td_hybrid_announce(nic, TD_PATH_EMULATED);
		return 0;
	case TD_FLIP_COMMIT:
		nic->give_back |= nic->cold || nic->lost || !nic->config->warm;
		return 0;
	default:
		return 0;
	}
}

/* ---- the mode's table ---- */

static int begin(struct td_hybrid *nic, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	return to == TD_PATH_VF ? begin_to_vf(nic, phase, err) : begin_to_emulated(nic, phase, err);
}

/* The guest is on hardware and is to go back, in whatever phase that became clear. */
static void back_to_software(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (!nic->transparent.on_hardware)
		return;
	park(nic);
	td_igbvf_listen(nic->igbvf, true);
	if (!nic->lost && td_hybrid_vf_steer(nic, false, &err) < 0) {
		td_warn("nic %s: %s", nic->config->id, err.text);
		nic->give_back = true; /* the lease's end takes the filter away, or leaves that to its journal */
	}
	take_rings(nic);
	unpark(nic);
	td_hybrid_announce(nic, TD_PATH_EMULATED);
}

/* Counted from a flip's end: some take longer to fail than the guest should be left alone. */
static void try_later(struct td_hybrid *nic)
{
	struct td_transparent *t = &nic->transparent;

	t->patience_ns = TD_MAX(t->patience_ns, RETRY_FIRST_NS);
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
		td_igbvf_go(nic->igbvf); /* harmless when it goes already */
		unpark(nic);
	}
	if (phase == TD_FLIP_RESERVE && (!nic->config->warm || nic->lost))
		nic->give_back = true;
}

static void undo_to_emulated(struct td_hybrid *nic, enum td_flip_phase phase)
{
	struct td_err err = {0};

	if (phase == TD_FLIP_STEER) {
		nic->settle_until_ns = td_now_ns() + LATE_NS;
		td_hybrid_announce(nic, nic->path);
	}
	if (phase == TD_FLIP_QUIESCE)
		unpark(nic);
	if (!nic->transparent.on_hardware) /* the rings are the model's already: what is late is still caught */
		return;
	if (phase == TD_FLIP_PREPARE)
		td_catch_close(&nic->catch);
	if (phase == TD_FLIP_PREPARE && !nic->lost && td_hw82576_unquiet(nic->hw, td_igbvf_state(nic->igbvf), &err) < 0)
		td_warn("nic %s: %s", nic->config->id, err.text);
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
	struct td_transparent *t = &nic->transparent;
	struct td_err err = {0};

	nic->reconsider = nic->wanted == TD_PATH_VF && nic->path == TD_PATH_EMULATED; /* looked at again */
	if (!td_igbvf_driver_up(nic->igbvf)) {
		t->patience_ns = RETRY_FIRST_NS;
		t->retry_at_ns = 0;
		return;
	}
	if (!nic->reconsider || nic->give_back || td_now_ns() < t->retry_at_ns || td_igbvf_check(nic->igbvf, &err) < 0)
		return;
	td_hybrid_flip_by_itself(nic, TD_PATH_VF, false);
}

/* What still comes to the path of before. */
static void settle(struct td_hybrid *nic)
{
	if (nic->path == TD_PATH_VF)
		(void)relay(nic);
	else
		td_catch_run(&nic->catch); /* not on the VF, which has those frames itself, after a flip back so soon */
	if (td_now_ns() < nic->settle_until_ns)
		return;
	nic->settle_until_ns = 0;
	td_catch_close(&nic->catch);
	if (nic->path == TD_PATH_VF)
		td_igbvf_listen(nic->igbvf, false); /* copies of broadcasts only, which the VF hears itself */
}

static void tick(struct td_hybrid *nic)
{
	const struct td_flip *flip = &nic->flip;
	struct td_err err = {0};
	int rc;

	if (nic->host.vm->state != TD_VM_RUNNING)
		return;
	if (nic->settle_until_ns)
		settle(nic);
	if (!flip->active) {
		follow_driver(nic);
		return;
	}
	if (flip->to == TD_PATH_VF && flip->phase == TD_FLIP_QUIESCE) {
		rc = try_rest(nic, &err);
		if (rc == 0)
			(void)td_flip_done(&nic->flip, TD_FLIP_QUIESCE);
		else if (rc != -EINPROGRESS)
			(void)td_flip_fail(&nic->flip, TD_FLIP_QUIESCE, &err);
	} else if (flip->to == TD_PATH_VF && flip->phase == TD_FLIP_VERIFY) {
		if (td_hw82576_link_up(nic->hw))
			(void)td_flip_done(&nic->flip, TD_FLIP_VERIFY);
	} else if (flip->to == TD_PATH_EMULATED && flip->phase == TD_FLIP_PREPARE) {
		if (begin_to_emulated(nic, TD_FLIP_PREPARE, &err) == 0)
			(void)td_flip_done(&nic->flip, TD_FLIP_PREPARE);
	}
}

const struct td_hybrid_mode td_hybrid_transparent = {begin, undo, explain_timeout, force_off, guest_reset, tick};
