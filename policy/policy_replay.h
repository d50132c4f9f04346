/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_replay.h - many NICs under one policy, played from a trace, and the sums of it. Facts come in the order of time; each NIC is
 * played by itself. Allocates for each NIC and each change; not for facts. One thread.
 */
#ifndef TD_POLICY_POLICY_REPLAY_H
#define TD_POLICY_POLICY_REPLAY_H

#include "policy/policy_player.h"

struct td_policy_replay_change {
	uint64_t t_ns;
	unsigned nic;
	struct td_policy_decision decision;
};

struct td_policy_replay;

struct td_policy_replay_nic {
	char name[TD_POLICY_NAME_BYTES];
	unsigned number;
	struct td_policy_replay *replay;
	struct td_policy_player player;
};

struct td_policy_replay {
	const struct td_policy *policy;
	uint64_t flip_takes_ns;
	bool quiet; /* changes are not kept */
	struct td_policy_replay_nic **nic;
	unsigned nic_count;
	struct td_policy_replay_change *change; /* as they come: of one NIC in the order of time */
	size_t change_count, change_room;
	bool out_of_memory; /* changes were lost */
};

struct td_policy_replay_sums {
	unsigned flips, most_flips; /* of all; of the NIC that has most */
	double vf_share;	    /* of the time of all NICs; 0..1 */
	double packets, vf_packets; /* carried; on VFs */
};

void td_policy_replay_init(struct td_policy_replay *replay, const struct td_policy *policy, uint64_t flip_takes_ns);
void td_policy_replay_fini(struct td_policy_replay *replay);
/* One more, on the emulated path since time 0. -ENOMEM. */
int td_policy_replay_add(struct td_policy_replay *replay, const char *name);
/* Facts of a NIC at a time: begin, td_policy_set() and so on of the player's NIC, end. */
struct td_policy_nic *td_policy_replay_begin(struct td_policy_replay *replay, unsigned nic, uint64_t t_ns);
void td_policy_replay_end(struct td_policy_replay *replay, unsigned nic);
/* Plays all to this time, and puts the changes in the order of time. */
void td_policy_replay_finish(struct td_policy_replay *replay, uint64_t t_ns);
void td_policy_replay_sum(const struct td_policy_replay *replay, struct td_policy_replay_sums *ret_sums);

#endif
