/* SPDX-License-Identifier: Apache-2.0 */
/* pci_names.c - libpci's calls through a table that is filled by dlsym(3); their types are the header's own. */
#include "host/sys/pci_names.h"

#include <dlfcn.h>
#include <pci/pci.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/sys/names.h"
#include "host/sys/sysfs.h"

#define LIBRARY "libpci.so.3"

#define CALLS(X)         \
	X(pci_alloc)     \
	X(pci_init)      \
	X(pci_cleanup)   \
	X(pci_set_param) \
	X(pci_get_dev)   \
	X(pci_fill_info) \
	X(pci_free_dev)  \
	X(pci_lookup_name)

struct td_pci_names {
	void *library;
	struct pci_access *access;
#define CALL_MEMBER(name) __typeof__(name) *name;
	CALLS(CALL_MEMBER)
#undef CALL_MEMBER
};

static _Thread_local jmp_buf on_error;

static void fail_call(char *msg, ...) __attribute__((noreturn));
static void fail_call(char *msg, ...)
{
	(void)msg;
	longjmp(on_error, 1);
}

static void ignore_message(char *msg, ...)
{
	(void)msg;
}

static bool find_call(void *library, const char *name, void *member)
{
	void *address = dlsym(library, name);

	memcpy(member, &address, sizeof(address)); /* ISO C knows no cast from object to function */
	return address;
}

static bool load_calls(struct td_pci_names *names)
{
	names->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	bool all = names->library != NULL;
#define CALL_FIND(name) all = all && find_call(names->library, #name, &names->name);
	CALLS(CALL_FIND)
#undef CALL_FIND
	return all;
}

/* False: no memory, or there is no such tree. */
static bool start_library(struct td_pci_names *names, const char *sys)
{
	char path[PATH_MAX];

	if (td_sysfs_path(path, sys, "/bus/pci") < 0)
		return false;
	if (setjmp(on_error))
		return false;
	names->access = names->pci_alloc();
	if (!names->access)
		return false;
	names->access->error = fail_call;
	names->access->warning = ignore_message;
	names->access->debug = ignore_message;
	names->access->method = PCI_ACCESS_SYS_BUS_PCI;
	if (names->pci_set_param(names->access, (char *)(uintptr_t) "sysfs.path", path))
		return false;
	names->pci_init(names->access);
	return true;
}

struct td_pci_names *td_pci_names_open(const char *sys)
{
	struct td_pci_names *names = calloc(1, sizeof(*names));

	if (names && load_calls(names) && start_library(names, sys))
		return names;
	td_pci_names_close(names);
	return NULL;
}

void td_pci_names_close(struct td_pci_names *names)
{
	if (!names)
		return;
	if (names->access && !setjmp(on_error))
		names->pci_cleanup(names->access);
	if (names->library)
		dlclose(names->library);
	free(names);
}

bool td_pci_names_find(struct td_pci_names *names, uint16_t vendor, uint16_t device, char text[TD_PCI_NAME_BYTES])
{
	const int flags = PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;

	if (names && !setjmp(on_error) && names->pci_lookup_name(names->access, text, TD_PCI_NAME_BYTES, flags, vendor, device))
		return true;
	snprintf(text, TD_PCI_NAME_BYTES, "%04x:%04x", vendor, device);
	return false;
}

bool td_pci_names_at(struct td_pci_names *names, const char *bdf, char text[TD_PCI_NAME_BYTES])
{
	unsigned domain, bus, device, function;
	struct pci_dev *volatile dev = NULL; /* as it was set, also after a jump back */
	volatile uint16_t ids[2] = {0};
	volatile int known = 0;

	text[0] = '\0';
	if (!names || !td_names_is_bdf(bdf) || sscanf(bdf, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4)
		return false;
	if (!setjmp(on_error)) {
		dev = names->pci_get_dev(names->access, (int)domain, (int)bus, (int)device, (int)function);
		known = names->pci_fill_info(dev, PCI_FILL_IDENT);
		ids[0] = dev->vendor_id;
		ids[1] = dev->device_id;
	}
	if (dev)
		names->pci_free_dev(dev);
	return (known & PCI_FILL_IDENT) && td_pci_names_find(names, ids[0], ids[1], text);
}
