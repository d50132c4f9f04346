/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_regs.c - the registers of the software 82576 VF as a table: what is where, which bits a guest may write, who answers while a
 * hardware VF stands behind. Source: Intel 82576EB datasheet §8.26 (VF registers), §8.10, §8.12 (queues). Registers are dwords; another
 * width breaks the device's rules.
 */
#include <stdlib.h>

#include "emul/igbvf_parts.h"

#define QUEUE_STEP     0x100U
#define BASE_LOW_BITS  0xffffff80U
#define LEN_BITS       0x000fff80U
#define ALL_BITS       0xffffffffU
#define NS_PER_FRTIMER 1000U

/* On hardware, where it traps: igbvf_pages.c says what does not. */
enum where {
	HERE,	 /* answered by us alone */
	BOTH,	 /* writes go to both, reads are ours */
	THERE,	 /* the hardware's alone */
	SUMMED,	 /* a counter: ours and the hardware's growth */
	TAKEN,	 /* causes: ours and the hardware's, cleared in both */
	MAPPED,	 /* in the pages that the guest reaches without exit; trapped they are the hardware's, but for tails that are held */
	NOWHERE, /* reads zero, writes are ignored */
};

struct reg {
	uint32_t at, count, step;
	enum where where;
	uint32_t (*read)(struct td_igbvf *dev, const struct reg *reg, unsigned index);
	void (*write)(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value);
	size_t field;  /* rings: in struct td_vf82576_ring */
	uint32_t bits; /* rings: writable ones */
};

static uint32_t address_of(const struct reg *reg, unsigned index)
{
	return reg->at + index * reg->step;
}

/* ---- device, mailbox, counters ---- */

static uint32_t read_zero(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	(void)dev, (void)reg, (void)index;
	return 0;
}

static void write_nothing(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	(void)dev, (void)reg, (void)index, (void)value;
}

static void write_ctrl(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	(void)reg, (void)index;
	if (!(value & TD_VF_CTRL_RST))
		return;
	td_igbvf_reset(dev);
	if (dev->on_hardware)
		dev->hardware.reset(dev->hardware.opaque);
}

static uint32_t read_status(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	(void)reg, (void)index;
	dev->link_shown = dev->link_up;
	return TD_VF_STATUS_FD | TD_VF_STATUS_SPEED_1000 | (dev->link_up ? TD_VF_STATUS_LU : 0);
}

static uint32_t read_mbmem(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	(void)reg;
	return dev->state.mail[index];
}

static void write_mbmem(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	(void)reg;
	dev->state.mail[index] = value;
}

static uint32_t read_mailbox(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	(void)reg, (void)index;
	return td_igbvf_mail_read(&dev->mail);
}

static void write_mailbox(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	(void)reg, (void)index;
	td_igbvf_mail_write(&dev->mail, value);
}

static uint32_t read_psrtype(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	(void)reg, (void)index;
	return dev->state.psrtype;
}

static void write_psrtype(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	(void)reg, (void)index;
	dev->state.psrtype = value;
}

static uint32_t read_counter(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	unsigned i = 0;

	(void)index;
	while (i + 1 < TD_VF82576_COUNTERS && td_vf82576_counter_reg[i] != reg->at)
		i++;
	return (uint32_t)__atomic_load_n(&dev->state.counter[i], __ATOMIC_RELAXED);
}

static uint32_t read_frtimer(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	(void)dev, (void)reg, (void)index;
	return (uint32_t)(td_now_ns() / NS_PER_FRTIMER);
}

/* ---- interrupts ---- */

static uint32_t read_irq(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	return td_igbvf_irq_read(&dev->irq, address_of(reg, index));
}

static void write_irq(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	td_igbvf_irq_write(&dev->irq, address_of(reg, index), value);
}

/* ---- rings ---- */

static struct td_vf82576_ring *ring_of(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	return reg->at < TD_VF_TDBAL ? &dev->state.rx[index] : &dev->state.tx[index];
}

static uint32_t *field_of(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	return (uint32_t *)(void *)((char *)ring_of(dev, reg, index) + reg->field);
}

static uint32_t read_ring(struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	return __atomic_load_n(field_of(dev, reg, index), __ATOMIC_RELAXED);
}

/* The I/O thread works by these. */
static void write_ring(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	td_igbvf_io_hold(dev, TD_IGBVF_HOLD_REGISTER);
	*field_of(dev, reg, index) = value & reg->bits;
	td_igbvf_update_tap(dev);
	td_igbvf_io_release(dev, TD_IGBVF_HOLD_REGISTER);
}

static void write_tail(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	__atomic_store_n(field_of(dev, reg, index), value & reg->bits, __ATOMIC_RELEASE);
	if (reg->at == TD_VF_TDT)
		td_igbvf_direct_tail_written(dev, index, value);
	td_igbvf_io_wake(dev);
}

/* ---- the table: what is used most stands first ---- */

#define FIELD(f)      offsetof(struct td_vf82576_ring, f)
#define FIELD_HIGH(f) (FIELD(f) + 4)
#define RING(at, f, bits)                                                                 \
	{                                                                                 \
		at, TD_VF82576_QUEUES, QUEUE_STEP, MAPPED, read_ring, write_ring, f, bits \
	}
#define TAIL(at)                                                                                                   \
	{                                                                                                          \
		at, TD_VF82576_QUEUES, QUEUE_STEP, MAPPED, read_ring, write_tail, FIELD(tail), TD_IGBVF_INDEX_BITS \
	}
#define COUNTER(at)                                                 \
	{                                                           \
		at, 1, 4, SUMMED, read_counter, write_nothing, 0, 0 \
	}
#define IRQ(at, where)                                     \
	{                                                  \
		at, 1, 4, where, read_irq, write_irq, 0, 0 \
	}

static const struct reg table[] = {
	TAIL(TD_VF_TDT),
	TAIL(TD_VF_RDT),
	IRQ(TD_VF_EIMS, BOTH),
	{TD_VF_EITR0, TD_VF82576_VECTORS, 4, BOTH, read_irq, write_irq, 0, 0},
	IRQ(TD_VF_EIMC, BOTH),
	IRQ(TD_VF_EICS, THERE),
	{TD_VF_V2PMAILBOX, 1, 4, HERE, read_mailbox, write_mailbox, 0, 0},
	{TD_VF_MBMEM, TD_VF_MAIL_WORDS, 4, HERE, read_mbmem, write_mbmem, 0, 0},
	{TD_VF_STATUS, 1, 4, THERE, read_status, write_nothing, 0, 0},
	COUNTER(TD_VF_GPRC),
	COUNTER(TD_VF_GPTC),
	COUNTER(TD_VF_GORC),
	COUNTER(TD_VF_GOTC),
	COUNTER(TD_VF_MPRC),
	COUNTER(TD_VF_GPRLBC),
	COUNTER(TD_VF_GPTLBC),
	COUNTER(TD_VF_GORLBC),
	COUNTER(TD_VF_GOTLBC),
	{TD_VF_CTRL, 1, 4, HERE, read_zero, write_ctrl, 0, 0},
	{TD_VF_PSRTYPE, 1, 4, BOTH, read_psrtype, write_psrtype, 0, 0},
	{TD_VF_FRTIMER, 1, 4, HERE, read_frtimer, write_nothing, 0, 0},
	IRQ(TD_VF_EIAC, BOTH),
	IRQ(TD_VF_EIAM, BOTH),
	IRQ(TD_VF_EICR, TAKEN),
	IRQ(TD_VF_IVAR0, BOTH),
	IRQ(TD_VF_IVAR_MISC, BOTH),
	RING(TD_VF_RDBAL, FIELD(base), BASE_LOW_BITS),
	RING(TD_VF_RDBAH, FIELD_HIGH(base), ALL_BITS),
	RING(TD_VF_RDLEN, FIELD(len_bytes), LEN_BITS),
	RING(TD_VF_SRRCTL, FIELD(srrctl), ALL_BITS),
	RING(TD_VF_RDH, FIELD(head), TD_IGBVF_INDEX_BITS),
	RING(TD_VF_DCA_RXCTRL, FIELD(dca), ALL_BITS),
	RING(TD_VF_RXDCTL, FIELD(control), ALL_BITS),
	{TD_VF_RQDPC, TD_VF82576_QUEUES, QUEUE_STEP, MAPPED, read_zero, write_nothing, 0, 0},
	RING(TD_VF_TDBAL, FIELD(base), BASE_LOW_BITS),
	RING(TD_VF_TDBAH, FIELD_HIGH(base), ALL_BITS),
	RING(TD_VF_TDLEN, FIELD(len_bytes), LEN_BITS),
	RING(TD_VF_TDH, FIELD(head), TD_IGBVF_INDEX_BITS),
	RING(TD_VF_DCA_TXCTRL, FIELD(dca), ALL_BITS),
	RING(TD_VF_TXDCTL, FIELD(control), ALL_BITS),
	RING(TD_VF_TDWBAL, FIELD(writeback), ALL_BITS),
	RING(TD_VF_TDWBAH, FIELD_HIGH(writeback), ALL_BITS),
};

/* What stands in the gaps, and in the hardware's pages also there. */
static const struct reg gap = {.step = 4, .where = NOWHERE, .read = read_zero, .write = write_nothing};
static const struct reg gap_mapped = {.step = 4, .where = MAPPED, .read = read_zero, .write = write_nothing};

static const struct reg *regs_find(uint32_t at, unsigned *ret_index)
{
	*ret_index = 0;
	for (unsigned i = 0; i < TD_COUNT(table); i++) {
		const struct reg *reg = &table[i];

		if (at >= reg->at && at < reg->at + reg->count * reg->step && (at - reg->at) % reg->step == 0) {
			*ret_index = (at - reg->at) / reg->step;
			return reg;
		}
	}
	return at >= TD_VF82576_PAGE_QUEUES ? &gap_mapped : &gap;
}

/* ---- accesses ---- */

static uint32_t read_hardware(struct td_igbvf *dev, uint32_t at)
{
	return dev->hardware.read(dev->hardware.opaque, at);
}

static bool regs_is_kept(const struct td_igbvf *dev, const struct reg *reg, unsigned index)
{
	return dev->tx_held && reg->at == TD_VF_TDT && dev->tx_kept[index];
}

/* A tail of a queue that is off sends nothing: it belongs to the queue's set-up. */
static bool keep_tail(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t value)
{
	if (!dev->tx_held || reg->at != TD_VF_TDT)
		return false;
	dev->tx_kept[index] = read_hardware(dev, TD_VF_TXDCTL + index * reg->step) & TD_VF_QUEUE_ENABLE;
	if (dev->tx_kept[index])
		dev->state.tx[index].tail = value & reg->bits;
	return dev->tx_kept[index];
}

static uint32_t read_on_hardware(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t at)
{
	uint32_t value = 0;

	if (regs_is_kept(dev, reg, index))
		return reg->read(dev, reg, index);
	switch (reg->where) {
	case HERE:
	case BOTH:
	case NOWHERE:
		return reg->read(dev, reg, index);
	case THERE:
	case MAPPED:
		value = read_hardware(dev, at);
		break;
	case SUMMED:
		value = reg->read(dev, reg, index) + read_hardware(dev, at);
		break;
	case TAKEN:
		value = reg->read(dev, reg, index) | read_hardware(dev, at);
		break;
	}
	if (at == TD_VF_STATUS)
		dev->link_shown = value & TD_VF_STATUS_LU;
	return value;
}

static void write_on_hardware(struct td_igbvf *dev, const struct reg *reg, unsigned index, uint32_t at, uint32_t value)
{
	if (keep_tail(dev, reg, index, value))
		return;
	if (reg->where == HERE || reg->where == BOTH || reg->where == TAKEN)
		reg->write(dev, reg, index, value);
	if (reg->where == BOTH || reg->where == THERE || reg->where == TAKEN || reg->where == MAPPED)
		dev->hardware.write(dev->hardware.opaque, at, value);
	if (at == TD_VF_EIMS)
		td_igbvf_pages_update(dev, dev->pci.bar[TD_IGBVF_BAR_REGS].mapped);
}

void td_igbvf_regs_set(struct td_igbvf *dev, uint32_t at, uint32_t value)
{
	unsigned index;
	const struct reg *reg = regs_find(at, &index);

	if (reg->where == MAPPED && reg->bits)
		*field_of(dev, reg, index) = value & reg->bits;
}

enum td_result td_igbvf_regs_access(struct td_igbvf *dev, struct td_access *access)
{
	uint32_t at = (uint32_t)access->offset, value = (uint32_t)access->value;
	const struct reg *reg;
	unsigned index;

	td_igbvf_count(&dev->traps, 1);
	if (access->width != 4 || at % 4)
		return TD_FAULT;
	reg = regs_find(at, &index);
	if (access->write && dev->on_hardware)
		write_on_hardware(dev, reg, index, at, value);
	else if (access->write)
		reg->write(dev, reg, index, value);
	else
		access->value = dev->on_hardware ? read_on_hardware(dev, reg, index, at) : reg->read(dev, reg, index);
	return TD_DONE;
}
