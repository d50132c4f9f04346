/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_dev.h - what the files behind vfio_pci.h share: the device's struct and their calls on one another. Nobody else includes it, but
 * hw82576.c for its counters' arithmetic, and tests of the parts that need no hardware (td_vfio_config_*, td_vfio_bar_plan,
 * td_vfio_82576_add).
 * All calls are made with the VM's lock held, on the main loop or, where the guest accesses the device, on a vCPU's thread.
 */
#ifndef TD_VFIO_VFIO_DEV_H
#define TD_VFIO_VFIO_DEV_H

#include "core/base.h"
#include "core/err.h"
#include "core/log.h"
#include "core/msix.h"
#include "core/pci.h"
#include "vfio/vfio_open.h"
#include "vfio/vfio_pci.h"

struct td_vfio_pci;

/* vfio_config.c: what a function's configuration space says, and what the guest is shown of it. */

struct td_vfio_function {
	struct td_pci_ids ids;
	enum td_pci_bar_kind kind[TD_PCI_BARS];
	bool prefetchable[TD_PCI_BARS];
	unsigned msix_count; /* 0: no MSI-X */
	unsigned table_bar, pba_bar;
	uint32_t table_offset, pba_offset;
	bool has_pcie;
	uint8_t payload_supported; /* DevCap's Max_Payload_Size Supported */
};

/* image: the first len bytes of configuration space as VFIO gives it. -EINVAL: no endpoint, or capabilities that loop or lie. */
int td_vfio_config_parse(const uint8_t *image, size_t len_bytes, struct td_vfio_function *ret_function, struct td_err *err);
/* BARs and capabilities of an initialised dev, all but MSI-X. *ret_pcie_cap: offset of the PCI Express capability, or 0. */
int td_vfio_config_build(struct td_pci_dev *dev, const struct td_vfio_function *function, const uint64_t bar_bytes[TD_PCI_BARS],
	bool can_reset, unsigned *ret_pcie_cap, struct td_err *err);
/* True when the guest has just asked for a function-level reset by its write to configuration space; takes the request bit away. */
bool td_vfio_config_flr_asked(struct td_pci_dev *dev, unsigned pcie_cap, unsigned offset, unsigned width);

/* vfio_bar.c: BARs in our address space and in the guest's. */

#define TD_VFIO_AREAS 4U

struct td_vfio_area {
	uint64_t offset, len_bytes; /* in the BAR; whole pages */
	uint8_t *host;
	bool of_rx; /* the receive queue's page: traps while dev->rx_traps */
	bool in_guest;
	unsigned slot; /* memslot while in_guest */
};

struct td_vfio_bar {
	uint64_t size_bytes; /* of the region; 0: none */
	uint64_t fd_offset;
	unsigned area_count;
	struct td_vfio_area area[TD_VFIO_AREAS];
};

struct td_vfio_span {
	uint64_t offset, len_bytes;
};

/* What of the spans can be mapped when `holes` must trap: whole pages that touch no hole. Returns the number of areas. */
unsigned td_vfio_bar_plan(const struct td_vfio_span *spans, unsigned span_count, const struct td_vfio_span *holes, unsigned hole_count,
	struct td_vfio_area area[TD_VFIO_AREAS]);

int td_vfio_bar_probe(struct td_vfio_pci *dev, unsigned bar, struct td_err *err); /* size and place */
int td_vfio_bar_open(struct td_vfio_pci *dev, unsigned bar, struct td_err *err);  /* into our address space */
void td_vfio_bar_close(struct td_vfio_pci *dev, unsigned bar);
/* Memslots at dev->pci.bar[bar].addr; while a reset runs, later: dev->sync_pending. */
void td_vfio_bar_show(struct td_vfio_pci *dev, unsigned bar);
void td_vfio_bar_hide(struct td_vfio_pci *dev, unsigned bar);
enum td_result td_vfio_bar_access(struct td_vfio_pci *dev, unsigned bar, struct td_access *access);
/* The receive queue's page traps again, until the guest switches the queue on; only where somebody wants to know of that. */
void td_vfio_bar_trap_rx(struct td_vfio_pci *dev);
/* Our own view of a mapped register; NULL when it is not mapped. */
volatile uint32_t *td_vfio_bar_reg32(struct td_vfio_pci *dev, unsigned bar, uint32_t offset);

/* vfio_irq.c */

void td_vfio_irq_update(struct td_vfio_pci *dev);  /* the guest switched MSI-X on or off, or connected a vector */
void td_vfio_irq_disable(struct td_vfio_pci *dev); /* hardware vectors off; what was pending is forgotten */

/* vfio_82576.c: what is known of the VFs of Intel 82576 and I350. */

struct td_vfio_82576 {
	bool known;
	bool based;
	uint32_t last[4];
	uint64_t last_ns;
	uint32_t answer; /* the PF's last one, while it is shown without CTS; else 0 */
	struct td_vfio_counters sum;
};

bool td_vfio_82576_is(uint16_t vendor, uint16_t device);
bool td_vfio_82576_rx_enabled(struct td_vfio_pci *dev);
bool td_vfio_82576_link_up(struct td_vfio_pci *dev);
bool td_vfio_82576_show_answer(struct td_vfio_pci *dev, bool show); /* vfio_pci.h: td_vfio_pci_show_link() */
void td_vfio_82576_sample(struct td_vfio_pci *dev);		    /* adds what was counted since the last sample */
void td_vfio_82576_rebase(struct td_vfio_pci *dev);		    /* the next sample is the new start: the device was reset */
/* Growth of a 32-bit counter that wraps; `most` is what is possible in the time: beyond it the counter was reset. */
uint64_t td_vfio_82576_add(uint32_t last, uint32_t now, uint64_t most);
/* What the wire can carry in that time, and some: packets, or octets. */
uint64_t td_vfio_82576_most(uint64_t elapsed_ns, bool bytes);

/* vfio_pci.c */

struct td_vfio_pci {
	struct td_pci_dev pci; /* first */
	struct td_vm *vm;
	struct td_vfio_open open;
	struct td_vfio_events events;
	char name[32];
	enum td_vfio_state state;
	struct td_vfio_function function;
	unsigned pcie_cap;
	struct td_vfio_bar bar[TD_PCI_BARS];
	struct td_msix msix;
	bool driver_up;
	bool irq_on;	    /* hardware vectors are enabled */
	bool rx_traps;	    /* what is of_rx traps: the guest's driver has not switched its receive queue on since it came to the VF */
	bool sync_pending;  /* a reset runs: what the guest has asked of bus mastering, MSI-X and BARs since then follows when it is over */
	bool plug_pending;  /* hot-plug when the reset is over; the state is plugged already */
	bool eject_pending; /* the guest gave the device up: told on the main loop, which open.note_fd wakes */

	struct td_timer poll;
	uint64_t plugged_ns;
	struct td_vfio_82576 intel;
	bool pf_based;
	struct td_vfio_counters pf_last, pf_sum; /* other VFs: what the PF counts */
	uint64_t traps, slot_adds, slot_dels;
	struct td_log_limit log_limit; /* what a guest can bring about as often as it likes */
};

#endif
