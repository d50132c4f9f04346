/* SPDX-License-Identifier: Apache-2.0 */
/*
 * irq.h - GSIs: the 24 IOAPIC pins and, above them, one GSI for each MSI. A device never injects by ioctl: it owns an eventfd, and
 * td_irq_msi connects it to its GSI by irqfd, so that vhost, VFIO and our own code all raise interrupts in the same way.
 * There is no INTx: every PCI function of tandem has MSI-X.
 */
#ifndef TD_CORE_IRQ_H
#define TD_CORE_IRQ_H

#include "core/base.h"
#include "core/err.h"

#define TD_IRQ_PINS    24
#define TD_IRQ_GSI_MAX 1024

struct td_kvm;
struct kvm_irq_routing;

struct td_irq {
	struct td_kvm *kvm;
	struct kvm_irq_routing *table;
	uint64_t msi_used[TD_IRQ_GSI_MAX / 64];
	uint64_t route_updates; /* KVM_SET_GSI_ROUTING calls: they are slow */
};

int td_irq_init(struct td_irq *irq, struct td_kvm *kvm, struct td_err *err); /* PIC and IOAPIC pins routed as on a PC */
void td_irq_fini(struct td_irq *irq);
void td_irq_reset(struct td_irq *irq); /* PIC, IOAPIC and PIT as after power-on; MSI routes stay. vCPUs are parked */

/* Level or pulse on IOAPIC pin `gsi` (0..23). Any thread. */
void td_irq_set(struct td_irq *irq, unsigned gsi, bool level);
void td_irq_pulse(struct td_irq *irq, unsigned gsi);

/* One MSI: address and data as the guest wrote them, and the eventfd that raises it. */
struct td_irq_msi {
	int gsi; /* -1: none */
	bool attached;
	uint64_t address;
	uint32_t data;
};

int td_irq_msi_init(struct td_irq *irq, struct td_irq_msi *msi);		/* takes a GSI; -ENOSPC */
void td_irq_msi_fini(struct td_irq *irq, struct td_irq_msi *msi, int event_fd); /* detaches first */

/* Sets the route (only when it changed) and connects event_fd. What was signalled on event_fd while detached is raised now: KVM looks. */
int td_irq_msi_attach(struct td_irq *irq, struct td_irq_msi *msi, uint64_t address, uint32_t data, int event_fd);
/* Signals stay counted in the eventfd: that is the vector's pending bit. */
void td_irq_msi_detach(struct td_irq *irq, struct td_irq_msi *msi, int event_fd);

#endif
