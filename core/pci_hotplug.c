/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_hotplug.c - functions come and go: at boot, by ACPI hot-plug while the guest runs, at reset. The registers that the guest's ACPI
 * methods use are described in acpi.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/acpi.h"
#include "core/pci_parts.h"
#include "core/vm.h"

#define REG_PLUGGED 0U
#define REG_UNPLUG  4U
#define REG_EJECT   8U

#define GHOST_AGAIN_NS 3000000000ULL /* a guest that has heard it may take a second; one asked twice ejects twice */

static int choose_slot(const struct td_pci *pci, const struct td_pci_dev *dev, int slot, struct td_err *err)
{
	if (dev->slot >= 0)
		return td_err_set(err, EBUSY, TD_REASON_INTERNAL, "%s: is plugged already, in PCI slot %d", dev->device.name, dev->slot);
	if (slot >= (int)TD_PCI_SLOTS)
		return td_err_set(
			err, EINVAL, TD_REASON_CONFIG_VALUE, "%s: PCI slots are 1 to %u, not %d", dev->device.name, TD_PCI_SLOTS - 1, slot);
	if (slot >= 0 && pci->slot[slot])
		return td_err_set(err, EBUSY, TD_REASON_CONFIG_VALUE, "%s: PCI slot %d is taken by %s", dev->device.name, slot,
			pci->slot[slot]->device.name);
	if (slot >= 0)
		return slot;
	for (slot = 1; slot < (int)TD_PCI_SLOTS; slot++)
		if (!pci->slot[slot] && !(pci->ghosts & 1U << slot))
			return slot;
	return td_err_set(err, ENOSPC, TD_REASON_CONFIG_VALUE, "%s: all %u PCI slots are taken", dev->device.name, TD_PCI_SLOTS - 1);
}

static void insert(struct td_pci *pci, struct td_pci_dev *dev, int slot)
{
	dev->slot = slot;
	dev->unplug_requested = false;
	pci->slot[slot] = dev;
	td_pci_window_show(pci, dev);
	td_pci_bar_update(pci, dev);
}

static void forget_boot_addrs(struct td_pci_dev *dev)
{
	for (unsigned i = 0; i < TD_PCI_BARS; i++)
		dev->bar[i].boot_addr = 0;
}

/* What power_on holds is what a reset goes back to: BARs without address, decoding off. */
static int remember_power_on(struct td_pci_dev *dev, struct td_err *err)
{
	dev->power_on = malloc(TD_PCI_CONFIG_BYTES);
	if (!dev->power_on)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s: PCI configuration space", dev->device.name);
	memcpy(dev->power_on, dev->config, TD_PCI_CONFIG_BYTES);
	return 0;
}

int td_pci_attach(struct td_pci *pci, struct td_pci_dev *dev, int slot, struct td_err *err)
{
	int rc;

	slot = choose_slot(pci, dev, slot, err);
	if (slot < 0)
		return slot;
	rc = remember_power_on(dev, err);
	if (rc)
		return rc;
	rc = td_pci_bar_place(pci, dev, err);
	if (rc) {
		forget_boot_addrs(dev);
		free(td_take_ptr(dev->power_on));
		return rc;
	}
	td_pci_bar_program(dev);
	insert(pci, dev, slot);
	return 0;
}

int td_pci_plug(struct td_pci *pci, struct td_pci_dev *dev, struct td_err *err)
{
	int slot = choose_slot(pci, dev, -1, err), rc;

	if (slot < 0)
		return slot;
	rc = remember_power_on(dev, err);
	if (rc)
		return rc;
	dev->ejectable = true;
	insert(pci, dev, slot);
	pci->plug_pending |= 1U << slot;
	td_acpi_event(pci->vm, TD_ACPI_EVENT_HOTPLUG);
	return 0;
}

void td_pci_detach(struct td_pci_dev *dev)
{
	struct td_pci *pci;
	uint32_t bit;

	if (dev->slot < 0 || !dev->power_on)
		return;
	pci = &dev->vm->pci;
	bit = 1U << dev->slot;
	td_pci_bar_unmap_all(pci, dev);
	td_pci_dev_set_ready(dev, true);
	td_pci_window_hide(pci, dev);
	memcpy(dev->config, dev->power_on, TD_PCI_CONFIG_BYTES);
	free(td_take_ptr(dev->power_on));
	forget_boot_addrs(dev);
	pci->slot[dev->slot] = NULL;
	pci->plug_pending &= ~bit;
	pci->unplug_pending &= ~bit;
	dev->slot = -1;
	dev->ejectable = dev->unplug_requested = false;
}

/* Until the guest has read its last request it has that one still. */
static void ask_for_ghosts(struct td_timer *timer)
{
	struct td_pci *pci = TD_CONTAINER_OF(timer, struct td_pci, ghost_timer);

	if (!pci->ghosts)
		return;
	pci->unplug_pending |= pci->ghosts;
	td_acpi_event(pci->vm, TD_ACPI_EVENT_HOTPLUG);
	td_loop_arm(&pci->vm->loop, timer, GHOST_AGAIN_NS);
}

void td_pci_abandon(struct td_pci_dev *dev)
{
	struct td_pci *pci = &dev->vm->pci;
	int slot = dev->slot;

	td_pci_detach(dev);
	if (slot < 0)
		return;
	pci->ghosts |= 1U << slot;
	pci->ghost_timer.expired = ask_for_ghosts;
	ask_for_ghosts(&pci->ghost_timer);
}

int td_pci_unplug_request(struct td_pci_dev *dev)
{
	struct td_pci *pci = &dev->vm->pci;

	if (dev->slot < 0)
		return -ENODEV;
	if (!dev->ejectable)
		return -EPERM;
	dev->unplug_requested = true;
	pci->unplug_pending |= 1U << dev->slot;
	td_acpi_event(pci->vm, TD_ACPI_EVENT_HOTPLUG);
	return 0;
}

static void eject(struct td_pci *pci, uint32_t slots)
{
	pci->unplug_pending &= ~(slots & pci->ghosts); /* not to be read as a request for whoever has the slot next */
	pci->ghosts &= ~slots;
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++) {
		struct td_pci_dev *dev = pci->slot[i];

		if (!(slots & 1U << i) || !dev)
			continue;
		if (!dev->ejectable) {
			td_log_limited(
				&pci->limit, TD_LOG_WARN, "pci %s: the guest ejects it, but it is no hot-plugged device", dev->device.name);
			continue;
		}
		td_pci_detach(dev);
		dev->ops->ejected(dev); /* may free it */
	}
}

static uint32_t take(uint32_t *bits)
{
	uint32_t taken = *bits;

	*bits = 0;
	return taken;
}

static enum td_result access_hotplug(struct td_io_region *region, struct td_access *access)
{
	struct td_pci *pci = TD_CONTAINER_OF(region, struct td_pci, hotplug);

	if (access->width != 4)
		return TD_FAULT;
	if (access->offset == REG_PLUGGED && !access->write)
		access->value = take(&pci->plug_pending);
	else if (access->offset == REG_UNPLUG && !access->write)
		access->value = take(&pci->unplug_pending);
	else if (access->offset == REG_EJECT && access->write)
		eject(pci, (uint32_t)access->value);
	else
		return TD_FAULT;
	return TD_DONE;
}

const struct td_io_region td_pci_hotplug_region = {"pci hotplug", TD_ACPI_PORT_HOTPLUG, TD_ACPI_HOTPLUG_BYTES, access_hotplug, false};

void td_pci_dev_reset(struct td_pci_dev *dev)
{
	if (dev->slot < 0 || !dev->power_on)
		return;
	td_pci_bar_unmap_all(&dev->vm->pci, dev);
	/* Only what the guest can write: the rest is the device's own, and may have changed since. */
	for (unsigned i = 0; i < TD_PCI_CONFIG_BYTES; i++) {
		uint8_t guests = (uint8_t)(dev->writable[i] | (dev->w1c ? dev->w1c[i] : 0));

		dev->config[i] = (uint8_t)((dev->config[i] & ~guests) | (dev->power_on[i] & guests));
	}
}

void td_pci_dev_set_ready(struct td_pci_dev *dev, bool ready)
{
	if (dev->slot < 0 || dev->unready != ready)
		return;
	dev->unready = !ready;
	if (ready)
		td_pci_window_show(&dev->vm->pci, dev);
	else
		td_pci_window_hide(&dev->vm->pci, dev);
}

void td_pci_reset(struct td_pci *pci)
{
	pci->cf8 = pci->plug_pending = pci->unplug_pending = pci->ghosts = 0;
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++) {
		if (pci->slot[i]) {
			pci->slot[i]->unplug_requested = false;
			td_pci_dev_reset(pci->slot[i]);
		}
	}
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++) {
		struct td_pci_dev *dev = pci->slot[i];

		if (!dev)
			continue;
		/* No room for a hot-plugged one: it has no address then, as with a firmware that found none. */
		td_pci_bar_place(pci, dev, NULL);
		td_pci_bar_program(dev);
		td_pci_bar_update(pci, dev);
	}
}
