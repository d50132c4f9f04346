/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ACPI tables as bytes in guest RAM, the registers behind them, and the AML builder. The DSDT also goes through iasl (acpica-tools)
 * where that is installed: disassembled, compiled again without an error or warning, and looked into.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/acpi.h"
#include "core/aml.h"
#include "core/vm.h"

static enum td_result nothing(struct td_io_region *region, struct td_access *access)
{
	(void)region, (void)access;
	return TD_DONE;
}

struct fixture {
	struct td_vm vm;
	struct td_io_region com1, rtc;
	uint8_t *acpi; /* TD_BOOT_ACPI in host memory */
};

static int setup(void **state)
{
	static const struct td_mem_config mem = {.size_bytes = 4 * TD_MIB};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	td_log_set_level(TD_LOG_ERROR);
	f->vm.kvm.fd = f->vm.kvm.vm_fd = -1;
	f->vm.kvm.phys_bits = 40;
	f->vm.irq.kvm = &f->vm.kvm;
	f->vm.config.cpus = 3;
	f->vm.devices_tail = &f->vm.devices;
	td_lock_init(&f->vm.lock);
	assert_int_equal(td_loop_init(&f->vm.loop, NULL, NULL), 0);
	assert_int_equal(td_mem_init(&f->vm.mem, &mem, NULL), 0);
	assert_int_equal(td_pci_init(&f->vm.pci, &f->vm, NULL), 0);
	assert_int_equal(td_acpi_init(&f->vm, NULL), 0);
	f->com1 = (struct td_io_region){.name = "com1", .base = 0x3f8, .len = 8, .access = nothing};
	f->rtc = (struct td_io_region){.name = "rtc", .base = 0x70, .len = 2, .access = nothing};
	assert_int_equal(td_bus_add(&f->vm.pio, &f->com1), 0);
	assert_int_equal(td_bus_add(&f->vm.pio, &f->rtc), 0);
	f->acpi = td_mem_ptr(&f->vm.mem, TD_GPA(TD_BOOT_ACPI), TD_BOOT_ACPI_MAX);
	assert_non_null(f->acpi);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->vm.devices->ops->destroy(f->vm.devices);
	td_pci_fini(&f->vm.pci);
	td_bus_fini(&f->vm.mmio);
	td_bus_fini(&f->vm.pio);
	td_mem_fini(&f->vm.mem);
	td_loop_fini(&f->vm.loop);
	td_lock_fini(&f->vm.lock);
	free(f);
	return 0;
}

static uint64_t get64(const uint8_t *p, unsigned offset)
{
	return td_pci_get32(p, offset) | (uint64_t)td_pci_get32(p, offset + 4) << 32;
}

static uint8_t sum(const uint8_t *p, uint32_t len_bytes)
{
	uint8_t total = 0;

	for (uint32_t i = 0; i < len_bytes; i++)
		total = (uint8_t)(total + p[i]);
	return total;
}

static const uint8_t *table_at(const struct fixture *f, uint64_t gpa, const char *signature)
{
	const uint8_t *table;

	assert_in_range(gpa, TD_BOOT_ACPI, TD_BOOT_ACPI + TD_BOOT_ACPI_MAX - 36);
	assert_int_equal(gpa % 16, 0);
	table = f->acpi + (gpa - TD_BOOT_ACPI);
	assert_memory_equal(table, signature, 4);
	assert_in_range(td_pci_get32(table, 4), 36, TD_BOOT_ACPI_MAX);
	assert_int_equal(sum(table, td_pci_get32(table, 4)), 0);
	return table;
}

/* Walks from the RSDP, as a kernel does. */
static const uint8_t *find_table(const struct fixture *f, const char *signature)
{
	const uint8_t *xsdt;

	assert_memory_equal(f->acpi, "RSD PTR ", 8);
	assert_int_equal(sum(f->acpi, 20), 0);
	assert_int_equal(sum(f->acpi, 36), 0);
	xsdt = table_at(f, get64(f->acpi, 24), "XSDT");
	for (unsigned at = 36; at < td_pci_get32(xsdt, 4); at += 8) {
		const uint8_t *table = f->acpi + (get64(xsdt, at) - TD_BOOT_ACPI);

		if (memcmp(table, signature, 4) == 0)
			return table_at(f, get64(xsdt, at), signature);
	}
	fail_msg("no table %s", signature);
	return NULL;
}

static const uint8_t *find_dsdt(const struct fixture *f)
{
	return table_at(f, get64(find_table(f, "FACP"), 140), "DSDT");
}

static void tables_hang_together(void **state)
{
	struct fixture *f = *state;
	const uint8_t *fadt, *madt, *mcfg;
	unsigned cpus = 0, ioapics = 0, at;

	assert_int_equal(td_acpi_write_tables(&f->vm, NULL), 0);
	fadt = find_table(f, "FACP");
	assert_int_equal(td_pci_get32(fadt, 4), 276);
	assert_int_equal(td_pci_get32(fadt, 112) & (1U << 20 | 1U << 10 | 1U << 4), 1U << 20 | 1U << 10 | 1U << 4);
	assert_int_equal(td_pci_get16(fadt, 109), 1 << 2);
	assert_int_equal(fadt[116], 1); /* reset register: a byte-wide port */
	assert_int_equal(get64(fadt, 120), 0x604);
	assert_int_equal(fadt[128], 1);
	assert_int_equal(get64(fadt, 248), 0x600);
	assert_int_equal(get64(fadt, 260), 0x601);
	madt = find_table(f, "APIC");
	for (at = 44; at < td_pci_get32(madt, 4); at += madt[at + 1]) {
		assert_in_range(madt[at + 1], 2, 16);
		if (madt[at] == 0) {
			assert_int_equal(madt[at + 3], cpus);
			cpus++;
		}
		if (madt[at] == 1) {
			assert_int_equal(td_pci_get32(madt, at + 4), 0xfec00000);
			ioapics++;
		}
	}
	assert_int_equal(at, td_pci_get32(madt, 4));
	assert_int_equal(cpus, 3);
	assert_int_equal(ioapics, 1);
	mcfg = find_table(f, "MCFG");
	assert_int_equal(td_pci_get32(mcfg, 4), 60);
	assert_int_equal(get64(mcfg, 44), TD_PCI_ECAM_BASE);
	assert_int_equal(td_pci_get32(mcfg, 52), 0);
	assert_memory_equal(f->acpi + 0x1fff0, "\xba\x04\x06\xb0\x01\xee", 6); /* out 0x604, 1 */
}

static void absent_devices_are_not_described(void **state)
{
	struct fixture *f = *state;
	const uint8_t *dsdt;

	assert_int_equal(td_acpi_write_tables(&f->vm, NULL), 0);
	dsdt = find_dsdt(f);
	assert_non_null(memmem(dsdt, td_pci_get32(dsdt, 4), "COM1", 4));
	assert_null(memmem(dsdt, td_pci_get32(dsdt, 4), "COM2", 4));
	assert_non_null(memmem(dsdt, td_pci_get32(dsdt, 4), "RTC_", 4));
	td_bus_remove(&f->vm.pio, &f->com1);
	td_bus_remove(&f->vm.pio, &f->rtc);
	assert_int_equal(td_acpi_write_tables(&f->vm, NULL), 0);
	dsdt = find_dsdt(f);
	assert_null(memmem(dsdt, td_pci_get32(dsdt, 4), "COM1", 4));
	assert_null(memmem(dsdt, td_pci_get32(dsdt, 4), "RTC_", 4));
	assert_int_equal(td_pci_get16(find_table(f, "FACP"), 109), 1 << 2 | 1 << 5);
}

static void as_many_cpus_as_can_be(void **state)
{
	struct fixture *f = *state;

	f->vm.config.cpus = 254;
	assert_int_equal(td_acpi_write_tables(&f->vm, NULL), 0);
	assert_int_equal(td_pci_get32(find_table(f, "APIC"), 4), 44 + 254 * 8 + 12 + 2 * 10 + 6);
}

static enum td_result io(struct fixture *f, unsigned port, unsigned width, bool write, uint64_t *value)
{
	struct td_access access = {.offset = port, .width = (uint8_t)width, .write = write, .value = *value};
	enum td_result result = td_bus_dispatch(&f->vm.pio, &access);

	*value = access.value;
	return result;
}

static void events_are_read_once(void **state)
{
	struct fixture *f = *state;
	uint64_t value = 0;

	td_acpi_event(&f->vm, TD_ACPI_EVENT_POWER);
	td_acpi_event(&f->vm, TD_ACPI_EVENT_HOTPLUG);
	assert_int_equal(io(f, 0x608, 4, false, &value), TD_DONE);
	assert_int_equal(value, 3);
	assert_int_equal(io(f, 0x608, 4, false, &value), TD_DONE);
	assert_int_equal(value, 0);
	td_acpi_event(&f->vm, TD_ACPI_EVENT_POWER);
	f->vm.devices->ops->reset(f->vm.devices);
	assert_int_equal(io(f, 0x608, 4, false, &value), TD_DONE);
	assert_int_equal(value, 0);
}

static void odd_accesses_fault(void **state)
{
	struct fixture *f = *state;
	static const struct {
		unsigned port, width;
		bool write;
	} bad[] = {{0x608, 1, false}, {0x608, 4, true}, {0x600, 2, true}, {0x600, 4, false}, {0x602, 1, true}, {0x606, 4, false}};

	for (unsigned i = 0; i < TD_COUNT(bad); i++) {
		uint64_t value = 0x34;

		assert_int_equal(io(f, bad[i].port, bad[i].width, bad[i].write, &value), TD_FAULT);
	}
	assert_int_equal(f->vm.end, TD_VM_END_NONE);
}

static void aml_integers_and_lengths(void **state)
{
	static const uint8_t expected[] = {
		0x00, 0x01, 0x0a, 0x02, 0x0b, 0x34, 0x12, 0x0c, 0x78, 0x56, 0x34, 0x12, 0x0e, 0, 0, 0, 0, 1, 0, 0, 0};
	/* Body bytes besides the name, and the PkgLength expected: the edges of 1, 2 and 3 bytes. */
	static const struct {
		size_t body;
		uint8_t coded[3];
	} lengths[] = {{58, {0x3f}}, {59, {0x41, 0x04}}, {4089, {0x4f, 0xff}}, {4090, {0x81, 0x00, 0x01}}};
	struct td_aml aml = {0};

	(void)state;
	td_aml_int(&aml, 0);
	td_aml_int(&aml, 1);
	td_aml_int(&aml, 2);
	td_aml_int(&aml, 0x1234);
	td_aml_int(&aml, 0x12345678);
	td_aml_int(&aml, 1ULL << 32);
	assert_int_equal(aml.len, sizeof(expected));
	assert_memory_equal(aml.data, expected, sizeof(expected));
	td_aml_fini(&aml);
	for (unsigned i = 0; i < TD_COUNT(lengths); i++) {
		static const uint8_t zeros[8192];
		size_t body = td_aml_scope(&aml, "ABCD");

		td_aml_bytes(&aml, zeros, lengths[i].body);
		td_aml_close(&aml, body);
		for (unsigned b = 0; b < 3 && lengths[i].coded[b]; b++)
			assert_int_equal(aml.data[1 + b], lengths[i].coded[b]);
		assert_memory_equal(aml.data + aml.len - lengths[i].body - 4, "ABCD", 4);
		td_aml_fini(&aml);
	}
}

static void write_file(const char *path, const uint8_t *data, size_t len_bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len_bytes, file), len_bytes);
	assert_int_equal(fclose(file), 0);
}

static void iasl_understands_the_dsdt(void **state)
{
	struct fixture *f = *state;
	const uint8_t *dsdt;

	if (system("command -v iasl >/dev/null")) {
		print_message("SKIP: iasl_understands_the_dsdt: iasl is not installed (Debian package acpica-tools)\n");
		skip();
	}
	char directory[] = "/tmp/tandem-acpi-XXXXXX";

	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(td_acpi_write_tables(&f->vm, NULL), 0);
	dsdt = find_dsdt(f);
	write_file("dsdt.aml", dsdt, td_pci_get32(dsdt, 4));
	write_file("facp.aml", find_table(f, "FACP"), td_pci_get32(find_table(f, "FACP"), 4));
	write_file("apic.aml", find_table(f, "APIC"), td_pci_get32(find_table(f, "APIC"), 4));
	write_file("mcfg.aml", find_table(f, "MCFG"), td_pci_get32(find_table(f, "MCFG"), 4));
	assert_int_equal(system("iasl -d dsdt.aml >log 2>&1 && iasl -we -oa -p again dsdt.dsl >>log 2>&1 || { cat log; exit 1; }"), 0);
	assert_int_equal(system("for t in facp apic mcfg; do iasl -d $t.aml >log 2>&1 && iasl -p $t.2 $t.dsl >>log 2>&1 && "
				"! grep -iE 'warning|error 6|invalid|incorrect' $t.dsl || { cat log; exit 1; }; done"),
		0);
	/* Compiled again it is the same program, though not always the same bytes. */
	assert_int_equal(system("iasl -d -p again again.aml >log 2>&1; tail -n +20 dsdt.dsl >a; tail -n +20 again.dsl >b; cmp a b"), 0);
	assert_int_equal(system("grep -q 'Notify (S_1F, 0x03)' dsdt.dsl && grep -q 'EJCT = 0x80000000' dsdt.dsl"), 0);
	assert_int_equal(chdir("/"), 0);
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tables_hang_together),
		TEST(absent_devices_are_not_described),
		TEST(as_many_cpus_as_can_be),
		TEST(events_are_read_once),
		TEST(odd_accesses_fault),
		cmocka_unit_test(aml_integers_and_lengths),
		TEST(iasl_understands_the_dsdt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
