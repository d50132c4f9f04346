/* SPDX-License-Identifier: Apache-2.0 */
/*
 * irq.c - KVM's routing table and irqfds.
 *
 * Theory of operation: KVM takes the routing table only as a whole, and waits for its readers (SRCU) each time. So a route stays in the
 * table when its MSI is detached, or even given back: nothing raises it then, and attaching with the same address and data needs no update.
 */
#include "core/irq.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "core/kvm.h"

#define PIC_PINS  16U
#define PIT_INPUT 2U /* the IOAPIC pin that GSI 0 is wired to on a PC */

static void add_pin(struct kvm_irq_routing *table, unsigned gsi, unsigned chip, unsigned pin)
{
	table->entries[table->nr++] =
		(struct kvm_irq_routing_entry){.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {.irqchip = chip, .pin = pin}};
}

static void add_pins(struct kvm_irq_routing *table)
{
	for (unsigned gsi = 0; gsi < PIC_PINS; gsi++)
		add_pin(table, gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi % 8);
	add_pin(table, 0, KVM_IRQCHIP_IOAPIC, PIT_INPUT);
	for (unsigned gsi = 1; gsi < TD_IRQ_PINS; gsi++) {
		if (gsi != PIT_INPUT)
			add_pin(table, gsi, KVM_IRQCHIP_IOAPIC, gsi);
	}
}

static int set_routing(struct td_irq *irq)
{
	irq->route_updates++;
	return td_kvm_change(irq->kvm, KVM_SET_GSI_ROUTING, irq->table) < 0 ? -errno : 0;
}

static void reset_pic(struct td_irq *irq, unsigned chip, uint8_t elcr_mask)
{
	struct kvm_irqchip state = {.chip_id = chip, .chip.pic = {.elcr_mask = elcr_mask, .imr = 0xff}};

	ioctl(irq->kvm->vm_fd, KVM_SET_IRQCHIP, &state);
}

/*
 * Masked, as firmware leaves them: Linux on hardware-reduced ACPI never touches the PICs, and what came from them would have vectors that
 * nobody chose (IRQ 15 is #NM). A kernel that uses them starts with ICW1, which clears the masks. The slave first: while it has a request,
 * setting the master latches it there again.
 */
static void reset_pics(struct td_irq *irq)
{
	reset_pic(irq, KVM_IRQCHIP_PIC_SLAVE, 0xde);
	reset_pic(irq, KVM_IRQCHIP_PIC_MASTER, 0xf8);
}

int td_irq_init(struct td_irq *irq, struct td_kvm *kvm, struct td_err *err)
{
	size_t entries = TD_IRQ_GSI_MAX + PIC_PINS;
	int r;

	memset(irq, 0, sizeof(*irq));
	irq->kvm = kvm;
	irq->msi_used[0] = (1ULL << TD_IRQ_PINS) - 1;
	irq->table = calloc(1, sizeof(*irq->table) + entries * sizeof(irq->table->entries[0]));
	if (!irq->table)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "interrupts: no memory for the routing table");
	add_pins(irq->table);
	r = set_routing(irq);
	if (r < 0) {
		td_irq_fini(irq);
		return td_err_sys(err, -r, TD_REASON_KVM_CAP, "interrupts: KVM_SET_GSI_ROUTING");
	}
	reset_pics(irq);
	return 0;
}

void td_irq_fini(struct td_irq *irq)
{
	free(irq->table);
	memset(irq, 0, sizeof(*irq));
}

static void reset_ioapic(struct td_irq *irq)
{
	struct kvm_irqchip state = {.chip_id = KVM_IRQCHIP_IOAPIC, .chip.ioapic = {.base_address = 0xfec00000}};

	for (unsigned pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		state.chip.ioapic.redirtbl[pin].fields.mask = 1;
	ioctl(irq->kvm->vm_fd, KVM_SET_IRQCHIP, &state);
}

static void reset_pit(struct td_irq *irq)
{
	struct kvm_pit_state2 state = {0};

	for (unsigned i = 0; i < TD_COUNT(state.channels); i++) {
		state.channels[i].mode = 0xff; /* not programmed */
		state.channels[i].gate = i != 2;
		state.channels[i].count = 0x10000;
	}
	ioctl(irq->kvm->vm_fd, KVM_SET_PIT2, &state);
}

void td_irq_reset(struct td_irq *irq)
{
	reset_pics(irq);
	reset_ioapic(irq);
	reset_pit(irq);
}

void td_irq_set(struct td_irq *irq, unsigned gsi, bool level)
{
	struct kvm_irq_level line = {.irq = gsi, .level = level};

	ioctl(irq->kvm->vm_fd, KVM_IRQ_LINE, &line);
}

void td_irq_pulse(struct td_irq *irq, unsigned gsi)
{
	td_irq_set(irq, gsi, true);
	td_irq_set(irq, gsi, false);
}

int td_irq_msi_init(struct td_irq *irq, struct td_irq_msi *msi)
{
	*msi = (struct td_irq_msi){.gsi = -1};
	for (unsigned i = 0; i < TD_COUNT(irq->msi_used); i++) {
		unsigned bit;

		if (irq->msi_used[i] == UINT64_MAX)
			continue;
		bit = (unsigned)__builtin_ctzll(~irq->msi_used[i]);
		irq->msi_used[i] |= 1ULL << bit;
		msi->gsi = (int)(i * 64 + bit);
		return 0;
	}
	return -ENOSPC;
}

void td_irq_msi_fini(struct td_irq *irq, struct td_irq_msi *msi, int event_fd)
{
	if (msi->gsi < 0)
		return;
	td_irq_msi_detach(irq, msi, event_fd);
	irq->msi_used[msi->gsi / 64] &= ~(1ULL << (msi->gsi % 64));
	msi->gsi = -1;
}

/* The MSI's entry, a new one when it has none yet: there is room for one per GSI. */
static struct kvm_irq_routing_entry *find_route(struct td_irq *irq, unsigned gsi, bool *ret_new)
{
	struct kvm_irq_routing *table = irq->table;

	*ret_new = false;
	for (unsigned i = 0; i < table->nr; i++) {
		if (table->entries[i].gsi == gsi)
			return &table->entries[i];
	}
	*ret_new = true;
	table->entries[table->nr] = (struct kvm_irq_routing_entry){.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI};
	return &table->entries[table->nr++];
}

static int set_route(struct td_irq *irq, unsigned gsi, uint64_t address, uint32_t data)
{
	uint32_t low = (uint32_t)address, high = (uint32_t)(address >> 32);
	struct kvm_irq_routing_entry *route, before;
	bool is_new;
	int r;

	route = find_route(irq, gsi, &is_new);
	if (!is_new && route->u.msi.address_lo == low && route->u.msi.address_hi == high && route->u.msi.data == data)
		return 0;
	before = *route;
	route->u.msi.address_lo = low;
	route->u.msi.address_hi = high;
	route->u.msi.data = data;
	r = set_routing(irq);
	if (r < 0)
		*route = before; /* an address that KVM refuses must not spoil later updates */
	return r;
}

static int irqfd_control(struct td_irq *irq, const struct td_irq_msi *msi, int event_fd, uint32_t flags)
{
	struct kvm_irqfd irqfd = {.fd = (uint32_t)event_fd, .gsi = (uint32_t)msi->gsi, .flags = flags};

	return td_kvm_change(irq->kvm, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int td_irq_msi_attach(struct td_irq *irq, struct td_irq_msi *msi, uint64_t address, uint32_t data, int event_fd)
{
	int r;

	if (msi->gsi < 0)
		return -EINVAL;
	r = set_route(irq, (unsigned)msi->gsi, address, data);
	if (r < 0)
		return r;
	msi->address = address;
	msi->data = data;
	if (msi->attached)
		return 0;
	r = irqfd_control(irq, msi, event_fd, 0);
	if (r == 0)
		msi->attached = true;
	return r;
}

void td_irq_msi_detach(struct td_irq *irq, struct td_irq_msi *msi, int event_fd)
{
	if (!msi->attached)
		return;
	irqfd_control(irq, msi, event_fd, KVM_IRQFD_FLAG_DEASSIGN);
	msi->attached = false;
}
