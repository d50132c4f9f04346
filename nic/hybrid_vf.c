/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_vf.c - a hybrid NIC's VF on the host: leased, opened, steered, given back. The guest is not known here.
 *
 * Theory of operation. All of it may wait for the host, so all of it is done by host jobs (host_call.h, and those of this file that need
 * the VF's object). Jobs run in the order in which they are submitted: a VF that is being given back is back before the next is leased, and
 * a filter stands before the one that is asked for after it. What a flip waits for ends its phase (td_hybrid_phase_over()). A flip that did
 * not wait so long is undone when it comes back (policy/flip.h: LATE).
 */
#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"

static void gave_only_path_up(void *opaque);

void td_hybrid_phase_over(struct td_hybrid *nic, enum td_flip_phase phase, int rc, const struct td_err *err)
{
	if (td_flip_returned(&nic->flip))
		td_hybrid_wake(nic); /* for what its undoing has left to do */
	else if (rc < 0)
		(void)td_flip_fail(&nic->flip, phase, err);
	else
		(void)td_flip_done(&nic->flip, phase);
}

bool td_hybrid_vf_at_work(const struct td_hybrid *nic)
{
	return nic->reserve.job.busy || nic->work.job.busy || nic->settles_for_flip;
}

/* ---- work that needs the VF's object ---- */

static void work_run(struct td_job *job)
{
	struct td_hybrid_work *work = TD_CONTAINER_OF(job, struct td_hybrid_work, job);

	work->err = (struct td_err){0};
	work->rc = work->run(work->nic, &work->err);
}

static void work_done(struct td_job *job)
{
	struct td_hybrid_work *work = TD_CONTAINER_OF(job, struct td_hybrid_work, job);
	struct td_err err = work->err;

	work->then(work->nic, work->rc, &err);
}

void td_hybrid_work_submit(
	struct td_hybrid *nic, struct td_hybrid_work *work, int (*run)(struct td_hybrid *, struct td_err *), td_hybrid_then then)
{
	work->job.run = work_run;
	work->job.done = work_done;
	work->nic = nic;
	work->run = run;
	work->then = then;
	td_jobs_submit(&nic->host.vm->jobs, &work->job);
}

/* ---- the lease ---- */

static int check_reserved(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_host_call *call = &nic->reserve;
	const char *id = nic->config->id, *pf = nic->lease.vf.pf_name;
	int rc = 0;

	if (nic->relay.fd < 0)
		rc = td_relay_open(&nic->relay, pf, nic->config->mac, (uint16_t)nic->config->vlan, err);
	if (rc == 0 && !call->up)
		rc = td_err_set(err, ENETDOWN, TD_REASON_PF_DOWN, "nic %s: pf %s is down", id, pf);
	else if (rc == 0 && !call->carrier && nic->mode)
		rc = td_err_set(err, ENETDOWN, TD_REASON_NO_CARRIER, "nic %s: pf %s has no link", id, pf);
	return rc;
}

/* A lease that was taken in vain goes back, unless it is kept warm (the flip's undoing). */
static void reserve_done(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, reserve.job);
	struct td_host_call *call = &nic->reserve;
	bool was_held = nic->lease.held;

	nic->lease = call->lease;
	td_hybrid_settings_note(nic, call);
	td_host_watch_pf(&nic->network, nic->lease.held ? call->pf_index : 0);
	if (!was_held) /* what was changed before the PF was watched was not told */
		td_hybrid_settings_look(nic);
	if (call->rc < 0)
		(void)td_err_prefix(&call->err, "nic %s", nic->config->id);
	else
		call->rc = check_reserved(nic, &call->err);
	td_hybrid_watch_note(nic, call);
	td_hybrid_phase_over(nic, TD_FLIP_RESERVE, call->rc, &call->err);
	if (call->rc < 0 && call->err.reason == TD_REASON_VF_LOST && nic->lease.held && !nic->lost)
		td_hybrid_vf_lost(nic, true);
}

void td_hybrid_vf_reserve(struct td_hybrid *nic)
{
	const struct td_vm_net_config *config = nic->config;
	struct td_host_call *call = &nic->reserve;

	*call = (struct td_host_call){.job.done = reserve_done,
		.kind = TD_HOST_CALL_RESERVE,
		.vlan = (uint16_t)config->vlan,
		.steered = nic->steer_asked,
		.lease = nic->lease,
		.kept_count = TD_MIN(nic->host.exact_vf_count, TD_HOST_CALL_KEPT)};
	memcpy(call->mac, config->mac, sizeof(call->mac));
	snprintf(call->run_dir, sizeof(call->run_dir), "%s", nic->host.run_dir);
	snprintf(call->bdf, sizeof(call->bdf), "%s", config->vf ? config->vf : "");
	snprintf(call->pf_name, sizeof(call->pf_name), "%s", config->pf ? config->pf : "");
	for (unsigned i = 0; i < call->kept_count; i++)
		snprintf(call->kept[i], sizeof(call->kept[i]), "%s", nic->host.exact_vf[i]);
	td_host_call_submit(&nic->host.vm->jobs, call);
}

/* ---- the VF's object ---- */

static int plain_create(struct td_hybrid *nic, void **ret_vf, struct td_err *err)
{
	static const struct td_vfio_events only_path = {.ejected = gave_only_path_up, .lost = td_hybrid_vf_lost};
	char name[32];
	struct td_vfio_pci_config config = {.name = name,
		.bdf = nic->lease.vf.bdf,
		.group = nic->lease.vf.group,
		.events = nic->mode ? *nic->mode->vf_events : only_path};
	int rc;

	config.events.opaque = nic;
	snprintf(name, sizeof(name), "%.28s-vf", nic->config->id);
	rc = td_vfio_pci_create(nic->host.vm, *nic->host.iommu, &config, &nic->vf, err);
	*ret_vf = nic->vf;
	return rc;
}

static int plain_open_device(void *vf, struct td_err *err)
{
	return td_vfio_pci_open_device(vf, err);
}

static int plain_open(void *vf, struct td_err *err)
{
	return td_vfio_pci_open(vf, err);
}

static void plain_close(void *vf)
{
	td_vfio_pci_close(vf);
}

static void plain_close_device(void *vf)
{
	td_vfio_pci_close_device(vf);
}

static void plain_destroy(void *vf)
{
	td_vfio_pci_destroy(vf);
}

static const struct td_hybrid_vf_kind plain = {plain_create, plain_open_device, plain_open, plain_close, plain_close_device, plain_destroy};

static const struct td_hybrid_vf_kind *vf_kind(const struct td_hybrid *nic)
{
	return nic->mode && nic->mode->vf_kind ? nic->mode->vf_kind : &plain;
}

static int run_open_device(struct td_hybrid *nic, struct td_err *err)
{
	int rc = vf_kind(nic)->open_device(nic->vf_object, err);

	if (rc < 0)
		vf_kind(nic)->close_device(nic->vf_object);
	return rc;
}

static int run_close_device(struct td_hybrid *nic, struct td_err *err)
{
	(void)err;
	vf_kind(nic)->close_device(nic->vf_object);
	return 0;
}

static void open_failed(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	(void)rc, (void)err;
	nic->open_then(nic, nic->open_err.code, &nic->open_err);
}

static void device_opened(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	bool reached = rc == 0;

	nic->open_err = *err;
	if (reached)
		rc = vf_kind(nic)->open(nic->vf_object, &nic->open_err);
	if (rc < 0)
		(void)td_err_prefix(&nic->open_err, "nic %s", nic->config->id);
	if (rc < 0 && reached) {
		vf_kind(nic)->close(nic->vf_object);
		td_hybrid_work_submit(nic, &nic->work, run_close_device, open_failed);
		return;
	}
	nic->vf_is_open = rc == 0;
	nic->open_then(nic, rc, &nic->open_err);
}

int td_hybrid_vf_open(struct td_hybrid *nic, td_hybrid_then then, struct td_err *err)
{
	int rc = 0;

	if (nic->vf_is_open)
		return 0;
	if (!*nic->host.iommu)
		rc = td_iommu_create(nic->host.iommu, err);
	if (rc == 0 && !nic->vf_object)
		rc = vf_kind(nic)->create(nic, &nic->vf_object, err);
	if (rc < 0)
		return td_err_prefix(err, "nic %s", nic->config->id);
	nic->open_then = then;
	td_hybrid_work_submit(nic, &nic->work, run_open_device, device_opened);
	return -EINPROGRESS;
}

static void opened_in_prepare(struct td_hybrid *nic, int rc, const struct td_err *err)
{
	td_hybrid_phase_over(nic, TD_FLIP_PREPARE, rc, err);
}

int td_hybrid_vf_prepare(struct td_hybrid *nic, struct td_err *err)
{
	return td_hybrid_vf_open(nic, opened_in_prepare, err);
}

/* ---- before the boot: nobody else waits ---- */

static void wait_for(struct td_hybrid *nic, struct td_job *job)
{
	while (job->busy) /* one may follow another */
		td_jobs_wait(&nic->host.vm->jobs, job);
}

int td_hybrid_vf_warm_up(struct td_hybrid *nic, struct td_err *err)
{
	int rc;

	td_hybrid_vf_reserve(nic);
	wait_for(nic, &nic->reserve.job);
	/* A guest of two paths begins on the other one: the PF may get its link later. */
	if (nic->reserve.rc < 0 && !(nic->mode && nic->relay.fd >= 0)) {
		*err = nic->reserve.err;
		return nic->reserve.rc;
	}
	rc = td_hybrid_vf_prepare(nic, err);
	wait_for(nic, &nic->work.job);
	if (rc == -EINPROGRESS && !nic->vf_is_open)
		*err = nic->open_err;
	return rc == -EINPROGRESS ? nic->open_err.code : rc;
}

void td_hybrid_vf_wait(struct td_hybrid *nic)
{
	wait_for(nic, &nic->reserve.job);
	wait_for(nic, &nic->work.job);
	wait_for(nic, &nic->steer.job);
	wait_for(nic, &nic->giver.job);
	wait_for(nic, &nic->count.job);
	wait_for(nic, &nic->link.job);
	wait_for(nic, &nic->witness.job);
	wait_for(nic, &nic->settle.job);
}

/* ---- given back ---- */

static void keep_counters(struct td_hybrid *nic)
{
	struct td_vfio_counters last;

	if (!nic->vf)
		return;
	td_vfio_pci_counters(nic->vf, &last);
	nic->vf_before.rx_packets += last.rx_packets;
	nic->vf_before.rx_bytes += last.rx_bytes;
	nic->vf_before.tx_packets += last.tx_packets;
	nic->vf_before.tx_bytes += last.tx_bytes;
}

static void giver_run(struct td_job *job)
{
	struct td_hybrid_giver *giver = TD_CONTAINER_OF(job, struct td_hybrid_giver, job);

	if (giver->vf_object)
		giver->kind->close_device(giver->vf_object);
	td_host_call_answer(&giver->give);
}

static void giver_done(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, giver.job);
	struct td_hybrid_giver *giver = &nic->giver;

	if (giver->vf_object)
		giver->kind->destroy(giver->vf_object);
	giver->vf_object = NULL;
	if (giver->give.rc < 0)
		td_warn("nic %s: %s", nic->config->id, giver->give.err.text);
}

void td_hybrid_vf_release(struct td_hybrid *nic)
{
	nic->give_back = false;
	nic->lost = nic->steered = nic->steer_wanted = nic->steer_asked = nic->settle_again = false;
	td_host_watch_pf(&nic->network, 0);
	td_loop_disarm(&nic->host.vm->loop, &nic->settle_timer);
	keep_counters(nic);
	if (nic->vf_object)
		vf_kind(nic)->close(nic->vf_object);
	td_relay_close(&nic->relay);
	td_catch_close(&nic->catch);
	if (!nic->vf_object && !nic->lease.held)
		return;
	wait_for(nic, &nic->giver.job); /* it is over: a lease that is held now was taken after it */
	nic->giver.job.run = giver_run;
	nic->giver.job.done = giver_done;
	nic->giver.kind = vf_kind(nic);
	nic->giver.vf_object = nic->vf_object;
	nic->giver.give = (struct td_host_call){.kind = TD_HOST_CALL_GIVE, .lease = nic->lease};
	nic->lease = (struct td_lease){.vf_lock_fd = -1};
	nic->vf_object = nic->vf = NULL;
	nic->vf_is_open = false;
	td_jobs_submit(&nic->host.vm->jobs, &nic->giver.job);
}

/* ---- the filter ---- */

static void steer_done(struct td_job *job);

static void steer_next(struct td_hybrid *nic)
{
	struct td_host_call *call = &nic->steer;

	*call = (struct td_host_call){.job.done = steer_done, .kind = TD_HOST_CALL_STEER, .vf_index = nic->lease.vf.index};
	snprintf(call->pf_name, sizeof(call->pf_name), "%s", nic->lease.vf.pf_name);
	if (nic->steer_wanted)
		memcpy(call->mac, nic->config->mac, sizeof(call->mac));
	nic->steer_asked = nic->steer_wanted;
	nic->steered |= nic->steer_wanted; /* it may stand from now on */
	td_host_call_submit(&nic->host.vm->jobs, call);
}

static void steer_done(struct td_job *job)
{
	struct td_hybrid *nic = TD_CONTAINER_OF(job, struct td_hybrid, steer.job);
	const struct td_host_call *call = &nic->steer;

	if (!nic->lease.held) /* given back meanwhile, filter and all */
		return;
	if (call->rc < 0)
		td_warn("nic %s: %s", nic->config->id, call->err.text);
	else
		nic->steered = nic->steer_asked;
	if (nic->steer_wanted != nic->steer_asked)
		steer_next(nic);
	else if (nic->mode)
		nic->mode->steered(nic, call->rc, &call->err);
}

int td_hybrid_vf_steer(struct td_hybrid *nic, bool on)
{
	if (!nic->lease.held || !nic->lease.vf.pf_name[0])
		return 0;
	nic->steer_wanted = on;
	if (!nic->steer.job.busy)
		steer_next(nic);
	return -EINPROGRESS;
}

void td_hybrid_vf_unsteer(struct td_hybrid *nic)
{
	if (!nic->lost && (nic->steered || nic->steer.job.busy))
		(void)td_hybrid_vf_steer(nic, false);
}

/* ---- what is known of it ---- */

enum td_vfio_state td_hybrid_vf_state(const struct td_hybrid *nic)
{
	if (nic->mode && nic->mode->vf_state)
		return nic->mode->vf_state(nic);
	return nic->vf ? td_vfio_pci_state(nic->vf) : TD_VFIO_CLOSED;
}

enum td_vfio_driver td_hybrid_vf_driver(struct td_hybrid *nic)
{
	return nic->vf ? td_vfio_pci_driver(nic->vf) : TD_VFIO_DRIVER_NONE;
}

/* ---- events of the VF ---- */

/* In mode vf. */
static void gave_only_path_up(void *opaque)
{
	td_hybrid_set_reason(opaque, TD_REASON_FLIP_ABORTED, "the guest gave its VF up, and it has no other path");
}

void td_hybrid_vf_cut(struct td_hybrid *nic)
{
	if (nic->vf_object)
		vf_kind(nic)->close(nic->vf_object);
	nic->vf_is_open = false;
}

/*
 * The host waits for us to let go. The guest is asked first, so that its driver and net_failover come down in order; what it does not do
 * within the time for it is done without it (td_flip's end).
 */
void td_hybrid_vf_lost(void *opaque, bool release_requested)
{
	struct td_hybrid *nic = opaque;
	bool well = !nic->mode || td_hybrid_is_well(nic);
	char text[sizeof(nic->reason_text)];
	struct td_err err = {0};

	nic->lost = true;
	if (nic->ending)
		return;
	snprintf(text, sizeof(text), "%s%s%s", release_requested ? "the host takes the VF away" : "the VF reports an error",
		well ? "" : ", and its emulated path does not work: ", well ? "" : td_hybrid_health(nic)->text);
	td_hybrid_set_reason(nic, TD_REASON_VF_LOST, text);
	if (!nic->mode) {
		td_hybrid_vf_release(nic);
		return;
	}
	td_err_set(&err, ENODEV, TD_REASON_VF_LOST, "the VF was taken away");
	if (td_flip_active(&nic->flip) && nic->flip.to == TD_PATH_VF)
		td_flip_abort(&nic->flip, &err);
	if (td_hybrid_vf_state(nic) != TD_VFIO_PLUGGED) {
		nic->give_back = true;
		nic->reconsider = true;
		td_hybrid_try_later(nic);
		td_hybrid_wake(nic);
		return;
	}
	td_hybrid_health_no_choice(nic);
	if (!td_flip_active(&nic->flip))
		(void)td_hybrid_flip(nic, TD_PATH_EMULATED, true, TD_HYBRID_COLD, &err);
}
