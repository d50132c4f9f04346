/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_regs.c - the common configuration structure (virtio 1.2 §4.1.4.3): negotiation and queue set-up, as the driver writes them.
 * A field is read with any width that stays inside the structure, and written with its own width (64-bit ones also by halves).
 */
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "core/vm.h"
#include "emul/virtio_pci.h"

static struct td_virtio_queue *selected(struct td_virtio_pci *dev)
{
	return dev->queue_select < dev->queue_count ? &dev->queue[dev->queue_select] : NULL;
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static void fill_queue(struct virtio_pci_common_cfg *image, const struct td_virtio_queue *queue)
{
	image->queue_size = queue->vq.size;
	image->queue_msix_vector = atomic_load_explicit(&queue->vector, memory_order_relaxed);
	image->queue_enable = queue->enabled;
	image->queue_notify_off = (uint16_t)queue->index;
	image->queue_desc_lo = (uint32_t)queue->vq.desc_gpa.v;
	image->queue_desc_hi = (uint32_t)(queue->vq.desc_gpa.v >> 32);
	image->queue_avail_lo = (uint32_t)queue->vq.avail_gpa.v;
	image->queue_avail_hi = (uint32_t)(queue->vq.avail_gpa.v >> 32);
	image->queue_used_lo = (uint32_t)queue->vq.used_gpa.v;
	image->queue_used_hi = (uint32_t)(queue->vq.used_gpa.v >> 32);
}

static void read_common(struct td_virtio_pci *dev, struct td_access *access)
{
	const struct td_virtio_queue *queue = selected(dev);
	struct virtio_pci_common_cfg image = {
		.device_feature_select = dev->offered_select,
		.device_feature = feature_word(dev->offered, dev->offered_select),
		.guest_feature_select = dev->negotiated_select,
		.guest_feature = feature_word(dev->negotiated, dev->negotiated_select),
		.msix_config = dev->config_vector,
		.num_queues = (uint16_t)dev->queue_count,
		.device_status = dev->status,
		.config_generation = dev->generation,
		.queue_select = dev->queue_select,
	};

	if (queue)
		fill_queue(&image, queue);
	access->value = 0;
	memcpy(&access->value, (const uint8_t *)&image + access->offset, access->width);
}

static void negotiate(struct td_virtio_pci *dev)
{
	bool ok = !(dev->negotiated & ~dev->offered) && td_virtio_pci_has(dev, VIRTIO_F_VERSION_1) &&
		  dev->ops->features_ok(dev, dev->negotiated);

	if (ok) {
		dev->status |= VIRTIO_CONFIG_S_FEATURES_OK;
		return;
	}
	td_log_limited(&dev->limit, TD_LOG_WARN, "%s: the driver asks for features 0x%llx of 0x%llx: refused", dev->pci.device.name,
		(unsigned long long)dev->negotiated, (unsigned long long)dev->offered);
}

/* Bits only ever join, but for a reset; FEATURES_OK is ours to grant (§2.1, §3.1.1). */
static enum td_result write_status(struct td_virtio_pci *dev, uint8_t value)
{
	const uint8_t known = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK |
			      VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED;
	uint8_t added = value & known & (uint8_t)~dev->status;

	if (!value) {
		(void)td_virtio_pci_reset(dev, TD_VIRTIO_DROP);
		return TD_DONE;
	}
	if (dev->pci.device.broken)
		return TD_FAULT;
	dev->status |= added & (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FAILED);
	if (added & VIRTIO_CONFIG_S_FEATURES_OK)
		negotiate(dev);
	if (added & VIRTIO_CONFIG_S_DRIVER_OK) {
		if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
			td_virtio_pci_break(dev, "DRIVER_OK without FEATURES_OK");
			return TD_FAULT;
		}
		dev->status |= VIRTIO_CONFIG_S_DRIVER_OK;
		td_virtio_pci_start(dev);
	}
	return TD_DONE;
}

static enum td_result write_feature(struct td_virtio_pci *dev, uint32_t value)
{
	unsigned shift = 32 * dev->negotiated_select;

	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK || dev->negotiated_select > 1)
		return dev->negotiated_select > 1 && !value ? TD_DONE : TD_FAULT;
	dev->negotiated = (dev->negotiated & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
	return TD_DONE;
}

/* A vector that does not exist reads back as NO_VECTOR (§4.1.5.1.2). */
static uint16_t checked_vector(const struct td_virtio_pci *dev, uint16_t vector)
{
	return vector < dev->msix.count ? vector : TD_VIRTIO_NO_VECTOR;
}

static enum td_result write_queue_vector(struct td_virtio_pci *dev, struct td_virtio_queue *queue, uint16_t value)
{
	atomic_store_explicit(&queue->vector, checked_vector(dev, value), memory_order_relaxed);
	if (dev->running)
		dev->ops->vector_changed(dev, queue->index);
	return TD_DONE;
}

static enum td_result break_setup(struct td_virtio_pci *dev, const char *why)
{
	td_virtio_pci_break(dev, why);
	return TD_FAULT;
}

static enum td_result write_queue_size(struct td_virtio_pci *dev, struct td_virtio_queue *queue, uint16_t value)
{
	if (queue->enabled)
		return break_setup(dev, "the size of a queue in use was written");
	if (!value || value > queue->size_max || (value & (value - 1)))
		return break_setup(dev, "a queue size that is no power of two, or too large");
	queue->vq.size = value;
	return TD_DONE;
}

static enum td_result write_queue_enable(struct td_virtio_pci *dev, struct td_virtio_queue *queue, uint16_t value)
{
	if (value != 1)
		return value ? break_setup(dev, "queue_enable is neither 0 nor 1") : TD_FAULT;
	if (queue->enabled)
		return break_setup(dev, "a queue was enabled twice");
	if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) || dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		return break_setup(dev, "a queue was enabled before FEATURES_OK or after DRIVER_OK");
	if (!queue->vq.desc_gpa.v || !queue->vq.avail_gpa.v || !queue->vq.used_gpa.v)
		return break_setup(dev, "a queue was enabled without addresses");
	queue->vq.event_idx = td_virtio_pci_has(dev, VIRTIO_RING_F_EVENT_IDX);
	queue->vq.indirect = td_virtio_pci_has(dev, VIRTIO_RING_F_INDIRECT_DESC);
	if (td_virtqueue_map(&queue->vq, &dev->pci.vm->mem))
		return break_setup(dev, "a queue's rings are not aligned or not in RAM");
	queue->enabled = true;
	return TD_DONE;
}

static enum td_result write_queue_address(struct td_virtio_pci *dev, struct td_virtio_queue *queue, const struct td_access *access)
{
	td_gpa *const address[] = {&queue->vq.desc_gpa, &queue->vq.avail_gpa, &queue->vq.used_gpa};
	unsigned at = (unsigned)access->offset - VIRTIO_PCI_COMMON_Q_DESCLO;
	uint64_t *field = &address[at / 8]->v;

	if (queue->enabled)
		return break_setup(dev, "an address of a queue in use was written");
	if (access->width == 8)
		*field = access->value;
	else if (at % 8)
		*field = (*field & 0xffffffffULL) | (access->value & 0xffffffffULL) << 32;
	else
		*field = (*field & ~0xffffffffULL) | (access->value & 0xffffffffULL);
	return TD_DONE;
}

static enum td_result write_queue(struct td_virtio_pci *dev, const struct td_access *access)
{
	struct td_virtio_queue *queue = selected(dev);

	if (!queue || dev->pci.device.broken)
		return TD_FAULT;
	switch (access->offset) {
	case VIRTIO_PCI_COMMON_Q_SIZE:
		return write_queue_size(dev, queue, (uint16_t)access->value);
	case VIRTIO_PCI_COMMON_Q_MSIX:
		return write_queue_vector(dev, queue, (uint16_t)access->value);
	case VIRTIO_PCI_COMMON_Q_ENABLE:
		return write_queue_enable(dev, queue, (uint16_t)access->value);
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return TD_FAULT;
	default:
		return write_queue_address(dev, queue, access);
	}
}

/* The width of the field at an offset; 0 where none starts. */
static unsigned field_width(uint64_t offset)
{
	switch (offset) {
	case VIRTIO_PCI_COMMON_STATUS:
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return 1;
	case VIRTIO_PCI_COMMON_MSIX:
	case VIRTIO_PCI_COMMON_NUMQ:
	case VIRTIO_PCI_COMMON_Q_SELECT:
	case VIRTIO_PCI_COMMON_Q_SIZE:
	case VIRTIO_PCI_COMMON_Q_MSIX:
	case VIRTIO_PCI_COMMON_Q_ENABLE:
	case VIRTIO_PCI_COMMON_Q_NOFF:
		return 2;
	default:
		return offset % 4 ? 0 : 4;
	}
}

static bool is_address(uint64_t offset)
{
	return offset >= VIRTIO_PCI_COMMON_Q_DESCLO && offset < sizeof(struct virtio_pci_common_cfg);
}

static enum td_result write_common(struct td_virtio_pci *dev, const struct td_access *access)
{
	bool halves = access->width == 8 && is_address(access->offset) && access->offset % 8 == 0;

	if (access->width != field_width(access->offset) && !halves)
		return TD_FAULT;
	/* The driver waits for its reset, and reads the status until it is 0. */
	if (dev->reset_pending && (access->offset != VIRTIO_PCI_COMMON_STATUS || access->value))
		return TD_FAULT;
	switch (access->offset) {
	case VIRTIO_PCI_COMMON_DFSELECT:
		dev->offered_select = (uint32_t)access->value;
		return TD_DONE;
	case VIRTIO_PCI_COMMON_GFSELECT:
		dev->negotiated_select = (uint32_t)access->value;
		return TD_DONE;
	case VIRTIO_PCI_COMMON_GF:
		return write_feature(dev, (uint32_t)access->value);
	case VIRTIO_PCI_COMMON_MSIX:
		dev->config_vector = checked_vector(dev, (uint16_t)access->value);
		return TD_DONE;
	case VIRTIO_PCI_COMMON_STATUS:
		return write_status(dev, (uint8_t)access->value);
	case VIRTIO_PCI_COMMON_Q_SELECT:
		dev->queue_select = (uint16_t)access->value;
		return TD_DONE;
	case VIRTIO_PCI_COMMON_DF:
	case VIRTIO_PCI_COMMON_NUMQ:
	case VIRTIO_PCI_COMMON_CFGGENERATION:
		return TD_FAULT; /* read-only */
	default:
		return write_queue(dev, access);
	}
}

enum td_result td_virtio_pci_common_access(struct td_virtio_pci *dev, struct td_access *access)
{
	if (!td_range_ok(access->offset, access->width, sizeof(struct virtio_pci_common_cfg)))
		return TD_FAULT;
	if (access->write)
		return write_common(dev, access);
	read_common(dev, access);
	return TD_DONE;
}
