/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_irq.c - MSI-X of the hardware, as the guest's.
 *
 * Each hardware vector signals the eventfd of the guest's vector of the same number, which KVM injects (msix.h). All vectors are
 * enabled at once by one VFIO_DEVICE_SET_IRQS, when the guest connects the first: to add one later VFIO would have to disable all of them
 * for a moment (where the kernel lacks dynamic MSI-X), and an interrupt could be lost. A vector that the guest has masked counts in its
 * eventfd.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/vfio_dev.h"

static void enable(struct td_vfio_pci *dev)
{
	int fds[TD_MSIX_VECTORS_MAX];

	for (unsigned i = 0; i < dev->msix.count; i++)
		fds[i] = td_msix_fd(&dev->msix, i);
	int rc = td_vfio_open_set_irqs(&dev->open, VFIO_PCI_MSIX_IRQ_INDEX, fds, dev->msix.count);
	if (rc < 0)
		td_log_limited(&dev->log_limit, TD_LOG_ERROR, "%s: the VF's %u interrupts can't be enabled: %s", dev->pci.device.name,
			dev->msix.count, strerror(-rc));
	dev->irq_on = rc == 0;
}

void td_vfio_irq_disable(struct td_vfio_pci *dev)
{
	if (!dev->irq_on)
		return;
	int rc = td_vfio_open_set_irqs(&dev->open, VFIO_PCI_MSIX_IRQ_INDEX, NULL, 0);
	if (rc < 0)
		td_log_limited(
			&dev->log_limit, TD_LOG_WARN, "%s: the VF's interrupts can't be disabled: %s", dev->pci.device.name, strerror(-rc));
	dev->irq_on = false;
	/* A stale interrupt of vector 2 would be taken for mail from the PF by the next driver. */
	for (unsigned i = 0; i < dev->msix.count; i++) {
		uint64_t forgotten;

		if (!dev->msix.vector[i].msi.attached && read(td_msix_fd(&dev->msix, i), &forgotten, sizeof(forgotten)) < 0)
			continue; /* nothing was pending */
	}
}

void td_vfio_irq_update(struct td_vfio_pci *dev)
{
	bool connected = false;

	if (!dev->msix.vector || dev->open.lost)
		return;
	if (td_vfio_reset_runs(&dev->open)) { /* all are off until it is over */
		dev->sync_pending = true;
		return;
	}
	for (unsigned i = 0; i < dev->msix.count; i++)
		connected |= dev->msix.vector[i].msi.attached;
	if (!td_msix_enabled(&dev->msix))
		td_vfio_irq_disable(dev);
	else if (connected && !dev->irq_on)
		enable(dev);
}
