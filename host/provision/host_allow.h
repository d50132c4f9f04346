/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_allow.h - who a plan disturbs, and which plans are refused: those that the host is known not to be able to do (host_able.h), those
 * that take a VF or network away from who uses it, and those that cut the way by which the host itself is reached. Pure.
 */
#ifndef TD_HOST_PROVISION_HOST_ALLOW_H
#define TD_HOST_PROVISION_HOST_ALLOW_H

#include "core/err.h"
#include "host/provision/host_diff.h"

/* Fills in each step's `disturbs`. -ENOMEM only. */
int td_host_allow_disturbed(
	const struct td_host_state *is, const struct td_host_state *want, struct td_host_plan *plan, struct td_err *err);

/*
 * The first thing that stands against the plan: what td_host_able() has, whatever is said. TD_REASON_VF_BUSY names who holds VFs or has
 * NICs in a network that goes (unless `force`); TD_REASON_WOULD_DISCONNECT names what runs over the link (unless `disconnect`).
 */
int td_host_allow(const struct td_host_state *is, const struct td_host_state *want, const struct td_host_plan *plan, bool force,
	bool disconnect, struct td_err *err);

#endif
