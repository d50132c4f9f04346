/* SPDX-License-Identifier: Apache-2.0 */
/*
 * transparent.h - what the files of mode transparent share: transparent.c (its table, undoing, between flips),
 * transparent_vf.c and transparent_back.c (a flip's phases), transparent_hw.c (the guest's function in front of the
 * hardware). Main loop, VM's lock held.
 */
#ifndef TD_NIC_TRANSPARENT_TRANSPARENT_H
#define TD_NIC_TRANSPARENT_TRANSPARENT_H

#include "nic/hybrid_parts.h"
#include "nic/transparent/transparent_mode.h"
#include "vfio/hw82576.h"

#define TD_TRANSPARENT_LATE_NS	      300000000ULL /* switches have learned by then */
#define TD_TRANSPARENT_DESC_BYTES     16U
#define TD_TRANSPARENT_UNDER_WAY_NS   1000000ULL /* what was sent to the old place before the outside was told */
#define TD_TRANSPARENT_RETRY_FIRST_NS 1000000000ULL

/* nic->mode_state of such a NIC. */
struct td_transparent {
	bool on_hardware; /* the guest's rings are the VF's */
	uint64_t held_ns; /* since when what the guest sends is held back; 0: it is not */
	bool parked;	  /* by the flip in progress */
	uint64_t parked_ns, parked_cpu_ns;
	uint64_t retry_at_ns, patience_ns; /* of flips to the VF that nobody asked for */
	uint64_t settle_until_ns;	   /* 0, or until when the path that the guest is not on may still be in use */
	struct td_vf82576_state prepared;  /* what hardware and PF were told */
	unsigned preparations;
	int fds[2];		 /* of the guest's vectors */
	struct td_catch catcher; /* as the job makes it: nic->catch when that is over */
	uint64_t bring_until_ns; /* in STEER to the VF: until when what waits in the tap goes there, before the outside is told; 0: it was
				    told */
	uint64_t told_ns;	 /* in STEER: when the outside was told; 0: not yet */
	uint64_t drain_until_ns; /* in QUIESCE from the VF: until when it may send what it has */
	uint64_t again_ns;	 /* the guest was slow to post: no try before */
	uint64_t ahead_ns;	 /* since when it gives buffers back for that; 0: it does not */
	unsigned failed_rests;	 /* of this flip */
	uint64_t rest_ns;	 /* since when the model rests, before the guest is stopped; 0: it does not */
	bool unheard;		 /* what waits in the tap came before the VF received */
	uint32_t room;		 /* frames that may be brought to the VF before its ring is looked at again */
	unsigned late_looks;	 /* at the tap, when nothing else is waited for */
};

static inline struct td_transparent *td_transparent_of(const struct td_hybrid *nic)
{
	return nic->mode_state;
}

/* The hardware VF; NULL: none. */
static inline struct td_hw82576 *td_transparent_hw(const struct td_hybrid *nic)
{
	return nic->vf_object;
}

/* transparent.c */

/* vCPUs stand still, and that is measured. Harmless when they do already, or do not. */
void td_transparent_park(struct td_hybrid *nic);
void td_transparent_unpark(struct td_hybrid *nic);
/*
 * From here on nothing that the guest sends leaves; it may run. Until it is released, for which it stands still a moment, or the rings are
 * the model's again. Harmless when it is so already, or not on hardware.
 */
void td_transparent_hold(struct td_hybrid *nic);
void td_transparent_release(struct td_hybrid *nic);
void td_transparent_note_held(struct td_hybrid *nic, bool held); /* for the flip's record */
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
/* In STEER: the PF's filter is the VF's now, or is not. Then each millisecond. */
void td_transparent_steered_to_vf(struct td_hybrid *nic, int rc, const struct td_err *err);
void td_transparent_bring(struct td_hybrid *nic);

/* transparent_back.c */

int td_transparent_begin_emulated(struct td_hybrid *nic, enum td_flip_phase phase, struct td_err *err);
/* The model has the rings again, as far as the hardware worked them. vCPUs are parked. */
void td_transparent_take_rings(struct td_hybrid *nic);
/* In STEER: the PF's filter is gone, or is not. In QUIESCE and STEER: each millisecond. */
void td_transparent_steered_back(struct td_hybrid *nic, int rc, const struct td_err *err);
void td_transparent_tick_back(struct td_hybrid *nic);

/* transparent_hw.c */

extern const struct td_hybrid_vf_kind td_transparent_vf_kind;
enum td_vfio_state td_transparent_vf_state(const struct td_hybrid *nic);
/* Since it was given the rings; what was before stands in nic->vf_before. */
void td_transparent_count(struct td_hybrid *nic, struct td_vfio_counters *ret_vf);
/* At rest -> on hardware: the guest's registers are answered with the help of the hardware. */
int td_transparent_join(struct td_hybrid *nic, struct td_err *err);
/* What the hardware counted since its restore goes into the NIC's sum. */
void td_transparent_keep_counters(struct td_hybrid *nic, const struct td_vf82576_state *captured);
#endif
