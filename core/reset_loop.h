/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reset_loop.h - what to do with a guest that is reset again and again before it has lived: let it wait, ever longer, and stop it in the
 * end, as systemd does with services (systemd.unit(5), StartLimitBurst=). A guest that cannot start would keep CPUs of the host busy
 * without end, and nobody would see it. Pure: times in, a decision out.
 */
#ifndef TD_CORE_RESET_LOOP_H
#define TD_CORE_RESET_LOOP_H

#include "core/base.h"

#define TD_RESET_LOOP_LIFE_NS 1000000000ULL /* who lived so long has lived */
#define TD_RESET_LOOP_MAX     5U	    /* early resets in a row */

struct td_reset_loop {
	uint64_t begun_ns; /* when the guest began to run last */
	unsigned early;	   /* resets in a row, each before it had lived */
};

/* The guest begins to run, after its boot or a reset. */
void td_reset_loop_run(struct td_reset_loop *loop, uint64_t now_ns);
/*
 * The guest was reset. True: it may run again in *ret_wait_ns (0: at once). False: it should not, before somebody says so; who lets it
 * run then gives it as many tries anew.
 */
bool td_reset_loop_reset(struct td_reset_loop *loop, uint64_t now_ns, uint64_t *ret_wait_ns);

#endif
