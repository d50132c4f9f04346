/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_pci.h - a VF as a PCI function of the guest: emulated configuration space, BARs as memslots (no exit), MSI-X by irqfd, reset,
 * errors. The hardware side (open, warm, cold) and the guest side (plugged, unplugged) are separate: a VF can be open, reset and mapped
 * and still be hidden from the guest. All calls on the main loop with the VM's lock held.
 *
 * State:  closed --open--> warm --plug--> plugged --(guest ejects | detach)--> warm --close--> closed
 */
#ifndef TD_VFIO_VFIO_PCI_H
#define TD_VFIO_VFIO_PCI_H

#include "core/base.h"
#include "core/err.h"
#include "iommu/iommu.h"

struct td_vm;
struct td_vfio_pci;

enum td_vfio_state { TD_VFIO_CLOSED, TD_VFIO_WARM, TD_VFIO_PLUGGED };

/* All on the main loop, but for `opening`. They may call anything here but td_vfio_pci_destroy(). */
struct td_vfio_events {
	/*
	 * 82576 VFs: the guest's driver is about to switch its receive queue on, for the first time since it came to the VF (plug, reset,
	 * MSI-X off); the card does not know yet. On the vCPU's thread, which waits: no call here is allowed. NULL: nobody asks, and
	 * nothing traps for it.
	 */
	void (*opening)(void *opaque);
	/*
	 * The guest gave the device up (_EJ0): it is warm now and quiet (bus master off, MSI-X disabled). Its reset goes on beside the main
	 * loop (the kernel takes 100 ms for it); a plug follows it, attach and close wait for it.
	 */
	void (*ejected)(void *opaque);
	/*
	 * The guest's driver enabled the device: 82576 VFs (8086:10ca, 8086:1520): RXDCTL.ENABLE was seen; others: bus mastering and MSI-X
	 * are on. May come late or, for a driver that fails, never.
	 */
	void (*driver_up)(void *opaque);
	/* Device error (VFIO error IRQ) or release request (VFIO req IRQ: the PF goes, sriov_numvfs is written, hot removal). */
	void (*lost)(void *opaque, bool release_requested);
	void *opaque;
};

struct td_vfio_pci_config {
	const char *name; /* "vf0" */
	const char *bdf;  /* bound to vfio-pci */
	int group;
	bool hide_carrier; /* reserved: must be false */
	struct td_vfio_events events;
};

/* What passed through the hardware path. Of 82576 VFs it is read from the device (VFGPRC...); of others the owner tells what the PF counts.
 */
struct td_vfio_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

int td_vfio_pci_create(struct td_vm *vm, struct td_iommu *iommu, const struct td_vfio_pci_config *config, struct td_vfio_pci **ret_dev,
	struct td_err *err);
/* Closes, and waits for the kernel. The VM destroys it with its other devices when it is still there at the end; `iommu` must live until
 * then. */
void td_vfio_pci_destroy(struct td_vfio_pci *dev);

/*
 * closed -> warm, in two steps. The first waits (seconds for tens of GiB of RAM): it is for a host job, any thread without the VM's lock,
 * while nobody else uses dev: opens group and device (the kernel resets it) and maps RAM. The second reads regions, builds the
 * configuration space and maps BARs into this process. Memslots come with the guest's decoding of the BARs, and go with it (vfio_bar.c says
 * why). After a failure of either: td_vfio_pci_close(), then td_vfio_pci_close_device().
 */
int td_vfio_pci_open_device(struct td_vfio_pci *dev, struct td_err *err);
int td_vfio_pci_open(struct td_vfio_pci *dev, struct td_err *err);
/*
 * -> closed, in two steps: off the guest's bus at once (one that is plugged is abandoned: core/pci.h), and no DMA any more. Then, for a
 * host job, device (the kernel resets it) and group are given back; RAM is unmapped with the VM's last VF.
 */
void td_vfio_pci_close(struct td_vfio_pci *dev);
void td_vfio_pci_close_device(struct td_vfio_pci *dev);

/* warm -> plugged, by hot-plug. While the reset after the last use still runs, the guest is told when it is over (100 ms at most). */
int td_vfio_pci_plug(struct td_vfio_pci *dev, struct td_err *err);
int td_vfio_pci_attach(struct td_vfio_pci *dev, struct td_err *err); /* warm -> plugged, before boot */
int td_vfio_pci_unplug_request(struct td_vfio_pci *dev);	     /* -> events.ejected; may be repeated */
void td_vfio_pci_detach(struct td_vfio_pci *dev);		     /* plugged -> warm at once: guest's reset, VF lost */

enum td_vfio_state td_vfio_pci_state(const struct td_vfio_pci *dev);
/* STATUS.LU of 82576 VFs (*ret_known false for others). Only while the guest's driver is up. */
bool td_vfio_pci_link_up(struct td_vfio_pci *dev, bool *ret_known);
/* What the PF of a VF that is no 82576's has counted by now: growth since the last time is added, the first time after an open is the base.
 */
void td_vfio_pci_told(struct td_vfio_pci *dev, const struct td_vfio_counters *now);
/* Since creation; monotonic over resets and flips. */
void td_vfio_pci_counters(struct td_vfio_pci *dev, struct td_vfio_counters *ret_counters);
/* Exits to user space that this device's trapped ranges caused: MSI-X table, configuration writes, a queue's set-up. None per packet. */
uint64_t td_vfio_pci_traps(const struct td_vfio_pci *dev);

/* How far the guest's driver is, as registers say now. MSI-X is what a driver that leaves gives back before anything else we see. */
enum td_vfio_driver {
	TD_VFIO_DRIVER_NONE,  /* MSI-X is off */
	TD_VFIO_DRIVER_BOUND, /* MSI-X is on */
	TD_VFIO_DRIVER_UP,    /* it receives: 82576 VFs: the queue is enabled and has buffers */
};
enum td_vfio_driver td_vfio_pci_driver(struct td_vfio_pci *dev);
/* Raises the guest's interrupt of a vector, as the hardware would: drivers bear spurious ones. A vector that is not there is ignored. */
void td_vfio_pci_kick(struct td_vfio_pci *dev, unsigned vector);
/*
 * 82576 VFs: igbvf is made to find no link at its next look, for which it is kicked, or to find it again: the PF's last answer loses its
 * "clear to send", or gets it back. False: VMBMEM holds no such answer now (the guest and the PF are talking, or something newer stands
 * there, which the driver is made to look at, too).
 */
bool td_vfio_pci_show_link(struct td_vfio_pci *dev, bool show);
/* 82576 VFs: vectors as igbvf numbers them. */
enum td_vfio_vector { TD_VFIO_VECTOR_SENT, TD_VFIO_VECTOR_RECEIVED, TD_VFIO_VECTOR_MAIL };
bool td_vfio_pci_is_82576(const struct td_vfio_pci *dev);

#endif
