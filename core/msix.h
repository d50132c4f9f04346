/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msix.h - the MSI-X capability, table and pending bits of a PCI function (PCI 3.0 §6.8.2), emulated; each vector is an eventfd.
 * Whoever has something to tell the guest (our code, vhost, VFIO) writes to td_msix_fd(): while the vector is unmasked KVM injects it by
 * irqfd, with no exit to us; while it is masked the count in the eventfd is the pending bit.
 */
#ifndef TD_CORE_MSIX_H
#define TD_CORE_MSIX_H

#include "core/base.h"
#include "core/bus.h"
#include "core/err.h"
#include "core/irq.h"
#include "core/log.h"
#include "core/pci.h"

#define TD_MSIX_VECTORS_MAX 64

struct td_msix_vector {
	uint64_t address;
	uint32_t data, control; /* control bit 0: masked */
	int event_fd;		/* owned */
	struct td_irq_msi msi;
};

struct td_msix {
	struct td_pci_dev *dev;
	unsigned cap; /* offset of the capability */
	unsigned count;
	unsigned table_bar, pba_bar;
	uint32_t table_offset, pba_offset;
	struct td_msix_vector *vector;
	/* A vector was connected or disconnected (may be NULL): a VFIO device that enables its hardware vectors on use. */
	void (*vector_changed)(struct td_msix *msix, unsigned vector, bool connected);
	struct td_log_limit limit;
};

/*
 * Adds the capability; all vectors are masked. count 1..TD_MSIX_VECTORS_MAX; the BARs must be large enough, offsets multiples of 8.
 * -EINVAL, -ENOSPC (no capability space or no GSI left), -EMFILE. *msix may be uninitialised; after an error nothing is held.
 * vector_changed is set by the caller afterwards.
 */
int td_msix_init(struct td_msix *msix, struct td_pci_dev *dev, unsigned count, unsigned table_bar, uint32_t table_offset, unsigned pba_bar,
	uint32_t pba_offset, struct td_err *err);
void td_msix_fini(struct td_msix *msix); /* harmless on a zeroed struct */
/* All vectors masked, zero and disconnected, nothing pending, MSI-X off. */
void td_msix_reset(struct td_msix *msix);

/* From the device's bar_access: true when the access was to the table or the pending bits, and *ret_result is the answer. */
bool td_msix_bar_access(struct td_msix *msix, unsigned bar, struct td_access *access, enum td_result *ret_result);
/* From the device's config_written. */
void td_msix_config_written(struct td_msix *msix, unsigned offset, unsigned width);

bool td_msix_enabled(const struct td_msix *msix);
int td_msix_fd(const struct td_msix *msix, unsigned vector); /* borrowed */
void td_msix_raise(struct td_msix *msix, unsigned vector);   /* any thread; a vector that does not exist is ignored */

#endif
