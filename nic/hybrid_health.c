/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_health.c - whether the emulated path works, as the host says (host/net/host_watch.h), and what follows from it: no flip to a path
 * that does not work unless somebody insists; one that will work soon is waited for before the VF is given up; a NIC whose path works again
 * is announced by it.
 */
#include <errno.h>
#include <stdio.h>

#include "core/log.h"
#include "nic/hybrid_parts.h"

const struct td_host_path_health *td_hybrid_health(const struct td_hybrid *nic)
{
	static const struct td_host_path_health unknown;

	return nic->network.watch.fd >= 0 ? &nic->network.health : &unknown;
}

bool td_hybrid_is_well(const struct td_hybrid *nic)
{
	return td_hybrid_health(nic)->reason == TD_REASON_NONE;
}

/* The time in which it would work by itself passes. */
uint32_t td_hybrid_health_wait_ms(const struct td_hybrid *nic)
{
	const struct td_host_path_health *health = td_hybrid_health(nic);
	uint64_t passed_ms = (td_now_ns() - health->since_ns) / 1000000U;

	return health->wait_ms > passed_ms ? (uint32_t)(health->wait_ms - passed_ms) : 0;
}

static int path_refused(const struct td_hybrid *nic, struct td_err *err)
{
	const struct td_host_path_health *health = td_hybrid_health(nic);

	return td_err_set(err, ENETDOWN, health->reason, "nic %s: its emulated path does not work: %s (--force goes there all the same)",
		nic->config->id, health->text);
}

int td_hybrid_health_check(const struct td_hybrid *nic, enum td_path to, struct td_err *err)
{
	return to == TD_PATH_VF || td_hybrid_is_well(nic) || td_hybrid_health_wait_ms(nic) ? 0 : path_refused(nic, err);
}

/* ---- a path that will work soon ---- */

bool td_hybrid_health_wait(struct td_hybrid *nic)
{
	nic->waits_for_path = !nic->automatic && !nic->forced && td_hybrid_health_wait_ms(nic);
	return nic->waits_for_path;
}

bool td_hybrid_health_give_up(struct td_hybrid *nic, struct td_err *err)
{
	bool waited = nic->waits_for_path;

	nic->waits_for_path = false;
	if (waited && err)
		(void)path_refused(nic, err);
	return waited;
}

/* Phase RESERVE begins now, or fails. */
static void health_go_on(struct td_hybrid *nic, bool may)
{
	struct td_err err = {0};

	if (!nic->waits_for_path)
		return;
	nic->waits_for_path = false;
	if (may)
		td_hybrid_reserve_on(nic);
	else
		td_hybrid_phase_over(nic, TD_FLIP_RESERVE, path_refused(nic, &err), &err);
}

void td_hybrid_health_no_choice(struct td_hybrid *nic)
{
	health_go_on(nic, true);
}

/* ---- it has changed ---- */

void td_hybrid_health_say(struct td_hybrid *nic)
{
	const struct td_host_path_health *health = td_hybrid_health(nic);

	if (!health->known)
		return;
	if (health->reason == TD_REASON_NONE)
		td_log_limited(&nic->health_limit, TD_LOG_INFO, "nic %s: its emulated path works", nic->config->id);
	else if (td_hybrid_health_wait_ms(nic))
		td_log_limited(&nic->health_limit, TD_LOG_WARN, "nic %s: its emulated path works in up to %u s: %s [%s]", nic->config->id,
			(td_hybrid_health_wait_ms(nic) + 999) / 1000, health->text, td_reason_name(health->reason));
	else
		td_log_limited(&nic->health_limit, TD_LOG_WARN, "nic %s: its emulated path does not work: %s [%s]; try: %s",
			nic->config->id, health->text, td_reason_name(health->reason), td_reason_hint(health->reason));
}

/* Who announced this path while it led nowhere was not heard. A bridge that was made anew has to be joined first. */
void td_hybrid_health_changed(void *opaque)
{
	struct td_hybrid *nic = opaque;

	td_hybrid_health_say(nic);
	nic->stays = false;
	if (!td_hybrid_health(nic)->known) /* what waits goes on waiting */
		return;
	if (td_hybrid_health(nic)->reason == TD_REASON_NO_PORT)
		td_hybrid_guard_rejoin(nic);
	if (td_hybrid_health(nic)->reason == TD_REASON_TAP_LOST)
		td_hybrid_port_lost(nic);
	if (!td_hybrid_health_wait_ms(nic))
		health_go_on(nic, td_hybrid_is_well(nic));
	if (td_hybrid_is_well(nic) && nic->path == TD_PATH_EMULATED && !td_flip_active(&nic->flip))
		td_hybrid_announce(nic, TD_PATH_EMULATED);
}
