/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi_dsdt.c - what hardware there is, in AML: the PCI root bus with its slots, motherboard resources, serial ports, RTC, power button,
 * and the event device that tells of hot-plug. Each function says in ASL what it writes.
 */
#include <assert.h>
#include <errno.h>

#include "core/acpi.h"
#include "core/aml.h"
#include "core/vm.h"

#define NOTIFY_DEVICE_CHECK  1
#define NOTIFY_EJECT_REQUEST 3
#define NOTIFY_BUTTON	     0x80

bool td_acpi_dsdt_has_port(const struct td_vm *vm, uint16_t port)
{
	for (unsigned i = 0; i < vm->pio.count; i++)
		if (vm->pio.region[i]->base == port)
			return true;
	return false;
}

/* Name (_HID, EisaId (hid)) Name (_UID, uid) */
static void identity(struct td_aml *aml, const char *hid, unsigned uid)
{
	td_aml_name_eisa(aml, "_HID", hid);
	td_aml_name_int(aml, "_UID", uid);
}

/* op (a & (1 << bit)) as a condition: And (local, 1 << bit, ) */
static void bit_of(struct td_aml *aml, enum td_aml_op local, unsigned bit)
{
	td_aml_op(aml, TD_AML_AND);
	td_aml_op(aml, local);
	td_aml_int(aml, 1U << bit);
	td_aml_op(aml, TD_AML_NO_TARGET);
}

/* If (local & (1 << bit)) { Notify (object, value) } */
static void notify_if(struct td_aml *aml, enum td_aml_op local, unsigned bit, const char *object, unsigned value)
{
	size_t body = td_aml_if(aml);

	bit_of(aml, local, bit);
	td_aml_op(aml, TD_AML_NOTIFY);
	td_aml_ref(aml, object);
	td_aml_int(aml, value);
	td_aml_close(aml, body);
}

/* local = name */
static void load(struct td_aml *aml, const char *name, enum td_aml_op local)
{
	td_aml_op(aml, TD_AML_STORE);
	td_aml_ref(aml, name);
	td_aml_op(aml, local);
}

static void slot_name(char ret_name[static 5], unsigned slot)
{
	static const char hex[] = "0123456789ABCDEF";

	ret_name[0] = 'S';
	ret_name[1] = '_';
	ret_name[2] = hex[slot >> 4];
	ret_name[3] = hex[slot & 15];
	ret_name[4] = '\0';
}

/*
 * Device (S_nn) {
 *   Name (_ADR, slot << 16) Name (_SUN, slot)
 *   Method (_EJ0, 1, Serialized) { EJCT = 1 << slot }
 * }
 */
static void slot_device(struct td_aml *aml, unsigned slot)
{
	char name[5];
	size_t device, method;

	slot_name(name, slot);
	device = td_aml_device(aml, name);
	td_aml_name_int(aml, "_ADR", (uint64_t)slot << 16);
	td_aml_name_int(aml, "_SUN", slot);
	method = td_aml_method(aml, "_EJ0", 1, true);
	td_aml_op(aml, TD_AML_STORE);
	td_aml_int(aml, 1U << slot);
	td_aml_ref(aml, "EJCT");
	td_aml_close(aml, method);
	td_aml_close(aml, device);
}

/*
 * Method (PCNT, 0, Serialized) {
 *   Local0 = PLUG  Local1 = UNPL
 *   If (Local0 & bit) { Notify (S_nn, 1) }  If (Local1 & bit) { Notify (S_nn, 3) }  ... for each slot
 * }
 */
static void hotplug_method(struct td_aml *aml)
{
	size_t method = td_aml_method(aml, "PCNT", 0, true);
	char name[5];

	load(aml, "PLUG", TD_AML_LOCAL0);
	load(aml, "UNPL", TD_AML_LOCAL1);
	for (unsigned slot = 1; slot < TD_PCI_SLOTS; slot++) {
		slot_name(name, slot);
		notify_if(aml, TD_AML_LOCAL0, slot, name, NOTIFY_DEVICE_CHECK);
		notify_if(aml, TD_AML_LOCAL1, slot, name, NOTIFY_EJECT_REQUEST);
	}
	td_aml_close(aml, method);
}

/* CDW1 |= bits */
static void osc_status(struct td_aml *aml, unsigned bits)
{
	td_aml_op(aml, TD_AML_OR);
	td_aml_ref(aml, "CDW1");
	td_aml_int(aml, bits);
	td_aml_ref(aml, "CDW1");
}

static void osc_dword(struct td_aml *aml, unsigned offset, const char *name)
{
	td_aml_op(aml, TD_AML_DWORD_FIELD);
	td_aml_op(aml, TD_AML_ARG3);
	td_aml_int(aml, offset);
	td_aml_ref(aml, name);
}

/*
 * The body of _OSC for the PCI host bridge's UUID:
 *   CreateDWordField (Arg3, 8, CDW3)
 *   Local0 = CDW3 & granted
 *   If (Local0 != CDW3) { CDW1 |= 0x10 }   capabilities masked
 *   If (Arg1 != 1) { CDW1 |= 0x08 }        unknown revision
 *   CDW3 = Local0
 */
static void osc_grant(struct td_aml *aml)
{
	/*
	 * PME, AER and the PCI Express capability structure are the OS's to use: no firmware wants them. Hot-plug (bit 0 native, bit 1
	 * SHPC) is not granted: the slots are ACPI's, whose unplug needs no attention-button wait.
	 */
	const unsigned granted = 0x1c;
	size_t body;

	osc_dword(aml, 8, "CDW3");
	td_aml_op(aml, TD_AML_AND);
	td_aml_ref(aml, "CDW3");
	td_aml_int(aml, granted);
	td_aml_op(aml, TD_AML_LOCAL0);

	body = td_aml_if(aml);
	td_aml_op(aml, TD_AML_NOT);
	td_aml_op(aml, TD_AML_EQUAL);
	td_aml_op(aml, TD_AML_LOCAL0);
	td_aml_ref(aml, "CDW3");
	osc_status(aml, 0x10);
	td_aml_close(aml, body);

	body = td_aml_if(aml);
	td_aml_op(aml, TD_AML_NOT);
	td_aml_op(aml, TD_AML_EQUAL);
	td_aml_op(aml, TD_AML_ARG1);
	td_aml_int(aml, 1);
	osc_status(aml, 0x08);
	td_aml_close(aml, body);

	td_aml_op(aml, TD_AML_STORE);
	td_aml_op(aml, TD_AML_LOCAL0);
	td_aml_ref(aml, "CDW3");
}

/*
 * Method (_OSC, 4, Serialized) {
 *   CreateDWordField (Arg3, 0, CDW1)
 *   If (Arg0 == ToUUID ("33db4d5b-1ff7-401c-9657-7441c03dd766") && 2 < Arg2) { osc_grant } Else { CDW1 |= 0x04 }
 *   Return (Arg3)
 * }
 */
static void osc_method(struct td_aml *aml)
{
	static const uint8_t uuid[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40, 0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};
	size_t method = td_aml_method(aml, "_OSC", 4, true), body;

	osc_dword(aml, 0, "CDW1");
	body = td_aml_if(aml);
	td_aml_op(aml, TD_AML_LAND);
	td_aml_op(aml, TD_AML_EQUAL);
	td_aml_op(aml, TD_AML_ARG0);
	td_aml_buffer(aml, uuid, sizeof(uuid));
	td_aml_op(aml, TD_AML_LESS);
	td_aml_int(aml, 2);
	td_aml_op(aml, TD_AML_ARG2);
	osc_grant(aml);
	td_aml_close(aml, body);
	body = td_aml_else(aml);
	osc_status(aml, 0x04);
	td_aml_close(aml, body);
	td_aml_op(aml, TD_AML_RETURN);
	td_aml_op(aml, TD_AML_ARG3);
	td_aml_close(aml, method);
}

static void pci_root(const struct td_vm *vm, struct td_aml *aml)
{
	static const char *const fields[] = {"PLUG", "UNPL", "EJCT"};
	size_t device = td_aml_device(aml, "PCI0");
	struct td_aml res = {0};

	identity(aml, "PNP0A08", 0);
	td_aml_name_eisa(aml, "_CID", "PNP0A03");
	td_aml_name_int(aml, "_SEG", 0);
	td_aml_name_int(aml, "_BBN", 0);
	td_aml_res_bus(&res, 0, 0);
	if (td_acpi_dsdt_has_port(vm, 0xcf8))
		td_aml_res_io(&res, 0xcf8, 8);
	td_aml_res_window_io(&res, TD_PCI_PIO_BASE, TD_PCI_PIO_BYTES);
	td_aml_res_window_mem32(&res, (uint32_t)TD_PCI_MMIO32_BASE, (uint32_t)TD_PCI_MMIO32_BYTES);
	td_aml_res_window_mem64(&res, vm->pci.mmio64_base, TD_PCI_MMIO64_BYTES);
	td_aml_name_resources(aml, "_CRS", &res);
	osc_method(aml);
	td_aml_io_region(aml, "HPIO", TD_ACPI_PORT_HOTPLUG, TD_ACPI_HOTPLUG_BYTES);
	td_aml_dword_fields(aml, "HPIO", fields, TD_COUNT(fields));
	for (unsigned slot = 1; slot < TD_PCI_SLOTS; slot++)
		slot_device(aml, slot);
	hotplug_method(aml);
	td_aml_close(aml, device);
}

/* What Linux wants to see before it believes MCFG, and our own ports. */
static void motherboard(struct td_aml *aml)
{
	size_t device = td_aml_device(aml, "MBRD");
	struct td_aml res = {0};

	identity(aml, "PNP0C02", 0);
	td_aml_res_mem32(&res, (uint32_t)TD_PCI_ECAM_BASE, (uint32_t)TD_PCI_ECAM_BYTES);
	td_aml_res_io(&res, TD_ACPI_PORT_SLEEP, TD_ACPI_PORT_HOTPLUG + TD_ACPI_HOTPLUG_BYTES - TD_ACPI_PORT_SLEEP);
	td_aml_name_resources(aml, "_CRS", &res);
	td_aml_close(aml, device);
}

static void legacy_devices(const struct td_vm *vm, struct td_aml *aml)
{
	static const struct {
		const char *name, *hid;
		uint16_t port;
		uint8_t len_bytes, irq, uid; /* irq 0: none */
	} known[] = {
		{"COM1", "PNP0501", 0x3f8, 8, 4, 1},
		{"COM2", "PNP0501", 0x2f8, 8, 3, 2},
		{"RTC_", "PNP0B00", 0x70, 2, 0, 0},
	};

	for (unsigned i = 0; i < TD_COUNT(known); i++) {
		struct td_aml res = {0};
		size_t device;

		if (!td_acpi_dsdt_has_port(vm, known[i].port))
			continue;
		device = td_aml_device(aml, known[i].name);
		identity(aml, known[i].hid, known[i].uid);
		td_aml_res_io(&res, known[i].port, known[i].len_bytes);
		if (known[i].irq)
			td_aml_res_irq(&res, known[i].irq);
		td_aml_name_resources(aml, "_CRS", &res);
		td_aml_close(aml, device);
	}
}

/*
 * Device (PWRB) { Name (_HID, EisaId ("PNP0C0C")) }
 * Device (GED0) {
 *   Name (_HID, "ACPI0013")  Name (_CRS, Interrupt (Level, ActiveHigh) { 9 })
 *   OperationRegion (EVIO, SystemIO, 0x608, 4)  Field { EVST, 32 }
 *   Method (_EVT, 1, Serialized) {
 *     Local0 = EVST
 *     If (Local0 & 1) { Notify (PWRB, 0x80) }
 *     If (Local0 & 2) { \_SB.PCI0.PCNT () }
 *   }
 * }
 */
static void event_device(struct td_aml *aml)
{
	static const char *const fields[] = {"EVST"};
	struct td_aml res = {0};
	size_t device = td_aml_device(aml, "PWRB"), method, body;

	identity(aml, "PNP0C0C", 0);
	td_aml_close(aml, device);

	device = td_aml_device(aml, "GED0");
	td_aml_name_string(aml, "_HID", "ACPI0013");
	td_aml_name_int(aml, "_UID", 0);
	td_aml_res_interrupt_level(&res, TD_ACPI_GSI_EVENT);
	td_aml_name_resources(aml, "_CRS", &res);
	td_aml_io_region(aml, "EVIO", TD_ACPI_PORT_EVENT, 4);
	td_aml_dword_fields(aml, "EVIO", fields, TD_COUNT(fields));
	method = td_aml_method(aml, "_EVT", 1, true);
	load(aml, "EVST", TD_AML_LOCAL0);
	static_assert(TD_ACPI_EVENT_POWER == 1U << 0 && TD_ACPI_EVENT_HOTPLUG == 1U << 1, "bits below");
	notify_if(aml, TD_AML_LOCAL0, 0, "\\_SB_.PWRB", NOTIFY_BUTTON);
	body = td_aml_if(aml);
	bit_of(aml, TD_AML_LOCAL0, 1);
	td_aml_ref(aml, "\\_SB_.PCI0.PCNT");
	td_aml_close(aml, body);
	td_aml_close(aml, method);
	td_aml_close(aml, device);
}

int td_acpi_dsdt_body(const struct td_vm *vm, struct td_aml *aml)
{
	static const uint8_t s5[] = {5, 0, 0, 0};
	size_t scope = td_aml_scope(aml, "\\_SB_");

	pci_root(vm, aml);
	motherboard(aml);
	legacy_devices(vm, aml);
	event_device(aml);
	td_aml_close(aml, scope);
	td_aml_name_package(aml, "\\_S5_", s5, TD_COUNT(s5));
	return aml->failed ? -ENOMEM : 0;
}
