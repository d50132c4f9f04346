/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_driver.h - a guest's virtio driver for tests: it works registers and rings from outside, as a guest would, in one thread with the
 * device. Needs /dev/kvm.
 */
#ifndef TD_TESTS_VIRTIO_DRIVER_H
#define TD_TESTS_VIRTIO_DRIVER_H

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/vm.h"
#include "emul/virtio_pci.h"

#define DRIVER_RAM_BYTES (8ULL << 20)
#define DRIVER_OK_ALL	 (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* Rings of queue q stand at 1 MiB + q * 64 KiB; data is free from 4 MiB on. */
#define DRIVER_RING(q) ((1ULL << 20) + 0x10000ULL * (q))
#define DRIVER_DATA    (4ULL << 20)

struct driver_queue {
	struct vring_desc *desc;
	uint16_t *avail, *used;
	uint16_t size, used_seen;
	unsigned next_desc;
};

static inline struct td_vm *driver_make_vm(void)
{
	struct td_vm *vm = calloc(1, sizeof(*vm));
	struct td_vm_config config = {.name = "test", .mem.size_bytes = DRIVER_RAM_BYTES, .cpus = 1};
	struct td_err err = {0};

	if (td_vm_init(vm, &config, &err)) {
		fprintf(stderr, "skipped: %s\n", err.text);
		free(vm);
		return NULL;
	}
	return vm;
}

static inline void driver_free_vm(struct td_vm *vm)
{
	td_vm_fini(vm);
	free(vm);
}

/* The device that was attached last. */
static inline struct td_virtio_pci *driver_device(struct td_vm *vm)
{
	for (int i = TD_PCI_SLOTS - 1; i > 0; i--)
		if (vm->pci.slot[i])
			return TD_CONTAINER_OF(vm->pci.slot[i], struct td_virtio_pci, pci);
	return NULL;
}

static inline void *driver_ram(struct td_virtio_pci *dev, uint64_t gpa)
{
	return td_mem_ptr(&dev->pci.vm->mem, TD_GPA(gpa), 1);
}

static inline enum td_result driver_write(struct td_virtio_pci *dev, uint64_t offset, uint8_t width, uint64_t value)
{
	struct td_access access = {.offset = offset, .width = width, .write = true, .value = value};

	return dev->pci.ops->bar_access(&dev->pci, TD_VIRTIO_BAR_MEMORY, &access);
}

static inline uint64_t driver_read(struct td_virtio_pci *dev, uint64_t offset, uint8_t width)
{
	struct td_access access = {.offset = offset, .width = width};

	return dev->pci.ops->bar_access(&dev->pci, TD_VIRTIO_BAR_MEMORY, &access) == TD_DONE ? access.value : ~0ULL;
}

static inline uint8_t driver_status(struct td_virtio_pci *dev)
{
	return (uint8_t)driver_read(dev, VIRTIO_PCI_COMMON_STATUS, 1);
}

/* Reset up to FEATURES_OK; returns the status. */
static inline uint8_t driver_negotiate(struct td_virtio_pci *dev, uint64_t features)
{
	driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		driver_write(dev, VIRTIO_PCI_COMMON_GFSELECT, 4, i);
		driver_write(dev, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> (32 * i)));
	}
	driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, DRIVER_OK_ALL & ~VIRTIO_CONFIG_S_DRIVER_OK);
	return driver_status(dev);
}

static inline enum td_result driver_set_up_queue(struct td_virtio_pci *dev, uint16_t index, uint16_t size, struct driver_queue *ret_queue)
{
	uint64_t base = DRIVER_RING(index);

	memset(driver_ram(dev, base), 0, 0x10000);
	*ret_queue = (struct driver_queue){.desc = driver_ram(dev, base),
		.avail = driver_ram(dev, base + 0x4000),
		.used = driver_ram(dev, base + 0x8000),
		.size = size};
	driver_write(dev, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	driver_write(dev, VIRTIO_PCI_COMMON_Q_SIZE, 2, size);
	driver_write(dev, VIRTIO_PCI_COMMON_Q_MSIX, 2, index + 1U);
	driver_write(dev, VIRTIO_PCI_COMMON_Q_DESCLO, 4, base);
	driver_write(dev, VIRTIO_PCI_COMMON_Q_DESCHI, 4, 0);
	driver_write(dev, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, base + 0x4000);
	driver_write(dev, VIRTIO_PCI_COMMON_Q_USEDLO, 8, base + 0x8000);
	return driver_write(dev, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
}

static inline void driver_go(struct td_virtio_pci *dev)
{
	driver_write(dev, VIRTIO_PCI_COMMON_STATUS, 1, DRIVER_OK_ALL);
}

/* One part of a chain; terminated by len 0 in driver_add(). */
struct driver_part {
	uint64_t gpa;
	uint32_t len;
	bool in;
};

/* Offers a chain of parts in fresh descriptors. */
static inline void driver_add(struct driver_queue *queue, const struct driver_part *part, unsigned count)
{
	unsigned head = queue->next_desc % queue->size;

	for (unsigned i = 0; i < count; i++) {
		unsigned at = queue->next_desc++ % queue->size;

		queue->desc[at] = (struct vring_desc){.addr = part[i].gpa,
			.len = part[i].len,
			.flags = (uint16_t)((part[i].in ? VRING_DESC_F_WRITE : 0) | (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = (uint16_t)((at + 1) % queue->size)};
	}
	queue->avail[2 + queue->avail[1] % queue->size] = (uint16_t)head;
	__atomic_store_n(&queue->avail[1], (uint16_t)(queue->avail[1] + 1), __ATOMIC_RELEASE);
}

static inline void driver_kick(struct td_virtio_pci *dev, unsigned queue)
{
	driver_write(dev, TD_VIRTIO_AT_NOTIFY + queue * TD_VIRTIO_NOTIFY_STEP, 2, queue);
}

struct driver_stop {
	struct td_timer timer;
	struct td_loop *loop;
};

static inline void driver_stop_loop(struct td_timer *timer)
{
	td_loop_stop(TD_CONTAINER_OF(timer, struct driver_stop, timer)->loop);
}

/* Lets the main loop work for a while. */
static inline void driver_run(struct td_vm *vm, unsigned ms)
{
	struct driver_stop stop = {.timer.expired = driver_stop_loop, .loop = &vm->loop};

	td_loop_arm(&vm->loop, &stop.timer, ms * 1000000ULL);
	td_loop_run(&vm->loop);
}

/* The next used element's length, or -1. Waits up to half a second, with the main loop running. */
static inline int64_t driver_used(struct td_vm *vm, struct driver_queue *queue)
{
	for (unsigned i = 0; i < 100 && __atomic_load_n(&queue->used[1], __ATOMIC_ACQUIRE) == queue->used_seen; i++)
		driver_run(vm, i < 50 ? 1 : 9);
	if (__atomic_load_n(&queue->used[1], __ATOMIC_ACQUIRE) == queue->used_seen)
		return -1;
	struct vring_used_elem element;
	memcpy(&element, &queue->used[2 + 4 * (queue->used_seen++ % queue->size)], sizeof(element));
	return element.len;
}

/* Whether a vector was signalled; clears it. MSI-X is off in these tests, so signals stay in the eventfd. */
static inline bool driver_signalled(struct td_virtio_pci *dev, unsigned vector)
{
	eventfd_t count;

	return eventfd_read(td_msix_fd(&dev->msix, vector), &count) == 0;
}

#endif
