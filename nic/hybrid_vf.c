/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid_vf.c - a hybrid NIC's VF on the host: leased, opened, steered, given back. The guest is not known here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"

static void gave_only_path_up(void *opaque);

/*
 * A VLAN, or a link that is off, may be left from whoever had the VF before: only what differs is set, a driver may not know the rest. The
 * settings of before are in the lease's journal already.
 */
static int set_up_vf(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_sriov_vf *vf = &nic->lease.vf;
	struct td_sriov_vf_settings now;
	uint16_t vlan = (uint16_t)nic->config->vlan;

	if (td_sriov_get(vf->pf_name, vf->index, &now, err) < 0)
		return err->code;
	if (now.vlan != vlan && td_sriov_set_vlan(vf->pf_name, vf->index, vlan, err) < 0)
		return err->code;
	if (now.link_state == TD_SRIOV_LINK_DISABLE && td_sriov_set_link_state(vf->pf_name, vf->index, TD_SRIOV_LINK_AUTO, err) < 0)
		return err->code;
	return td_relay_open(&nic->relay, vf->pf_name, nic->config->mac, (uint16_t)nic->config->vlan, err);
}

int td_hybrid_vf_acquire(struct td_hybrid *nic, struct td_err *err)
{
	const struct td_lease_request request = {
		.bdf = nic->config->vf, .pf_name = nic->config->pf, .kept = nic->host.exact_vf, .kept_count = nic->host.exact_vf_count};
	int rc;

	if (nic->lease.held)
		return 0;
	rc = td_lease_acquire(&nic->lease, nic->host.run_dir, &request, err);
	if (rc < 0)
		return td_err_prefix(err, "nic %s", nic->config->id);
	rc = set_up_vf(nic, err);
	if (rc < 0)
		td_hybrid_vf_release(nic);
	return rc;
}

static int create_vf(struct td_hybrid *nic, struct td_err *err)
{
	static const struct td_vfio_events only_path = {.ejected = gave_only_path_up, .lost = td_hybrid_vf_lost};
	char name[32];
	struct td_vfio_pci_config config = {.name = name,
		.bdf = nic->lease.vf.bdf,
		.group = nic->lease.vf.group,
		.events = nic->mode ? *nic->mode->vf_events : only_path};
	int rc = 0;

	config.events.opaque = nic;
	snprintf(name, sizeof(name), "%.28s-vf", nic->config->id);
	if (!*nic->host.iommu)
		rc = td_iommu_create(nic->host.iommu, err);
	return rc < 0 ? rc : td_vfio_pci_create(nic->host.vm, *nic->host.iommu, &config, &nic->vf, err);
}

int td_hybrid_vf_open(struct td_hybrid *nic, struct td_err *err)
{
	int rc = 0;

	if (nic->mode && nic->mode->open_vf)
		return nic->mode->open_vf(nic, err);
	if (!nic->vf)
		rc = create_vf(nic, err);
	if (rc == 0 && td_vfio_pci_state(nic->vf) == TD_VFIO_CLOSED) {
		rc = td_vfio_pci_open(nic->vf, err);
		if (rc == 0)
			td_hybrid_count_vf(nic, &(struct td_vfio_counters){0}); /* what was counted before is not ours */
	}
	return rc < 0 ? td_err_prefix(err, "nic %s", nic->config->id) : 0;
}

static void keep_counters(struct td_hybrid *nic)
{
	struct td_vfio_counters last;

	td_hybrid_count_vf(nic, &last);
	nic->vf_before.rx_packets += last.rx_packets;
	nic->vf_before.rx_bytes += last.rx_bytes;
	nic->vf_before.tx_packets += last.tx_packets;
	nic->vf_before.tx_bytes += last.tx_bytes;
}

static void forget_carrier(struct td_hybrid *nic)
{
	td_cleanup_close(&nic->carrier_fd);
	nic->carrier_fd = -1;
}

void td_hybrid_vf_release(struct td_hybrid *nic)
{
	struct td_err err = {0};

	nic->give_back = false;
	nic->lost = nic->steered = false;
	if (nic->vf) {
		keep_counters(nic);
		td_vfio_pci_close(nic->vf);
		td_vfio_pci_destroy(nic->vf);
		nic->vf = NULL;
	}
	if (nic->mode && nic->mode->close_vf)
		nic->mode->close_vf(nic);
	td_relay_close(&nic->relay);
	td_catch_close(&nic->catch);
	forget_carrier(nic);
	if (td_lease_release(&nic->lease, &err) < 0)
		td_warn("nic %s: %s", nic->config->id, err.text);
}

int td_hybrid_vf_steer(struct td_hybrid *nic, bool on, struct td_err *err)
{
	static const uint8_t none[6];
	int rc;

	if (!nic->lease.held || !nic->lease.vf.pf_name[0])
		return 0;
	rc = td_sriov_set_mac(nic->lease.vf.pf_name, nic->lease.vf.index, on ? nic->config->mac : none, err);
	nic->steered = on || (nic->steered && rc < 0);
	return rc;
}

void td_hybrid_vf_unsteer(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (!nic->lost && nic->steered && td_hybrid_vf_steer(nic, false, &err) < 0)
		td_warn("nic %s: %s", nic->config->id, err.text);
}

static int check_pf(struct td_hybrid *nic, bool *ret_carrier, struct td_err *err)
{
	const char *pf = nic->lease.vf.pf_name;
	bool up;
	int rc = td_sriov_pf_link(pf, &up, ret_carrier, err);

	if (rc == 0 && !up)
		return td_err_set(err, ENETDOWN, TD_REASON_PF_DOWN, "nic %s: pf %s is down", nic->config->id, pf);
	return rc;
}

int td_hybrid_vf_check_pf(struct td_hybrid *nic, struct td_err *err)
{
	bool carrier;

	return check_pf(nic, &carrier, err);
}

int td_hybrid_vf_check_link(struct td_hybrid *nic, struct td_err *err)
{
	bool carrier;
	int rc = check_pf(nic, &carrier, err);

	if (rc == 0 && !carrier)
		return td_err_set(err, ENETDOWN, TD_REASON_NO_CARRIER, "nic %s: pf %s has no link", nic->config->id, nic->lease.vf.pf_name);
	return rc;
}

static void open_carrier(struct td_hybrid *nic)
{
	char path[64];

	if (nic->carrier_fd >= 0)
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", nic->lease.vf.pf_name);
	nic->carrier_fd = open(path, O_RDONLY | O_CLOEXEC);
}

bool td_hybrid_vf_sees_link(struct td_hybrid *nic)
{
	char carrier = '0';

	open_carrier(nic);
	if (nic->carrier_fd >= 0 && pread(nic->carrier_fd, &carrier, 1, 0) == 1 && carrier == '1')
		return true;
	forget_carrier(nic);
	return false;
}

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

/*
 * The host waits for us to let go. The guest is asked first, so that its driver and net_failover come down in order; what it does not do
 * within the time for it is done without it (td_flip's end).
 */
void td_hybrid_vf_lost(void *opaque, bool release_requested)
{
	struct td_hybrid *nic = opaque;
	struct td_err err = {0};

	nic->lost = true;
	td_hybrid_set_reason(nic, TD_REASON_VF_LOST, release_requested ? "the host takes the VF away" : "the VF reports an error");
	if (nic->config->mode == TD_NIC_VF || !td_hybrid_vf_state(nic)) {
		td_vfio_pci_close(nic->vf);
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
	if (!td_flip_active(&nic->flip))
		(void)td_hybrid_flip(nic, TD_PATH_EMULATED, true, true, &err);
}
