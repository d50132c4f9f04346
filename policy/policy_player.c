/* SPDX-License-Identifier: Apache-2.0 */
/* policy_player.c - see policy_player.h. */
#include "policy/policy_player.h"

static void player_pass(struct td_policy_player *player, uint64_t now_ns)
{
	const struct td_policy_nic *nic = &player->nic;
	uint64_t ns = now_ns - TD_MIN(nic->now_ns, now_ns);

	player->on_path_ns[td_policy_path(nic)] += ns;
	if (nic->known >> TD_POLICY_FACT_PACKETS & 1)
		player->packets[td_policy_path(nic)] += (double)nic->value[TD_POLICY_FACT_PACKETS] * (double)ns / 1e9;
}

static void player_flip_over(struct td_policy_player *player, uint64_t now_ns)
{
	if (!player->flip_over_ns || now_ns < player->flip_over_ns)
		return;
	player->flip_over_ns = 0;
	player->flips += !player->flips_fail;
	player->failed_flips += player->flips_fail;
	td_policy_flipped(&player->nic, player->flip_to, !player->flips_fail, now_ns);
}

static void player_step(struct td_policy_player *player, uint64_t now_ns)
{
	struct td_policy_nic *nic = &player->nic;

	player_pass(player, now_ns);
	player_flip_over(player, now_ns);
	bool other = td_policy_decide(nic, now_ns);
	if (!player->flip_over_ns && nic->decision.path != td_policy_path(nic)) {
		player->flip_to = nic->decision.path;
		player->flip_over_ns = now_ns + player->flip_takes_ns;
	}
	if (other && player->said)
		player->said(player->opaque, player);
}

void td_policy_player_init(struct td_policy_player *player, const struct td_policy *policy, enum td_path path, uint64_t flip_takes_ns,
	td_policy_player_said *said, void *opaque)
{
	*player = (struct td_policy_player){.flip_takes_ns = TD_MAX(flip_takes_ns, 1), .said = said, .opaque = opaque};
	td_policy_nic_init(&player->nic, policy, path, 0);
}

/* A flip under way is over before anything else is done about its NIC. */
static uint64_t player_next_ns(const struct td_policy_player *player)
{
	uint64_t next_ns = player->nic.decision.next_ns;

	return player->flip_over_ns ? TD_MIN(next_ns, player->flip_over_ns) : next_ns;
}

void td_policy_player_run_before(struct td_policy_player *player, uint64_t now_ns)
{
	for (uint64_t next_ns; (next_ns = player_next_ns(player)) < now_ns;)
		player_step(player, TD_MAX(next_ns, player->nic.now_ns));
	player_pass(player, now_ns);
	player->nic.now_ns = TD_MAX(player->nic.now_ns, now_ns);
}

void td_policy_player_run(struct td_policy_player *player, uint64_t now_ns)
{
	td_policy_player_run_before(player, now_ns);
	player_step(player, now_ns);
}
