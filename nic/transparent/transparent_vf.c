/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent_vf.c - the phases of a transparent NIC's flip to its hardware VF.
 *
 * Theory of operation. The hardware is made ready while the model still works: reset, handshake with the PF, filters, registers. Its heads
 * start at 0 and are never written, so the model first gives receive buffers back unused until its own receive head is 0: most of them
 * while it works, the last ones at rest, when frames wait in the tap; a guest that is slow to post gets more tries, with longer rests. Then
 * vCPUs are stopped for the rings to change hands. The guest goes on with the VF, but nothing that it sends leaves its ring yet, and so
 * nothing tells the outside of the new place: the PF's filter moves, what waits in the tap is brought to the VF, being older than any that
 * will come there, the outside is told, and then the guest's frames go. What still comes by the tap is sent into the PF, whose embedded
 * switch hands it to the VF, for as long as switches outside may need to learn.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/log.h"
#include "nic/transparent/transparent.h"

#define AHEAD_NS     200000000ULL
#define NS_PER_MS    1000000ULL
#define REST_NS	     100000000ULL /* of the first try; each doubles it */
#define REST_SHIFT   2U		  /* at most */
#define AGAIN_NS     50000000ULL
#define PATIENCE_NS  15000000ULL
#define LARGE_RING   1024U
#define BRING_NS     30000000ULL /* a slow guest posts its buffers meanwhile; what is left then comes later */
#define PREPARATIONS 5U		 /* a guest that changes its filters in each of so many tries has a reason to */

static int begin_reserve(struct td_hybrid *nic, struct td_err *err)
{
	int rc;

	if (!td_igbvf_driver_up(nic->igbvf))
		return td_err_set(err, EAGAIN, TD_REASON_DRIVER_DOWN, "nic %s: the guest's driver does not run the NIC", nic->config->id);
	rc = td_igbvf_check(nic->igbvf, err);
	if (rc < 0)
		return rc;
	td_hybrid_vf_reserve(nic);
	return -EINPROGRESS;
}

/* Reset, handshake, filters; and the vectors, as to connect them takes milliseconds. */
static int run_prepare(struct td_hybrid *nic, struct td_err *err)
{
	int rc = td_hw82576_prepare_wait(td_transparent_hw(nic), err);

	return rc < 0 ? rc : td_hw82576_connect(td_transparent_hw(nic), td_transparent_of(nic)->fds, err);
}

/* Of phase PREPARE; in QUIESCE, of a guest that has changed its filters, there is more to wait for. */
static void prepared(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	struct td_err now = *err;

	rc = td_hw82576_prepare_end(td_transparent_hw(nic), rc, &now);
	if (rc < 0 || nic->flip.state == TD_FLIP_LATE || nic->flip.phase == TD_FLIP_PREPARE)
		td_hybrid_phase_over(nic, nic->flip.phase, rc, &now);
}

static int begin_preparing(struct td_hybrid *nic, struct td_err *err)
{
	struct td_transparent *t = td_transparent_of(nic);
	int rc;

	for (unsigned i = 0; i < TD_COUNT(t->fds); i++)
		t->fds[i] = td_igbvf_msix_fd(nic->igbvf, i);
	td_igbvf_copy_state(nic->igbvf, &t->prepared); /* the model works meanwhile */
	rc = td_hw82576_prepare(td_transparent_hw(nic), &t->prepared, err);
	if (rc < 0)
		return rc;
	td_hybrid_work_submit(nic, &nic->work, run_prepare, prepared);
	return -EINPROGRESS;
}

static void opened(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	struct td_err now = *err;

	if (rc == 0 && nic->flip.state == TD_FLIP_RUNNING)
		rc = begin_preparing(nic, &now);
	if (rc != -EINPROGRESS)
		td_hybrid_phase_over(nic, TD_FLIP_PREPARE, rc, &now);
}

static int prepare(struct td_hybrid *nic, struct td_err *err)
{
	int rc = td_hybrid_vf_open(nic, opened, err);

	return rc == 0 ? begin_preparing(nic, err) : rc;
}

/* Does what td_hw82576_prepare() told the PF still hold? Registers are looked at again when the rings are given. */
static bool still_prepared(struct td_hybrid *nic)
{
	return td_vf82576_same_filters(&td_transparent_of(nic)->prepared, td_igbvf_state(nic->igbvf));
}

static int prepare_again(struct td_hybrid *nic, struct td_err *err)
{
	if (++td_transparent_of(nic)->preparations >= PREPARATIONS)
		return td_err_set(
			err, EAGAIN, TD_REASON_FLIP_ABORTED, "nic %s: the guest's driver keeps changing its filters", nic->config->id);
	return begin_preparing(nic, err);
}

/*
 * Does the hardware find buffers to receive into? At first most of the ring is wanted, after PATIENCE_NS a quarter. A large ring counts as
 * one of LARGE_RING descriptors: a guest that has all it can do to receive may never have so much of it posted.
 */
static bool enough_posted(const struct td_vf82576_ring *ring, uint64_t waited_ns)
{
	uint32_t count = ring->len_bytes / TD_TRANSPARENT_DESC_BYTES, of = TD_MIN(count, LARGE_RING);
	uint32_t want = waited_ns < PATIENCE_NS ? of - of / 4 : of / 4;

	return !(ring->control & TD_VF_QUEUE_ENABLE) || (ring->tail < count && ring->tail - ring->head >= want);
}

/* At rest the model raises nothing; the guest's driver takes buffers back and posts them again when it is raised for it. */
static void raise_receive(struct td_hybrid *nic)
{
	unsigned vector = td_igbvf_state(nic->igbvf)->ivar0 & 0x7f;

	if (vector < TD_VF82576_VECTORS)
		(void)eventfd_write(td_igbvf_msix_fd(nic->igbvf, vector), 1);
}

/*
 * Frames wait while the model rests, so most of the way to the ring's start is gone before, while it works. A guest that receives as much
 * as it can posts too little to burn; its head comes to the ring's end by itself. One that is too slow for both goes all the way at rest.
 */
static bool near_start(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);
	uint64_t waited_ns, limit_ns = TD_MIN(AHEAD_NS, nic->flip.limit_ms[TD_FLIP_QUIESCE] * NS_PER_MS / 4);
	unsigned burned = 0;
	bool near;

	if (t->rest_ns)
		return true;
	if (!t->ahead_ns)
		t->ahead_ns = td_now_ns();
	waited_ns = td_now_ns() - t->ahead_ns;
	near = td_igbvf_burn_ahead(nic->igbvf, waited_ns >= limit_ns / 4, &burned);
	nic->marks.burned += burned;
	return near || waited_ns >= limit_ns;
}

/*
 * A guest that has all it can do to receive catches up only while nothing comes. What comes waits in the tap, and is lost beyond its queue:
 * less by one rest that is long enough than by many that are not.
 */
static uint64_t rest_limit_ns(const struct td_transparent *t)
{
	return REST_NS << TD_MIN(t->failed_rests, REST_SHIFT);
}

static void note_rested(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);

	if (t->rest_ns)
		nic->marks.rest_ns += td_now_ns() - t->rest_ns;
	t->rest_ns = 0;
}

void td_transparent_go(struct td_hybrid *nic)
{
	note_rested(nic);
	td_transparent_of(nic)->ahead_ns = 0;
	td_igbvf_go(nic->igbvf);
}

/* The model has no part in the rings any more and the guest has posted most of its buffers; else it goes on now or in a while. */
static bool burned_down(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);
	unsigned burned = 0;
	int rc;

	td_igbvf_rest(nic->igbvf);
	if (!t->rest_ns)
		t->rest_ns = td_now_ns();
	rc = td_igbvf_burn_to_start(nic->igbvf, &burned);
	nic->marks.burned += burned;
	if (rc == 0 && enough_posted(&td_igbvf_state(nic->igbvf)->rx[0], td_now_ns() - t->rest_ns))
		return true;
	if (td_now_ns() - t->rest_ns < rest_limit_ns(t)) {
		raise_receive(nic);
	} else {
		t->failed_rests++;
		t->again_ns = td_now_ns() + AGAIN_NS;
		td_transparent_go(nic);
	}
	return false;
}

static bool is_ready(struct td_hybrid *nic)
{
	return td_igbvf_driver_up(nic->igbvf) && still_prepared(nic);
}

/* Frames wait in the tap meanwhile. */
int td_transparent_try_rest(struct td_hybrid *nic, struct td_err *err)
{
	int rc = 0;

	if (nic->work.job.busy || td_igbvf_mail_pending(nic->igbvf) || td_now_ns() < td_transparent_of(nic)->again_ns)
		return -EINPROGRESS;
	if (is_ready(nic)) {
		if (!near_start(nic) || !burned_down(nic))
			return -EINPROGRESS;
		td_hybrid_guard(nic, TD_PATH_VF);
		note_rested(nic);
		td_transparent_park(nic);
		if (is_ready(nic) && td_igbvf_state(nic->igbvf)->rx[0].head == 0) {
			rc = td_igbvf_check(nic->igbvf, err);
			if (rc == 0)
				return 0;
		}
		td_transparent_unpark(nic);
	}
	if (rc == 0 && !td_igbvf_driver_up(nic->igbvf))
		rc = td_err_set(err, EAGAIN, TD_REASON_DRIVER_DOWN, "nic %s: the guest's driver let go of the NIC", nic->config->id);
	td_transparent_go(nic);
	if (rc == 0 && !still_prepared(nic))
		rc = prepare_again(nic, err);
	return rc < 0 ? rc : -EINPROGRESS;
}

/* The rings change hands, with nothing to send in them yet. On failure the model has them as they were. */
static int give_rings(struct td_hybrid *nic, struct td_err *err)
{
	struct td_vf82576_state state = *td_igbvf_state(nic->igbvf);
	uint32_t tail = state.tx[0].tail;
	int rc = td_transparent_join(nic, err);

	if (rc < 0)
		return rc;
	td_transparent_of(nic)->room = td_transparent_of(nic)->late_looks = 0;
	state.tx[0].tail = state.tx[0].head;
	rc = td_hw82576_restore(td_transparent_hw(nic), &state, err);
	td_transparent_of(nic)->on_hardware = rc == 0;
	td_transparent_note_held(nic, rc == 0);
	if (rc == 0)
		return 0;
	state.tx[0].tail = tail;
	memset(state.counter, 0, sizeof(state.counter));
	td_igbvf_to_software(nic->igbvf, &state);
	return rc;
}

/* What waits in the tap is older than any that will come to the VF by itself: it goes first, then the outside is told. */
void td_transparent_bring(struct td_hybrid *nic)
{
	struct td_transparent *t = td_transparent_of(nic);
	uint64_t now_ns = td_now_ns();

	if (!t->bring_until_ns && !t->told_ns)
		return; /* the filter does not stand yet */
	(void)td_transparent_relay(nic);
	if (!t->told_ns && t->unheard && now_ns < t->bring_until_ns)
		return;
	if (!t->told_ns) {
		td_hybrid_announce(nic, TD_PATH_VF);
		t->told_ns = now_ns;
		return;
	}
	if (now_ns - t->told_ns < TD_TRANSPARENT_UNDER_WAY_NS)
		return;
	td_transparent_release(nic);
	(void)td_flip_done(&nic->flip, TD_FLIP_STEER);
}

void td_transparent_steered_to_vf(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	struct td_transparent *t = td_transparent_of(nic);

	if (rc < 0) {
		(void)td_flip_fail(&nic->flip, TD_FLIP_STEER, err);
		return;
	}
	t->unheard = true; /* until the tap is empty */
	t->bring_until_ns = td_now_ns() + BRING_NS;
	td_transparent_bring(nic);
	td_hybrid_wake(nic);
}

static int steer_to_vf(struct td_hybrid *nic, struct td_err *err)
{
	int rc = give_rings(nic, err);

	if (rc < 0)
		return rc;
	td_transparent_unpark(nic);
	td_transparent_of(nic)->bring_until_ns = td_transparent_of(nic)->told_ns = 0;
	if (td_hybrid_vf_steer(nic, true) == 0)
		td_transparent_steered_to_vf(nic, 0, NULL);
	return -EINPROGRESS;
}

int td_transparent_begin_vf(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err)
{
	switch (phase) {
	case TD_FLIP_RESERVE:
		return begin_reserve(nic, err);
	case TD_FLIP_PREPARE:
		td_transparent_of(nic)->preparations = td_transparent_of(nic)->failed_rests = 0;
		td_transparent_of(nic)->rest_ns = td_transparent_of(nic)->ahead_ns = td_transparent_of(nic)->again_ns = 0;
		return prepare(nic, err);
	case TD_FLIP_QUIESCE:
		return td_transparent_try_rest(nic, err);
	case TD_FLIP_STEER:
		return steer_to_vf(nic, err);
	case TD_FLIP_SWAP:
		nic->path = TD_PATH_VF;
		td_transparent_of(nic)->settle_until_ns = td_now_ns() + TD_TRANSPARENT_LATE_NS;
		return 0;
	case TD_FLIP_ANNOUNCE:
		td_hybrid_announce(nic, TD_PATH_VF); /* again, should the first have been lost */
		return 0;
	case TD_FLIP_COMMIT:
		td_igbvf_tell_link(nic->igbvf); /* the bridge may have had none */
		td_transparent_of(nic)->patience_ns = TD_TRANSPARENT_RETRY_FIRST_NS;
		return 0;
	case TD_FLIP_VERIFY:
		return td_hw82576_link_up(td_transparent_hw(nic)) ? 0 : -EINPROGRESS;
	default:
		return 0;
	}
}
