/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.c - the few registers behind the hardware-reduced tables: sleep, reset, event status. The tables are in acpi_tables.c and
 * acpi_dsdt.c, the hot-plug registers in pci_hotplug.c.
 */
#include "core/acpi.h"

#include <errno.h>
#include <stdlib.h>

#include "core/vm.h"

#define REG_SLEEP_CONTROL 0U
#define SLEEP_ENABLE	  0x20U
#define SLEEP_TYPE(v)	  ((v) >> 2 & 7U)
#define SLEEP_TYPE_S5	  5U
#define REG_SLEEP_STATUS  1U
#define REG_RESET	  4U
#define RESET_NOW	  1U
#define REG_EVENT	  (TD_ACPI_PORT_EVENT - TD_ACPI_PORT_SLEEP)
#define REGION_BYTES	  (REG_EVENT + 4U)

struct acpi {
	struct td_device device; /* first */
	struct td_vm *vm;
	struct td_io_region region;
	uint32_t event;
};

static uint32_t take_events(struct acpi *acpi)
{
	uint32_t event = acpi->event;

	acpi->event = 0;
	td_irq_set(&acpi->vm->irq, TD_ACPI_GSI_EVENT, false);
	return event;
}

static void write_byte(struct acpi *acpi, uint64_t reg, uint8_t value)
{
	if (reg == REG_SLEEP_CONTROL && value & SLEEP_ENABLE && SLEEP_TYPE(value) == SLEEP_TYPE_S5)
		td_vm_request_stop(acpi->vm, TD_VM_END_POWEROFF, 0);
	else if (reg == REG_RESET && value == RESET_NOW)
		td_vm_request_reboot(acpi->vm);
}

static enum td_result access_registers(struct td_io_region *region, struct td_access *access)
{
	struct acpi *acpi = TD_CONTAINER_OF(region, struct acpi, region);
	uint64_t reg = access->offset;

	if (access->width == 4 && reg == REG_EVENT && !access->write) {
		access->value = take_events(acpi);
		return TD_DONE;
	}
	if (access->width != 1 || (reg != REG_SLEEP_CONTROL && reg != REG_SLEEP_STATUS && reg != REG_RESET))
		return TD_FAULT;
	if (access->write)
		write_byte(acpi, reg, (uint8_t)access->value);
	else
		access->value = 0;
	return TD_DONE;
}

static void reset(struct td_device *device)
{
	take_events(TD_CONTAINER_OF(device, struct acpi, device));
}

static int quiesce(struct td_device *device)
{
	(void)device; /* acts only when the guest or td_acpi_event() does */
	return 0;
}

static void resume(struct td_device *device)
{
	(void)device;
}

static void destroy(struct td_device *device)
{
	struct acpi *acpi = TD_CONTAINER_OF(device, struct acpi, device);

	td_bus_remove(&acpi->vm->pio, &acpi->region);
	free(acpi);
}

static const struct td_device_ops acpi_ops = {reset, quiesce, resume, destroy};

int td_acpi_init(struct td_vm *vm, struct td_err *err)
{
	struct acpi *acpi = calloc(1, sizeof(*acpi));
	int rc;

	if (!acpi)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "ACPI registers");
	*acpi = (struct acpi){
		.device = {.ops = &acpi_ops, .name = "acpi"},
		.vm = vm,
		.region = {.name = "acpi", .base = TD_ACPI_PORT_SLEEP, .len = REGION_BYTES, .access = access_registers},
	};
	rc = td_bus_add(&vm->pio, &acpi->region);
	if (rc) {
		free(acpi);
		return td_err_sys(err, -rc, TD_REASON_INTERNAL, "ACPI registers on the bus");
	}
	td_vm_add_device(vm, &acpi->device);
	return 0;
}

/* Events are rare and devices few: looking for ours is cheaper than a pointer that everyone sees. */
static struct acpi *find(const struct td_vm *vm)
{
	for (struct td_device *device = vm->devices; device; device = device->next)
		if (device->ops == &acpi_ops)
			return TD_CONTAINER_OF(device, struct acpi, device);
	return NULL;
}

void td_acpi_event(struct td_vm *vm, uint32_t bits)
{
	struct acpi *acpi = find(vm);

	if (!acpi)
		return;
	acpi->event |= bits;
	td_irq_set(&vm->irq, TD_ACPI_GSI_EVENT, true);
}
