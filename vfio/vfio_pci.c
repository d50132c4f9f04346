/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_pci.c - a VF's life: opened and closed on the host, plugged and hidden in the guest; what the guest writes to configuration space;
 * when its driver is up; its counters.
 *
 * Theory of operation. The kernel resets the function when its descriptor is opened and when it is closed, so cold VFs come and go reset.
 * A VF that stays open between two uses (warm) is reset as soon as the guest has given it up, beside the main loop (vfio_reset.c); plugging
 * it again waits for that to end. A guest's own reset of the function is the same one: until it is over the guest's writes to
 * configuration space change what the guest sees, and the hardware follows then; what the guest reads is all ones. A hidden VF can do
 * nothing to the guest: bus mastering and interrupts are off, its memslots are gone. Whether the driver is up is found by looking at a
 * register every few milliseconds for as long as it is not, without a trap; that it is about to be, who asks for it learns by one
 * (vfio_bar.c).
 */
#include "vfio/vfio_pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "host/sys/names.h"
#include "vfio/vfio_dev.h"

#define POLL_FAST_NS   5000000ULL /* while the driver is awaited */
#define POLL_SLOW_NS   100000000ULL
#define POLL_PATIENCE  10000000000ULL /* from fast to slow */
#define POLL_SAMPLE_NS 1000000000ULL  /* the driver is up: 32-bit counters of octets wrap after 34 s */

static struct td_vfio_pci *of_device(struct td_device *device)
{
	return TD_CONTAINER_OF(device, struct td_vfio_pci, pci.device);
}

static struct td_vfio_pci *of_pci(struct td_pci_dev *pci)
{
	return TD_CONTAINER_OF(pci, struct td_vfio_pci, pci);
}

/* Reads what the function is and makes the guest's PCI function of it. */
static int build_function(struct td_vfio_pci *dev, struct td_err *err)
{
	uint8_t image[256];
	uint64_t sizes[TD_PCI_BARS];
	ssize_t len = pread(dev->open.device_fd, image, sizeof(image), (off_t)dev->open.config_offset);

	if (len < 0)
		return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: read configuration space", dev->open.bdf);
	int rc = td_vfio_config_parse(image, (size_t)len, &dev->function, err);
	if (rc < 0)
		return td_err_prefix(err, "vf %s", dev->open.bdf);
	dev->intel.known = td_vfio_82576_is(dev->function.ids.vendor, dev->function.ids.device);
	for (unsigned i = 0; rc == 0 && i < TD_PCI_BARS; i++) {
		rc = td_vfio_bar_probe(dev, i, err);
		sizes[i] = dev->bar[i].size_bytes;
	}
	if (rc < 0)
		return rc;
	rc = td_pci_dev_init(&dev->pci, dev->vm, dev->name, dev->pci.ops, dev->pci.device.ops, &dev->function.ids, err);
	if (rc == 0)
		rc = td_vfio_config_build(&dev->pci, &dev->function, sizes, dev->open.can_reset, &dev->pcie_cap, err);
	return rc;
}

static void msix_changed(struct td_msix *msix, unsigned vector, bool connected)
{
	(void)vector;
	if (connected)
		td_vfio_irq_update(TD_CONTAINER_OF(msix, struct td_vfio_pci, msix));
}

static int open_parts(struct td_vfio_pci *dev, struct td_err *err)
{
	const struct td_vfio_function *function = &dev->function;
	int rc = 0;

	if (function->msix_count)
		rc = td_msix_init(&dev->msix, &dev->pci, function->msix_count, function->table_bar, function->table_offset,
			function->pba_bar, function->pba_offset, err);
	dev->msix.vector_changed = msix_changed;
	for (unsigned i = 0; rc == 0 && i < TD_PCI_BARS; i++)
		rc = td_vfio_bar_open(dev, i, err);
	if (rc == 0)
		rc = td_vfio_open_watch_events(&dev->open, err);
	return rc;
}

int td_vfio_pci_open_device(struct td_vfio_pci *dev, struct td_err *err)
{
	return td_vfio_open_device(&dev->open, err);
}

int td_vfio_pci_open(struct td_vfio_pci *dev, struct td_err *err)
{
	if (dev->state != TD_VFIO_CLOSED)
		return td_err_set(err, EALREADY, TD_REASON_INTERNAL, "vf %s: is open already", dev->open.bdf);
	int rc = build_function(dev, err);
	if (rc == 0)
		rc = open_parts(dev, err);
	if (rc < 0)
		return rc;
	dev->state = TD_VFIO_WARM;
	td_vfio_bar_trap_rx(dev);
	dev->open.bus_master = true; /* so that the next line writes */
	td_vfio_open_set_bus_master(&dev->open, false);
	td_vfio_82576_sample(dev);
	return 0;
}

/* Nothing here waits, neither for the guest nor for the host. Harmless on what was not opened. */
void td_vfio_pci_close(struct td_vfio_pci *dev)
{
	if (dev->state == TD_VFIO_CLOSED)
		return;
	td_vfio_82576_sample(dev); /* adds up what was counted until now */
	dev->intel.based = false;
	dev->pf_based = false;
	td_loop_disarm(&dev->vm->loop, &dev->poll);
	if (dev->state == TD_VFIO_PLUGGED && dev->vm->state != TD_VM_STOPPED)
		td_pci_abandon(&dev->pci);
	td_pci_dev_fini(&dev->pci);
	td_vfio_open_unwatch_events(&dev->open);
	if (!td_vfio_reset_runs(&dev->open)) /* it is off there already */
		td_vfio_open_set_bus_master(&dev->open, false);
	td_msix_fini(&dev->msix);
	for (unsigned i = 0; i < TD_PCI_BARS; i++)
		td_vfio_bar_close(dev, i);
	memset(dev->pci.bar, 0, sizeof(dev->pci.bar));
	dev->state = TD_VFIO_CLOSED;
	dev->driver_up = dev->eject_pending = dev->plug_pending = dev->sync_pending = dev->rx_traps = false;
}

/* The kernel disables the function's interrupts, resets it and takes its DMA away, in this order. */
void td_vfio_pci_close_device(struct td_vfio_pci *dev)
{
	td_vfio_open_close(&dev->open);
	dev->irq_on = false;
}

/* The guest side. */

static bool is_up(struct td_vfio_pci *dev)
{
	if (!dev->open.bus_master)
		return false;
	return dev->intel.known ? td_vfio_82576_rx_enabled(dev) : td_msix_enabled(&dev->msix);
}

static void poll_expired(struct td_timer *timer)
{
	struct td_vfio_pci *dev = TD_CONTAINER_OF(timer, struct td_vfio_pci, poll);
	uint64_t waited = td_now_ns() - dev->plugged_ns;

	if (dev->state != TD_VFIO_PLUGGED || dev->open.lost)
		return;
	if (dev->driver_up && is_up(dev)) {
		td_vfio_82576_sample(dev);
		td_loop_arm(&dev->vm->loop, timer, POLL_SAMPLE_NS);
		return;
	}
	dev->driver_up = !dev->driver_up && is_up(dev); /* one that has gone down may come up again */
	td_loop_arm(&dev->vm->loop, timer, dev->driver_up ? POLL_SAMPLE_NS : waited < POLL_PATIENCE ? POLL_FAST_NS : POLL_SLOW_NS);
	if (dev->driver_up && dev->events.driver_up)
		dev->events.driver_up(dev->events.opaque); /* may close the device */
}

static void entered(struct td_vfio_pci *dev)
{
	dev->pci.ejectable = true; /* attached at boot or not: a flip may ask for it back */
	dev->plugged_ns = td_now_ns();
	td_loop_arm(&dev->vm->loop, &dev->poll, POLL_FAST_NS);
}

static int enter(struct td_vfio_pci *dev, bool hot, struct td_err *err)
{
	int rc = 0;

	if (dev->state != TD_VFIO_WARM)
		return td_err_set(err, EBUSY, TD_REASON_INTERNAL, "vf %s: is not ready to be plugged", dev->open.bdf);
	if (dev->open.lost || dev->open.wanted_back)
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: the host has taken it away", dev->open.bdf);
	dev->driver_up = false;
	/* The last guest's reset may still run. A hot-plug follows when it is over; who boots can wait. */
	dev->plug_pending = hot && td_vfio_reset_runs(&dev->open);
	if (!dev->plug_pending) {
		td_vfio_reset_wait(&dev->open);
		td_vfio_82576_sample(dev); /* what was counted before is not ours */
		rc = hot ? td_pci_plug(&dev->vm->pci, &dev->pci, err) : td_pci_attach(&dev->vm->pci, &dev->pci, -1, err);
	}
	if (rc < 0)
		return rc;
	dev->state = TD_VFIO_PLUGGED;
	entered(dev);
	return 0;
}

/* The plug that waited for a reset. When it fails, the guest "has given the VF up": the owner knows what to do then. */
static void enter_late(struct td_vfio_pci *dev)
{
	struct td_err err = {0};

	dev->plug_pending = false;
	if (td_pci_plug(&dev->vm->pci, &dev->pci, &err) == 0) {
		entered(dev);
		return;
	}
	td_error("%s: hot-plug: %s", dev->pci.device.name, err.text);
	dev->eject_pending = true;
}

int td_vfio_pci_plug(struct td_vfio_pci *dev, struct td_err *err)
{
	return enter(dev, true, err);
}

int td_vfio_pci_attach(struct td_vfio_pci *dev, struct td_err *err)
{
	return enter(dev, false, err);
}

int td_vfio_pci_unplug_request(struct td_vfio_pci *dev)
{
	if (dev->state != TD_VFIO_PLUGGED)
		return -ENODEV;
	if (!dev->plug_pending)
		return td_pci_unplug_request(&dev->pci);
	/* The guest has not seen it yet, and need not. */
	dev->plug_pending = false;
	dev->eject_pending = true;
	eventfd_write(dev->open.note_fd, 1);
	return 0;
}

/* No DMA and no interrupt from here on; the registers become as after power-on beside the main loop. */
static void calm(struct td_vfio_pci *dev)
{
	dev->driver_up = dev->sync_pending = false;
	td_vfio_bar_trap_rx(dev);
	if (td_vfio_reset_runs(&dev->open)) { /* all that was done when it began, and stayed so */
		td_msix_reset(&dev->msix);
		return;
	}
	td_vfio_open_set_bus_master(&dev->open, false);
	td_msix_reset(&dev->msix);
	td_vfio_irq_disable(dev);
	if (!dev->open.lost)
		td_vfio_82576_rebase(dev);
	td_vfio_reset_start(&dev->open);
}

static void leave(struct td_vfio_pci *dev)
{
	td_loop_disarm(&dev->vm->loop, &dev->poll);
	dev->state = TD_VFIO_WARM;
	calm(dev);
}

void td_vfio_pci_detach(struct td_vfio_pci *dev)
{
	if (dev->state != TD_VFIO_PLUGGED)
		return;
	td_pci_detach(&dev->pci);
	dev->eject_pending = dev->plug_pending = false;
	leave(dev);
}

/* The guest's _EJ0, on a vCPU's thread: DMA ends now, the rest is the main loop's. */
static void pci_ejected(struct td_pci_dev *pci)
{
	struct td_vfio_pci *dev = of_pci(pci);

	td_vfio_open_set_bus_master(&dev->open, false);
	dev->sync_pending = false;
	dev->eject_pending = true;
	eventfd_write(dev->open.note_fd, 1);
}

static void open_gone(struct td_vfio_open *open, bool release_requested)
{
	struct td_vfio_pci *dev = TD_CONTAINER_OF(open, struct td_vfio_pci, open);

	if (dev->events.lost)
		dev->events.lost(dev->events.opaque, release_requested); /* may close the device */
}

/* The hardware becomes what configuration space says of it. Not while a reset runs: the kernel would make us wait, with the VM's lock. */
static void sync_command(struct td_vfio_pci *dev)
{
	if (dev->open.lost)
		return;
	dev->sync_pending |= td_vfio_reset_runs(&dev->open);
	if (!dev->sync_pending)
		td_vfio_open_set_bus_master(&dev->open, td_pci_get16(dev->pci.config, PCI_COMMAND) & PCI_COMMAND_MASTER);
}

static void sync_after_reset(struct td_vfio_pci *dev)
{
	td_pci_dev_set_ready(&dev->pci, true);
	if (!dev->sync_pending)
		return;
	dev->sync_pending = false;
	sync_command(dev);
	td_vfio_irq_update(dev);
	for (unsigned i = 0; i < TD_PCI_BARS; i++)
		if (dev->pci.bar[i].mapped)
			td_vfio_bar_show(dev, i);
}

static void open_noted(struct td_vfio_open *open)
{
	struct td_vfio_pci *dev = TD_CONTAINER_OF(open, struct td_vfio_pci, open);

	if (!td_vfio_reset_runs(&dev->open)) {
		sync_after_reset(dev);
		td_vfio_82576_sample(dev);
		if (dev->plug_pending)
			enter_late(dev);
	}
	if (!dev->eject_pending)
		return;
	dev->eject_pending = false;
	leave(dev);
	if (dev->events.ejected)
		dev->events.ejected(dev->events.opaque); /* may close the device */
}

static enum td_result pci_bar_access(struct td_pci_dev *pci, unsigned bar, struct td_access *access)
{
	return td_vfio_bar_access(of_pci(pci), bar, access);
}

static void pci_bar_mapped(struct td_pci_dev *pci, unsigned bar, bool on)
{
	if (on)
		td_vfio_bar_show(of_pci(pci), bar);
	else
		td_vfio_bar_hide(of_pci(pci), bar);
}

static void pci_config_written(struct td_pci_dev *pci, unsigned offset, unsigned width)
{
	struct td_vfio_pci *dev = of_pci(pci);

	dev->traps++;
	if (td_vfio_config_flr_asked(pci, dev->pcie_cap, offset, width)) {
		td_pci_dev_reset(pci);
		calm(dev);
		td_pci_dev_set_ready(pci, !td_vfio_reset_runs(&dev->open));
		return;
	}
	if (offset < PCI_COMMAND + 2 && offset + width > PCI_COMMAND)
		sync_command(dev);
	td_msix_config_written(&dev->msix, offset, width);
	if (!dev->msix.vector || offset >= dev->msix.cap + 4 || offset + width <= dev->msix.cap)
		return;
	td_vfio_irq_update(dev);
	if (!td_msix_enabled(&dev->msix) && !td_vfio_82576_rx_enabled(dev))
		td_vfio_bar_trap_rx(dev);
}

static const struct td_pci_ops pci_ops = {pci_bar_access, pci_bar_mapped, pci_config_written, pci_ejected};

/* The VM's view. */

static void device_reset(struct td_device *device)
{
	struct td_vfio_pci *dev = of_device(device);

	if (dev->state == TD_VFIO_CLOSED)
		return;
	calm(dev);
	if (dev->state != TD_VFIO_PLUGGED)
		return;
	dev->plugged_ns = td_now_ns();
	td_loop_arm(&dev->vm->loop, &dev->poll, POLL_FAST_NS);
}

/* A VF's DMA can't be stopped in a way that its driver would not notice: the descriptors it fetched meanwhile would be lost. */
static int device_quiesce(struct td_device *device)
{
	struct td_vfio_pci *dev = of_device(device);

	td_vfio_reset_wait(&dev->open);
	sync_after_reset(dev);
	/* One in use goes on receiving while the vCPUs stand still. */
	return dev->state == TD_VFIO_PLUGGED && dev->open.bus_master ? -EBUSY : 0;
}

static void device_resume(struct td_device *device)
{
	(void)device;
}

static void device_destroy(struct td_device *device)
{
	struct td_vfio_pci *dev = of_device(device);

	td_vfio_pci_close(dev);
	td_vfio_pci_close_device(dev);
	free(dev);
}

static const struct td_device_ops device_ops = {device_reset, device_quiesce, device_resume, device_destroy};

int td_vfio_pci_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_vfio_pci_config *config, struct td_vfio_pci **ret_dev, struct td_err *err)
{
	if (config->hide_carrier || config->group < 0 || !td_names_is_bdf(config->bdf))
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: not a VF with an IOMMU group: %.32s", config->name, config->bdf);
	struct td_vfio_pci *dev = calloc(1, sizeof(*dev));
	if (!dev)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	td_vfio_open_init(&dev->open, vm, iommu, dev->name, config->bdf, config->group);
	dev->open.gone = open_gone;
	dev->open.noted = open_noted;
	dev->vm = vm;
	dev->events = config->events;
	dev->poll.expired = poll_expired;
	dev->pci.vm = vm;
	dev->pci.ops = &pci_ops;
	dev->pci.slot = -1;
	dev->pci.device.ops = &device_ops;
	snprintf(dev->name, sizeof(dev->name), "%s", config->name);
	snprintf(dev->pci.device.name, sizeof(dev->pci.device.name), "%s", config->name);
	td_vm_add_device(vm, &dev->pci.device);
	*ret_dev = dev;
	return 0;
}

void td_vfio_pci_destroy(struct td_vfio_pci *dev)
{
	if (!dev)
		return;
	td_vm_remove_device(dev->vm, &dev->pci.device);
	device_destroy(&dev->pci.device);
}

/* What others ask. */

enum td_vfio_state td_vfio_pci_state(const struct td_vfio_pci *dev)
{
	return dev->state;
}

bool td_vfio_pci_link_up(struct td_vfio_pci *dev, bool *ret_known)
{
	*ret_known = dev->intel.known && dev->driver_up;
	return *ret_known && td_vfio_82576_link_up(dev);
}

void td_vfio_pci_told(struct td_vfio_pci *dev, const struct td_vfio_counters *now)
{
	struct td_vfio_counters *last = &dev->pf_last;

	if (dev->state == TD_VFIO_CLOSED || dev->open.lost)
		return;
	if (dev->pf_based) {
#define ADD(field) dev->pf_sum.field += now->field >= last->field ? now->field - last->field : now->field
		ADD(rx_packets);
		ADD(rx_bytes);
		ADD(tx_packets);
		ADD(tx_bytes);
#undef ADD
	}
	*last = *now;
	dev->pf_based = true;
}

void td_vfio_pci_counters(struct td_vfio_pci *dev, struct td_vfio_counters *ret_counters)
{
	if (dev->intel.known) {
		td_vfio_82576_sample(dev);
		*ret_counters = dev->intel.sum;
		return;
	}
	*ret_counters = dev->pf_sum;
}

uint64_t td_vfio_pci_traps(const struct td_vfio_pci *dev)
{
	return dev->traps;
}
