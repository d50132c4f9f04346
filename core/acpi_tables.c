/* SPDX-License-Identifier: Apache-2.0 */
/*
 * acpi_tables.c - RSDP, XSDT, FADT, MADT, MCFG and DSDT as bytes in guest RAM. Offsets are those of ACPI 6.4 §5.2; MCFG: PCI Firmware 3.2.
 */
#include <errno.h>
#include <string.h>

#include "core/acpi.h"
#include "core/aml.h"
#include "core/vm.h"

#define HEADER_BYTES 36U
#define RSDP_BYTES   36U
#define FADT_BYTES   276U
#define IOAPIC_BASE  0xfec00000U
#define LAPIC_BASE   0xfee00000U
#define RESET_VECTOR 0xffff0ULL

/* Tables are built one after another into one buffer, whose first byte will stand at TD_BOOT_ACPI. */
struct builder {
	struct td_aml out; /* a growing buffer is all that is needed */
	uint64_t table[8];
	unsigned table_count;
};

static void put(struct td_aml *out, uint64_t value, unsigned bytes)
{
	uint8_t le[8];

	for (unsigned i = 0; i < bytes; i++)
		le[i] = (uint8_t)(value >> (8 * i));
	td_aml_bytes(out, le, bytes);
}

static void put_zeros(struct td_aml *out, size_t count)
{
	while (count--)
		put(out, 0, 1);
}

static uint8_t checksum(const uint8_t *data, size_t len_bytes)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len_bytes; i++)
		sum = (uint8_t)(sum + data[i]);
	return (uint8_t)-sum;
}

static size_t begin_table(struct builder *b, const char *signature, uint8_t revision)
{
	size_t start;

	while (b->out.len % 16 && !b->out.failed)
		put(&b->out, 0, 1);
	start = b->out.len;
	td_aml_bytes(&b->out, signature, 4);
	put(&b->out, 0, 4); /* length, by end_table() */
	put(&b->out, revision, 1);
	put(&b->out, 0, 1); /* checksum, by end_table() */
	td_aml_bytes(&b->out, "TANDEM", 6);
	td_aml_bytes(&b->out, "TANDEMVM", 8);
	put(&b->out, 1, 4);
	td_aml_bytes(&b->out, "TNDM", 4);
	put(&b->out, 1, 4);
	return start;
}

static void set32(struct td_aml *out, size_t offset, uint32_t value)
{
	if (!out->failed)
		td_pci_set32(out->data, (unsigned)offset, value);
}

static uint64_t end_table(struct builder *b, size_t start)
{
	size_t len = b->out.len - start;

	set32(&b->out, start + 4, (uint32_t)len);
	if (!b->out.failed)
		b->out.data[start + 9] = checksum(b->out.data + start, len);
	return TD_BOOT_ACPI + start;
}

static void list_table(struct builder *b, uint64_t gpa)
{
	b->table[b->table_count++] = gpa;
}

static uint64_t build_dsdt(struct builder *b, const struct td_vm *vm)
{
	size_t start = begin_table(b, "DSDT", 2); /* 2: integers of 64 bits */
	struct td_aml body = {0};

	if (td_acpi_dsdt_body(vm, &body))
		b->out.failed = true;
	td_aml_bytes(&b->out, body.data, body.len);
	td_aml_fini(&body);
	return end_table(b, start);
}

/* Generic address structure: a byte-wide port. */
static void put_port(struct td_aml *out, uint16_t port)
{
	put(out, 1, 1); /* system IO */
	put(out, 8, 1);
	put(out, 0, 1);
	put(out, 1, 1);
	put(out, port, 8);
}

static void build_fadt(struct builder *b, const struct td_vm *vm, uint64_t dsdt)
{
	/* WBINVD works; power and sleep button are not fixed hardware; RTC wake is none; reset register; no display needed; HW-reduced. */
	const uint32_t flags = 1U << 0 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 10 | 1U << 12 | 1U << 20;
	/* No VGA to probe; no CMOS clock when there is none; no i8042 (bit 1 is clear). */
	const uint16_t boot_arch = (uint16_t)(1U << 2 | (td_acpi_dsdt_has_port(vm, 0x70) ? 0 : 1U << 5));
	struct td_aml *out = &b->out;
	size_t start = begin_table(b, "FACP", 6);

	put_zeros(out, 109 - HEADER_BYTES); /* no FACS, no fixed hardware */
	put(out, boot_arch, 2);
	put(out, 0, 1);
	put(out, flags, 4);
	put_port(out, TD_ACPI_PORT_SLEEP + 4); /* RESET_REG */
	put(out, 1, 1);			       /* RESET_VALUE */
	put(out, 0, 2);
	put(out, 4, 1); /* minor version: 6.4 */
	put(out, 0, 8); /* X_FIRMWARE_CTRL */
	put(out, dsdt, 8);
	put_zeros(out, 244 - 148);
	put_port(out, TD_ACPI_PORT_SLEEP);     /* SLEEP_CONTROL_REG */
	put_port(out, TD_ACPI_PORT_SLEEP + 1); /* SLEEP_STATUS_REG */
	td_aml_bytes(out, "TANDEM\0\0", 8);    /* hypervisor vendor identity */
	list_table(b, end_table(b, start));
}

static void build_madt(struct builder *b, const struct td_vm *vm)
{
	/* ISA interrupts that are not as ISA has them: IRQ 0 is pin 2, the event device's is level-triggered. */
	static const struct {
		uint8_t irq, pin;
		uint16_t flags;
	} overrides[] = {{0, 2, 0}, {TD_ACPI_GSI_EVENT, TD_ACPI_GSI_EVENT, 0x0d}};
	struct td_aml *out = &b->out;
	size_t start = begin_table(b, "APIC", 5);

	put(out, LAPIC_BASE, 4);
	put(out, 1, 4); /* there are 8259s too */
	for (unsigned i = 0; i < vm->config.cpus; i++) {
		put(out, 0x0800, 2); /* local APIC */
		put(out, i, 1);
		put(out, i, 1);
		put(out, 1, 4);
	}
	put(out, 0x0c01, 2); /* IOAPIC */
	put(out, 0, 2);
	put(out, IOAPIC_BASE, 4);
	put(out, 0, 4);
	for (unsigned i = 0; i < TD_COUNT(overrides); i++) {
		put(out, 0x0a02, 2);
		put(out, 0, 1);
		put(out, overrides[i].irq, 1);
		put(out, overrides[i].pin, 4);
		put(out, overrides[i].flags, 2);
	}
	put(out, 0x0604, 2); /* NMI of every CPU on LINT1 */
	put(out, 0xff, 1);
	put(out, 0, 2);
	put(out, 1, 1);
	list_table(b, end_table(b, start));
}

static void build_mcfg(struct builder *b)
{
	size_t start = begin_table(b, "MCFG", 1);

	put(&b->out, 0, 8);
	put(&b->out, TD_PCI_ECAM_BASE, 8);
	put(&b->out, 0, 2); /* segment */
	put(&b->out, 0, 1); /* first bus */
	put(&b->out, 0, 1); /* last bus */
	put(&b->out, 0, 4);
	list_table(b, end_table(b, start));
}

static uint64_t build_xsdt(struct builder *b)
{
	size_t start = begin_table(b, "XSDT", 1);

	for (unsigned i = 0; i < b->table_count; i++)
		put(&b->out, b->table[i], 8);
	return end_table(b, start);
}

static void fill_rsdp(struct builder *b, uint64_t xsdt)
{
	uint8_t *rsdp = b->out.data;

	if (b->out.failed)
		return;
	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "TANDEM", 6);
	rsdp[15] = 2;
	td_pci_set32(rsdp, 20, RSDP_BYTES);
	td_pci_set32(rsdp, 24, (uint32_t)xsdt);
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, RSDP_BYTES);
}

/*
 * What a PC's firmware has at F000:FFF0. Linux, where it finds hardware-reduced ACPI without EFI, does not use the reset register to reboot
 * but jumps here in real mode (arch/x86/kernel/reboot.c: BOOT_EFI, then BOOT_BIOS). So do bare kernels.
 */
static bool write_reset_vector(const struct td_mem *mem)
{
	static const uint8_t code[] = {
		0xba, (TD_ACPI_PORT_SLEEP + 4) & 0xff, (TD_ACPI_PORT_SLEEP + 4) >> 8, /* mov dx, reset register */
		0xb0, 0x01,							      /* mov al, 1 */
		0xee,								      /* out dx, al */
		0xf4,								      /* hlt */
		0xeb, 0xfd,							      /* jmp to the hlt */
	};

	return td_mem_write(mem, TD_GPA(RESET_VECTOR), code, sizeof(code));
}

int td_acpi_write_tables(struct td_vm *vm, struct td_err *err)
{
	struct builder b = {0};
	int rc = 0;

	put_zeros(&b.out, RSDP_BYTES);
	build_fadt(&b, vm, build_dsdt(&b, vm));
	build_madt(&b, vm);
	build_mcfg(&b);
	fill_rsdp(&b, build_xsdt(&b));
	if (b.out.failed)
		rc = td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "ACPI tables");
	else if (b.out.len > RESET_VECTOR - TD_BOOT_ACPI || !td_mem_write(&vm->mem, TD_GPA(TD_BOOT_ACPI), b.out.data, b.out.len) ||
		 !write_reset_vector(&vm->mem))
		rc = td_err_set(err, E2BIG, TD_REASON_NO_MEMORY, "ACPI tables of %zu bytes do not fit the guest's memory", b.out.len);
	td_aml_fini(&b.out);
	return rc;
}
