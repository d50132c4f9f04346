/* SPDX-License-Identifier: Apache-2.0 */
/* failover_table.c - see failover_table.h. An empty place is TD_FA_NEVER. */
#include "nic/failover/failover_table.h"

#define OFTEN_NS 1000000ULL
#define IDLE_NS	 100000000ULL /* a guest that does not answer is asked again, without haste */

static const struct td_failover_stand stands[TD_FS_COUNT] = {
	[TD_FS_EMULATED] = {"emulated", TD_PATH_EMULATED, .plugged = false},
	[TD_FS_PLUGGED] = {"plugged", TD_PATH_EMULATED, .plugged = true},
	[TD_FS_OPENING] = {"opening", TD_PATH_EMULATED, .plugged = true, .held = true},
	[TD_FS_VERIFYING] = {"verifying", TD_PATH_VF, .plugged = true, .held = true},
	[TD_FS_SETTLING] = {"settling", TD_PATH_VF, .plugged = true, .held = true, .tick_ns = OFTEN_NS},
	[TD_FS_ON_VF] = {"on-vf", TD_PATH_VF, .plugged = true, .held = true},
	[TD_FS_AWAY] = {"away", TD_PATH_VF, .plugged = true},
	[TD_FS_LEAVING] = {"leaving", TD_PATH_VF, .plugged = true, .held = true, .leaving = true, .tick_ns = OFTEN_NS},
	[TD_FS_DEAF] = {"deaf", TD_PATH_VF, .plugged = true, .held = true, .leaving = true, .tick_ns = OFTEN_NS},
	[TD_FS_LET_GO] = {"let-go", TD_PATH_EMULATED, .plugged = true, .leaving = true, .tick_ns = IDLE_NS},
	[TD_FS_UNUSED] = {"unused", TD_PATH_EMULATED, .plugged = true},
};

/* A guest that has a VF may lose it in any state. */
#define MAY_LOSE_IT                                                                                                 \
	[TD_FE_EJECTED] = {TD_FA_TO_EMULATED, TD_FS_EMULATED}, [TD_FE_TAKEN] = {TD_FA_TO_EMULATED, TD_FS_EMULATED}, \
	[TD_FE_RESET] = {TD_FA_TO_EMULATED, TD_FS_EMULATED}

static const struct td_failover_step steps[TD_FS_COUNT][TD_FE_COUNT] =
	{
		[TD_FS_EMULATED] =
			{
				[TD_FE_PLUGGED] = {TD_FA_ENTER, TD_FS_PLUGGED},
				[TD_FE_KEPT] = {TD_FA_UNSTEER, TD_FS_EMULATED}, /* it gave the VF up, and the flip failed after that */
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_EMULATED},
				[TD_FE_RESET] = {TD_FA_TO_EMULATED, TD_FS_EMULATED},
			},
		[TD_FS_PLUGGED] =
			{
				[TD_FE_WITHDRAWN] = {TD_FA_ASK, TD_FS_LET_GO},
				[TD_FE_DOWN] = {TD_FA_ENTER, TD_FS_UNUSED},
				[TD_FE_OPENING] = {TD_FA_ENTER, TD_FS_OPENING},
				[TD_FE_DRIVER_UP] = {TD_FA_WAKE, TD_FS_PLUGGED},
				[TD_FE_SEES_UP] = {TD_FA_ENTER, TD_FS_OPENING},
				[TD_FE_SEES_SHUT] = {TD_FA_STAY, TD_FS_PLUGGED},
				[TD_FE_SEES_NONE] = {TD_FA_STAY, TD_FS_PLUGGED},
				MAY_LOSE_IT,
			},
		[TD_FS_OPENING] =
			{
				[TD_FE_WITHDRAWN] = {TD_FA_ASK, TD_FS_LET_GO},
				[TD_FE_DOWN] = {TD_FA_ENTER, TD_FS_UNUSED},
				[TD_FE_OPENING] = {TD_FA_AGAIN, TD_FS_OPENING}, /* its probe resets the VF */
				[TD_FE_DRIVER_UP] = {TD_FA_WAKE, TD_FS_OPENING},
				[TD_FE_SEES_UP] = {TD_FA_STAY, TD_FS_OPENING},
				[TD_FE_SEES_SHUT] = {TD_FA_STAY, TD_FS_OPENING},
				[TD_FE_SEES_NONE] = {TD_FA_ENTER, TD_FS_PLUGGED},
				[TD_FE_TIMEOUT] = {TD_FA_ENTER, TD_FS_PLUGGED}, /* a driver that has failed */
				[TD_FE_OPEN] = {TD_FA_ARRIVE, TD_FS_VERIFYING},
				MAY_LOSE_IT,
			},
		[TD_FS_VERIFYING] =
			{
				[TD_FE_SETTLE] = {TD_FA_SETTLE, TD_FS_SETTLING},
				[TD_FE_WITHDRAWN] = {TD_FA_ASK, TD_FS_LEAVING},
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_VERIFYING}, /* what comes is held already */
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_VERIFYING},
				MAY_LOSE_IT,
			},
		[TD_FS_SETTLING] =
			{
				[TD_FE_ASKED] = {TD_FA_ASK, TD_FS_LEAVING},
				[TD_FE_KEPT] = {TD_FA_SETTLE, TD_FS_SETTLING}, /* it could not even be asked */
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_SETTLING},
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_SETTLING},
				[TD_FE_SEES_UP] = {TD_FA_STAY, TD_FS_SETTLING},
				[TD_FE_SEES_SHUT] = {TD_FA_STAY, TD_FS_SETTLING},
				[TD_FE_SEES_NONE] = {TD_FA_LOSE_DRIVER, TD_FS_AWAY},
				[TD_FE_QUIET] = {TD_FA_ENTER, TD_FS_ON_VF},
				[TD_FE_TIMEOUT] = {TD_FA_ENTER, TD_FS_ON_VF}, /* by then igbvf has looked for its link by itself */
				[TD_FE_PAUSED] = {TD_FA_AGAIN, TD_FS_SETTLING},
				MAY_LOSE_IT,
			},
		[TD_FS_ON_VF] =
			{
				[TD_FE_ASKED] = {TD_FA_ASK, TD_FS_LEAVING},
				[TD_FE_KEPT] = {TD_FA_SETTLE, TD_FS_SETTLING},
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_ON_VF}, /* the next look finds out what comes of it */
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_ON_VF},
				[TD_FE_SEES_UP] = {TD_FA_STAY, TD_FS_ON_VF},
				[TD_FE_SEES_SHUT] = {TD_FA_STAY, TD_FS_ON_VF},
				[TD_FE_SEES_NONE] = {TD_FA_LOSE_DRIVER, TD_FS_AWAY},
				[TD_FE_USED] = {TD_FA_SETTLE, TD_FS_SETTLING},
				MAY_LOSE_IT,
			},
		[TD_FS_AWAY] =
			{
				[TD_FE_ASKED] = {TD_FA_ASK_AWAY, TD_FS_LET_GO},
				[TD_FE_KEPT] = {TD_FA_STAY, TD_FS_AWAY},
				[TD_FE_OPENING] = {TD_FA_ENTER, TD_FS_ON_VF},
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_AWAY}, /* it is looked at soon enough */
				[TD_FE_SEES_UP] = {TD_FA_ENTER, TD_FS_ON_VF},
				[TD_FE_SEES_SHUT] = {TD_FA_ENTER, TD_FS_ON_VF},
				[TD_FE_SEES_NONE] = {TD_FA_STAY, TD_FS_AWAY},
				MAY_LOSE_IT,
			},
		[TD_FS_LEAVING] =
			{
				[TD_FE_ASKED] = {TD_FA_ASK, TD_FS_LEAVING}, /* its flip had failed, and it was asked then already */
				[TD_FE_KEPT] = {TD_FA_SETTLE, TD_FS_SETTLING},
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_LEAVING},
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_LEAVING},
				[TD_FE_SEES_UP] = {TD_FA_RELAY, TD_FS_LEAVING},
				[TD_FE_SEES_SHUT] = {TD_FA_GO_DEAF, TD_FS_DEAF},
				[TD_FE_SEES_NONE] = {TD_FA_LET_GO_AT_ONCE, TD_FS_LET_GO},
				MAY_LOSE_IT,
			},
		[TD_FS_DEAF] =
			{
				[TD_FE_ASKED] = {TD_FA_ASK, TD_FS_DEAF},
				[TD_FE_KEPT] = {TD_FA_ENTER,
					TD_FS_ON_VF}, /* it is held there, too, until its driver receives, or has gone */
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_DEAF},
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_DEAF},
				[TD_FE_SEES_UP] = {TD_FA_RELAY, TD_FS_DEAF}, /* it was without buffers; the outside was told already */
				[TD_FE_SEES_SHUT] = {TD_FA_STAY, TD_FS_DEAF},
				[TD_FE_SEES_NONE] = {TD_FA_LET_GO, TD_FS_LET_GO},
				MAY_LOSE_IT,
			},
		[TD_FS_LET_GO] =
			{
				[TD_FE_ASKED] = {TD_FA_ASK, TD_FS_LET_GO},
				[TD_FE_KEPT] = {TD_FA_KEEP_UNUSED, TD_FS_UNUSED},
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_LET_GO},
				[TD_FE_DRIVER_UP] = {TD_FA_STAY, TD_FS_LET_GO},
				[TD_FE_SEES_UP] = {TD_FA_RELAY, TD_FS_LEAVING}, /* it was amid its probe when it was asked */
				[TD_FE_SEES_SHUT] = {TD_FA_STAY, TD_FS_LET_GO},
				[TD_FE_SEES_NONE] = {TD_FA_STAY, TD_FS_LET_GO},
				MAY_LOSE_IT,
			},
		[TD_FS_UNUSED] =
			{
				[TD_FE_PLUGGED] = {TD_FA_ENTER, TD_FS_PLUGGED}, /* another flip finds it in the guest */
				[TD_FE_ASKED] = {TD_FA_ASK, TD_FS_LET_GO},
				[TD_FE_KEPT] = {TD_FA_STAY, TD_FS_UNUSED},
				[TD_FE_OPENING] = {TD_FA_STAY, TD_FS_UNUSED}, /* its coming up makes a flip */
				[TD_FE_DRIVER_UP] = {TD_FA_COME_LATE, TD_FS_UNUSED},
				MAY_LOSE_IT,
			},
};

const struct td_failover_stand *td_failover_stand(enum td_failover_state state)
{
	return &stands[state];
}

struct td_failover_step td_failover_step(enum td_failover_state state, enum td_failover_event event)
{
	return steps[state][event];
}
