/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi.h - the tables that a stock kernel needs, hardware-reduced (ACPI 6.4 §4.1): RSDP, XSDT, FADT, MADT, MCFG, DSDT. No PM timer, no SCI:
 * events come by a Generic Event Device on GSI 9 (power button, PCI hot-plug); power off and reboot by the sleep and reset registers.
 * GSI 9 is level-triggered and high until the event status is read, so that an event which comes before the guest's driver is not lost.
 *
 * Ports:
 *   0x600  sleep control (write SLP_TYP 5 | SLP_EN: power off), 0x601 sleep status, 0x604 reset (write 1: reboot)
 *   0x608  event status: read returns and clears; bit 0 power button, bit 1 PCI hot-plug
 *   0x610  hot-plug: +0 slots plugged (u32, read clears), +4 slots asked to unplug (u32, read clears), +8 eject (write bit mask, u32)
 */
#ifndef TD_CORE_ACPI_H
#define TD_CORE_ACPI_H

#include "core/base.h"
#include "core/bus.h"
#include "core/err.h"

#define TD_ACPI_PORT_SLEEP    0x600
#define TD_ACPI_PORT_EVENT    0x608
#define TD_ACPI_PORT_HOTPLUG  0x610
#define TD_ACPI_HOTPLUG_BYTES 12
#define TD_ACPI_GSI_EVENT     9
#define TD_ACPI_EVENT_POWER   1U
#define TD_ACPI_EVENT_HOTPLUG 2U

struct td_vm;

/* Sleep, reset and event registers on the PIO bus. Owned by the VM as a device. */
int td_acpi_init(struct td_vm *vm, struct td_err *err);

/* Writes the tables at TD_BOOT_ACPI, and at the BIOS's reset vector (0xffff0) a jump to reset. Serial ports and RTC are described when they
 * stand on vm->pio. Called at each boot, as RAM is the guest's. */
int td_acpi_write_tables(struct td_vm *vm, struct td_err *err);

/* Raises event bits and the GED's interrupt; nothing happens before td_acpi_init(). VM's lock held. */
void td_acpi_event(struct td_vm *vm, uint32_t bits);

/* The body of the DSDT, behind the table's header; -ENOMEM. Used by td_acpi_write_tables(). */
struct td_aml;
int td_acpi_dsdt_body(const struct td_vm *vm, struct td_aml *aml);
/* A region that starts at this port stands on vm->pio. */
bool td_acpi_dsdt_has_port(const struct td_vm *vm, uint16_t port);

#endif
