/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_irq.c - MSI-X of the hardware, and VFIO's two messages to us: the device had an error, the device is wanted back.
 *
 * Each hardware vector signals the eventfd of the guest's vector of the same number, which KVM injects (msix.h). All vectors are
 * enabled at once by one VFIO_DEVICE_SET_IRQS, when the guest connects the first: to add one later VFIO would have to disable all of them
 * for a moment (where the kernel lacks dynamic MSI-X), and an interrupt could be lost. A vector that the guest has masked counts in its
 * eventfd.
 */
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "vfio/vfio_dev.h"

/* count 0 with no descriptors: the index is disabled. */
static int set_irqs(int device_fd, uint32_t index, const int *fds, unsigned count)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + TD_MSIX_VECTORS_MAX * sizeof(int)];
	} request = {0};

	request.set.argsz = (uint32_t)(sizeof(request.set) + count * sizeof(int));
	request.set.flags = VFIO_IRQ_SET_ACTION_TRIGGER | (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	request.set.index = index;
	request.set.count = count;
	if (count)
		memcpy(request.set.data, fds, count * sizeof(int));
	return ioctl(device_fd, VFIO_DEVICE_SET_IRQS, &request) < 0 ? -errno : 0;
}

static void enable(struct td_vfio_pci *dev)
{
	int fds[TD_MSIX_VECTORS_MAX];

	for (unsigned i = 0; i < dev->msix.count; i++)
		fds[i] = td_msix_fd(&dev->msix, i);
	int rc = set_irqs(dev->device_fd, VFIO_PCI_MSIX_IRQ_INDEX, fds, dev->msix.count);
	if (rc < 0)
		td_error("%s: the VF's %u interrupts can't be enabled: %s", dev->pci.device.name, dev->msix.count, strerror(-rc));
	dev->irq_on = rc == 0;
}

void td_vfio_irq_disable(struct td_vfio_pci *dev)
{
	if (!dev->irq_on)
		return;
	int rc = set_irqs(dev->device_fd, VFIO_PCI_MSIX_IRQ_INDEX, NULL, 0);
	if (rc < 0)
		td_warn("%s: the VF's interrupts can't be disabled: %s", dev->pci.device.name, strerror(-rc));
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

	if (!dev->msix.vector || dev->lost)
		return;
	for (unsigned i = 0; i < dev->msix.count; i++)
		connected |= dev->msix.vector[i].msi.attached;
	if (!td_msix_enabled(&dev->msix))
		td_vfio_irq_disable(dev);
	else if (connected && !dev->irq_on)
		enable(dev);
}

static void lose(struct td_vfio_pci *dev, struct td_watch *watch, bool release_requested)
{
	uint64_t count;

	/* The host repeats its request until the device is closed. */
	if (read(watch->fd, &count, sizeof(count)) < 0 || dev->lost || (release_requested && dev->wanted_back))
		return;
	td_warn("%s: %s", dev->pci.device.name,
		release_requested ? "the host wants the VF back (its PF is being removed or sriov_numvfs changed)"
				  : "the VF reports an error");
	*(release_requested ? &dev->wanted_back : &dev->lost) = true;
	if (dev->events.lost)
		dev->events.lost(dev->events.opaque, release_requested); /* may close the device */
}

static void error_ready(struct td_watch *watch, uint32_t events)
{
	(void)events;
	lose(TD_CONTAINER_OF(watch, struct td_vfio_pci, error_watch), watch, false);
}

static void request_ready(struct td_watch *watch, uint32_t events)
{
	(void)events;
	lose(TD_CONTAINER_OF(watch, struct td_vfio_pci, request_watch), watch, true);
}

static int watch_index(struct td_vfio_pci *dev, uint32_t index, int *fd, struct td_watch *watch, void (*ready)(struct td_watch *, uint32_t),
	struct td_err *err)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vf %s: eventfd", dev->bdf);
	*watch = (struct td_watch){.fd = *fd, .ready = ready, .events = EPOLLIN};
	int rc = td_loop_watch(&dev->vm->loop, watch);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: watch its events", dev->bdf);
	/* A kernel or bus without this message: then it never comes. */
	rc = set_irqs(dev->device_fd, index, fd, 1);
	if (rc < 0)
		td_debug("%s: no event %u from VFIO: %s", dev->pci.device.name, index, strerror(-rc));
	return 0;
}

int td_vfio_irq_open(struct td_vfio_pci *dev, struct td_err *err)
{
	int rc = watch_index(dev, VFIO_PCI_ERR_IRQ_INDEX, &dev->error_fd, &dev->error_watch, error_ready, err);

	return rc < 0 ? rc : watch_index(dev, VFIO_PCI_REQ_IRQ_INDEX, &dev->request_fd, &dev->request_watch, request_ready, err);
}

void td_vfio_irq_close(struct td_vfio_pci *dev)
{
	td_vfio_irq_disable(dev);
	if (dev->error_fd >= 0)
		(void)set_irqs(dev->device_fd, VFIO_PCI_ERR_IRQ_INDEX, NULL, 0);
	if (dev->request_fd >= 0)
		(void)set_irqs(dev->device_fd, VFIO_PCI_REQ_IRQ_INDEX, NULL, 0);
	td_loop_unwatch(&dev->vm->loop, &dev->error_watch);
	td_loop_unwatch(&dev->vm->loop, &dev->request_watch);
	td_cleanup_close(&dev->error_fd);
	td_cleanup_close(&dev->request_fd);
	dev->error_fd = dev->request_fd = -1;
}
