/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576.h - a hardware VF of an Intel 82576 behind a transparent NIC: opened, handshaken with its PF, given a guest's rings, and emptied
 * of them again, without ever writing a head. It has no guest-visible part: that is emul/igbvf.h, joined to it in nic/. A head stands
 * where the hardware left it; what has to be elsewhere is brought there by descriptors that do nothing.
 * Not vfio_pci.h, which shows a whole VF to the guest; both share what opens and resets a VF (vfio_open.h).
 *
 * Calls on the main loop with the VM's lock held. Those that wait long are in parts: one that begins, one that waits, for a host job
 * (core/job.h: any thread, no lock, nobody closes the VF meanwhile), and one that ends. The ending one is called whenever one was begun.
 *
 * State: closed --open--> open --prepare--> prepared --restore--> running --capture--> open; prepared --unprepare--> open
 */
#ifndef TD_VFIO_HW82576_H
#define TD_VFIO_HW82576_H

#include "core/base.h"
#include "core/err.h"
#include "core/vf82576.h"
#include "iommu/iommu.h"

struct td_vm;
struct td_hw82576;

enum td_hw82576_phase { TD_HW82576_CLOSED, TD_HW82576_OPEN, TD_HW82576_PREPARED, TD_HW82576_RUNNING };

/* All on the main loop; they may call anything here but td_hw82576_destroy(). */
struct td_hw82576_events {
	/* A message of the PF's that nobody asked for, or its reset (words all zero). Only while running. */
	void (*pf_message)(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS]);
	/* The answer to td_hw82576_mail(). NULL words: the PF did not answer in time. */
	void (*answer)(void *opaque, const uint32_t *words);
	/* As of vfio_pci.h. */
	void (*lost)(void *opaque, bool release_requested);
	void *opaque;
};

struct td_hw82576_config {
	const char *name; /* "net0" */
	const char *bdf;  /* bound to vfio-pci */
	int group;
	struct td_hw82576_events events;
};

int td_hw82576_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_hw82576_config *config, struct td_hw82576 **ret_hw, struct td_err *err);
void td_hw82576_destroy(struct td_hw82576 *hw); /* closes */

/*
 * In two steps: group, device and guest RAM in the IOMMU, which waits (a host job); BAR0 in our address space, no interrupt yet. Refuses
 * another device: -ENOTSUP. After a failure of either: td_hw82576_close(), then td_hw82576_close_device().
 */
int td_hw82576_open_device(struct td_hw82576 *hw, struct td_err *err);
int td_hw82576_open(struct td_hw82576 *hw, struct td_err *err);
/* In two steps: no DMA from here on; device and group given back, which waits (a host job). */
void td_hw82576_close(struct td_hw82576 *hw);
void td_hw82576_close_device(struct td_hw82576 *hw);
enum td_hw82576_phase td_hw82576_phase(const struct td_hw82576 *hw);

/* ---- to hardware ---- */

/*
 * The VF is reset and shakes hands with its PF, which is told of `state`'s multicast hashes, VLANs and largest frame; registers that are no
 * rings are set, interrupts masked. The VF has no MAC filter yet, so it hears nothing meant for the guest. The middle part waits (1 s at
 * most): done while the guest still runs on software. May be repeated. waited: what the middle part returned; a failure stays one.
 */
int td_hw82576_prepare(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err);
int td_hw82576_prepare_wait(struct td_hw82576 *hw, struct td_err *err);
int td_hw82576_prepare_end(struct td_hw82576 *hw, int waited, struct td_err *err);
/* Prepared -> open: a reset, which is not waited for, makes the PF forget what it was told. Harmless in any other phase. */
void td_hw82576_unprepare(struct td_hw82576 *hw);
/* Vectors 0 and 1 signal these eventfds from now on, vector 2 is ours. After prepare_wait, in the same job: it takes milliseconds. */
int td_hw82576_connect(struct td_hw82576 *hw, const int fds[2], struct td_err *err);
/*
 * Prepared -> running, vCPUs paused, the model at rest with its receive head at 0: rings, enables, tails. The transmit head is brought to
 * `state`'s by context descriptors in the guest's ring, whose bytes are put back. Interrupts are unmasked as `state` says and both
 * queues' vectors raised. Waits 20 ms at most for the card. On error the hardware is stopped, and open; the guest's rings are as they were.
 * -EAGAIN: what the PF was told in td_hw82576_prepare() is no longer what `state` says: prepare again. -EOPNOTSUPP, -EINVAL: the guest uses
 * what can't be moved (TD_REASON_DRIVER_UNKNOWN). -EIO: the card did not do what it should.
 */
int td_hw82576_restore(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err);

/* ---- from hardware ---- */

/*
 * The PF is told of no multicast hashes any more: from here on the VF hears its MAC alone; or, for a flip that is undone while the VF still
 * runs, of `state`'s again. The middle part waits (300 ms at most). -EBUSY: a message to the PF is on its way.
 */
int td_hw82576_quiet(struct td_hw82576 *hw, struct td_err *err);
int td_hw82576_unquiet(struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err);
int td_hw82576_quiet_wait(struct td_hw82576 *hw, struct td_err *err);
void td_hw82576_quiet_end(struct td_hw82576 *hw);
/*
 * Running, and the guest gives it nothing more to send: is all sent that was to be sent? To be looked at until it is, before the outside is
 * told of another path: each frame that leaves by the old one teaches it the old place again. last: it is not looked at again, what the VF
 * keeps is for software to send.
 */
bool td_hw82576_drained(struct td_hw82576 *hw, bool last);
/*
 * Running -> open, vCPUs paused, MAC filter moved already: interrupts masked, what is to be sent is sent (20 ms at most), queues off, rings
 * read into ret_rings->rx, ->tx, and so EITR, IVAR0, EIAC and EIAM with our vector in them (as the guest wrote them: not trusted),
 * counters' growth since restore into ->counter; nothing else of it is written. Then, when the main loop gets to it, bus mastering goes
 * off, and beside it the vectors are let go and the VF is reset. A packet cut in two is mended: transmit goes back to its first descriptor,
 * receive is closed with an error. Works on a VF that no longer answers, too, from what was read of it last, interrupts as ret_rings has
 * them: *ret_lost then, and frames may be lost.
 */
int td_hw82576_capture(struct td_hw82576 *hw, struct td_vf82576_state *ret_rings, bool *ret_lost, struct td_err *err);

/* ---- while running: what struct td_igbvf_hardware (emul/igbvf.h) is made of ---- */

/*
 * Of counters, reading gives the growth since restore (32 bits of it). The mailbox reads as zero, and writes to it, to IVAR_MISC, CTRL,
 * of vector 2's bits, and of queues that would raise it are ignored: they are ours. (In the guest's own pages they are not.) Main loop or a
 * vCPU's thread, as the three that follow.
 */
uint32_t td_hw82576_read(struct td_hw82576 *hw, uint32_t reg);
void td_hw82576_write(struct td_hw82576 *hw, uint32_t reg, uint32_t value);
/* The guest's own reset of its VF; and its message, answered by events.answer, after one of ours if that is on its way. -EBUSY: a second.
 */
void td_hw82576_reset_queues(struct td_hw82576 *hw);
void td_hw82576_bus_master(struct td_hw82576 *hw, bool on); /* the guest's; a VF that takes over has it on */
int td_hw82576_mail(struct td_hw82576 *hw, const uint32_t words[TD_VF_MAIL_WORDS]);
/*
 * Pages 1 to 3 of BAR0. A guest that has page 1 can raise our vector, and mask it: it is heard twice a millisecond at most, and the PF's
 * mail twice a second at least.
 */
void *td_hw82576_guest_pages(struct td_hw82576 *hw);
bool td_hw82576_link_up(struct td_hw82576 *hw);
/* Counters' growth since restore, in full. */
void td_hw82576_counters(struct td_hw82576 *hw, uint64_t ret_counter[TD_VF82576_COUNTERS]);

/* How long the last of each took, and how much of that was waiting for the card or the PF: the rest is our own work. */
struct td_hw82576_times {
	uint64_t prepare_ns, prepare_wait_ns;
	uint64_t restore_ns, restore_wait_ns;
	uint64_t quiet_ns; /* nearly all of it is waiting */
	uint64_t began_ns; /* the last prepare or quiet: when, not how long */
	uint64_t capture_ns, capture_wait_ns;
};
void td_hw82576_times(const struct td_hw82576 *hw, struct td_hw82576_times *ret_times);

#endif
