/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_parts.h - what the files behind pci.h share among themselves: registers of the type 0 header, BAR decoding, the window, hot-plug.
 * Nobody else includes it. All calls are made with the VM's lock held.
 */
#ifndef TD_CORE_PCI_PARTS_H
#define TD_CORE_PCI_PARTS_H

#include "core/pci.h"

#define TD_PCI_VENDOR		0x00U
#define TD_PCI_DEVICE		0x02U
#define TD_PCI_COMMAND		0x04U
#define TD_PCI_COMMAND_IO	0x0001U
#define TD_PCI_COMMAND_MEMORY	0x0002U
#define TD_PCI_COMMAND_MASTER	0x0004U
#define TD_PCI_COMMAND_PARITY	0x0040U
#define TD_PCI_COMMAND_SERR	0x0100U
#define TD_PCI_COMMAND_NOINTX	0x0400U
#define TD_PCI_STATUS		0x06U
#define TD_PCI_STATUS_CAPS	0x0010U
#define TD_PCI_REVISION		0x08U
#define TD_PCI_CLASS		0x09U
#define TD_PCI_CACHE_LINE	0x0cU
#define TD_PCI_BAR0		0x10U
#define TD_PCI_BAR_END		0x28U
#define TD_PCI_BAR_IS_IO	0x1U
#define TD_PCI_BAR_IS_64	0x4U
#define TD_PCI_BAR_PREFETCH	0x8U
#define TD_PCI_SUBSYSTEM_VENDOR 0x2cU
#define TD_PCI_SUBSYSTEM	0x2eU
#define TD_PCI_CAPS		0x34U
#define TD_PCI_IRQ_LINE		0x3cU
#define TD_PCI_CAPS_START	0x40U
#define TD_PCI_CAPS_END		0x100U

/* pci_bar.c */

/* Chooses boot_addr of each BAR that has none, among those of all plugged devices. -ENOSPC: a window is full; BARs placed stay placed. */
int td_pci_bar_place(struct td_pci *pci, struct td_pci_dev *dev, struct td_err *err);
/* Writes boot_addr into the BARs and switches decoding on for the kinds of BARs that have one. */
void td_pci_bar_program(struct td_pci_dev *dev);
/* Brings decoding in line with the command register and the BARs; what could not be mapped before is tried again when room came free. */
void td_pci_bar_update(struct td_pci *pci, struct td_pci_dev *dev);
/* Decodes nothing any more. */
void td_pci_bar_unmap_all(struct td_pci *pci, struct td_pci_dev *dev);

/* pci_config.c */

extern const struct td_io_region td_pci_config_ecam, td_pci_config_ports; /* templates for td_pci.ecam and .ports */

/* pci_window.c */

/* Never fails: without a window (no memslot to be had) each read is an exit, as each write is. */
void td_pci_window_init(struct td_pci *pci);
void td_pci_window_fini(struct td_pci *pci);
void td_pci_window_show(struct td_pci *pci, struct td_pci_dev *dev); /* dev->config moves into the window */
void td_pci_window_hide(struct td_pci *pci, struct td_pci_dev *dev); /* and back */

/* pci_hotplug.c */

extern const struct td_io_region td_pci_hotplug_region; /* template for td_pci.hotplug */

#endif
