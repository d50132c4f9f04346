/* SPDX-License-Identifier: Apache-2.0 */
/* reset_loop.c - see reset_loop.h. */
#include "core/reset_loop.h"

/* The first early reset may be meant: some guests reset themselves once on their way. */
static const uint64_t wait_ns[TD_RESET_LOOP_MAX - 1] = {0, 100000000, 300000000, 900000000};

void td_reset_loop_run(struct td_reset_loop *loop, uint64_t now_ns)
{
	loop->begun_ns = now_ns;
	if (loop->early >= TD_RESET_LOOP_MAX)
		loop->early = 0;
}

bool td_reset_loop_reset(struct td_reset_loop *loop, uint64_t now_ns, uint64_t *ret_wait_ns)
{
	*ret_wait_ns = 0;
	if (now_ns - loop->begun_ns >= TD_RESET_LOOP_LIFE_NS) {
		loop->early = 0;
		return true;
	}
	if (++loop->early >= TD_RESET_LOOP_MAX)
		return false;
	*ret_wait_ns = wait_ns[loop->early - 1];
	return true;
}
