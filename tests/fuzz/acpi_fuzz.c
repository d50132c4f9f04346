/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi_fuzz.c - a guest that does anything at all with the ports of sleep, reset, events and PCI hot-plug, while functions are plugged,
 * asked back and taken away. The input is a list of steps of 8 bytes. Needs /dev/kvm.
 */
#include <stdlib.h>
#include <string.h>

#include "core/acpi.h"
#include "core/vm.h"

#define RAM_BYTES (4ULL << 20)
#define FUNCTIONS 6U
#define FIXED	  2U /* so many of them are there from the start, and no guest may eject them */
#define STEPS_MAX 200U

enum { STEP_PORT, STEP_PLUG, STEP_UNPLUG, STEP_DETACH, STEP_BUTTON, STEP_RESET, STEP_KINDS };

struct step {
	uint8_t what, width, at, function;
	uint32_t value;
};

struct function {
	struct td_pci_dev pci; /* first */
	unsigned ejected;
};

struct machine {
	struct td_vm vm;
	struct function function[FUNCTIONS];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum td_result bar_access(struct td_pci_dev *pci, unsigned bar, struct td_access *access)
{
	(void)pci, (void)bar, (void)access;
	return TD_UNCLAIMED;
}

static void bar_mapped(struct td_pci_dev *pci, unsigned bar, bool on)
{
	(void)pci, (void)bar, (void)on;
}

static void config_written(struct td_pci_dev *pci, unsigned offset, unsigned width)
{
	(void)pci, (void)offset, (void)width;
}

static void ejected(struct td_pci_dev *pci)
{
	TD_CONTAINER_OF(pci, struct function, pci)->ejected++;
}

static void no_act(struct td_device *device)
{
	(void)device;
}

static int no_quiesce(struct td_device *device)
{
	(void)device;
	return 0;
}

static struct machine *make(void)
{
	static const struct td_pci_ops pci_ops = {bar_access, bar_mapped, config_written, ejected};
	static const struct td_device_ops device_ops = {no_act, no_quiesce, no_act, no_act};
	const struct td_pci_ids ids = {.vendor = 0x1234, .device = 1};
	struct machine *m = calloc(1, sizeof(*m));
	struct td_vm_config config = {.name = "fuzz", .mem.size_bytes = RAM_BYTES, .cpus = 1};
	struct td_err err = {0};

	td_log_set_level(TD_LOG_ERROR);
	if (!m || td_vm_init(&m->vm, &config, &err)) {
		td_err_print(stderr, &err);
		exit(1);
	}
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		struct td_pci_dev *pci = &m->function[i].pci;

		if (td_pci_dev_init(pci, &m->vm, "function", &pci_ops, &device_ops, &ids, NULL))
			abort();
		td_pci_dev_set_bar(pci, 0, TD_PCI_BAR_MEM64, true, 0x4000);
		if (i < FIXED && td_pci_attach(&m->vm.pci, pci, -1, NULL))
			abort();
	}
	return m;
}

static void port(struct machine *m, const struct step *step)
{
	struct td_access access = {
		.offset = TD_ACPI_PORT_SLEEP + step->at % 0x20U, .width = (uint8_t)(1U << (step->width & 3)), .value = step->value};

	access.write = step->width & 0x80;
	td_vm_pio(&m->vm, &access);
	/* What was asked for is not what is looked at here. */
	td_loop_cancel(&m->vm.loop, &m->vm.stop_work);
	td_loop_cancel(&m->vm.loop, &m->vm.reboot_work);
	m->vm.end = TD_VM_END_NONE;
	m->vm.reboot_requested = false;
}

static void take_step(struct machine *m, const struct step *step)
{
	struct function *function = &m->function[step->function % FUNCTIONS];
	bool fixed = step->function % FUNCTIONS < FIXED;

	switch (step->what % STEP_KINDS) {
	case STEP_PORT:
		port(m, step);
		break;
	case STEP_PLUG:
		(void)td_pci_plug(&m->vm.pci, &function->pci, NULL);
		break;
	case STEP_UNPLUG:
		(void)td_pci_unplug_request(&function->pci);
		break;
	case STEP_DETACH:
		if (!fixed)
			td_pci_detach(&function->pci);
		break;
	case STEP_BUTTON:
		td_acpi_event(&m->vm, TD_ACPI_EVENT_POWER);
		break;
	case STEP_RESET:
		td_pci_reset(&m->vm.pci);
		break;
	}
}

static void check(struct machine *m)
{
	const struct td_pci *pci = &m->vm.pci;

	for (unsigned i = 0; i < TD_PCI_SLOTS; i++) {
		if (pci->slot[i] && pci->slot[i]->slot != (int)i)
			abort();
		if (!pci->slot[i] && (pci->plug_pending | pci->unplug_pending) >> i & 1)
			abort(); /* the guest is told of what is not there */
	}
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		struct function *function = &m->function[i];

		if (i < FIXED && (function->ejected || function->pci.slot < 0))
			abort();
		if (function->pci.slot >= 0 && pci->slot[function->pci.slot] != &function->pci)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine *m;

	if (!m)
		m = make();
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		take_step(m, &step);
		check(m);
	}
	for (unsigned i = FIXED; i < FUNCTIONS; i++)
		td_pci_detach(&m->function[i].pci);
	td_pci_reset(&m->vm.pci);
	return 0;
}
