/* SPDX-License-Identifier: Apache-2.0 */
/* policy_replay.c - see policy_replay.h. */
#include "policy/policy_replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void replay_said(void *opaque, const struct td_policy_player *player)
{
	struct td_policy_replay_nic *nic = opaque;
	struct td_policy_replay *replay = nic->replay;

	if (replay->quiet)
		return;
	if (replay->change_count == replay->change_room) {
		size_t room = replay->change_room ? 2 * replay->change_room : 256;
		struct td_policy_replay_change *more = realloc(replay->change, room * sizeof(*more));

		replay->out_of_memory |= !more;
		if (!more)
			return;
		replay->change = more;
		replay->change_room = room;
	}
	replay->change[replay->change_count++] =
		(struct td_policy_replay_change){.t_ns = player->nic.now_ns, .nic = nic->number, .decision = player->nic.decision};
}

void td_policy_replay_init(struct td_policy_replay *replay, const struct td_policy *policy, uint64_t flip_takes_ns)
{
	*replay = (struct td_policy_replay){.policy = policy, .flip_takes_ns = flip_takes_ns};
}

void td_policy_replay_fini(struct td_policy_replay *replay)
{
	for (unsigned i = 0; i < replay->nic_count; i++)
		free(replay->nic[i]);
	free(replay->nic);
	free(replay->change);
	*replay = (struct td_policy_replay){.policy = NULL};
}

int td_policy_replay_add(struct td_policy_replay *replay, const char *name)
{
	struct td_policy_replay_nic **more = realloc(replay->nic, (replay->nic_count + 1) * sizeof(struct td_policy_replay_nic *));
	struct td_policy_replay_nic *nic;

	if (!more)
		return -ENOMEM;
	replay->nic = more;
	nic = malloc(sizeof(*nic));
	if (!nic)
		return -ENOMEM;
	nic->number = replay->nic_count;
	nic->replay = replay;
	snprintf(nic->name, sizeof(nic->name), "%s", name);
	td_policy_player_init(&nic->player, replay->policy, TD_PATH_EMULATED, replay->flip_takes_ns, replay_said, nic);
	replay->nic[replay->nic_count++] = nic;
	return 0;
}

struct td_policy_nic *td_policy_replay_begin(struct td_policy_replay *replay, unsigned nic, uint64_t t_ns)
{
	td_policy_player_run_before(&replay->nic[nic]->player, t_ns);
	return &replay->nic[nic]->player.nic;
}

void td_policy_replay_end(struct td_policy_replay *replay, unsigned nic)
{
	td_policy_player_run(&replay->nic[nic]->player, replay->nic[nic]->player.nic.now_ns);
}

static int replay_compare(const void *a, const void *b)
{
	const struct td_policy_replay_change *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	return (x->nic > y->nic) - (x->nic < y->nic);
}

void td_policy_replay_finish(struct td_policy_replay *replay, uint64_t t_ns)
{
	for (unsigned i = 0; i < replay->nic_count; i++)
		td_policy_player_run(&replay->nic[i]->player, t_ns);
	if (replay->change_count)
		qsort(replay->change, replay->change_count, sizeof(replay->change[0]), replay_compare);
}

void td_policy_replay_sum(const struct td_policy_replay *replay, struct td_policy_replay_sums *ret_sums)
{
	double vf_ns = 0, all_ns = 0;

	*ret_sums = (struct td_policy_replay_sums){.flips = 0};
	for (unsigned i = 0; i < replay->nic_count; i++) {
		const struct td_policy_player *player = &replay->nic[i]->player;

		ret_sums->flips += player->flips;
		ret_sums->most_flips = TD_MAX(ret_sums->most_flips, player->flips);
		ret_sums->packets += player->packets[TD_PATH_EMULATED] + player->packets[TD_PATH_VF];
		ret_sums->vf_packets += player->packets[TD_PATH_VF];
		vf_ns += (double)player->on_path_ns[TD_PATH_VF];
		all_ns += (double)(player->on_path_ns[TD_PATH_VF] + player->on_path_ns[TD_PATH_EMULATED]);
	}
	ret_sums->vf_share = all_ns > 0 ? vf_ns / all_ns : 0;
}
