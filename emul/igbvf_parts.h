/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_parts.h - the device's struct, made of its parts, and what the files that are the device itself share: igbvf.c, igbvf_regs.c,
 * igbvf_state.c, igbvf_flip.c, igbvf_pages.c, igbvf_direct.c, igbvf_io.c. Nobody else includes it, but for tests; a part (igbvf_base.h)
 * never does.
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
#include "emul/igbvf.h"
#include "emul/igbvf_irq.h"
#include "emul/igbvf_mail.h"
#include "emul/igbvf_rx.h"
#include "emul/igbvf_tx.h"
#include "emul/tap.h"

#define TD_IGBVF_BAR_REGS 0U
#define TD_IGBVF_BAR_MSIX 3U

struct td_state_table;

/* Why the I/O thread is parked. */
enum td_igbvf_hold {
	TD_IGBVF_HOLD_REGISTER = 1U << 0, /* for the moment of a register's write */
	TD_IGBVF_HOLD_REST = 1U << 1,
	TD_IGBVF_HOLD_QUIESCE = 1U << 2,
	TD_IGBVF_HOLD_HARDWARE = 1U << 3,
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
	bool seen;   /* that it is on */
	bool frozen; /* the guest wrote more than tails: nothing is sent until that is sorted out */
	uint32_t packets_at_look, packets_at_nap;
	uint64_t look_ns, nap_ns, rx_at_look;
};

struct td_igbvf_io {
	pthread_t thread;
	bool thread_ready;
	int epoll_fd, wake_fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool park, stop; /* atomic, written under lock */
	bool parked;
	bool woken, sleeping; /* atomic */
	unsigned polls_in_vain;
};

struct td_igbvf {
	struct td_pci_dev pci; /* first */
	struct td_msix msix;
	bool msix_ready;
	unsigned pcie_cap;
	bool bus_master;	       /* as all were told last: what holds stands in the configuration space */
	struct td_vf82576_state state; /* all registers; each part has its own of them */
	bool link_up;		       /* of the software path */
	bool link_shown;	       /* as the guest read it last */
	bool listen;		       /* on hardware: frames wait in the tap */
	struct td_tap tap;

	uint32_t held;			 /* enum td_igbvf_hold */
	bool tx_held;			 /* on hardware: what the guest writes to transmit tails stays here */
	bool tx_kept[TD_VF82576_QUEUES]; /* there is a tail that the hardware does not have yet */
	bool traps_all;			 /* on hardware: none of its pages is in the guest */
	struct td_igbvf_irq irq;
	struct td_igbvf_io io;
	struct td_igbvf_rx rx;
	struct td_igbvf_tx tx;
	struct td_igbvf_mail mail;
	struct td_igbvf_direct direct;

	bool on_hardware;
	struct td_igbvf_hardware hardware;
	unsigned memslot;
	uint32_t mapped_from; /* the hardware's pages from this offset in BAR 0 on are in the guest; 0: none */
	bool irq_unseen;      /* since the driver's last reset that of the interrupts was among them */
	bool irq_refused;     /* it could not be had */

	uint64_t traps, direct_count; /* atomic */
	struct td_log_limit limit;
};

/* Does the guest let the device do DMA? With the VM's lock. */
static inline bool td_igbvf_may_dma(const struct td_igbvf *dev)
{
	return td_pci_get16(dev->pci.config, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* And has the PF let it in, so that its queues may run? */
static inline bool td_igbvf_may_run(const struct td_igbvf *dev)
{
	return td_igbvf_may_dma(dev) && dev->state.handshaken;
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

/* igbvf_io.c: the thread. */
int td_igbvf_io_init(struct td_igbvf *dev, int tap_fd, struct td_err *err);
void td_igbvf_io_fini(struct td_igbvf *dev);
int td_igbvf_io_watch_tap(struct td_igbvf *dev, int tap_fd); /* while it is parked; the tap before must be closed then */
void td_igbvf_io_wake(struct td_igbvf *dev);		     /* any thread */
/* Parks the thread, and lets it go again when no reason is left. */
void td_igbvf_io_hold(struct td_igbvf *dev, uint32_t why);
void td_igbvf_io_release(struct td_igbvf *dev, uint32_t why);

#endif
