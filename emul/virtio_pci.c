/* SPDX-License-Identifier: Apache-2.0 */
/* virtio_pci.c - see virtio_pci.h: BARs, notifications, interrupts, and the device's life. Registers: virtio_pci_regs.c. */
#include "emul/virtio_pci.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/vm.h"

#define VENDOR_VIRTIO	  0x1af4
#define DEVICE_MODERN	  0x1040 /* plus the device type */
#define SUBSYSTEM_TANDEM  0x1100
#define NOTIFY_PORTS	  0
#define NOTIFY_MEMORY	  1
#define NOTIFY_PORT_BYTES 2U
#define PORTS_MIN_BYTES	  4U

static struct td_virtio_pci *virtio_from_pci(struct td_pci_dev *pci)
{
	return TD_CONTAINER_OF(pci, struct td_virtio_pci, pci);
}

static struct td_virtio_pci *virtio_from_device(struct td_device *device)
{
	return virtio_from_pci(TD_CONTAINER_OF(device, struct td_pci_dev, device));
}

/* ---- interrupts ---- */

void td_virtio_pci_signal(struct td_virtio_pci *dev, unsigned queue)
{
	uint16_t vector = atomic_load_explicit(&dev->queue[queue].vector, memory_order_relaxed);

	if (vector != TD_VIRTIO_NO_VECTOR)
		td_msix_raise(&dev->msix, vector);
}

int td_virtio_pci_signal_fd(const struct td_virtio_pci *dev, unsigned queue)
{
	uint16_t vector = atomic_load_explicit(&dev->queue[queue].vector, memory_order_relaxed);

	return vector == TD_VIRTIO_NO_VECTOR ? -1 : td_msix_fd(&dev->msix, vector);
}

static void signal_config(struct td_virtio_pci *dev)
{
	dev->isr |= VIRTIO_PCI_ISR_CONFIG;
	if (dev->config_vector != TD_VIRTIO_NO_VECTOR)
		td_msix_raise(&dev->msix, dev->config_vector);
}

void td_virtio_pci_config_changed(struct td_virtio_pci *dev)
{
	dev->generation++;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		signal_config(dev);
}

void td_virtio_pci_kick(struct td_virtio_pci *dev, unsigned queue)
{
	if (eventfd_write(dev->queue[queue].kick_fd, 1))
		return; /* the counter is full: it is signalled all the same */
}

/* ---- notifications ---- */

static void notify_off(struct td_virtio_pci *dev, unsigned kind)
{
	for (unsigned i = 0; i < dev->queue_count; i++) {
		struct td_virtio_queue *queue = &dev->queue[i];

		if (queue->notify_on[kind])
			td_kvm_ioeventfd_del(&dev->pci.vm->kvm, &queue->notify[kind]);
		queue->notify_on[kind] = false;
	}
}

/* Failing is no harm: the write is trapped then. */
static void notify_on(struct td_virtio_pci *dev, unsigned kind)
{
	const struct td_pci_bar *bar = &dev->pci.bar[kind == NOTIFY_PORTS ? TD_VIRTIO_BAR_PORTS : TD_VIRTIO_BAR_MEMORY];

	for (unsigned i = 0; dev->running && bar->mapped && i < dev->queue_count; i++) {
		struct td_virtio_queue *queue = &dev->queue[i];

		if (!queue->enabled || queue->notify_on[kind])
			continue;
		queue->notify[kind] = (struct td_ioeventfd){
			.addr = bar->addr + (kind == NOTIFY_PORTS ? 0 : TD_VIRTIO_AT_NOTIFY) + i * TD_VIRTIO_NOTIFY_STEP,
			.width = kind == NOTIFY_PORTS ? NOTIFY_PORT_BYTES : 0,
			.pio = kind == NOTIFY_PORTS,
			.fd = queue->kick_fd,
		};
		queue->notify_on[kind] = !td_kvm_ioeventfd_add(&dev->pci.vm->kvm, &queue->notify[kind]);
	}
}

/* A notification that came as an exit. Those of the memory BAR become ioeventfds on first use: most drivers never use them. */
static enum td_result notify_trapped(struct td_virtio_pci *dev, unsigned kind, uint64_t offset, const struct td_access *access)
{
	uint64_t index = offset / TD_VIRTIO_NOTIFY_STEP;

	if (!access->write || offset % TD_VIRTIO_NOTIFY_STEP || (access->width != 2 && access->width != 4) || index >= dev->queue_count)
		return TD_FAULT;
	dev->kicks_trapped++;
	if (!dev->queue[index].enabled)
		return TD_FAULT;
	td_virtio_pci_kick(dev, (unsigned)index);
	if (!dev->queue[index].notify_on[kind])
		notify_on(dev, kind);
	return TD_DONE;
}

static void kick_ready(struct td_watch *watch, uint32_t events)
{
	struct td_virtio_queue *queue = TD_CONTAINER_OF(watch, struct td_virtio_queue, watch);
	eventfd_t count;

	(void)events;
	if (!eventfd_read(queue->own_fd, &count) && queue->dev->running)
		queue->dev->ops->kicked(queue->dev, queue->index);
}

/* ---- start, stop, reset ---- */

void td_virtio_pci_start(struct td_virtio_pci *dev)
{
	int rc;

	if (dev->running || dev->stopping || dev->quiesced || dev->pci.device.broken)
		return;
	dev->running = true;
	rc = dev->ops->start(dev);
	if (rc) {
		td_virtio_pci_break(dev, "the device could not start");
		return;
	}
	notify_on(dev, NOTIFY_PORTS);
	for (unsigned i = 0; i < dev->queue_count; i++)
		if (dev->queue[i].enabled)
			td_virtio_pci_kick(dev, i);
}

/* 0, or what ops->stop() says. */
static int virtio_stop(struct td_virtio_pci *dev, enum td_virtio_stop how)
{
	int rc;

	if (!dev->running && !dev->stopping)
		return 0;
	if (dev->running) {
		dev->running = false;
		notify_off(dev, NOTIFY_PORTS);
		notify_off(dev, NOTIFY_MEMORY);
	}
	rc = dev->ops->stop(dev, how);
	if (!rc || how != TD_VIRTIO_REST)
		dev->stopping = rc != 0;
	return rc;
}

static void reset_queue(struct td_virtio_queue *queue)
{
	eventfd_t count;

	td_virtqueue_unmap(&queue->vq);
	queue->vq.desc_gpa = queue->vq.avail_gpa = queue->vq.used_gpa = TD_GPA(0);
	queue->vq.size = queue->size_max;
	queue->enabled = false;
	atomic_store_explicit(&queue->vector, TD_VIRTIO_NO_VECTOR, memory_order_relaxed);
	if (eventfd_read(queue->own_fd, &count))
		return; /* no kick was waiting */
}

static void forget_driver(struct td_virtio_pci *dev)
{
	dev->reset_pending = false;
	dev->ops->reset(dev);
	for (unsigned i = 0; i < dev->queue_count; i++)
		reset_queue(&dev->queue[i]);
	dev->negotiated = 0;
	dev->offered_select = dev->negotiated_select = 0;
	dev->queue_select = 0;
	dev->status = dev->isr = 0;
	dev->config_vector = TD_VIRTIO_NO_VECTOR;
	dev->pci.device.broken = false;
	atomic_store(&dev->why, NULL); /* found before the reset, which has mended it */
}

int td_virtio_pci_reset(struct td_virtio_pci *dev, enum td_virtio_stop how)
{
	int rc = virtio_stop(dev, how);

	dev->reset_pending = true;
	if (!rc)
		forget_driver(dev);
	return rc;
}

void td_virtio_pci_stopped(struct td_virtio_pci *dev)
{
	dev->stopping = false;
	if (dev->reset_pending)
		forget_driver(dev);
}

void td_virtio_pci_break(struct td_virtio_pci *dev, const char *why)
{
	if (dev->pci.device.broken)
		return;
	dev->pci.device.broken = true;
	td_log_limited(&dev->limit, TD_LOG_WARN, "%s: broken until the driver resets it: %s", dev->pci.device.name, why);
	(void)virtio_stop(dev, TD_VIRTIO_DROP);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		signal_config(dev);
	dev->ops->broken(dev);
}

static void run_break(struct td_work *work)
{
	struct td_virtio_pci *dev = TD_CONTAINER_OF(work, struct td_virtio_pci, break_work);
	const char *why = atomic_exchange(&dev->why, NULL);

	if (why && dev->running)
		td_virtio_pci_break(dev, why);
}

void td_virtio_pci_break_later(struct td_virtio_pci *dev, const char *why)
{
	atomic_store(&dev->why, why);
	td_loop_post(&dev->pci.vm->loop, &dev->break_work);
}

/* ---- BARs ---- */

static enum td_result access_isr(struct td_virtio_pci *dev, struct td_access *access)
{
	if (access->write || access->offset != TD_VIRTIO_AT_ISR || access->width != 1)
		return TD_FAULT;
	access->value = dev->isr;
	dev->isr = 0;
	return TD_DONE;
}

/* No device of ours has a field that drivers may write. */
static enum td_result access_device(const struct td_virtio_pci *dev, struct td_access *access)
{
	uint64_t offset = access->offset - TD_VIRTIO_AT_DEVICE;

	if (access->write || !td_range_ok(offset, access->width, dev->config_len))
		return TD_FAULT;
	access->value = 0;
	memcpy(&access->value, dev->config + offset, access->width);
	return TD_DONE;
}

static enum td_result access_memory(struct td_virtio_pci *dev, struct td_access *access)
{
	uint64_t at = access->offset;

	if (at < TD_VIRTIO_AT_ISR)
		return td_virtio_pci_common_access(dev, access);
	if (at < TD_VIRTIO_AT_DEVICE)
		return access_isr(dev, access);
	if (at < TD_VIRTIO_AT_NOTIFY)
		return access_device(dev, access);
	return notify_trapped(dev, NOTIFY_MEMORY, at - TD_VIRTIO_AT_NOTIFY, access);
}

static enum td_result virtio_bar_access(struct td_pci_dev *pci, unsigned bar, struct td_access *access)
{
	struct td_virtio_pci *dev = virtio_from_pci(pci);
	enum td_result result;

	if (bar == TD_VIRTIO_BAR_PORTS)
		return notify_trapped(dev, NOTIFY_PORTS, access->offset, access);
	if (bar != TD_VIRTIO_BAR_MEMORY)
		return TD_UNCLAIMED;
	if (td_msix_bar_access(&dev->msix, bar, access, &result))
		return result;
	return access_memory(dev, access);
}

static void virtio_bar_mapped(struct td_pci_dev *pci, unsigned bar, bool on)
{
	struct td_virtio_pci *dev = virtio_from_pci(pci);
	unsigned kind = bar == TD_VIRTIO_BAR_PORTS ? NOTIFY_PORTS : NOTIFY_MEMORY;

	if (!on)
		notify_off(dev, kind);
	else if (kind == NOTIFY_PORTS)
		notify_on(dev, kind);
}

/* ---- PCI ---- */

static void virtio_config_written(struct td_pci_dev *pci, unsigned offset, unsigned width)
{
	struct td_virtio_pci *dev = virtio_from_pci(pci);

	td_msix_config_written(&dev->msix, offset, width);
	td_virtio_pci_caps_written(dev, offset, width);
}

static void virtio_ejected(struct td_pci_dev *pci)
{
	(void)td_virtio_pci_reset(virtio_from_pci(pci), TD_VIRTIO_END);
}

static const struct td_pci_ops pci_ops = {
	.bar_access = virtio_bar_access,
	.bar_mapped = virtio_bar_mapped,
	.config_written = virtio_config_written,
	.ejected = virtio_ejected,
};

/* ---- the device's life ---- */

static void virtio_device_reset(struct td_device *device)
{
	struct td_virtio_pci *dev = virtio_from_device(device);

	/* The next kernel is about to be loaded, and must not be written into. */
	if (td_virtio_pci_reset(dev, TD_VIRTIO_END))
		td_vm_request_stop(dev->pci.vm, TD_VM_END_ERROR, 1);
	td_msix_reset(&dev->msix);
}

static int virtio_device_quiesce(struct td_device *device)
{
	struct td_virtio_pci *dev = virtio_from_device(device);

	int rc = virtio_stop(dev, TD_VIRTIO_REST);

	if (!rc && dev->reset_pending)
		forget_driver(dev);
	if (rc && dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		td_virtio_pci_start(dev);
	dev->quiesced = !rc;
	return rc;
}

static void virtio_device_resume(struct td_device *device)
{
	struct td_virtio_pci *dev = virtio_from_device(device);

	dev->quiesced = false;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		td_virtio_pci_start(dev);
}

static void virtio_device_destroy(struct td_device *device)
{
	struct td_virtio_pci *dev = virtio_from_device(device);

	td_virtio_pci_fini(dev);
	dev->ops->destroy(dev);
}

static const struct td_device_ops device_ops = {
	.reset = virtio_device_reset,
	.quiesce = virtio_device_quiesce,
	.resume = virtio_device_resume,
	.destroy = virtio_device_destroy,
};

int td_virtio_pci_init(struct td_virtio_pci *dev, struct td_vm *vm, const struct td_virtio_pci_config *config, struct td_err *err)
{
	struct td_pci_ids ids = {
		.vendor = VENDOR_VIRTIO,
		.device = (uint16_t)(DEVICE_MODERN + config->type),
		.subsystem_vendor = VENDOR_VIRTIO,
		.subsystem = SUBSYSTEM_TANDEM,
		.revision = 1,
		.class_code = config->class_code,
	};

	dev->ops = config->ops;
	dev->type = config->type;
	dev->config_len = config->config_len;
	dev->config_vector = TD_VIRTIO_NO_VECTOR;
	dev->break_work.run = run_break;
	dev->offered =
		config->features | 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_RING_F_EVENT_IDX;
	return td_pci_dev_init(&dev->pci, vm, config->name, &pci_ops, &device_ops, &ids, err);
}

int td_virtio_pci_add_queue(struct td_virtio_pci *dev, uint16_t size_max, bool served_by_main, struct td_err *err)
{
	struct td_virtio_queue *queue = &dev->queue[dev->queue_count];

	if (dev->queue_count >= TD_VIRTIO_QUEUES_MAX)
		return td_err_set(err, ENOSPC, TD_REASON_INTERNAL, "%s: too many queues", dev->pci.device.name);
	queue->own_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->own_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "%s: eventfd", dev->pci.device.name);
	queue->dev = dev;
	queue->index = dev->queue_count++;
	queue->kick_fd = queue->own_fd;
	queue->size_max = queue->vq.size = size_max;
	queue->served_by_main = served_by_main;
	queue->watch = (struct td_watch){.fd = queue->own_fd, .ready = kick_ready, .events = EPOLLIN};
	atomic_init(&queue->vector, TD_VIRTIO_NO_VECTOR);
	return 0;
}

static int watch_queues(struct td_virtio_pci *dev, struct td_err *err)
{
	for (unsigned i = 0; i < dev->queue_count; i++) {
		int rc = dev->queue[i].served_by_main ? td_loop_watch(&dev->pci.vm->loop, &dev->queue[i].watch) : 0;

		if (rc)
			return td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: epoll", dev->pci.device.name);
	}
	return 0;
}

static uint64_t ports_size(const struct td_virtio_pci *dev)
{
	uint64_t size = PORTS_MIN_BYTES;

	while (size < dev->queue_count * TD_VIRTIO_NOTIFY_STEP)
		size *= 2;
	return size;
}

int td_virtio_pci_attach(struct td_virtio_pci *dev, struct td_err *err)
{
	int rc;

	td_pci_dev_set_bar(&dev->pci, TD_VIRTIO_BAR_PORTS, TD_PCI_BAR_IO, false, ports_size(dev));
	td_pci_dev_set_bar(&dev->pci, TD_VIRTIO_BAR_MEMORY, TD_PCI_BAR_MEM64, true, TD_VIRTIO_BAR_BYTES);
	rc = td_virtio_pci_caps_add(dev, err);
	if (rc)
		return rc;
	rc = td_msix_init(&dev->msix, &dev->pci, dev->queue_count + 1, TD_VIRTIO_BAR_MEMORY, TD_VIRTIO_AT_MSIX, TD_VIRTIO_BAR_MEMORY,
		TD_VIRTIO_AT_PBA, err);
	if (rc)
		return rc;
	dev->msix_ready = true;
	rc = watch_queues(dev, err);
	if (rc)
		return rc;
	rc = td_pci_attach(&dev->pci.vm->pci, &dev->pci, -1, err);
	if (rc)
		return rc;
	td_vm_add_device(dev->pci.vm, &dev->pci.device);
	return 0;
}

void td_virtio_pci_fini(struct td_virtio_pci *dev)
{
	if (!dev->pci.vm)
		return;
	(void)virtio_stop(dev, TD_VIRTIO_END);
	td_pci_detach(&dev->pci);
	for (unsigned i = 0; i < dev->queue_count; i++) {
		td_loop_unwatch(&dev->pci.vm->loop, &dev->queue[i].watch);
		close(dev->queue[i].own_fd);
	}
	dev->queue_count = 0;
	if (dev->msix_ready)
		td_msix_fini(&dev->msix);
	dev->msix_ready = false;
	td_pci_dev_fini(&dev->pci);
}

void td_virtio_pci_abandon(struct td_virtio_pci *dev, struct td_vm *vm)
{
	dev->pci.vm = vm;
	td_virtio_pci_fini(dev);
	dev->ops->destroy(dev);
}
