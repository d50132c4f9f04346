/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_state.c - the software 82576 VF as bytes: what is the guest's of it, as tables (core/state.h), with MSI-X and what a guest may
 * write to configuration space. Loading writes these as a guest would, so that BARs and vectors come to life in the usual way.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "core/state.h"
#include "core/vm.h"
#include "emul/igbvf_parts.h"

#define VECTORS_MASK ((1U << TD_VF82576_VECTORS) - 1)
#define ENTRY_BYTES  16U
#define MAILBOX_BITS (TD_VF_MAIL_VFU | TD_VF_MAIL_PFSTS | TD_VF_MAIL_PFACK | TD_VF_MAIL_RSTD)
#define PROMISC_BITS (2U << TD_VF_MAIL_COUNT_SHIFT)
#define MSIX_CONTROL 2U
#define COMMAND_BITS (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define MSIX_BITS    (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)
#define DEVCTL_BITS  0x7fffU
#define VERSION	     1U

struct saved_vector {
	uint64_t address;
	uint32_t data, control;
	bool pending;
};

struct saved_tx {
	struct td_igbvf_context context[2];
	bool context_kept;
};

struct saved {
	struct td_vf82576_state vf;
	struct saved_tx tx[TD_VF82576_QUEUES];
	struct saved_vector vector[TD_VF82576_VECTORS];
	uint64_t bar[2];
	uint32_t sent;
	uint16_t command, msix_control, device_control;
	uint8_t cache_line, irq_line;
	bool link_shown;
};

/* ---- tables: as long as a version's stand here, their order and number of fields are what they are ---- */

#define TABLE(fields_of, table_name, type)                                        \
	{                                                                         \
		table_name, VERSION, sizeof(type), fields_of, TD_COUNT(fields_of) \
	}

#define RING(member) TD_STATE_FIELD(struct td_vf82576_ring, member)
static const struct td_state_field ring_fields[] = {
	RING(base),
	RING(len_bytes),
	RING(head),
	RING(tail),
	RING(control),
	RING(dca),
	RING(srrctl),
	RING(writeback),
};
static const struct td_state_table ring_table = TABLE(ring_fields, "ring", struct td_vf82576_ring);

#define VF(member)	 TD_STATE_FIELD(struct td_vf82576_state, member)
#define VF_ARRAY(member) TD_STATE_FIELD_ARRAY(struct td_vf82576_state, member)
static const struct td_state_field vf_fields[] = {
	TD_STATE_FIELD_TABLES(struct td_vf82576_state, rx, &ring_table),
	TD_STATE_FIELD_TABLES(struct td_vf82576_state, tx, &ring_table),
	VF(psrtype),
	VF(eims),
	VF(eiac),
	VF(eiam),
	VF(eicr),
	VF_ARRAY(eitr),
	VF(ivar0),
	VF(ivar_misc),
	VF(mailbox),
	VF_ARRAY(mail),
	TD_STATE_FIELD_BOOL(struct td_vf82576_state, handshaken),
	TD_STATE_FIELD_BYTES(struct td_vf82576_state, mac),
	TD_STATE_PAD(struct td_vf82576_state, mac, hash),
	VF_ARRAY(hash),
	VF(hash_count),
	VF_ARRAY(vlan),
	VF(frame_max_bytes),
	VF(promisc),
	TD_STATE_PAD(struct td_vf82576_state, promisc, counter),
	VF_ARRAY(counter),
};
static const struct td_state_table vf_table = TABLE(vf_fields, "vf82576", struct td_vf82576_state);

#define CONTEXT(member) TD_STATE_FIELD(struct td_igbvf_context, member)
static const struct td_state_field context_fields[] = {CONTEXT(vlan_macip_lens), CONTEXT(type_tucmd), CONTEXT(mss_l4len)};
static const struct td_state_table context_table = TABLE(context_fields, "context", struct td_igbvf_context);

static const struct td_state_field tx_fields[] = {
	TD_STATE_FIELD_TABLES(struct saved_tx, context, &context_table),
	TD_STATE_FIELD_BOOL(struct saved_tx, context_kept),
	TD_STATE_PAD_END(struct saved_tx, context_kept),
};
static const struct td_state_table tx_table = TABLE(tx_fields, "tx", struct saved_tx);

static const struct td_state_field vector_fields[] = {
	TD_STATE_FIELD(struct saved_vector, address),
	TD_STATE_FIELD(struct saved_vector, data),
	TD_STATE_FIELD(struct saved_vector, control),
	TD_STATE_FIELD_BOOL(struct saved_vector, pending),
	TD_STATE_PAD_END(struct saved_vector, pending),
};
static const struct td_state_table vector_table = TABLE(vector_fields, "vector", struct saved_vector);

#define SAVED(member) TD_STATE_FIELD(struct saved, member)
static const struct td_state_field saved_fields[] = {
	TD_STATE_FIELD_TABLE(struct saved, vf, &vf_table),
	TD_STATE_FIELD_TABLES(struct saved, tx, &tx_table),
	TD_STATE_FIELD_TABLES(struct saved, vector, &vector_table),
	TD_STATE_FIELD_ARRAY(struct saved, bar),
	SAVED(sent),
	SAVED(command),
	SAVED(msix_control),
	SAVED(device_control),
	SAVED(cache_line),
	SAVED(irq_line),
	TD_STATE_FIELD_BOOL(struct saved, link_shown),
	TD_STATE_PAD_END(struct saved, link_shown),
};
static const struct td_state_table saved_table = TABLE(saved_fields, "igbvf", struct saved);

const struct td_state_table *td_igbvf_state_table(void)
{
	return &saved_table;
}

/* ---- save ---- */

static const unsigned bar_of[2] = {TD_IGBVF_BAR_REGS, TD_IGBVF_BAR_MSIX};

static uint64_t read_bar(const struct td_igbvf *dev, unsigned bar)
{
	unsigned at = PCI_BASE_ADDRESS_0 + 4 * bar;

	return td_pci_get32(dev->pci.config, at) | (uint64_t)td_pci_get32(dev->pci.config, at + 4) << 32;
}

static void state_gather(struct td_igbvf *dev, struct saved *saved)
{
	struct td_access pending = {.offset = TD_VF82576_PBA_OFFSET, .width = 4};
	const uint8_t *config = dev->pci.config;
	enum td_result result;

	memset(saved, 0, sizeof(*saved));
	saved->vf = dev->state;
	saved->sent = dev->irq.sent;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		memcpy(saved->tx[i].context, dev->tx.queue[i].context, sizeof(saved->tx[i].context));
		saved->tx[i].context_kept = dev->tx.queue[i].context_kept;
	}
	td_msix_bar_access(&dev->msix, TD_IGBVF_BAR_MSIX, &pending, &result);
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++) {
		const struct td_msix_vector *vector = &dev->msix.vector[i];

		saved->vector[i].address = vector->address;
		saved->vector[i].data = vector->data;
		saved->vector[i].control = vector->control;
		saved->vector[i].pending = pending.value >> i & 1;
	}
	for (unsigned i = 0; i < TD_COUNT(bar_of); i++)
		saved->bar[i] = read_bar(dev, bar_of[i]);
	saved->command = td_pci_get16(config, PCI_COMMAND) & COMMAND_BITS;
	saved->msix_control = td_pci_get16(config, dev->msix.cap + MSIX_CONTROL) & MSIX_BITS;
	saved->device_control = td_pci_get16(config, dev->pcie_cap + PCI_EXP_DEVCTL) & DEVCTL_BITS;
	saved->cache_line = config[PCI_CACHE_LINE_SIZE];
	saved->irq_line = config[PCI_INTERRUPT_LINE];
	saved->link_shown = dev->link_shown;
}

static int check_rest(const struct td_igbvf *dev, struct td_err *err)
{
	if (dev->on_hardware || !(dev->held & (TD_IGBVF_HOLD_REST | TD_IGBVF_HOLD_QUIESCE)))
		return td_err_set(err, EBUSY, TD_REASON_VM_STATE, "%s: its state is moved in software only, at rest", td_igbvf_name(dev));
	return 0;
}

size_t td_igbvf_state_bytes(void)
{
	return td_state_bytes(&saved_table);
}

int td_igbvf_save(struct td_igbvf *dev, uint8_t *to, size_t room_bytes, struct td_err *err)
{
	struct saved saved;
	int rc = check_rest(dev, err);

	if (rc)
		return rc;
	if (room_bytes < td_state_bytes(&saved_table))
		return td_err_set(err, ENOSPC, TD_REASON_INTERNAL, "%s: no room for its state", td_igbvf_name(dev));
	state_gather(dev, &saved);
	td_state_save(&saved_table, &saved, to);
	return 0;
}

/* ---- load ---- */

static bool ring_ok(const struct td_vf82576_ring *ring)
{
	return ring->base % 128 == 0 && ring->len_bytes % 128 == 0 && ring->len_bytes < TD_MIB && ring->head <= UINT16_MAX &&
	       ring->tail <= UINT16_MAX;
}

/* Nothing here but what a guest's writes could have brought about. NULL, or what is wrong. */
static const char *state_check(const struct td_igbvf *dev, const struct saved *saved)
{
	const struct td_vf82576_state *vf = &saved->vf;

	if (memcmp(vf->mac, dev->state.mac, sizeof(vf->mac)) != 0)
		return "is of a NIC with another MAC";
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		if (!ring_ok(&vf->rx[i]) || !ring_ok(&vf->tx[i]))
			return "holds a ring that no guest can have set";
	if ((vf->eims | vf->eiac | vf->eiam | vf->eicr | saved->sent) & ~VECTORS_MASK)
		return "names vectors that are not there";
	if (vf->mailbox & ~MAILBOX_BITS || vf->promisc & 0x00ff0000U & ~PROMISC_BITS || vf->hash_count > TD_VF82576_HASHES_MAX ||
		vf->frame_max_bytes < TD_IGBVF_FRAME_MIN || vf->frame_max_bytes > TD_IGBVF_FRAME_MAX)
		return "holds filters that no PF would have granted";
	if (saved->command & ~COMMAND_BITS || saved->msix_control & ~MSIX_BITS || saved->device_control & ~DEVCTL_BITS)
		return "holds configuration that can't be written";
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++)
		if (saved->vector[i].control > 1)
			return "holds a vector that can't be";
	return NULL;
}

static void state_write_config(struct td_igbvf *dev, unsigned at, uint8_t width, uint32_t value)
{
	struct td_access access = {.offset = at, .width = width, .write = true, .value = value};

	td_pci_config_access(&dev->pci.vm->pci, (unsigned)dev->pci.slot * 8, &access);
}

static void write_vector(struct td_igbvf *dev, unsigned index, uint32_t at, uint64_t value, uint8_t width)
{
	struct td_access access = {.offset = index * ENTRY_BYTES + at, .width = width, .write = true, .value = value};
	enum td_result result;

	td_msix_bar_access(&dev->msix, TD_IGBVF_BAR_MSIX, &access, &result);
}

static void commit_function(struct td_igbvf *dev, const struct saved *saved)
{
	td_msix_reset(&dev->msix);
	state_write_config(dev, PCI_COMMAND, 2, 0);
	for (unsigned i = 0; i < TD_COUNT(bar_of); i++) {
		state_write_config(dev, PCI_BASE_ADDRESS_0 + 4 * bar_of[i], 4, (uint32_t)saved->bar[i]);
		state_write_config(dev, PCI_BASE_ADDRESS_0 + 4 * bar_of[i] + 4, 4, (uint32_t)(saved->bar[i] >> 32));
	}
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++) {
		write_vector(dev, i, 0, saved->vector[i].address, 8);
		write_vector(dev, i, 8, saved->vector[i].data, 4);
		write_vector(dev, i, 12, saved->vector[i].control, 4);
		if (saved->vector[i].pending)
			td_msix_raise(&dev->msix, i);
	}
	state_write_config(dev, PCI_CACHE_LINE_SIZE, 1, saved->cache_line);
	state_write_config(dev, PCI_INTERRUPT_LINE, 1, saved->irq_line);
	state_write_config(dev, dev->pcie_cap + PCI_EXP_DEVCTL, 2, saved->device_control);
	state_write_config(dev, dev->msix.cap + MSIX_CONTROL, 2, saved->msix_control);
	state_write_config(dev, PCI_COMMAND, 2, saved->command);
}

int td_igbvf_load(struct td_igbvf *dev, const uint8_t *from, size_t len_bytes, struct td_err *err)
{
	struct saved saved;
	const char *why;
	int rc = check_rest(dev, err);

	if (rc)
		return rc;
	rc = td_state_load(&saved_table, &saved, from, len_bytes, err);
	if (rc) {
		td_err_prefix(err, "%s", td_igbvf_name(dev));
		return rc;
	}
	why = state_check(dev, &saved);
	if (why)
		return td_err_set(err, EINVAL, TD_REASON_DEVICE_STATE, "%s: its state %s", td_igbvf_name(dev), why);
	td_igbvf_reset(dev);
	dev->state = saved.vf;
	dev->irq.sent = saved.sent;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++) {
		memcpy(dev->tx.queue[i].context, saved.tx[i].context, sizeof(dev->tx.queue[i].context));
		dev->tx.queue[i].context_kept = saved.tx[i].context_kept;
	}
	dev->link_shown = saved.link_shown;
	commit_function(dev, &saved);
	td_igbvf_update_tap(dev);
	td_igbvf_tell_link(dev);
	return 0;
}
