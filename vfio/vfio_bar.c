/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_bar.c - BARs: in our address space by mmap(2) of the VFIO device, in the guest's as memslots, so that the guest's accesses make no
 * exit. Only the pages of the MSI-X table and pending bits trap for good, and what VFIO does not let us map.
 *
 * Theory of operation. Our mappings live from open to close. The memslots come and go with the guest's decoding of the BAR, so they are
 * gone while the VF is hidden. Leaving them would save two ioctls a flip, but the guest may put another device's BAR at the same
 * address, and a memslot there would hide it; nobody could tell. With KVM_X86_QUIRK_SLOT_ZAP_ALL off, deleting a slot touches only
 * that slot's mappings.
 * One page of an 82576 VF traps for a while: that of its receive queue, until the guest has switched the queue on, so that its owner hears
 * of that before the guest's next instruction. It is mapped in that very exit, and no later, when another vCPU might be storing there: KVM
 * finishes a store that had just trapped byte by byte, and each byte would be a write to the card.
 *
 * A reset of the device takes the pages out of our and the guest's tables; they come back by a fault that the kernel serves alone. While
 * it runs, the kernel holds off whoever touches a register: an access of ours would wait with the VM's lock, and a vCPU that faults on a
 * page holds off whoever changes memslots. So no memslot is made meanwhile, and each access traps and is answered at once: reads with all
 * ones, writes are dropped. That is what a function in such a reset may do: PCI Express 4.0 §6.6.2 lets it discard requests or answer
 * them as unsupported, and a read so answered gives all ones. A driver waits until configuration space answers (td_pci_dev_set_ready()).
 */
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vf82576.h"
#include "core/vm.h"
#include "vfio/vfio_dev.h"

#define SPANS_MAX 16U
#define HOLES_MAX 3U
#define RX_BAR	  0U

static bool is_hole(uint64_t page, const struct td_vfio_span *holes, unsigned hole_count)
{
	for (unsigned i = 0; i < hole_count; i++)
		if (holes[i].len_bytes && holes[i].offset < page + TD_PAGE && page < holes[i].offset + holes[i].len_bytes)
			return true;
	return false;
}

/* The first page at or after `page` and below `end` that is a hole (or `end`). Jumps from hole to hole: BARs may be of many GiB. */
static uint64_t next_hole(uint64_t page, uint64_t end, const struct td_vfio_span *holes, unsigned hole_count)
{
	uint64_t next = end;

	for (unsigned i = 0; i < hole_count; i++) {
		uint64_t start = holes[i].offset & ~(TD_PAGE - 1);

		if (holes[i].len_bytes && start >= page && start < next)
			next = start;
	}
	return next;
}

unsigned td_vfio_bar_plan(const struct td_vfio_span *spans, unsigned span_count, const struct td_vfio_span *holes, unsigned hole_count,
	struct td_vfio_area area[TD_VFIO_AREAS])
{
	unsigned count = 0;

	for (unsigned i = 0; i < span_count; i++) {
		uint64_t page = td_align_up(spans[i].offset, TD_PAGE);
		uint64_t end = (spans[i].offset + spans[i].len_bytes) & ~(TD_PAGE - 1);

		while (page < end && count < TD_VFIO_AREAS) {
			uint64_t stop = next_hole(page, end, holes, hole_count);

			if (is_hole(page, holes, hole_count)) {
				page += TD_PAGE;
				continue;
			}
			area[count++] = (struct td_vfio_area){.offset = page, .len_bytes = stop - page};
			page = stop;
		}
	}
	return count;
}

/* What VFIO lets us map of the region. */
static unsigned mappable_spans(const struct vfio_region_info *info, struct td_vfio_span spans[SPANS_MAX])
{
	uint32_t at = info->flags & VFIO_REGION_INFO_FLAG_CAPS ? info->cap_offset : 0;

	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP) || info->size == 0)
		return 0;
	for (unsigned n = 0; at && at + sizeof(struct vfio_info_cap_header) <= info->argsz && n < SPANS_MAX; n++) {
		const struct vfio_info_cap_header *header = (const void *)((const char *)info + at);
		const struct vfio_region_info_cap_sparse_mmap *sparse = (const void *)header;
		unsigned count = 0;

		if (header->id != VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			at = header->next;
			continue;
		}
		for (; count < sparse->nr_areas && count < SPANS_MAX; count++)
			spans[count] = (struct td_vfio_span){sparse->areas[count].offset, sparse->areas[count].size};
		return count;
	}
	spans[0] = (struct td_vfio_span){0, td_align_up(info->size, TD_PAGE)};
	return 1;
}

int td_vfio_bar_probe(struct td_vfio_pci *dev, unsigned bar, struct td_err *err)
{
	td_auto_free struct vfio_region_info *info = NULL;
	int rc = td_vfio_open_get_region(&dev->open, VFIO_PCI_BAR0_REGION_INDEX + bar, &info);

	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_VFIO, "vf %s: BAR %u: VFIO_DEVICE_GET_REGION_INFO", dev->open.bdf, bar);
	dev->bar[bar] = (struct td_vfio_bar){.size_bytes = info->size, .fd_offset = info->offset};
	return 0;
}

static unsigned find_holes(const struct td_vfio_pci *dev, unsigned bar, struct td_vfio_span holes[HOLES_MAX])
{
	const struct td_vfio_function *function = &dev->function;
	unsigned count = 0;

	if (!function->msix_count)
		return 0;
	if (bar == function->table_bar)
		holes[count++] = (struct td_vfio_span){function->table_offset, 16ULL * function->msix_count};
	if (bar == function->pba_bar)
		holes[count++] = (struct td_vfio_span){function->pba_offset, (function->msix_count + 63ULL) / 64 * 8};
	return count;
}

static bool traps_rx(const struct td_vfio_pci *dev, unsigned bar, const struct td_vfio_span *spans, unsigned span_count)
{
	return dev->events.opening && dev->intel.known && bar == RX_BAR && span_count == 1 && spans[0].offset == 0 &&
	       spans[0].len_bytes >= TD_VF82576_PAGE_QUEUES + TD_PAGE;
}

int td_vfio_bar_open(struct td_vfio_pci *dev, unsigned bar, struct td_err *err)
{
	struct td_vfio_bar *b = &dev->bar[bar];
	struct td_vfio_span spans[SPANS_MAX], holes[HOLES_MAX];
	td_auto_free struct vfio_region_info *info = NULL;

	if (b->size_bytes == 0 || dev->function.kind[bar] == TD_PCI_BAR_IO)
		return 0;
	unsigned hole_count = find_holes(dev, bar, holes);
	if (dev->intel.known && hole_count)
		return 0; /* an 82576 VF has nothing but MSI-X in that BAR */
	int rc = td_vfio_open_get_region(&dev->open, VFIO_PCI_BAR0_REGION_INDEX + bar, &info);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_VFIO, "vf %s: BAR %u: VFIO_DEVICE_GET_REGION_INFO", dev->open.bdf, bar);
	unsigned span_count = mappable_spans(info, spans);
	bool split = traps_rx(dev, bar, spans, span_count);
	if (split)
		holes[hole_count++] = (struct td_vfio_span){TD_VF82576_PAGE_QUEUES, TD_PAGE};
	unsigned planned = td_vfio_bar_plan(spans, span_count, holes, hole_count, b->area);
	if (split)
		b->area[planned++] = (struct td_vfio_area){.offset = TD_VF82576_PAGE_QUEUES, .len_bytes = TD_PAGE, .of_rx = true};
	for (unsigned i = 0; i < planned; i++) {
		struct td_vfio_area *area = &b->area[i];
		void *host = mmap(NULL, area->len_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dev->open.device_fd,
			(off_t)(b->fd_offset + area->offset));

		if (host == MAP_FAILED)
			return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: BAR %u: map 0x%llx bytes at 0x%llx", dev->open.bdf, bar,
				(unsigned long long)area->len_bytes, (unsigned long long)area->offset);
		area->host = host;
		b->area_count++;
	}
	return 0;
}

void td_vfio_bar_close(struct td_vfio_pci *dev, unsigned bar)
{
	struct td_vfio_bar *b = &dev->bar[bar];

	td_vfio_bar_hide(dev, bar);
	for (unsigned i = 0; i < b->area_count; i++)
		munmap(b->area[i].host, b->area[i].len_bytes);
	*b = (struct td_vfio_bar){0};
}

void td_vfio_bar_show(struct td_vfio_pci *dev, unsigned bar)
{
	struct td_vfio_bar *b = &dev->bar[bar];

	if (td_vfio_reset_runs(&dev->open)) {
		dev->sync_pending = true;
		return;
	}
	for (unsigned i = 0; i < b->area_count; i++) {
		struct td_vfio_area *area = &b->area[i];

		if (area->in_guest || (area->of_rx && dev->rx_traps))
			continue;
		int rc = td_kvm_slot_add(
			&dev->vm->kvm, TD_GPA(dev->pci.bar[bar].addr + area->offset), area->len_bytes, area->host, 0, &area->slot);
		/* Not fatal: without the memslot each access is an exit, and td_vfio_bar_access() serves it. */
		if (rc < 0)
			td_log_limited(&dev->log_limit, TD_LOG_WARN, "%s: BAR %u is not mapped into the guest, each access is an exit: %s",
				dev->pci.device.name, bar, strerror(-rc));
		area->in_guest = rc == 0;
		dev->slot_adds += area->in_guest;
	}
}

static void hide_area(struct td_vfio_pci *dev, struct td_vfio_area *area)
{
	if (!area->in_guest)
		return;
	td_kvm_slot_del(&dev->vm->kvm, area->slot);
	area->in_guest = false;
	dev->slot_dels++;
}

void td_vfio_bar_hide(struct td_vfio_pci *dev, unsigned bar)
{
	for (unsigned i = 0; i < dev->bar[bar].area_count; i++)
		hide_area(dev, &dev->bar[bar].area[i]);
}

void td_vfio_bar_trap_rx(struct td_vfio_pci *dev)
{
	struct td_vfio_bar *b = &dev->bar[RX_BAR];

	for (unsigned i = 0; i < b->area_count; i++) {
		if (!b->area[i].of_rx)
			continue;
		dev->rx_traps = true;
		hide_area(dev, &b->area[i]);
	}
}

static void look_for_opening(struct td_vfio_pci *dev, unsigned bar, const struct td_access *access)
{
	if (!dev->rx_traps || bar != RX_BAR || access->offset != TD_VF_RXDCTL || access->width != 4 ||
		!(access->value & TD_VF_QUEUE_ENABLE))
		return;
	dev->rx_traps = false;
	dev->events.opening(dev->events.opaque);
	td_vfio_bar_show(dev, bar);
}

enum td_result td_vfio_bar_access(struct td_vfio_pci *dev, unsigned bar, struct td_access *access)
{
	struct td_vfio_bar *b = &dev->bar[bar];
	off_t at = (off_t)(b->fd_offset + access->offset);
	uint64_t value = access->value;
	enum td_result result;

	dev->traps++;
	if (td_msix_bar_access(&dev->msix, bar, access, &result))
		return result;
	if (dev->open.device_fd < 0 || access->width > 8 || !td_range_ok(access->offset, access->width, b->size_bytes))
		return TD_FAULT;
	if (td_vfio_reset_runs(&dev->open)) {
		if (!access->write)
			access->value = td_access_ones(access);
		return TD_DONE;
	}
	if (access->write) {
		look_for_opening(dev, bar, access);
		return pwrite(dev->open.device_fd, &value, access->width, at) == access->width ? TD_DONE : TD_FAULT;
	}
	value = 0;
	if (pread(dev->open.device_fd, &value, access->width, at) != access->width)
		return TD_FAULT;
	access->value = value;
	return TD_DONE;
}

volatile uint32_t *td_vfio_bar_reg32(struct td_vfio_pci *dev, unsigned bar, uint32_t offset)
{
	struct td_vfio_bar *b = &dev->bar[bar];

	for (unsigned i = 0; i < b->area_count; i++) {
		struct td_vfio_area *area = &b->area[i];

		if (offset >= area->offset && td_range_ok(offset - area->offset, 4, area->len_bytes))
			return (volatile uint32_t *)(void *)(area->host + (offset - area->offset));
	}
	return NULL;
}
