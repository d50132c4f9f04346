/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci.h - one PCI Express root bus (segment 0, bus 0) with 32 slots of one function each: configuration space by ECAM and by ports
 * CF8/CFC, BARs that move, capabilities, ACPI hot-plug and hot-unplug. Source: PCI Express Base 4.0, PCI Firmware 3.2 (MCFG).
 * Functions have no INTx; MSI-X is in msix.h. All calls are made with the VM's lock held.
 */
#ifndef TD_CORE_PCI_H
#define TD_CORE_PCI_H

#include "core/base.h"
#include "core/bus.h"
#include "core/device.h"
#include "core/err.h"
#include "core/log.h"
#include "core/loop.h"

#define TD_PCI_SLOTS	    32
#define TD_PCI_BARS	    6
#define TD_PCI_CONFIG_BYTES 4096U

/* Address windows given to the guest (ACPI _CRS). */
#define TD_PCI_MMIO32_BASE  0xc0000000ULL
#define TD_PCI_MMIO32_BYTES 0x20000000ULL
#define TD_PCI_ECAM_BASE    0xe0000000ULL
#define TD_PCI_ECAM_BYTES   0x100000ULL /* bus 0 only */
#define TD_PCI_PIO_BASE	    0x1000ULL
#define TD_PCI_PIO_BYTES    0xf000ULL
#define TD_PCI_MMIO64_BYTES (32ULL * TD_GIB) /* base: 1-GiB-aligned above RAM, below phys_bits */

struct td_vm;
struct td_pci_dev;

enum td_pci_bar_kind { TD_PCI_BAR_NONE, TD_PCI_BAR_IO, TD_PCI_BAR_MEM32, TD_PCI_BAR_MEM64 };

struct td_pci_bar {
	enum td_pci_bar_kind kind;
	bool prefetchable;
	uint64_t size_bytes; /* a power of two; >= 16 (memory), >= 4 (IO) */
	uint64_t addr;	     /* where it is decoded now; valid while mapped, and still in bar_mapped(off) */
	uint64_t boot_addr;  /* where a firmware would put it; 0: nowhere */
	bool mapped;
	uint8_t index;
	struct td_pci_dev *dev;
	struct td_io_region region; /* on the bus while mapped */
};

struct td_pci_ops {
	/* Guest access to a BAR; offset is inside the BAR. */
	enum td_result (*bar_access)(struct td_pci_dev *dev, unsigned bar, struct td_access *access);
	/*
	 * The BAR is decoded at bar->addr from now on (on), or no longer (off). Trapping is done by pci.c; here a device adds or removes
	 * memslots and ioeventfds. A device with none of them has an empty function. Called exactly at transitions, so on and off
	 * alternate; a BAR that moves goes off, then on. The address lies in one of the windows and overlaps no other mapped BAR.
	 */
	void (*bar_mapped)(struct td_pci_dev *dev, unsigned bar, bool on);
	/* After pci.c has taken a guest's write to configuration space (through the write mask). */
	void (*config_written)(struct td_pci_dev *dev, unsigned offset, unsigned width);
	/*
	 * The guest has ejected the device (_EJ0): it is off the bus and no longer visible. The owner may plug it again or destroy it.
	 */
	void (*ejected)(struct td_pci_dev *dev);
};

struct td_pci_dev {
	struct td_device device; /* first */
	const struct td_pci_ops *ops;
	struct td_vm *vm;
	int slot; /* -1: not plugged */
	struct td_pci_bar bar[TD_PCI_BARS];
	uint8_t *config;   /* TD_PCI_CONFIG_BYTES, owned; what the guest reads. Moves at plugging: never keep the pointer */
	uint8_t *writable; /* same size: bit 1 = the guest may write it */
	uint8_t *w1c;	   /* same size: bit 1 = writing 1 clears; NULL when there is none */
	unsigned next_cap; /* where td_pci_add_cap() puts the next capability */
	bool unplug_requested;
	bool unready;	     /* see td_pci_dev_set_ready() */
	bool ejectable;	     /* came by td_pci_plug(): the guest may eject it, at any time */
	uint8_t *config_own; /* where config stands while the device is not plugged */
	uint8_t *power_on;   /* config as it was at plugging; NULL when not plugged */
};

struct td_pci_ids {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint8_t revision;
	uint32_t class_code; /* 24 bits: class, subclass, interface */
};

/*
 * What the guest sees at TD_PCI_ECAM_BASE as memory it may read but not write: reads of configuration space make no exit, writes arrive at
 * the ECAM region. See pci_window.c.
 */
struct td_pci_window {
	int fd;
	uint8_t *host; /* NULL: no window, reads trap as well */
	unsigned memslot;
};

struct td_pci {
	struct td_vm *vm;
	struct td_pci_dev *slot[TD_PCI_SLOTS];
	uint32_t cf8;
	struct td_io_region ecam, ports; /* 0xcf8..0xcff */
	struct td_io_region hotplug;	 /* see acpi.h for its registers */
	struct td_pci_dev *bridge;	 /* slot 0 */
	struct td_pci_window window;
	uint32_t plug_pending, unplug_pending; /* bit n: slot n; what the guest's ACPI method reads */
	uint32_t ghosts;		       /* bit n: slot n is empty, and the guest does not know it yet: see td_pci_abandon() */
	struct td_timer ghost_timer;
	uint64_t mmio64_base;
	uint64_t config_accesses; /* that left the guest */
	struct td_log_limit limit;
};

/* With a host bridge in slot 0. vm->mem, vm->kvm and the buses must be there. */
int td_pci_init(struct td_pci *pci, struct td_vm *vm, struct td_err *err);
void td_pci_fini(struct td_pci *pci);
/*
 * Ports CF8/CFC are there after td_pci_init(); a bare kernel may know nothing else. Linux uses them for the first 256 bytes whenever they
 * answer, two exits an access; without them it uses ECAM, whose reads are no exits (a hot-add: 27 exits instead of 378). Linux 6.1
 * then says "PCI: Fatal: No config space access function found" early in boot, which is not so: it finds ECAM by ACPI later. Before
 * td_vm_boot().
 */
void td_pci_set_ports(struct td_pci *pci, bool on);

/* Prepares dev->config, header type 0. ops and device.ops set by the caller before. Freed by td_pci_dev_fini(). */
int td_pci_dev_init(struct td_pci_dev *dev, struct td_vm *vm, const char *name, const struct td_pci_ops *ops,
	const struct td_device_ops *device_ops, const struct td_pci_ids *ids, struct td_err *err);
void td_pci_dev_fini(struct td_pci_dev *dev); /* removes it from the bus first */

void td_pci_dev_set_bar(struct td_pci_dev *dev, unsigned bar, enum td_pci_bar_kind kind, bool prefetchable, uint64_t size_bytes);
/* A zeroed capability of len bytes (header included) with its ID, read-only until dev->writable says otherwise; offset, or -ENOSPC. */
int td_pci_add_cap(struct td_pci_dev *dev, uint8_t id, unsigned len_bytes);

/* Before boot: takes the next free slot (or `slot` when >= 0), gives the BARs addresses and decodes them. -EBUSY, -ENOSPC. */
int td_pci_attach(struct td_pci *pci, struct td_pci_dev *dev, int slot, struct td_err *err);
/* Off the bus at once, without asking the guest: at reset, at the end. Harmless when not plugged. */
void td_pci_detach(struct td_pci_dev *dev);
/*
 * The same under a guest that goes on: it finds nothing where the device was, and is asked to eject the slot until it does, at last after a
 * pause. Nothing else comes to the slot before. Main loop.
 */
void td_pci_abandon(struct td_pci_dev *dev);
/* Has the guest yet to let go of a device that was abandoned? */
static inline bool td_pci_has_ghost(const struct td_pci *pci)
{
	return pci->ghosts != 0;
}
/* Hot-plug: takes a free slot, BARs without address, and tells the guest by ACPI. */
int td_pci_plug(struct td_pci *pci, struct td_pci_dev *dev, struct td_err *err);
/* Asks the guest to give the device up; ops->ejected() tells when it did. May be repeated; bounded by the caller's timer. */
int td_pci_unplug_request(struct td_pci_dev *dev);

/*
 * Back to the state after power-on: configuration space as it was at plugging, BARs at their firmware's addresses and decoded, hot-plug
 * registers cleared. Called at a guest's reset. Hot-plugged devices stay, and get addresses from the "firmware" as the others do.
 */
void td_pci_reset(struct td_pci *pci);
/* Writable bits of one device as at plugging, decoding off (a function-level reset leaves it so). ops->config_written is not called. */
void td_pci_dev_reset(struct td_pci_dev *dev);
/*
 * A function that resets is not ready until that is over. Reads of its configuration space give all ones meanwhile, as of one that does not
 * answer; a driver waits for that to end (PCI Express 4.0 §6.6.2; Linux: pci_dev_wait()). Writes are taken. Detached, it is ready again.
 */
void td_pci_dev_set_ready(struct td_pci_dev *dev, bool ready);

/*
 * Guest's access to configuration space of any function; also used by tests and the fuzzer. offset 0..4095. Functions that are not there
 * read as all ones; writes that are not naturally aligned are ignored.
 */
void td_pci_config_access(struct td_pci *pci, unsigned devfn, struct td_access *access);

/* Little-endian access to a configuration space image. */
uint16_t td_pci_get16(const uint8_t *config, unsigned offset);
uint32_t td_pci_get32(const uint8_t *config, unsigned offset);
void td_pci_set16(uint8_t *config, unsigned offset, uint16_t value);
void td_pci_set32(uint8_t *config, unsigned offset, uint32_t value);

#endif
