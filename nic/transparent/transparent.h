/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent.h - what the files of mode transparent share: transparent.c (its table, undoing, between flips),
 * transparent_vf.c and transparent_back.c (a flip's phases), transparent_hw.c (the guest's function in front of the
 * hardware). Main loop, VM's lock held.
 */
#ifndef TD_NIC_TRANSPARENT_TRANSPARENT_H
#define TD_NIC_TRANSPARENT_TRANSPARENT_H

#include "nic/hybrid_parts.h"

#define TD_TRANSPARENT_LATE_NS	      300000000ULL /* switches have learned by then */
#define TD_TRANSPARENT_DESC_BYTES     16U
#define TD_TRANSPARENT_UNDER_WAY_NS   1000000ULL /* what was sent to the old place before the outside was told */
#define TD_TRANSPARENT_RETRY_FIRST_NS 1000000000ULL

/* transparent.c */

/* vCPUs stand still, and that is measured. Harmless when they do already, or do not. */
void td_transparent_park(struct td_hybrid *nic);
void td_transparent_unpark(struct td_hybrid *nic);
/* The PF's filter, for the VF or away from it. vCPUs that run may have the VM's lock meanwhile: it takes milliseconds. */
int td_transparent_steer(struct td_hybrid *nic, bool on, struct td_err *err);
/*
 * From here on nothing that the guest sends leaves; it may run. Until it is released, for which it stands still a moment, or the rings are
 * the model's again. Harmless when it is so already, or not on hardware.
 */
void td_transparent_hold(struct td_hybrid *nic);
void td_transparent_release(struct td_hybrid *nic);
void td_transparent_note_held(struct td_hybrid *nic, bool held); /* for the flip's record */
/* vCPUs that run have the lock meanwhile. */
void td_transparent_wait(struct td_hybrid *nic, uint64_t ns);
/*
 * What waits in the tap goes to the VF, as far as that has buffers for it. Bounded: whoever floods the guest's address must not hold up the
 * flip. False: nothing did.
 */
bool td_transparent_relay(struct td_hybrid *nic);

/* transparent_vf.c */

int td_transparent_begin_vf(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err);
/*
 * One try to find the model at rest with its receive head at 0 and the guest stopped; vCPUs are parked when this returns 0. -EINPROGRESS:
 * to be tried again.
 */
int td_transparent_try_rest(struct td_hybrid *nic, struct td_err *err);
/* The model works again. Harmless when it does already. */
void td_transparent_go(struct td_hybrid *nic);

/* transparent_back.c */

int td_transparent_begin_emulated(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err);
/* The model has the rings again, as far as the hardware worked them. vCPUs are parked. */
void td_transparent_take_rings(struct td_hybrid *nic);

/* transparent_hw.c */

/* The hardware VF of the lease, made and opened. */
int td_transparent_open(struct td_hybrid *nic, struct td_err *err);
void td_transparent_close(struct td_hybrid *nic);
/* At rest -> on hardware: the guest's registers are answered with the help of the hardware. */
int td_transparent_join(struct td_hybrid *nic, struct td_err *err);
/* What the hardware counted since its restore goes into the NIC's sum. */
void td_transparent_keep_counters(struct td_hybrid *nic, const struct td_vf82576_state *captured);
#endif
