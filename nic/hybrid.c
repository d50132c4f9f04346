/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid.c - see hybrid.h: a hybrid NIC's life, what its emulated side tells, and what is asked of it. */
#include "nic/hybrid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"

#define PIN_MS_PER_MIB 30U /* a slow host, and RAM that is not there yet */

/* ---- the guest's virtio-net driver ---- */

static void on_driver(void *opaque, bool accepted, bool standby)
{
	struct td_hybrid *nic = opaque;

	nic->standby = accepted && standby;
	/* The MAC may have been behind another port before. */
	if (accepted && nic->path == TD_PATH_EMULATED)
		td_hybrid_announce(nic, TD_PATH_EMULATED);
	if (nic->mode)
		nic->mode->driver(nic, accepted, standby);
}

static void on_broken(void *opaque)
{
	struct td_hybrid *nic = opaque;

	td_warn("nic %s: the guest broke the rules of its emulated NIC, which is off until it is reset", nic->config->id);
}

/* ---- life ---- */

static enum td_vhost_use vhost_use(enum td_vhost_mode mode)
{
	static const enum td_vhost_use uses[] = {
		[TD_VHOST_MODE_AUTO] = TD_VHOST_AUTO, [TD_VHOST_MODE_ON] = TD_VHOST_ON, [TD_VHOST_MODE_OFF] = TD_VHOST_OFF};

	return uses[mode];
}

static int create_igbvf(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_vm_net_config *config = nic->config;
	struct td_igbvf_config igbvf = {.name = config->id, .mtu = (uint16_t)config->mtu, .tap_name = config->tap};

	memcpy(igbvf.mac, config->mac, sizeof(igbvf.mac));
	return td_igbvf_create(nic->host.vm, &igbvf, &nic->igbvf, err);
}

static int create_virtio(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_vm_net_config *config = nic->config;
	struct td_virtio_net_config net = {.name = config->id,
		.mtu = (uint16_t)config->mtu,
		.queue_pairs = config->queues ? (unsigned)config->queues : 1,
		.tap_name = config->tap,
		.standby = config->mode == TD_NIC_FAILOVER,
		.vhost = vhost_use(config->vhost),
		.events = {.driver = on_driver, .broken = on_broken, .opaque = nic}};

	memcpy(net.mac, config->mac, sizeof(net.mac));
	return td_virtio_net_create(nic->host.vm, &net, &nic->net, err);
}

static int create_vf_only(struct td_hybrid *nic, struct td_err *err)
{
	int rc = td_hybrid_vf_warm_up(nic, err);

	if (rc == 0 && td_hybrid_vf_steer(nic, true) == -EINPROGRESS)
		td_hybrid_vf_wait(nic);
	if (rc == 0 && nic->steer.rc < 0) {
		*err = nic->steer.err;
		rc = nic->steer.rc;
	}
	if (rc == 0)
		rc = td_vfio_pci_attach(nic->vf, err);
	if (rc == 0)
		nic->path = nic->wanted = TD_PATH_VF;
	return rc;
}

static int create_parts(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_vm_net_config *config = nic->config;
	int rc;

	if (config->mode == TD_NIC_VF)
		return create_vf_only(nic, err);
	if (!config->bridge && !config->tap)
		td_warn("nic %s: neither bridge nor tap is given: it leads nowhere until its tap is connected", config->id);
	rc = config->model == TD_NIC_IGBVF ? create_igbvf(nic, err) : create_virtio(nic, err);
	if (rc == 0)
		rc = td_hybrid_port_begin(nic, err);
	if (rc == 0 && nic->mode && config->start_on_vf) {
		nic->wanted = TD_PATH_VF;
		rc = td_hybrid_vf_warm_up(nic, err); /* what can go wrong on the host goes wrong now, with nobody waiting */
	}
	return rc;
}

static const struct td_hybrid_mode *mode_of(const struct td_hybrid_host *host, enum td_nic_mode mode)
{
	const struct td_hybrid_mode *const modes[] = {
		[TD_NIC_FAILOVER] = host->failover, [TD_NIC_TRANSPARENT] = host->transparent, [TD_NIC_EMULATED] = NULL, [TD_NIC_VF] = NULL};

	return modes[mode];
}

/* To pin RAM takes its time, and so does giving it back, which the next lease waits for. The guest runs meanwhile. */
static void set_limits(struct td_hybrid *nic)
{
	uint32_t pinning_ms = (uint32_t)(nic->host.vm->mem.size_bytes / TD_MIB * PIN_MS_PER_MIB);

	nic->reserve_ms = nic->flip.limit_ms[TD_FLIP_RESERVE] += pinning_ms;
	nic->flip.limit_ms[TD_FLIP_PREPARE] += pinning_ms;
	nic->flip.limit_ms[TD_FLIP_QUIESCE] = (uint32_t)nic->config->unplug_timeout_ms;
	nic->flip.limit_ms[TD_FLIP_SWAP] = (uint32_t)nic->config->plug_timeout_ms;
}

int td_hybrid_create(
	const struct td_hybrid_host *host, const struct td_vm_net_config *config, struct td_hybrid **ret_nic, struct td_err *err)
{
	struct td_hybrid *nic = calloc(1, sizeof(*nic));
	int rc;

	if (!nic)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "nic %s", config->id);
	nic->host = *host;
	nic->config = config;
	nic->catch.pf_fd = nic->catch.tap_fd = nic->relay.fd = nic->stat[0].fd = nic->stat[1].fd = -1;
	nic->lease.vf_lock_fd = nic->network.watch.fd = -1;
	nic->mode = mode_of(host, config->mode);
	td_hybrid_flip_init(nic);
	td_hybrid_watch_init(nic);
	td_hybrid_settings_init(nic);
	set_limits(nic);
	rc = nic->mode ? nic->mode->create(nic, err) : 0;
	if (rc == 0)
		rc = create_parts(nic, err);
	if (rc == 0)
		rc = td_hybrid_guard_begin(nic, err);
	td_hybrid_open_stats(nic);
	if (rc < 0) {
		td_hybrid_destroy(nic);
		return rc;
	}
	if (config->mode == TD_NIC_TRANSPARENT)
		td_hybrid_wake(nic); /* looks for the guest's driver */
	td_hybrid_watch(nic);
	*ret_nic = nic;
	return 0;
}

void td_hybrid_destroy(struct td_hybrid *nic)
{
	if (!nic)
		return;
	nic->ending = true;
	nic->done = NULL; /* whoever asked is gone, or hears it from the control socket's end */
	td_loop_disarm(&nic->host.vm->loop, &nic->limit);
	td_loop_disarm(&nic->host.vm->loop, &nic->tick);
	td_loop_disarm(&nic->host.vm->loop, &nic->watch);
	td_loop_disarm(&nic->host.vm->loop, &nic->settle_timer);
	td_flip_drop(&nic->flip);
	td_hybrid_proof_end(nic);
	td_hybrid_vf_wait(nic);
	td_hybrid_close_stats(nic);
	if (nic->mode && nic->mode->vf_state && td_hybrid_vf_state(nic) == TD_VFIO_PLUGGED) { /* the guest needn't be there */
		nic->resetting = true;							      /* nobody is told anything any more */
		nic->mode->force_off(nic);
	}
	td_hybrid_vf_release(nic);
	td_hybrid_port_end(nic); /* it may give the guard something to do */
	td_hybrid_guard_end(nic);
	td_hybrid_vf_wait(nic);
	if (nic->mode)
		nic->mode->destroy(nic);
	free(nic);
}

const char *td_hybrid_id(const struct td_hybrid *nic)
{
	return nic->config->id;
}

void td_hybrid_guest_reset(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (!nic->mode)
		return;
	td_hybrid_proof_hurry(nic); /* all but that is done, and can't be undone */
	nic->resetting = true;
	td_err_set(&err, ECANCELED, TD_REASON_FLIP_ABORTED, "the guest was reset");
	td_flip_abort(&nic->flip, &err);
	nic->mode->guest_reset(nic);
	nic->resetting = false;
	td_hybrid_vf_unsteer(nic);
}

int td_hybrid_may_pause(const struct td_hybrid *nic, struct td_err *err)
{
	if (!td_flip_active(&nic->flip))
		return 0;
	return td_err_set(err, EBUSY, TD_REASON_FLIP_BUSY, "nic %s: a flip to %s is in progress (phase %s): pause when it is over",
		nic->config->id, td_path_name(nic->flip.to), td_flip_phase_name(nic->flip.phase));
}

/* ---- requests ---- */

/* Of a guest whose interface is down, the VF is plugged and the path is the emulated one. */
static bool is_there(const struct td_hybrid *nic, enum td_path to)
{
	return nic->path == to && !td_flip_active(&nic->flip) && !td_hybrid_leaving(nic) &&
	       (!nic->mode || to == TD_PATH_VF || td_hybrid_vf_state(nic) != TD_VFIO_PLUGGED);
}

/* Nothing to do is no failure; what is left of a request is the lease of a warm VF that is wanted no more. */
static void already_there(struct td_hybrid *nic, enum td_path to, bool cold, td_hybrid_done done, void *opaque)
{
	json_t *record = json_pack(
		"{s:s, s:b, s:b, s:s, s:f}", "to", td_path_name(to), "ok", true, "changed", false, "reason", "none", "total_ms", 0.0);

	nic->wanted = to;
	if (nic->mode && to == TD_PATH_EMULATED && cold && nic->lease.held) {
		nic->give_back = true;
		td_hybrid_wake(nic);
	}
	if (done)
		done(opaque, record, NULL);
	json_decref(record);
}

int td_hybrid_switch(struct td_hybrid *nic, enum td_path to, unsigned how, td_hybrid_done done, void *opaque, struct td_err *err)
{
	enum td_path before = nic->wanted;
	struct td_err instead = {0};
	int rc;

	td_err_set(&instead, ECANCELED, TD_REASON_FLIP_ABORTED, "another flip was asked for while it waited for its path");
	if (nic->waits_for_path)
		td_flip_abort(&nic->flip, &instead);
	if (is_there(nic, to)) {
		already_there(nic, to, how & TD_HYBRID_COLD, done, opaque);
		return 0;
	}
	if (!nic->mode)
		return td_err_set(err, EOPNOTSUPP, TD_REASON_USAGE,
			"nic %s: its mode has one path only; modes failover and transparent have two", nic->config->id);
	if (nic->host.vm->state != TD_VM_RUNNING)
		return td_err_set(err, EBUSY, TD_REASON_VM_STATE, "nic %s: the VM is paused, so its guest can't take part: resume it first",
			nic->config->id);
	if (td_flip_active(&nic->flip))
		return td_hybrid_flip(nic, to, false, how, err); /* says that it is busy */
	if (!(how & TD_HYBRID_FORCE) && td_hybrid_health_check(nic, to, err) < 0)
		return err ? err->code : -ENETDOWN;
	nic->done = done;
	nic->done_opaque = opaque;
	nic->wanted = to; /* the flip may end within the call, and looks at it */
	rc = td_hybrid_flip(nic, to, false, how, err);
	if (rc < 0) {
		nic->done = NULL;
		nic->wanted = before;
	}
	return rc;
}
