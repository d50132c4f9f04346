/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_player.h - a NIC under a policy with no NIC there: time passes as the caller says, flips take a given time and work or fail as
 * told. For simulations and replays. Pure; the same threads as policy.h.
 */
#ifndef TD_POLICY_POLICY_PLAYER_H
#define TD_POLICY_POLICY_PLAYER_H

#include "policy/policy.h"

struct td_policy_player;

/* The decision is another one, as of player->nic.now_ns. */
typedef void td_policy_player_said(void *opaque, const struct td_policy_player *player);

struct td_policy_player {
	struct td_policy_nic nic;
	td_policy_player_said *said; /* or NULL */
	void *opaque;
	uint64_t flip_takes_ns; /* at least 1: nothing is without time, and so no two rules can hang it */
	bool flips_fail;
	uint64_t flip_over_ns; /* a flip is under way until then; 0: none */
	enum td_path flip_to;
	unsigned flips, failed_flips;
	uint64_t on_path_ns[2];
	double packets[2]; /* on each path: the rate that was told last, over time */
};

/* said() is called for the first decision, too. */
void td_policy_player_init(struct td_policy_player *player, const struct td_policy *policy, enum td_path path, uint64_t flip_takes_ns,
	td_policy_player_said *said, void *opaque);
/* What happens before now, and at it; flips of now are under way when it returns. */
void td_policy_player_run(struct td_policy_player *player, uint64_t now_ns);
/* The same, without what happens at now: for facts that are told then. td_policy_player_run() is to follow. */
void td_policy_player_run_before(struct td_policy_player *player, uint64_t now_ns);

#endif
