/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hybrid_transparent.h - what the files of mode transparent share: hybrid_transparent.c (a flip's phases), hybrid_transparent_hw.c (the
 * guest's function in front of the hardware). Main loop, VM's lock held.
 */
#ifndef TD_CLI_HYBRID_TRANSPARENT_H
#define TD_CLI_HYBRID_TRANSPARENT_H

#include "cli/hybrid_parts.h"

/* The hardware VF of the lease, made and opened. */
int td_transparent_open(struct td_hybrid *nic, struct td_err *err);
void td_transparent_close(struct td_hybrid *nic);
/* At rest -> on hardware: the guest's registers are answered with the help of the hardware. */
int td_transparent_join(struct td_hybrid *nic, struct td_err *err);
/* What the hardware counted since its restore goes into the NIC's sum. */
void td_transparent_keep_counters(struct td_hybrid *nic, const struct td_vf82576_state *captured);
#endif
