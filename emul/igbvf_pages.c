/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_pages.c - the pages of BAR 0 that a guest reaches without exit while a hardware VF stands behind the function.
 *
 * Theory of operation. The pages of the queues always are such. The page of the interrupts is one while the driver handles them as igbvf
 * does, which writes EIMS for each of them: from its first write of that on, when all else is set up, until it resets the VF, for CTRL is
 * in page 0, which always traps. What it may have written in between is read from the hardware when the guest leaves it. Only what it has
 * masked is not known everywhere (QEMU's igb has no current EIMS of a VF), and need not be: an interrupt too many of either queue is borne,
 * and the third vector is raised by us alone. It is all one memslot, as each costs a flip some of its time. While transmit is held, and a
 * little longer, the first and the last part of each flip, all pages trap.
 */
#include <string.h>

#include "core/vm.h"
#include "emul/igbvf_parts.h"

static bool pages_map(struct td_igbvf *dev, uint32_t from)
{
	const struct td_pci_bar *bar = &dev->pci.bar[TD_IGBVF_BAR_REGS];
	uint8_t *pages = dev->hardware.pages;
	int rc = td_kvm_slot_add(&dev->pci.vm->kvm, TD_GPA(bar->addr + from), TD_VF82576_BAR0_BYTES - from,
		pages + (from - TD_VF82576_PAGE_IRQ), 0, &dev->memslot);

	if (rc < 0) { /* each access is an exit then */
		td_log_limited(&dev->limit, TD_LOG_WARN, "%s: the VF's registers are not mapped into the guest: %s", td_igbvf_name(dev),
			strerror(-rc));
		return false;
	}
	dev->mapped_from = from;
	dev->irq_unseen |= from == TD_VF82576_PAGE_IRQ;
	return true;
}

void td_igbvf_pages_update(struct td_igbvf *dev, bool decoded)
{
	const struct td_vf82576_state *state = &dev->state;
	bool as_igbvf = !dev->irq_refused && !td_igbvf_irq_unlike_igbvf(state->ivar0, state->eiac, state->eiam);
	uint32_t from = as_igbvf ? TD_VF82576_PAGE_IRQ : TD_VF82576_PAGE_QUEUES;

	if (!decoded || !dev->on_hardware || !dev->hardware.pages || dev->traps_all)
		from = 0;
	if (dev->mapped_from == from)
		return;
	if (dev->mapped_from)
		td_kvm_slot_del(&dev->pci.vm->kvm, dev->memslot);
	dev->mapped_from = 0;
	if (!from || pages_map(dev, from))
		return;
	dev->irq_refused = true; /* until the next reset, as this is asked at each interrupt */
	if (from == TD_VF82576_PAGE_IRQ)
		(void)pages_map(dev, TD_VF82576_PAGE_QUEUES);
}
