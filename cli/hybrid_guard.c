/* SPDX-License-Identifier: Apache-2.0 */
/* hybrid_guard.c - tells the host's network where the guest's MAC address is, so that frames that come back do not (host/host_guard.h). */
#include "cli/hybrid_parts.h"
#include "core/log.h"
#include "host/host_guard.h"

static const char *tap_of(const struct td_hybrid *nic)
{
	if (nic->igbvf)
		return td_igbvf_tap(nic->igbvf);
	return nic->net ? td_virtio_net_tap(nic->net) : NULL;
}

static void warn(const struct td_hybrid *nic, const struct td_err *err)
{
	td_warn("nic %s: its own frames may come back to it: %s", nic->config->id, err->text);
}

void td_hybrid_guard_begin(struct td_hybrid *nic)
{
	struct td_err err = {0};

	if (!nic->config->bridge || !tap_of(nic))
		return;
	if (td_host_guard_tidy(nic->config->bridge, &err) < 0)
		warn(nic, &err);
	td_hybrid_guard(nic, TD_PATH_EMULATED);
}

void td_hybrid_guard_end(struct td_hybrid *nic)
{
	td_hybrid_guard(nic, TD_PATH_VF);
}

void td_hybrid_guard(struct td_hybrid *nic, enum td_path path)
{
	const struct td_vm_net_config *config = nic->config;
	const char *tap = tap_of(nic);
	bool on = path == TD_PATH_EMULATED;
	struct td_err err = {0};

	if (!config->bridge || !tap || nic->guarded == on)
		return;
	nic->guarded = on;
	if ((on ? td_host_guard_on : td_host_guard_off)(config->bridge, tap, config->mac, &err) < 0)
		warn(nic, &err);
}
