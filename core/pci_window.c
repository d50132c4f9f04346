/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pci_window.c - configuration space as memory that the guest may read but not write.
 *
 * Theory of operation. Reading configuration space has no side effect here: what the guest reads is dev->config. So the ECAM range is a
 * read-only memslot (KVM_MEM_READONLY): reads cost no exit, writes arrive as MMIO. Each slot's function 0 has a page of its own, into which
 * dev->config moves while the device is plugged; functions 1 to 7 of all slots share seven pages of ones.
 */
#include <linux/kvm.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/pci_parts.h"
#include "core/vm.h"

#define FUNCTIONS 8U
/* In the file: a page for each slot, then the pages of ones. */
#define FILE_BYTES ((TD_PCI_SLOTS + FUNCTIONS - 1) * TD_PAGE)

static uint8_t *slot_page(const struct td_pci *pci, int slot)
{
	return pci->window.host + (uint64_t)slot * FUNCTIONS * TD_PAGE;
}

static bool map_slot(const struct td_pci *pci, unsigned slot)
{
	uint8_t *at = slot_page(pci, (int)slot);
	int fd = pci->window.fd, prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_FIXED;

	return mmap(at, TD_PAGE, prot, flags, fd, (off_t)(slot * TD_PAGE)) != MAP_FAILED &&
	       mmap(at + TD_PAGE, (FUNCTIONS - 1) * TD_PAGE, prot, flags, fd, (off_t)(TD_PCI_SLOTS * TD_PAGE)) != MAP_FAILED;
}

static bool map_all(struct td_pci *pci)
{
	struct td_pci_window *window = &pci->window;
	void *host;

	window->fd = memfd_create("tandem-ecam", MFD_CLOEXEC);
	if (window->fd < 0 || ftruncate(window->fd, (off_t)FILE_BYTES))
		return false;
	host = mmap(NULL, TD_PCI_ECAM_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host == MAP_FAILED)
		return false;
	window->host = host;
	for (unsigned i = 0; i < TD_PCI_SLOTS; i++) {
		if (!map_slot(pci, i))
			return false;
		memset(slot_page(pci, (int)i), 0xff, TD_PAGE);
	}
	memset(slot_page(pci, 0) + TD_PAGE, 0xff, (FUNCTIONS - 1) * TD_PAGE);
	return true;
}

static void unmap_all(struct td_pci_window *window)
{
	if (window->host)
		munmap(window->host, TD_PCI_ECAM_BYTES);
	td_cleanup_close(&window->fd);
	*window = (struct td_pci_window){.fd = -1};
}

void td_pci_window_init(struct td_pci *pci)
{
	struct td_pci_window *window = &pci->window;
	int rc = map_all(pci) ? td_kvm_slot_add(&pci->vm->kvm, TD_GPA(TD_PCI_ECAM_BASE), TD_PCI_ECAM_BYTES, window->host, KVM_MEM_READONLY,
					&window->memslot)
			      : -1;

	if (rc) {
		td_debug("pci: no read-only memslot for configuration space: each read of it is an exit");
		unmap_all(window);
	}
}

void td_pci_window_fini(struct td_pci *pci)
{
	if (pci->window.host)
		td_kvm_slot_del(&pci->vm->kvm, pci->window.memslot);
	unmap_all(&pci->window);
}

/* The guest may read meanwhile: the vendor ID comes last, and goes first, as one store. */

void td_pci_window_show(struct td_pci *pci, struct td_pci_dev *dev)
{
	uint8_t *page;
	uint32_t ids;

	if (!pci->window.host)
		return;
	page = slot_page(pci, dev->slot);
	memcpy(page + sizeof(ids), dev->config_own + sizeof(ids), TD_PCI_CONFIG_BYTES - sizeof(ids));
	memcpy(&ids, dev->config_own, sizeof(ids));
	__atomic_store_n((uint32_t *)(void *)page, ids, __ATOMIC_RELEASE);
	dev->config = page;
}

void td_pci_window_hide(struct td_pci *pci, struct td_pci_dev *dev)
{
	if (!pci->window.host)
		return;
	memcpy(dev->config_own, dev->config, TD_PCI_CONFIG_BYTES);
	__atomic_store_n((uint32_t *)(void *)dev->config, ~0U, __ATOMIC_RELEASE);
	memset(dev->config, 0xff, TD_PCI_CONFIG_BYTES);
	dev->config = dev->config_own;
}
