/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576_parts.h - what the files behind hw82576.h share: the VF's struct, the one way to its registers, and who calls whom. Nobody else
 * includes it, but for tests, which put a card of their own behind `bus`.
 *
 * Threads. All under the VM's lock, but for the mailbox while `mail.ours`: then a host job alone has it (the calls that wait), and what a
 * vCPU wants to send waits in `mail.guest`. Registers may be touched by others meanwhile, each access is one of its own.
 */
#ifndef TD_VFIO_HW82576_PARTS_H
#define TD_VFIO_HW82576_PARTS_H

#include "core/base.h"
#include "core/err.h"
#include "core/loop.h"
#include "core/mem.h"
#include "core/vf82576.h"
#include "vfio/hw82576.h"
#include "vfio/vfio_open.h"

#define TD_HW82576_GONE		 0xffffffffU /* what a register reads as when the device does not answer */
#define TD_HW82576_DESC_BYTES	 16U
#define TD_HW82576_OURS		 2U /* our vector: mail of the PF's */
#define TD_HW82576_OUR_BIT	 (1U << TD_HW82576_OURS)
#define TD_HW82576_GUEST_VECTORS 3U /* bits of the guest's two */
#define TD_HW82576_ALL_VECTORS	 7U
#define TD_HW82576_ROUNDS	 64U
#define TD_HW82576_QUEUE(reg, n) ((reg) + 0x100U * (n))

struct td_hw82576_bus {
	uint32_t (*read)(void *opaque, uint32_t reg);
	void (*write)(void *opaque, uint32_t reg, uint32_t value);
	void *opaque;
};

/* What the last message is about. */
enum td_hw82576_mail_step {
	TD_HW82576_MAIL_IDLE,
	TD_HW82576_MAIL_SEND, /* the buffer is to be had first */
	TD_HW82576_MAIL_WAIT, /* sent: the answer is awaited */
};

struct td_hw82576_mailbox {
	bool busy; /* a message is on its way: the guest's, or one of ours */
	bool ours;
	bool guest_waits; /* the guest sent one while ours was on its way: it is next */
	uint32_t guest[TD_VF_MAIL_WORDS];
	enum td_hw82576_mail_step step;
	uint32_t seen; /* PFSTS, PFACK, RSTD: cleared by reading, so they are kept here until they are dealt with */
	bool pf_resets;
	uint32_t request[TD_VF_MAIL_WORDS], answer[TD_VF_MAIL_WORDS];
	uint64_t deadline_ns, sent_ns;
	unsigned sends, looks;
	uint64_t heard_ns;  /* when vector 2 was raised last */
	bool deaf;	    /* its eventfd is not watched until the next tick */
	bool message_waits; /* one that nobody asked for */
	uint32_t message[TD_VF_MAIL_WORDS];
	struct td_work work;
	struct td_timer timer;
	unsigned ticks;
};

struct td_hw82576 {
	struct td_vfio_open open;
	struct td_vm *vm;
	struct td_hw82576_events events;
	char name[32];
	enum td_hw82576_phase phase;
	struct td_hw82576_bus bus;
	uint8_t *bar; /* BAR0 in our address space; NULL: closed */
	int mail_fd;  /* vector 2 */
	struct td_watch mail_watch;
	bool connected;
	int guest_fd[2]; /* while connected; not owned */
	bool reset_due;	 /* queues are off; bus mastering, vectors and the reset follow when the main loop gets to it */
	struct td_work reset_work;
	bool keeps_tx; /* what was to be sent was not, in the time for it */
	struct td_hw82576_mailbox mail;
	uint16_t hash[TD_VF82576_HASHES_MAX]; /* multicasts to tell the PF of, while it runs */
	uint32_t hash_count;
	struct td_vf82576_state told;  /* as prepared for: PF and registers that are no rings */
	struct td_vf82576_state known; /* rings as last read from the card: of use when it is gone */
	uint32_t eiac, eiam;	       /* the guest's, without our vector */
	uint32_t counter_last[TD_VF82576_COUNTERS];
	uint64_t counter_ns;		       /* when they were read last */
	uint64_t counter[TD_VF82576_COUNTERS]; /* growth since restore */
	struct td_hw82576_times times;
};

/* The only two ways to a register. */
static inline uint32_t td_hw82576_get(struct td_hw82576 *hw, uint32_t reg)
{
	return hw->bus.read(hw->bus.opaque, reg);
}

static inline void td_hw82576_put(struct td_hw82576 *hw, uint32_t reg, uint32_t value)
{
	hw->bus.write(hw->bus.opaque, reg, value);
}

/* hw82576.c */

/* Registers that are ours to set: vector 2 is the mailbox's, and is on, as long as a guest that reaches them leaves them so. */
void td_hw82576_own_vector(struct td_hw82576 *hw, bool on);
/* The VF does not answer any more: told by events.lost, once, from the main loop. */
void td_hw82576_found_gone(struct td_hw82576 *hw);
/* The card did not do what it should, or is gone: -EIO, -ENODEV. */
int td_hw82576_stuck(struct td_hw82576 *hw, struct td_err *err, const char *what);
void td_hw82576_disconnect(struct td_hw82576 *hw); /* vectors; any thread, nobody else may use them meanwhile */
void td_hw82576_sample(struct td_hw82576 *hw);	   /* counters */
void td_hw82576_rebase(struct td_hw82576 *hw);	   /* counters: what they show now is where growth goes on from */
void td_hw82576_baseline(struct td_hw82576 *hw);   /* counters: growth starts here */

/* hw82576_mail.c */

void td_hw82576_mail_init(struct td_hw82576 *hw);
/* Waits for the PF's answer to words (the rest of which are zero), without the lock. -ETIMEDOUT; -ECONNRESET: the PF was reset; -ENODEV. */
int td_hw82576_mail_ask(struct td_hw82576 *hw, const uint32_t *words, unsigned count, uint64_t deadline_ns, uint32_t *ret_first);
void td_hw82576_mail_forget(struct td_hw82576 *hw); /* what was seen, before a handshake */
void td_hw82576_mail_start(struct td_hw82576 *hw);  /* running: look at the mailbox from now on */
void td_hw82576_mail_stop(struct td_hw82576 *hw);   /* a message on its way is answered with NULL, later on the main loop */
void td_hw82576_mail_ready(struct td_watch *watch, uint32_t events);

/* hw82576_prepare.c */

/* What no flip can move. -EOPNOTSUPP. */
int td_hw82576_check(const struct td_hw82576 *hw, const struct td_vf82576_state *state, struct td_err *err);
/* Registers that are no rings, as `state` has them; only those that differ from `old` (NULL: all). */
void td_hw82576_set_registers(struct td_hw82576 *hw, const struct td_vf82576_state *state, const struct td_vf82576_state *old);
/* No DMA from here on: queues off, interrupts masked. False: a queue says it is still on. */
bool td_hw82576_queues_off(struct td_hw82576 *hw, uint64_t limit_ns);

/* hw82576_rings.c */

/* Phase open. `off`: queues are, so that the rest need not be done while vCPUs stand still; else bus mastering goes off at once. */
void td_hw82576_let_go(struct td_hw82576 *hw, bool off);
void td_hw82576_reset_now(struct td_hw82576 *hw); /* what is due; harmless when nothing is */
void td_hw82576_reset_run(struct td_work *work);
/* Heads and tails of now, for the day the VF is gone. */
void td_hw82576_note_rings(struct td_hw82576 *hw);

/* hw82576_ring.c: rings in guest RAM, which are the guest's: pure, and not to be trusted. */

/* Descriptors of a ring that lies wholly in RAM, with head and tail inside; NULL otherwise. */
uint8_t *td_hw82576_ring_host(const struct td_mem *mem, const struct td_vf82576_ring *ring);
uint32_t td_hw82576_ring_count(const struct td_vf82576_ring *ring);
/* Fills entries [0, count) with descriptors that send nothing and report nothing. */
void td_hw82576_ring_dummies(uint8_t *desc, uint32_t count);
/* The head, or the first descriptor of the packet that head stands in. */
uint32_t td_hw82576_ring_packet_start(const uint8_t *desc, const struct td_vf82576_ring *ring);
/* Closes a received packet of which head stands behind a part only. True: there was one. */
bool td_hw82576_ring_close_packet(uint8_t *desc, const struct td_vf82576_ring *ring);

/* hw82576.c: sleeps a little in a loop that waits for the hardware; not in its first rounds. */
void td_hw82576_nap(unsigned round);
/* Is it over? Never before some rounds: time in which this process did not run is not the hardware's fault. */
static inline bool td_hw82576_late(unsigned round, uint64_t deadline_ns)
{
	return round >= TD_HW82576_ROUNDS && td_now_ns() >= deadline_ns;
}

#endif
