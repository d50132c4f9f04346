/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msix.c - see msix.h. A vector is connected (its eventfd is KVM's irqfd) exactly while MSI-X is enabled, the function is not masked and
 * the vector is not masked; update_vector() is the one place that brings this about. KVM is told a new route only when address or data
 * changed, which td_irq_msi_attach() sees to.
 */
#include "core/msix.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/vm.h"

#define CAP_ID		 0x11
#define CAP_BYTES	 12U
#define CAP_CONTROL	 2U
#define CONTROL_ENABLE	 0x8000U
#define CONTROL_MASK_ALL 0x4000U
#define CAP_TABLE	 4U
#define CAP_PBA		 8U

#define ENTRY_BYTES   16U
#define VECTOR_MASKED 1U

static unsigned pba_bytes(const struct td_msix *msix)
{
	return (msix->count + 63) / 64 * 8;
}

static uint16_t control(const struct td_msix *msix)
{
	return td_pci_get16(msix->dev->config, msix->cap + CAP_CONTROL);
}

bool td_msix_enabled(const struct td_msix *msix)
{
	return msix->vector && control(msix) & CONTROL_ENABLE;
}

static void update_vector(struct td_msix *msix, unsigned index)
{
	struct td_msix_vector *vector = &msix->vector[index];
	struct td_irq *irq = &msix->dev->vm->irq;
	bool was = vector->msi.attached;
	bool live = (control(msix) & (CONTROL_ENABLE | CONTROL_MASK_ALL)) == CONTROL_ENABLE && !(vector->control & VECTOR_MASKED);

	if (live) {
		int rc = td_irq_msi_attach(irq, &vector->msi, vector->address, vector->data, vector->event_fd);

		if (rc) {
			td_log_limited(&msix->limit, TD_LOG_WARN, "%s: MSI-X vector %u (address 0x%llx, data 0x%x) is not connected: %s",
				msix->dev->device.name, index, (unsigned long long)vector->address, vector->data, strerror(-rc));
			td_irq_msi_detach(irq, &vector->msi, vector->event_fd);
		}
	} else if (was) {
		td_irq_msi_detach(irq, &vector->msi, vector->event_fd);
	}
	if (msix->vector_changed && was != vector->msi.attached)
		msix->vector_changed(msix, index, vector->msi.attached);
}

static void update_all(struct td_msix *msix)
{
	for (unsigned i = 0; i < msix->count; i++)
		update_vector(msix, i);
}

static bool layout_ok(const struct td_pci_dev *dev, unsigned bar, uint32_t offset, uint64_t len_bytes)
{
	return bar < TD_PCI_BARS && offset % 8 == 0 && (dev->bar[bar].kind == TD_PCI_BAR_MEM32 || dev->bar[bar].kind == TD_PCI_BAR_MEM64) &&
	       td_range_ok(offset, len_bytes, dev->bar[bar].size_bytes);
}

static int make_vectors(struct td_msix *msix, struct td_err *err)
{
	const char *name = msix->dev->device.name;

	msix->vector = calloc(msix->count, sizeof(*msix->vector));
	if (!msix->vector)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s: MSI-X table", name);
	for (unsigned i = 0; i < msix->count; i++)
		msix->vector[i] = (struct td_msix_vector){.control = VECTOR_MASKED, .event_fd = -1, .msi.gsi = -1};
	for (unsigned i = 0; i < msix->count; i++) {
		struct td_msix_vector *vector = &msix->vector[i];
		int rc;

		vector->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vector->event_fd < 0)
			return td_err_sys(err, errno, TD_REASON_SYSTEM, "%s: eventfd of MSI-X vector %u", name, i);
		rc = td_irq_msi_init(&msix->dev->vm->irq, &vector->msi);
		if (rc)
			return td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: GSI of MSI-X vector %u", name, i);
	}
	return 0;
}

static int add_capability(struct td_msix *msix, struct td_err *err)
{
	struct td_pci_dev *dev = msix->dev;
	int cap = td_pci_add_cap(dev, CAP_ID, CAP_BYTES);

	if (cap < 0)
		return td_err_set(err, -cap, TD_REASON_INTERNAL, "%s: no room for the MSI-X capability", dev->device.name);
	msix->cap = (unsigned)cap;
	td_pci_set16(dev->config, msix->cap + CAP_CONTROL, (uint16_t)(msix->count - 1));
	td_pci_set16(dev->writable, msix->cap + CAP_CONTROL, CONTROL_ENABLE | CONTROL_MASK_ALL);
	td_pci_set32(dev->config, msix->cap + CAP_TABLE, msix->table_offset | msix->table_bar);
	td_pci_set32(dev->config, msix->cap + CAP_PBA, msix->pba_offset | msix->pba_bar);
	return 0;
}

int td_msix_init(struct td_msix *msix, struct td_pci_dev *dev, unsigned count, unsigned table_bar, uint32_t table_offset, unsigned pba_bar,
	uint32_t pba_offset, struct td_err *err)
{
	int rc;

	*msix = (struct td_msix){.dev = dev,
		.count = count,
		.table_bar = table_bar,
		.table_offset = table_offset,
		.pba_bar = pba_bar,
		.pba_offset = pba_offset};
	if (count < 1 || count > TD_MSIX_VECTORS_MAX || !layout_ok(dev, table_bar, table_offset, (uint64_t)count * ENTRY_BYTES) ||
		!layout_ok(dev, pba_bar, pba_offset, pba_bytes(msix)))
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: MSI-X with %u vectors does not fit BARs %u and %u",
			dev->device.name, count, table_bar, pba_bar);
	rc = make_vectors(msix, err);
	if (!rc)
		rc = add_capability(msix, err);
	if (rc)
		td_msix_fini(msix);
	return rc;
}

void td_msix_fini(struct td_msix *msix)
{
	for (unsigned i = 0; msix->vector && i < msix->count; i++) {
		struct td_msix_vector *vector = &msix->vector[i];

		if (vector->msi.gsi >= 0)
			td_irq_msi_fini(&msix->dev->vm->irq, &vector->msi, vector->event_fd);
		td_cleanup_close(&vector->event_fd);
	}
	free(msix->vector);
	*msix = (struct td_msix){0};
}

void td_msix_reset(struct td_msix *msix)
{
	if (!msix->vector)
		return;
	td_pci_set16(msix->dev->config, msix->cap + CAP_CONTROL, (uint16_t)(msix->count - 1));
	for (unsigned i = 0; i < msix->count; i++) {
		struct td_msix_vector *vector = &msix->vector[i];
		uint64_t forgotten;

		vector->control = VECTOR_MASKED;
		vector->address = vector->data = 0;
		update_vector(msix, i);
		if (read(vector->event_fd, &forgotten, sizeof(forgotten)) < 0)
			continue; /* EAGAIN: nothing was pending */
	}
}

static uint32_t read_entry(const struct td_msix_vector *vector, unsigned offset)
{
	if (offset < 8)
		return (uint32_t)(vector->address >> (8 * offset));
	return offset == 8 ? vector->data : vector->control;
}

static void write_entry(struct td_msix_vector *vector, unsigned offset, uint32_t value)
{
	unsigned shift = 8 * offset;

	if (offset < 8)
		vector->address = (vector->address & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
	else if (offset == 8)
		vector->data = value;
	else
		vector->control = value & VECTOR_MASKED;
}

/* offset is in the table, 4-byte aligned; width 4 or 8. */
static void access_table(struct td_msix *msix, uint64_t offset, struct td_access *access)
{
	unsigned index = (unsigned)(offset / ENTRY_BYTES), at = offset % ENTRY_BYTES;
	struct td_msix_vector *vector = &msix->vector[index];

	if (access->write) {
		write_entry(vector, at, (uint32_t)access->value);
		if (access->width == 8)
			write_entry(vector, at + 4, (uint32_t)(access->value >> 32));
		update_vector(msix, index);
		return;
	}
	access->value = read_entry(vector, at);
	if (access->width == 8)
		access->value |= (uint64_t)read_entry(vector, at + 4) << 32;
}

/* Connected vectors are never pending: KVM has taken the count. */
static uint64_t pending(const struct td_msix *msix)
{
	struct pollfd fds[TD_MSIX_VECTORS_MAX];
	uint64_t bits = 0;

	for (unsigned i = 0; i < msix->count; i++)
		fds[i] = (struct pollfd){.fd = msix->vector[i].msi.attached ? -1 : msix->vector[i].event_fd, .events = POLLIN};
	if (poll(fds, msix->count, 0) <= 0)
		return 0;
	for (unsigned i = 0; i < msix->count; i++)
		bits |= (uint64_t) !!(fds[i].revents & POLLIN) << i;
	return bits;
}

static void access_pba(const struct td_msix *msix, uint64_t offset, struct td_access *access)
{
	static_assert(TD_MSIX_VECTORS_MAX <= 64, "the pending bits are one qword");

	if (access->write)
		return; /* read-only; PCI 3.0 leaves the effect of a write undefined */
	access->value = pending(msix) >> (8 * offset);
	if (access->width == 4)
		access->value &= 0xffffffffU;
}

static bool overlaps(uint64_t start, unsigned width, uint64_t area, uint64_t area_bytes)
{
	return start < area + area_bytes && start + width > area;
}

bool td_msix_bar_access(struct td_msix *msix, unsigned bar, struct td_access *access, enum td_result *ret_result)
{
	uint64_t at = access->offset;
	bool table = bar == msix->table_bar && overlaps(at, access->width, msix->table_offset, msix->count * ENTRY_BYTES);
	bool pba = bar == msix->pba_bar && overlaps(at, access->width, msix->pba_offset, pba_bytes(msix));

	if (!msix->vector || (!table && !pba))
		return false;
	/* Aligned dwords and qwords only (PCI 3.0 §6.8.2); as both areas are 8-byte aligned, these never straddle an end. */
	if ((access->width != 4 && access->width != 8) || at % access->width != 0) {
		*ret_result = TD_FAULT;
		return true;
	}
	if (table)
		access_table(msix, at - msix->table_offset, access);
	else
		access_pba(msix, at - msix->pba_offset, access);
	*ret_result = TD_DONE;
	return true;
}

void td_msix_config_written(struct td_msix *msix, unsigned offset, unsigned width)
{
	if (msix->vector && overlaps(offset, width, msix->cap + CAP_CONTROL, 2))
		update_all(msix);
}

int td_msix_fd(const struct td_msix *msix, unsigned vector)
{
	return msix->vector && vector < msix->count ? msix->vector[vector].event_fd : -1;
}

void td_msix_raise(struct td_msix *msix, unsigned vector)
{
	int fd = td_msix_fd(msix, vector);

	if (fd >= 0)
		eventfd_write(fd, 1);
}
