/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_watch.c - flips that nobody asks for: a NIC goes to the VF that it is wanted on when what kept it from there has passed. Mode
 * transparent has its own (hybrid_transparent.c).
 */
#include "cli/hybrid_parts.h"
#include "core/log.h"

#define RETRY_FIRST_NS 1000000000ULL
#define RETRY_LAST_NS  60000000000ULL
#define RETRY_LOST_NS  5000000000ULL /* who took the VF away may go on with its neighbours, and make new ones */

void td_hybrid_set_reason(struct td_hybrid *nic, enum td_reason reason, const char *text)
{
	nic->reason = reason;
	snprintf(nic->reason_text, sizeof(nic->reason_text), "%s", text);
	td_warn("nic %s: %s", nic->config->id, text);
}

/* Is it a reason that may pass by itself, with nobody doing anything about this VM? */
static bool may_pass(enum td_reason reason)
{
	switch (reason) {
	case TD_REASON_PF_DOWN:
	case TD_REASON_PF_MISSING:
	case TD_REASON_PF_MAILBOX:
	case TD_REASON_NO_CARRIER:
	case TD_REASON_NO_FREE_VF:
	case TD_REASON_NO_SRIOV:
	case TD_REASON_VF_BUSY:
	case TD_REASON_VF_LOST:
	case TD_REASON_VFIO:
	case TD_REASON_FLIP_TIMEOUT:
		return true;
	default:
		return false;
	}
}

void td_hybrid_try_later(struct td_hybrid *nic)
{
	nic->patience_ns = TD_MIN(TD_MAX(2 * nic->patience_ns, nic->lost ? RETRY_LOST_NS : RETRY_FIRST_NS), RETRY_LAST_NS);
	nic->retry_at_ns = td_now_ns() + nic->patience_ns;
}

void td_hybrid_watch_flip(struct td_hybrid *nic, const struct td_err *err)
{
	bool away = nic->wanted == TD_PATH_VF && nic->path == TD_PATH_EMULATED;

	if (err->code == 0)
		nic->retry_at_ns = nic->patience_ns = 0;
	if (err->code || nic->lost)
		td_hybrid_try_later(nic);
	nic->reconsider |= away && (nic->lost || may_pass(err->reason));
}

void td_hybrid_follow(struct td_hybrid *nic)
{
	if (nic->flip.active || nic->leaving || nic->give_back)
		return;
	if (!nic->standby || nic->wanted != TD_PATH_VF || nic->path == TD_PATH_VF)
		nic->reconsider = false;
	if (!nic->reconsider || td_now_ns() < nic->retry_at_ns)
		return;
	nic->reconsider = false;
	/* What does not even begin has to wait for something else, which takes no notice of being waited for. */
	nic->reconsider |= !td_hybrid_flip_by_itself(nic, TD_PATH_VF, false);
}
