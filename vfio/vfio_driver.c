/* SPDX-License-Identifier: Apache-2.0 */
/* vfio_driver.c - what a flip wants to know of the guest's driver, and to make it do, beyond events. */
#include "core/vf82576.h"
#include "vfio/vfio_dev.h"

#define BAR 0U

bool td_vfio_pci_is_82576(const struct td_vfio_pci *dev)
{
	return dev->intel.known;
}

/* A queue that is enabled but has no buffers yet drops what comes. */
static bool has_buffers(struct td_vfio_pci *dev)
{
	volatile uint32_t *head = td_vfio_bar_reg32(dev, BAR, TD_VF_RDH), *tail = td_vfio_bar_reg32(dev, BAR, TD_VF_RDT);

	return !head || !tail || *head != *tail;
}

enum td_vfio_driver td_vfio_pci_driver(struct td_vfio_pci *dev)
{
	if (dev->state != TD_VFIO_PLUGGED || dev->open.lost || !dev->msix.vector || !td_msix_enabled(&dev->msix))
		return TD_VFIO_DRIVER_NONE;
	if (!dev->open.bus_master)
		return TD_VFIO_DRIVER_BOUND;
	if (!dev->intel.known)
		return TD_VFIO_DRIVER_UP;
	return td_vfio_82576_rx_enabled(dev) && has_buffers(dev) ? TD_VFIO_DRIVER_UP : TD_VFIO_DRIVER_BOUND;
}

void td_vfio_pci_kick(struct td_vfio_pci *dev, unsigned vector)
{
	if (dev->state == TD_VFIO_PLUGGED && !dev->open.lost && dev->msix.vector && td_msix_enabled(&dev->msix))
		td_msix_raise(&dev->msix, vector);
}

bool td_vfio_pci_show_link(struct td_vfio_pci *dev, bool show)
{
	bool done = dev->state == TD_VFIO_PLUGGED && td_vfio_82576_show_answer(dev, show);

	if (done || show)
		td_vfio_pci_kick(dev, TD_VFIO_VECTOR_MAIL);
	return done;
}
