/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_flip.c - what flips of all modes share: start, timers, the look every millisecond, announcements, measuring, the record. What a
 * phase does is the mode's: failover/, transparent/.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"
#include "nic/rarp.h"

#define MEASURE_AFTER_NS 300000000ULL
#define WAIT_MORE_MS	 2000U /* in phase RESERVE, behind the path that it waits for */

void td_hybrid_announce(struct td_hybrid *nic, enum td_path path)
{
	uint8_t frame[TD_RARP_BYTES_MAX];
	size_t len = td_rarp_build(frame, nic->config->mac, 0);
	int rc = 0;

	if (path == TD_PATH_VF)
		rc = td_relay_send(&nic->relay, frame, td_rarp_build(frame, nic->config->mac, (uint16_t)nic->config->vlan));
	else
		rc = nic->igbvf ? td_igbvf_inject_tx(nic->igbvf, frame, len) : td_virtio_net_inject_tx(nic->net, frame, len);

	if (rc < 0)
		td_warn("nic %s: announcement on the path %s: %s", nic->config->id, td_path_name(path), strerror(-rc));
}

/* ---- the ops table of policy/flip.h ---- */

/* To emulated: a path that will work soon is waited for, and a VF that is set up wrong is mended, before the mode has its part. */
static int reserve_on(struct td_hybrid *nic, struct td_err *err)
{
	if (nic->reserving == TD_RESERVE_PATH) {
		nic->reserving = TD_RESERVE_SETTINGS;
		if (td_hybrid_health_wait(nic))
			return -EINPROGRESS;
	}
	if (nic->reserving == TD_RESERVE_SETTINGS) {
		nic->reserving = TD_RESERVE_MODE;
		if (td_hybrid_settings_begin(nic))
			return -EINPROGRESS;
	}
	nic->reserving = TD_RESERVE_BEGUN;
	td_hybrid_proof_begin(nic, nic->flip.to);
	return nic->mode->begin(nic, nic->flip.to, TD_FLIP_RESERVE, err);
}

void td_hybrid_reserve_on(struct td_hybrid *nic)
{
	struct td_err err = {0};
	int rc = reserve_on(nic, &err);

	if (rc != -EINPROGRESS)
		td_hybrid_phase_over(nic, TD_FLIP_RESERVE, rc, &err);
}

static int flip_begin(void *opaque, enum td_path to, enum td_flip_phase phase, struct td_err *err)
{
	struct td_hybrid *nic = opaque;
	int rc;

	if (phase == TD_FLIP_RESERVE) {
		nic->reserving = to == TD_PATH_EMULATED ? TD_RESERVE_PATH : TD_RESERVE_MODE;
		return reserve_on(nic, err);
	}
	if (phase == TD_FLIP_ANNOUNCE)
		td_hybrid_proof_announce(nic);
	rc = nic->mode->begin(nic, to, phase, err);
	return rc == 0 && phase == TD_FLIP_VERIFY && to == TD_PATH_EMULATED ? td_hybrid_proof_verify(nic) : rc;
}

static void flip_undo(void *opaque, enum td_path to, enum td_flip_phase phase)
{
	struct td_hybrid *nic = opaque;

	(void)td_hybrid_health_give_up(nic, NULL);
	if (nic->reserving == TD_RESERVE_BEGUN)
		nic->mode->undo(nic, to, phase);
}

static bool flip_at_work(void *opaque, enum td_path to, enum td_flip_phase phase)
{
	(void)to, (void)phase;
	return td_hybrid_vf_at_work(opaque);
}

static void flip_arm(void *opaque, uint64_t delay_ms)
{
	struct td_hybrid *nic = opaque;

	if (delay_ms)
		td_loop_arm(&nic->host.vm->loop, &nic->limit, delay_ms * 1000000ULL);
	else
		td_loop_disarm(&nic->host.vm->loop, &nic->limit);
}

static uint64_t flip_now(void *opaque)
{
	(void)opaque;
	return td_now_ns();
}

static void limit_expired(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, limit);
	struct td_err err = {0};

	if (!td_flip_active(&nic->flip))
		return;
	if (td_hybrid_health_give_up(nic, &err) || nic->mode->explain_timeout(nic, &err))
		td_flip_fail(&nic->flip, nic->flip.phase, &err);
	else
		td_flip_timeout(&nic->flip);
}

static void write_record(struct td_hybrid *nic, const struct td_flip *flip, const struct td_err *err)
{
	struct td_hybrid_record *record = &nic->log[nic->log_count++ % TD_HYBRID_LOG];

	*record = (struct td_hybrid_record){.to = flip->to,
		.ok = err->code == 0,
		.automatic = nic->automatic,
		.cold = nic->cold,
		.forced = nic->forced,
		.proof = td_hybrid_proof(nic, flip->to),
		.measuring = true,
		.reason = err->code ? err->reason : TD_REASON_NONE,
		.total_ns = flip->total_ns,
		.started_ns = flip->started_ns,
		.at = time(NULL),
		.marks = nic->marks,
		.relayed = nic->relay.relayed - nic->relayed_before,
		.rx_ms = nic->uncounted ? -1 : td_blackout_ms(&nic->blackout.rx),
		.tx_ms = nic->uncounted ? -1 : td_blackout_ms(&nic->blackout.tx)};
	snprintf(record->text, sizeof(record->text), "%.159s", err->text);
	memcpy(record->phase_ns, flip->phase_ns, sizeof(record->phase_ns));
}

/* Does it fail as the last did, and nobody is waiting for it? */
static bool is_known(struct td_hybrid *nic, const struct td_flip *flip, const struct td_err *err)
{
	const struct td_hybrid_record *last = td_hybrid_last_record(nic);

	return nic->automatic && last && last->to == flip->to && last->reason == err->reason;
}

static void say_end(struct td_hybrid *nic, const struct td_flip *flip, const struct td_err *err)
{
	const char *id = nic->config->id, *to = td_path_name(flip->to);

	if (err->code)
		td_log(is_known(nic, flip, err) ? TD_LOG_DEBUG : TD_LOG_WARN, "nic %s: flip to %s failed in phase %s: %s", id, to,
			td_flip_phase_name(flip->phase), err->text);
	else
		td_info("nic %s: on path %s after %.1f ms", id, to, (double)flip->total_ns / 1e6);
}

/* What made it leave the path that it is wanted on holds beyond the flip. */
static void keep_reason(struct td_hybrid *nic, const struct td_flip *flip, const struct td_err *err)
{
	if (nic->lost || (!err->code && flip->to != nic->wanted))
		return;
	nic->reason = err->code ? err->reason : TD_REASON_NONE;
	snprintf(nic->reason_text, sizeof(nic->reason_text), "%.319s", err->text);
}

static void flip_finished(void *opaque, const struct td_flip *flip, const struct td_err *err)
{
	struct td_hybrid *nic = opaque;
	td_hybrid_done done = nic->done;

	say_end(nic, flip, err);
	write_record(nic, flip, err);
	td_hybrid_proof_end(nic);
	if (nic->path == TD_PATH_EMULATED || !td_hybrid_pinned(nic)) /* who is pinned is let go when it has settled, or has left */
		td_hybrid_guard(nic, nic->path);
	keep_reason(nic, flip, err);
	if (nic->lost)
		nic->mode->force_off(nic);
	td_hybrid_watch_flip(nic, err);
	nic->measure_until_ns = td_now_ns() + MEASURE_AFTER_NS;
	td_hybrid_wake(nic);
	nic->done = NULL;
	if (done) {
		json_t *record = td_hybrid_record_json(td_hybrid_last_record(nic));

		done(nic->done_opaque, record, err);
		json_decref(record);
	}
}

static const struct td_flip_ops flip_ops = {flip_begin, flip_undo, flip_at_work, flip_arm, flip_now, flip_finished};

/* What a cold flip gave up waits for its counters. Who asks for a VF again needn't: it is measured up to now, and goes. */
static void give_back_now(struct td_hybrid *nic)
{
	if (!nic->give_back || td_hybrid_leaving(nic) || nic->lost || td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED)
		return;
	td_hybrid_finish_measuring(nic);
	td_hybrid_vf_release(nic);
}

int td_hybrid_flip(struct td_hybrid *nic, enum td_path to, bool automatic, unsigned how, struct td_err *err)
{
	uint32_t wait_ms = to == TD_PATH_EMULATED && !automatic && !(how & TD_HYBRID_FORCE) ? td_hybrid_health_wait_ms(nic) : 0;
	uint64_t rx, tx;

	if (td_flip_active(&nic->flip)) {
		int rc = td_flip_start(&nic->flip, to, err); /* says what it is busy with */

		return rc < 0 ? td_err_prefix(err, "nic %s", nic->config->id) : rc;
	}
	if (td_hybrid_vf_at_work(nic))
		return td_err_set(err, EBUSY, TD_REASON_FLIP_BUSY, "nic %s: the host is still at work for the last flip", nic->config->id);
	if (to == TD_PATH_VF && !automatic)
		give_back_now(nic);
	if (to == TD_PATH_VF && (td_hybrid_leaving(nic) || nic->give_back || nic->lost))
		return td_err_set(
			err, EBUSY, TD_REASON_FLIP_BUSY, "nic %s: the VF of the last flip is not given back yet", nic->config->id);
	/* It would see two NICs with one MAC. */
	if (to == TD_PATH_VF && nic->net && td_pci_has_ghost(&nic->host.vm->pci))
		return td_err_set(err, EBUSY, TD_REASON_FLIP_BUSY, "nic %s: the guest has not let go yet of a VF that was taken away",
			nic->config->id);
	/* Of a VF that is lost there is no choice. */
	if (!nic->lost && nic->host.vm->state == TD_VM_PAUSED)
		return td_err_set(err, EBUSY, TD_REASON_VM_STATE, "nic %s: the VM is paused", nic->config->id);
	td_hybrid_finish_measuring(nic);
	nic->automatic = automatic;
	nic->cold = how & TD_HYBRID_COLD;
	nic->forced = how & TD_HYBRID_FORCE;
	nic->flip.limit_ms[TD_FLIP_RESERVE] = wait_ms ? WAIT_MORE_MS + wait_ms : nic->reserve_ms;
	nic->marks = (struct td_hybrid_marks){0};
	nic->relayed_before = nic->relay.relayed;
	nic->caught_before = nic->catch.caught;
	td_hybrid_packets(nic, &rx, &tx);
	nic->uncounted = false;
	td_blackout_begin(&nic->blackout, td_now_ns(), rx, tx);
	td_hybrid_wake(nic);
	td_hybrid_watch(nic);
	return td_flip_start(&nic->flip, to, err);
}

bool td_hybrid_leaving(const struct td_hybrid *nic)
{
	return nic->mode && nic->mode->leaving(nic);
}

bool td_hybrid_flip_by_itself(struct td_hybrid *nic, enum td_path to, bool cold)
{
	struct td_err err = {0};

	/* Its PF has no link: known before, and no news. */
	if (to == TD_PATH_VF && nic->link_lost)
		return false;
	return td_hybrid_flip(nic, to, true, cold ? TD_HYBRID_COLD : 0, &err) == 0; /* the flip's record says how it ended */
}

/* ---- every millisecond ---- */

void td_hybrid_sample(struct td_hybrid *nic)
{
	uint64_t rx, tx;

	td_hybrid_packets(nic, &rx, &tx);
	td_blackout_sample(&nic->blackout, td_now_ns(), rx, tx);
}

void td_hybrid_finish_measuring(struct td_hybrid *nic)
{
	struct td_hybrid_record *record = td_hybrid_last_record(nic);

	if (!nic->blackout.active || !record)
		return;
	td_blackout_end(&nic->blackout, td_now_ns());
	record->measuring = false;
	record->proof = td_hybrid_proof(nic, record->to);
	record->rx_ms = nic->uncounted ? -1 : td_blackout_ms(&nic->blackout.rx);
	record->tx_ms = nic->uncounted ? -1 : td_blackout_ms(&nic->blackout.tx);
	record->sample_ms = (double)nic->blackout.longest_sample_ns / 1e6;
	record->relayed = nic->relay.relayed - nic->relayed_before;
	record->caught = nic->catch.caught - nic->caught_before;
}

/* What only the PF counts is sampled when it has said so. */
static void measure(struct td_hybrid *nic)
{
	bool counts = td_hybrid_counts_itself(nic);

	if (!counts)
		td_hybrid_count_soon(nic);
	if (!nic->blackout.active)
		return;
	if (counts)
		td_hybrid_sample(nic);
	if (!td_flip_active(&nic->flip) && td_now_ns() >= nic->measure_until_ns)
		td_hybrid_finish_measuring(nic);
}

/* A VF that is wanted back goes at once; one that is merely no longer needed, when its counters are through. */
static void give_back(struct td_hybrid *nic)
{
	if (nic->give_back && td_hybrid_vf_state(nic) != TD_VFIO_PLUGGED && (nic->lost || !nic->blackout.active))
		td_hybrid_vf_release(nic);
}

static void tick(struct td_timer *timer)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(timer, struct td_hybrid, tick);
	uint64_t again_ns = 0;

	measure(nic);
	td_hybrid_proof_tick(nic);
	if (!td_flip_active(&nic->flip) && !td_hybrid_vf_at_work(nic))
		give_back(nic);
	if (nic->mode)
		again_ns = nic->mode->tick(nic);
	if (td_flip_active(&nic->flip) || nic->blackout.active)
		again_ns = TD_HYBRID_TICK_NS;
	else if (!again_ns && (nic->give_back || nic->reconsider))
		again_ns = TD_HYBRID_TICK_IDLE_NS;
	if (again_ns)
		td_loop_arm(&nic->host.vm->loop, timer, again_ns);
}

void td_hybrid_wake(struct td_hybrid *nic)
{
	td_loop_arm(&nic->host.vm->loop, &nic->tick, TD_HYBRID_TICK_NS);
}

void td_hybrid_flip_init(struct td_hybrid *nic)
{
	nic->limit.expired = limit_expired;
	nic->tick.expired = tick;
	td_flip_init(&nic->flip, &flip_ops, nic);
}
