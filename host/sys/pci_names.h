/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_names.h - what a PCI function is, in the words of pci.ids ("Intel Corporation 82576 Virtual Function"), by libpci, which finds the
 * function in sysfs, too. For commands that print, and the doctor: the library is opened when a name is asked for, and its 1.3 MB of names
 * are read then, so a VM's process, which asks for none, has neither.
 *
 * libpci ends the process where it finds an error, unless its callback does not return. Ours jumps back (setjmp(3)) to the call that was
 * made of this file, which fails; nothing that stands in a file or in sysfs ends the process. The callback is not told whose error it is:
 * where to jump is kept by thread. One names object is one thread's.
 */
#ifndef TD_HOST_SYS_PCI_NAMES_H
#define TD_HOST_SYS_PCI_NAMES_H

#include "core/base.h"

#define TD_PCI_NAME_BYTES 128

struct td_pci_names;

/* sys: TD_SYSFS, or a directory like it. NULL: no libpci on this host, or no memory; all that follows takes it, and knows no names. */
struct td_pci_names *td_pci_names_open(const char *sys);
void td_pci_names_close(struct td_pci_names *names);

/* Vendor's and device's name. False, and text is "8086:10ca": pci.ids has none. */
bool td_pci_names_find(struct td_pci_names *names, uint16_t vendor, uint16_t device, char text[TD_PCI_NAME_BYTES]);
/* So for the function at this address. False: also where there is no such function; then text is "". */
bool td_pci_names_at(struct td_pci_names *names, const char *bdf, char text[TD_PCI_NAME_BYTES]);

#endif
