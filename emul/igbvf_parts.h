/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_parts.h - what the files behind igbvf.h share: the device's struct, and who calls whom. Nobody else includes it, but for tests.
 *
 * Threads. Registers, mailbox and set-up: under the VM's lock, on vCPU threads and the main loop. The datapath: the device's I/O thread,
 * which never takes that lock. What both touch:
 *   tails               written by vCPUs, read by the I/O thread: atomic
 *   heads, counters     written by the I/O thread, read by anyone: atomic
 *   interrupt registers under irq.lock, a leaf
 *   everything else     changes only while the I/O thread is parked (td_igbvf_io_hold)
 */
#ifndef TD_EMUL_IGBVF_PARTS_H
#define TD_EMUL_IGBVF_PARTS_H

#include <linux/pci_regs.h>
#include <pthread.h>

#include "core/log.h"
#include "core/loop.h"
#include "core/msix.h"
#include "core/pci.h"
#include "core/vf82576.h"
#include "emul/igbvf.h"
#include "emul/tap.h"

#define TD_IGBVF_BAR_REGS      0U
#define TD_IGBVF_BAR_MSIX      3U
#define TD_IGBVF_DESC_BYTES    16U
#define TD_IGBVF_CRC_BYTES     4U
#define TD_IGBVF_INDEX_BITS    0xffffU /* of heads and tails */
#define TD_IGBVF_FRAME_MAX     16128U  /* with CRC: the largest SET_LPE that is taken */
#define TD_IGBVF_FRAME_MIN     64U
#define TD_IGBVF_CAUSE_RX(q)   (2U * (q))
#define TD_IGBVF_CAUSE_TX(q)   (2U * (q) + 1U)
#define TD_IGBVF_CAUSE_MAILBOX (2U * TD_VF82576_QUEUES)
#define TD_IGBVF_NEVER	       UINT64_MAX

struct td_state_table;

/* Why the I/O thread is parked. */
enum td_igbvf_hold {
	TD_IGBVF_HOLD_REGISTER = 1U << 0, /* for the moment of a register's write */
	TD_IGBVF_HOLD_REST = 1U << 1,
	TD_IGBVF_HOLD_QUIESCE = 1U << 2,
	TD_IGBVF_HOLD_HARDWARE = 1U << 3,
};

struct td_igbvf_irq {
	pthread_mutex_t lock; /* state.eims, eiac, eiam, eicr, eitr, ivar0, ivar_misc, and what follows */
	bool held;
	uint32_t sent;			      /* causes that stay set after their message went, and have not come again */
	uint64_t next_ns[TD_VF82576_VECTORS]; /* moderation: no message before */
};

/* A ring while it is worked: pointers checked when the I/O thread was last parked. */
struct td_igbvf_ring {
	struct td_vf82576_ring *state;
	uint64_t *desc; /* NULL: is not to be worked */
	uint32_t count;
	const uint32_t *tail; /* where the guest writes it */
	uint32_t *head_shown; /* where it reads the head, if that is not in state */
	uint32_t seen;	      /* the tail at which nothing more could be done */
	const char *why;      /* the guest broke the ring: not worked until it is set up again */
};

/* What a context descriptor said (datasheet §7.2.2.2.3). */
struct td_igbvf_context {
	uint32_t vlan_macip_lens, type_tucmd, mss_l4len;
};

struct td_igbvf_tx {
	struct td_igbvf_ring ring;
	struct td_igbvf_context context[2];
	bool context_kept; /* a packet used one that does not stand before it: the hardware would not have it */
	unsigned done;	   /* descriptors worked off, of which the guest was not told yet */
	size_t done_bytes; /* that they sent */
	uint64_t done_ns;  /* when the first of them was */
};

/* Transmit registers as memory: igbvf_direct.c. */
struct td_igbvf_direct {
	uint32_t *page; /* NULL: not to be had */
	bool on;	/* atomic; written with the VM's lock */
	unsigned memslot;
	unsigned writes; /* trapped ones since since_ns */
	uint64_t since_ns, rx_frames;
	struct td_work leave;
	/* The I/O thread's: */
	bool seen;	  /* that it is on */
	bool frozen;	  /* the guest wrote more than tails: nothing is sent until that is sorted out */
	uint32_t packets; /* sent since it is on */
	uint32_t packets_at_look, packets_at_nap;
	uint64_t look_ns, nap_ns, rx_at_look;
};

struct td_igbvf_rx {
	struct td_igbvf_ring ring;
	bool ready;	  /* the tap may have a frame */
	size_t frame_max; /* without CRC */
	size_t buffer_bytes, header_bytes;
	unsigned need;	       /* descriptors that the largest frame takes */
	bool burn_ahead;       /* atomic: asked for, once */
	unsigned burned_ahead; /* atomic: not fetched yet */
};

struct td_igbvf_io {
	pthread_t thread;
	bool thread_ready;
	int epoll_fd, wake_fd;
	uint8_t *scratch; /* a frame that can't be read into its buffers */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool park, stop; /* atomic, written under lock */
	bool parked;
	bool woken, sleeping; /* atomic */
	unsigned polls_in_vain;
	struct td_log_limit limit;
};

struct td_igbvf {
	struct td_pci_dev pci; /* first */
	struct td_msix msix;
	bool msix_ready;
	unsigned pcie_cap;
	bool bus_master; /* as all were told last: what holds stands in the configuration space */
	struct td_vf82576_state state;
	uint8_t mac[6];
	bool link_up;	 /* of the software path */
	bool link_shown; /* as the guest read it last */
	bool listen;	 /* on hardware: frames wait in the tap */
	struct td_tap tap;

	uint32_t held;			 /* enum td_igbvf_hold */
	bool tx_held;			 /* on hardware: what the guest writes to transmit tails stays here */
	bool tx_kept[TD_VF82576_QUEUES]; /* there is a tail that the hardware does not have yet */
	bool traps_all;			 /* on hardware: none of its pages is in the guest */
	struct td_igbvf_irq irq;
	struct td_igbvf_io io;
	struct td_igbvf_rx rx;
	struct td_igbvf_tx tx[TD_VF82576_QUEUES];
	struct td_igbvf_direct direct;

	bool on_hardware;
	struct td_igbvf_hardware hardware;
	unsigned memslot;
	uint32_t mapped_from; /* the hardware's pages from this offset in BAR 0 on are in the guest; 0: none */
	bool irq_unseen;      /* since the driver's last reset that of the interrupts was among them */
	bool irq_refused;     /* it could not be had */

	bool mail_pending; /* with the hardware's PF */
	bool mail_stale;   /* the driver reset itself, and does not wait for that answer any more */
	bool mail_again;   /* another came meanwhile, after a reset */
	uint32_t mail_asked[TD_VF_MAIL_WORDS];
	uint64_t mail_ns; /* when the guest last touched the mailbox */
	bool control_due; /* a message of the PF's that waits for a quiet moment */
	uint64_t control_since_ns;
	uint32_t control[TD_VF_MAIL_WORDS];
	struct td_timer control_timer;

	struct td_igbvf_stats stats;	 /* atomic */
	struct td_net_counters counters; /* atomic */
	struct td_log_limit limit;
};

static inline void td_igbvf_count(uint64_t *counter, uint64_t more) /* one writer */
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* Does the guest let the device do DMA? With the VM's lock. */
static inline bool td_igbvf_may_dma(const struct td_igbvf *dev)
{
	return td_pci_get16(dev->pci.config, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

static inline const char *td_igbvf_name(const struct td_igbvf *dev)
{
	return dev->pci.device.name;
}

/* igbvf.c */

/* The VF as after its reset: all that the guest set is forgotten, but for counters. */
void td_igbvf_reset(struct td_igbvf *dev);
/* After anything that may start or stop receiving changed. */
void td_igbvf_update_tap(struct td_igbvf *dev);

/*
 * igbvf_pages.c: puts those of the hardware's pages into the guest that belong there now, and takes the others out. decoded: BAR 0 is, or
 * is no longer going to be.
 */
void td_igbvf_pages_update(struct td_igbvf *dev, bool decoded);

/* igbvf_state.c */
const struct td_state_table *td_igbvf_state_table(void);

/* igbvf_regs.c */
enum td_result td_igbvf_regs_access(struct td_igbvf *dev, struct td_access *access);
/* A ring's register as if the guest had written it, and nothing else. Parked. */
void td_igbvf_regs_set(struct td_igbvf *dev, uint32_t at, uint32_t value);

/* igbvf_direct.c */
void td_igbvf_direct_init(struct td_igbvf *dev);
void td_igbvf_direct_fini(struct td_igbvf *dev);
void td_igbvf_direct_tail_written(struct td_igbvf *dev, unsigned queue, uint32_t tail); /* by an exit */
void td_igbvf_direct_leave(struct td_igbvf *dev);					/* parked */
/* The I/O thread: before each round; and when to look again at the latest. */
void td_igbvf_direct_round(struct td_igbvf *dev);
uint64_t td_igbvf_direct_nap(struct td_igbvf *dev);

/* igbvf_mail.c: V2PMAILBOX and VMBMEM, and the PF's part. */
uint32_t td_igbvf_mail_read(struct td_igbvf *dev);
void td_igbvf_mail_write(struct td_igbvf *dev, uint32_t value);
void td_igbvf_mail_init(struct td_igbvf *dev);
void td_igbvf_mail_fini(struct td_igbvf *dev);
void td_igbvf_mail_reset(struct td_igbvf *dev);
/* The hardware went, and with it who would have answered: the request is looked at anew. */
void td_igbvf_mail_unanswered(struct td_igbvf *dev);
/* A message of the PF's own goes to the guest at the next quiet moment. */
void td_igbvf_mail_control(struct td_igbvf *dev, const uint32_t words[TD_VF_MAIL_WORDS]);
/* The link is not what the guest knows. */
void td_igbvf_mail_link_changed(struct td_igbvf *dev);

/* igbvf_irq.c: any thread. */
void td_igbvf_irq_cause(struct td_igbvf *dev, unsigned cause); /* TD_IGBVF_CAUSE_... */
void td_igbvf_irq_note(struct td_igbvf *dev, unsigned cause);  /* sent by the next td_igbvf_irq_run() */
void td_igbvf_irq_set_causes(struct td_igbvf *dev, uint32_t vectors);
uint32_t td_igbvf_irq_read(struct td_igbvf *dev, uint32_t reg);
void td_igbvf_irq_write(struct td_igbvf *dev, uint32_t reg, uint32_t value);
void td_igbvf_irq_hold(struct td_igbvf *dev, bool held);
/* Sends what may be sent by now; when to come back, or TD_IGBVF_NEVER. */
uint64_t td_igbvf_irq_run(struct td_igbvf *dev);
void td_igbvf_irq_reset(struct td_igbvf *dev);
/* Why a driver that has these is not igbvf, or NULL. */
const char *td_igbvf_irq_unlike_igbvf(uint32_t ivar0, uint32_t eiac, uint32_t eiam);
/* From a hardware where the guest set its interrupts up without exit: as they were read there, and all vectors that are named unmasked. */
void td_igbvf_irq_take_back(struct td_igbvf *dev, const struct td_vf82576_state *read);
void td_igbvf_irq_copy(struct td_igbvf *dev, struct td_vf82576_state *to); /* its registers, and nothing else */

/* igbvf_io.c: the thread. */
int td_igbvf_io_init(struct td_igbvf *dev, int tap_fd, struct td_err *err);
void td_igbvf_io_fini(struct td_igbvf *dev);
void td_igbvf_io_wake(struct td_igbvf *dev); /* any thread */
/* Somebody waits, with the VM's lock, for the thread to park: a round ends early then. */
static inline bool td_igbvf_io_asked(const struct td_igbvf *dev)
{
	return __atomic_load_n(&dev->io.park, __ATOMIC_RELAXED);
}
/* Parks the thread, and lets it go again when no reason is left. */
void td_igbvf_io_hold(struct td_igbvf *dev, uint32_t why);
void td_igbvf_io_release(struct td_igbvf *dev, uint32_t why);

/* igbvf_ring.c: what both directions do with a ring. The thread, or while it is parked. */
void td_igbvf_ring_prepare(struct td_igbvf *dev, struct td_igbvf_ring *ring, struct td_vf82576_ring *state);
/* The tail as the guest wrote it, inside the ring; false when the ring is off or broken. */
bool td_igbvf_ring_tail(struct td_igbvf *dev, struct td_igbvf_ring *ring, uint32_t *ret_tail);
void td_igbvf_ring_break(struct td_igbvf *dev, struct td_igbvf_ring *ring, const char *why);
static inline uint32_t td_igbvf_ring_head(const struct td_igbvf_ring *ring)
{
	return __atomic_load_n(&ring->state->head, __ATOMIC_RELAXED);
}
static inline void td_igbvf_ring_set_head(struct td_igbvf_ring *ring, uint32_t head)
{
	__atomic_store_n(&ring->state->head, head, __ATOMIC_RELAXED);
	if (ring->head_shown)
		__atomic_store_n(ring->head_shown, head, __ATOMIC_RELAXED);
}
static inline uint32_t td_igbvf_ring_next(const struct td_igbvf_ring *ring, uint32_t at)
{
	return at + 1 < ring->count ? at + 1 : 0;
}

/* igbvf_rx.c, igbvf_tx.c: on the thread. A round returns true when something was done. */
void td_igbvf_rx_prepare(struct td_igbvf *dev);
bool td_igbvf_rx_waiting(struct td_igbvf *dev); /* something to do that needs no event */
bool td_igbvf_rx_round(struct td_igbvf *dev);
void td_igbvf_tx_prepare(struct td_igbvf *dev);
bool td_igbvf_tx_waiting(struct td_igbvf *dev);
bool td_igbvf_tx_round(struct td_igbvf *dev);
/* Descriptors that were done and of which the guest was not told: now, or when they are due. */
uint64_t td_igbvf_tx_tell(struct td_igbvf *dev, bool now);
/* Gives the next receive descriptor back with an error. On the thread, or parked. False: none is posted, or the ring is broken. */
bool td_igbvf_rx_burn(struct td_igbvf *dev);
/* How many of a ring's descriptors may be left to burn at rest. */
uint32_t td_igbvf_rx_rest(uint32_t count);

#endif
