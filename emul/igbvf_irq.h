/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_irq.h - interrupts of the software 82576 VF: EICR and the other registers of causes, masks and moderation are this part's. Calls
 * from any thread; the lock is a leaf.
 */
#ifndef TD_EMUL_IGBVF_IRQ_H
#define TD_EMUL_IGBVF_IRQ_H

#include <pthread.h>

#include "core/msix.h"
#include "emul/igbvf_base.h"

struct td_igbvf_irq {
	pthread_mutex_t lock; /* the interrupts' registers in *regs, and what follows */
	struct td_vf82576_state *regs;
	struct td_msix *msix;
	void (*wake)(void *opaque); /* a message is due later: td_igbvf_irq_run() is to be called again */
	void *opaque;
	bool held;
	uint32_t sent;			      /* causes that stay set after their message went, and have not come again */
	uint64_t next_ns[TD_VF82576_VECTORS]; /* moderation: no message before */
	uint64_t messages;		      /* atomic */
};

/* Held at first. regs and msix are borrowed. */
void td_igbvf_irq_init(
	struct td_igbvf_irq *irq, struct td_vf82576_state *regs, struct td_msix *msix, void (*wake)(void *opaque), void *opaque);
void td_igbvf_irq_fini(struct td_igbvf_irq *irq);

void td_igbvf_irq_cause(struct td_igbvf_irq *irq, unsigned cause); /* TD_IGBVF_CAUSE_... */
void td_igbvf_irq_note(struct td_igbvf_irq *irq, unsigned cause);  /* sent by the next td_igbvf_irq_run() */
void td_igbvf_irq_set_causes(struct td_igbvf_irq *irq, uint32_t vectors);
uint32_t td_igbvf_irq_read(struct td_igbvf_irq *irq, uint32_t reg);
void td_igbvf_irq_write(struct td_igbvf_irq *irq, uint32_t reg, uint32_t value);
void td_igbvf_irq_hold(struct td_igbvf_irq *irq, bool held);
/* Sends what may be sent by now; when to come back, or TD_IGBVF_NEVER. */
uint64_t td_igbvf_irq_run(struct td_igbvf_irq *irq);
void td_igbvf_irq_reset(struct td_igbvf_irq *irq);
/* Why a driver that has these is not igbvf, or NULL. */
const char *td_igbvf_irq_unlike_igbvf(uint32_t ivar0, uint32_t eiac, uint32_t eiam);
/* From a hardware where the guest set its interrupts up without exit: as they were read there, and all vectors that are named unmasked. */
void td_igbvf_irq_take_back(struct td_igbvf_irq *irq, const struct td_vf82576_state *read);
void td_igbvf_irq_copy(struct td_igbvf_irq *irq, struct td_vf82576_state *to); /* its registers, and nothing else */

#endif
