/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_irq.c - interrupts of the software 82576 VF: causes, masks, and how often a vector may fire. Source: Intel 82576EB datasheet
 * §7.3.3 (auto-clear, auto-mask), §7.3.4 (moderation), §8.8.
 *
 * A cause whose vector may not fire yet stays in EICR; the I/O thread comes back for it. While held nothing is sent, only noted. One that
 * is not auto-cleared stays there after its message, too, and makes another one only when it comes again, not when its vector is unmasked:
 * igbvf, going down, turns auto-clear off before its reset, and a handler that then unmasks its vector would be called for ever. (QEMU's
 * igb does repeat it then, and no handler of a driver that clears what it handles sees the difference.)
 */
#include "emul/igbvf_irq.h"

#include <string.h>

#define VECTORS_MASK  ((1U << TD_VF82576_VECTORS) - 1)
#define QUEUE_VECTORS 3U /* igbvf has its third for the mailbox alone */
#define IVAR_VECTOR   3U
#define EITR_BITS     0x7ffcU /* interval in microseconds, from bit 2 on */
#define EITR_SHIFT    2U
#define NS_PER_US     1000U
#define CAUSES_QUEUES (2U * TD_VF82576_QUEUES)

void td_igbvf_irq_init(
	struct td_igbvf_irq *irq, struct td_vf82576_state *regs, struct td_msix *msix, void (*wake)(void *opaque), void *opaque)
{
	*irq = (struct td_igbvf_irq){.regs = regs, .msix = msix, .wake = wake, .opaque = opaque, .held = true};
	pthread_mutex_init(&irq->lock, NULL);
}

void td_igbvf_irq_fini(struct td_igbvf_irq *irq)
{
	pthread_mutex_destroy(&irq->lock);
}

static uint64_t interval_ns(const struct td_igbvf_irq *irq, unsigned vector)
{
	return (uint64_t)((irq->regs->eitr[vector] & EITR_BITS) >> EITR_SHIFT) * NS_PER_US;
}

static void send_message(struct td_igbvf_irq *irq, unsigned vector, uint64_t now)
{
	struct td_vf82576_state *state = irq->regs;
	uint32_t bit = 1U << vector;

	irq->next_ns[vector] = now + interval_ns(irq, vector);
	irq->sent |= bit & ~state->eiac;
	state->eicr &= ~(bit & state->eiac);
	state->eims &= ~(bit & state->eiam);
	td_igbvf_count(&irq->messages, 1);
	td_msix_raise(irq->msix, vector);
}

static uint32_t sendable(const struct td_igbvf_irq *irq)
{
	return irq->held ? 0 : irq->regs->eicr & irq->regs->eims & ~irq->sent;
}

/* Under the lock. */
static uint64_t irq_evaluate(struct td_igbvf_irq *irq)
{
	uint32_t vectors = sendable(irq);
	uint64_t next = TD_IGBVF_NEVER, now;

	if (!vectors)
		return next;
	now = td_now_ns();
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++) {
		if (!(vectors & 1U << i))
			continue;
		if (irq->next_ns[i] <= now)
			send_message(irq, i, now);
		else
			next = TD_MIN(next, irq->next_ns[i]);
	}
	return next;
}

static void evaluate_and_unlock(struct td_igbvf_irq *irq)
{
	uint64_t next = irq_evaluate(irq);

	pthread_mutex_unlock(&irq->lock);
	if (next != TD_IGBVF_NEVER)
		irq->wake(irq->opaque);
}

/* Under the lock. */
static void add_causes(struct td_igbvf_irq *irq, uint32_t vectors)
{
	irq->regs->eicr |= vectors & VECTORS_MASK;
	irq->sent &= ~vectors;
}

void td_igbvf_irq_set_causes(struct td_igbvf_irq *irq, uint32_t vectors)
{
	pthread_mutex_lock(&irq->lock);
	add_causes(irq, vectors);
	evaluate_and_unlock(irq);
}

/* Under the lock. The vector's bit, or 0 when the driver assigned none. */
static uint32_t vector_of(const struct td_igbvf_irq *irq, unsigned cause)
{
	uint32_t ivar = cause < CAUSES_QUEUES ? irq->regs->ivar0 >> (8 * cause) : irq->regs->ivar_misc;

	return ivar & TD_VF_IVAR_VALID ? 1U << (ivar & IVAR_VECTOR) & VECTORS_MASK : 0;
}

void td_igbvf_irq_cause(struct td_igbvf_irq *irq, unsigned cause)
{
	pthread_mutex_lock(&irq->lock);
	add_causes(irq, vector_of(irq, cause));
	evaluate_and_unlock(irq);
}

void td_igbvf_irq_note(struct td_igbvf_irq *irq, unsigned cause)
{
	pthread_mutex_lock(&irq->lock);
	add_causes(irq, vector_of(irq, cause));
	pthread_mutex_unlock(&irq->lock);
}

uint64_t td_igbvf_irq_run(struct td_igbvf_irq *irq)
{
	uint64_t next;

	pthread_mutex_lock(&irq->lock);
	next = irq_evaluate(irq);
	pthread_mutex_unlock(&irq->lock);
	return next;
}

void td_igbvf_irq_hold(struct td_igbvf_irq *irq, bool held)
{
	pthread_mutex_lock(&irq->lock);
	irq->held = held;
	pthread_mutex_unlock(&irq->lock);
}

void td_igbvf_irq_copy(struct td_igbvf_irq *irq, struct td_vf82576_state *to)
{
	const struct td_vf82576_state *from = irq->regs;

	pthread_mutex_lock(&irq->lock);
	to->eims = from->eims;
	to->eiac = from->eiac;
	to->eiam = from->eiam;
	to->eicr = from->eicr;
	memcpy(to->eitr, from->eitr, sizeof(to->eitr));
	to->ivar0 = from->ivar0;
	to->ivar_misc = from->ivar_misc;
	pthread_mutex_unlock(&irq->lock);
}

void td_igbvf_irq_reset(struct td_igbvf_irq *irq)
{
	struct td_vf82576_state *state = irq->regs;

	pthread_mutex_lock(&irq->lock);
	state->eims = state->eiac = state->eiam = state->eicr = state->ivar0 = state->ivar_misc = irq->sent = 0;
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++) {
		state->eitr[i] = 0;
		irq->next_ns[i] = 0;
	}
	pthread_mutex_unlock(&irq->lock);
}

const char *td_igbvf_irq_unlike_igbvf(uint32_t ivar0, uint32_t eiac, uint32_t eiam)
{
	uint32_t rx = ivar0, tx = ivar0 >> 8, needed;

	if (!(rx & TD_VF_IVAR_VALID) || !(tx & TD_VF_IVAR_VALID))
		return "it works without interrupts";
	needed = 1U << (rx & IVAR_VECTOR) | 1U << (tx & IVAR_VECTOR);
	return needed & ~QUEUE_VECTORS || (eiac & eiam & needed) != needed ? "it handles its interrupts in another way" : NULL;
}

/* Of vector 2 the hardware has what is ours there (vfio/hw82576.h). */
void td_igbvf_irq_take_back(struct td_igbvf_irq *irq, const struct td_vf82576_state *read)
{
	struct td_vf82576_state *state = irq->regs;

	pthread_mutex_lock(&irq->lock);
	state->ivar0 = read->ivar0;
	state->eiac = (read->eiac & QUEUE_VECTORS) | (state->eiac & ~QUEUE_VECTORS);
	state->eiam = (read->eiam & QUEUE_VECTORS) | (state->eiam & ~QUEUE_VECTORS);
	for (unsigned i = 0; 1U << i & QUEUE_VECTORS; i++)
		state->eitr[i] = read->eitr[i] & EITR_BITS; /* beside it, hardware has its counters there */
	state->eims |= vector_of(irq, TD_IGBVF_CAUSE_RX(0)) | vector_of(irq, TD_IGBVF_CAUSE_TX(0)) | vector_of(irq, TD_IGBVF_CAUSE_MAILBOX);
	pthread_mutex_unlock(&irq->lock);
}

/* Under the lock. */
static uint32_t take_causes(struct td_igbvf_irq *irq, uint32_t causes)
{
	uint32_t taken = irq->regs->eicr & causes;

	irq->regs->eicr &= ~causes;
	irq->sent &= ~causes;
	return taken;
}

uint32_t td_igbvf_irq_read(struct td_igbvf_irq *irq, uint32_t reg)
{
	const struct td_vf82576_state *state = irq->regs;
	uint32_t value = 0;

	pthread_mutex_lock(&irq->lock);
	switch (reg) {
	case TD_VF_EIMS:
		value = state->eims;
		break;
	case TD_VF_EIAC:
		value = state->eiac;
		break;
	case TD_VF_EIAM:
		value = state->eiam;
		break;
	case TD_VF_EICR:
		value = take_causes(irq, VECTORS_MASK);
		break;
	case TD_VF_IVAR0:
		value = state->ivar0;
		break;
	case TD_VF_IVAR_MISC:
		value = state->ivar_misc;
		break;
	case TD_VF_EITR0:
	case TD_VF_EITR0 + 4:
	case TD_VF_EITR0 + 8:
		value = state->eitr[(reg - TD_VF_EITR0) / 4];
		break;
	}
	pthread_mutex_unlock(&irq->lock);
	return value;
}

void td_igbvf_irq_write(struct td_igbvf_irq *irq, uint32_t reg, uint32_t value)
{
	struct td_vf82576_state *state = irq->regs;

	pthread_mutex_lock(&irq->lock);
	switch (reg) {
	case TD_VF_EICS: /* EIAM: what is set by software is unmasked too (§8.8.8) */
		add_causes(irq, value);
		state->eims |= value & state->eiam;
		break;
	case TD_VF_EIMS:
		state->eims |= value & VECTORS_MASK;
		break;
	case TD_VF_EIMC:
		state->eims &= ~value;
		break;
	case TD_VF_EIAC:
		state->eiac = value & VECTORS_MASK;
		break;
	case TD_VF_EIAM:
		state->eiam = value & VECTORS_MASK;
		break;
	case TD_VF_EICR:
		take_causes(irq, value);
		break;
	case TD_VF_IVAR0:
		state->ivar0 = value;
		break;
	case TD_VF_IVAR_MISC:
		state->ivar_misc = value;
		break;
	case TD_VF_EITR0:
	case TD_VF_EITR0 + 4:
	case TD_VF_EITR0 + 8:
		state->eitr[(reg - TD_VF_EITR0) / 4] = value;
		break;
	}
	evaluate_and_unlock(irq);
}
