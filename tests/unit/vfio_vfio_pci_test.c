/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_vfio_pci_test.c - a guest's function-level resets of a VF whose descriptor is a file and whose reset takes as long as the test
 * likes; and the page that traps until the guest opens its receive queue. What a kernel and a card do is tested in the lab. Needs /dev/kvm.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <semaphore.h>
#include <sys/mman.h>

#include "core/vf82576.h"
#include "tests/unit/virtio_driver.h"
#include "vfio/vfio_dev.h"

struct vf {
	struct td_vm *vm;
	struct td_vfio_pci *dev;
	sem_t go_on;
	_Atomic unsigned resets;
};

static struct vf *vf;

static void slow_reset(struct td_vfio_open *open)
{
	(void)open;
	atomic_fetch_add(&vf->resets, 1);
	while (sem_wait(&vf->go_on) < 0)
		;
}

static int setup(void **state)
{
	struct td_vfio_pci_config config = {.name = "vf0", .bdf = "0000:01:10.0", .group = 1};
	const struct td_vfio_function function = {.ids = {.vendor = 0x1234, .device = 1}, .has_pcie = true};
	static const uint64_t no_bars[TD_PCI_BARS];

	vf = calloc(1, sizeof(*vf));
	*state = vf;
	sem_init(&vf->go_on, 0, 0);
	vf->vm = driver_make_vm();
	if (!vf->vm)
		return 0;
	td_log_set_level(TD_LOG_ERROR);
	assert_int_equal(td_vfio_pci_create(vf->vm, NULL, &config, &vf->dev, NULL), 0);
	struct td_vfio_pci *dev = vf->dev;
	dev->open.device_fd = memfd_create("vf", MFD_CLOEXEC);
	dev->open.can_reset = true;
	dev->open.before_reset = slow_reset;
	assert_int_equal(td_vfio_open_watch_events(&dev->open, NULL), 0);
	assert_int_equal(td_pci_dev_init(&dev->pci, vf->vm, "vf0", dev->pci.ops, dev->pci.device.ops, &function.ids, NULL), 0);
	assert_int_equal(td_vfio_config_build(&dev->pci, &function, no_bars, true, &dev->pcie_cap, NULL), 0);
	dev->state = TD_VFIO_WARM;
	assert_int_equal(td_vfio_pci_attach(dev, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		sem_post(&vf->go_on);
	if (vf->vm)
		driver_free_vm(vf->vm);
	sem_destroy(&vf->go_on);
	free(vf);
	return 0;
}

static void write_config(unsigned at, uint16_t value)
{
	td_pci_set16(vf->dev->pci.config, at, value);
	vf->dev->pci.ops->config_written(&vf->dev->pci, at, 2);
}

static void ask_for_reset(void)
{
	write_config(vf->dev->pcie_cap + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_BCR_FLR);
}

static uint16_t hardware_command(void)
{
	uint16_t command = 0;

	(void)!pread(vf->dev->open.device_fd, &command, sizeof(command), PCI_COMMAND);
	return command;
}

static bool reset_began(unsigned count)
{
	for (unsigned ms = 0; ms < 1000 && atomic_load(&vf->resets) < count; ms++)
		usleep(1000);
	return atomic_load(&vf->resets) == count;
}

/* As a guest reads it: by ports, and in the window. */
static uint32_t read_command(void)
{
	struct td_access access = {.offset = PCI_COMMAND, .width = 4};
	const struct td_pci *pci = &vf->vm->pci;
	uint32_t seen = 0;

	td_pci_config_access(&vf->vm->pci, (unsigned)vf->dev->pci.slot * 8, &access);
	if (pci->window.host) {
		memcpy(&seen, pci->window.host + (uint64_t)vf->dev->pci.slot * 8 * TD_PAGE + PCI_COMMAND, sizeof(seen));
		assert_int_equal(seen, access.value);
	}
	return (uint32_t)access.value;
}

/* A driver that asked for a reset sees that it is not over, and what it wrote meanwhile when it is. */
static void test_not_ready_in_a_reset(void **state)
{
	(void)state;
	if (!vf->vm)
		skip();
	alarm(20);
	ask_for_reset();
	assert_true(reset_began(1));
	assert_int_equal(read_command(), UINT32_MAX);
	write_config(PCI_COMMAND, PCI_COMMAND_MASTER);
	ask_for_reset();
	write_config(PCI_COMMAND, PCI_COMMAND_MASTER);
	assert_int_equal(read_command(), UINT32_MAX);
	sem_post(&vf->go_on);
	for (unsigned ms = 0; ms < 1000 && read_command() == UINT32_MAX; ms++)
		driver_run(vf->vm, 1);
	assert_int_equal(read_command() & UINT16_MAX, PCI_COMMAND_MASTER);
	/* One that leaves meanwhile comes back ready. */
	ask_for_reset();
	assert_true(reset_began(2));
	td_vfio_pci_detach(vf->dev);
	sem_post(&vf->go_on);
	assert_int_equal(td_vfio_pci_attach(vf->dev, NULL), 0);
	assert_int_not_equal(read_command(), UINT32_MAX);
	alarm(0);
}

/* On a vCPU's thread, with the VM's lock: who waits there for a reset stops the whole VM. */
static void test_resets_in_a_row(void **state)
{
	(void)state;
	if (!vf->vm)
		skip();
	alarm(20);
	write_config(PCI_COMMAND, PCI_COMMAND_MASTER);
	assert_true(hardware_command() & PCI_COMMAND_MASTER);
	ask_for_reset();
	assert_true(reset_began(1));
	assert_false(hardware_command() & PCI_COMMAND_MASTER);
	for (unsigned i = 0; i < 100; i++) {
		ask_for_reset();
		write_config(PCI_COMMAND, PCI_COMMAND_MASTER);
	}
	assert_false(hardware_command() & PCI_COMMAND_MASTER); /* the kernel holds it off */
	driver_run(vf->vm, 5);
	assert_false(vf->dev->open.bus_master);
	sem_post(&vf->go_on);
	for (unsigned ms = 0; ms < 1000 && !vf->dev->open.bus_master; ms++)
		driver_run(vf->vm, 1);
	assert_true(hardware_command() & PCI_COMMAND_MASTER); /* what was asked for last */
	assert_int_equal(atomic_load(&vf->resets), 1);
	/* Over: the next one is a new one, and takes back what was asked for before it. */
	ask_for_reset();
	assert_true(reset_began(2));
	write_config(PCI_COMMAND, PCI_COMMAND_MASTER);
	ask_for_reset();
	sem_post(&vf->go_on);
	driver_run(vf->vm, 50);
	assert_false(hardware_command() & PCI_COMMAND_MASTER);
	alarm(0);
}

/* A pause waits for it, and finds the VF in use when the guest had said so meanwhile. */
static void test_pause_in_a_reset(void **state)
{
	(void)state;
	if (!vf->vm)
		skip();
	alarm(20);
	ask_for_reset();
	assert_true(reset_began(1));
	sem_post(&vf->go_on);
	assert_int_equal(vf->dev->pci.device.ops->quiesce(&vf->dev->pci.device), 0);
	ask_for_reset();
	assert_true(reset_began(2));
	write_config(PCI_COMMAND, PCI_COMMAND_MASTER);
	sem_post(&vf->go_on);
	assert_int_equal(vf->dev->pci.device.ops->quiesce(&vf->dev->pci.device), -EBUSY);
	alarm(0);
}

/* ---- the page of the receive queue ---- */

#define BAR_AT 0xc0000000ULL

static unsigned openings;

/* The card does not know of it yet. */
static void opening(void *opaque)
{
	uint32_t control = 0;

	(void)opaque;
	openings++;
	(void)!pread(vf->dev->open.device_fd, &control, sizeof(control), TD_VF_RXDCTL);
	assert_false(control & TD_VF_QUEUE_ENABLE);
}

static void write_reg(uint32_t offset, uint32_t value)
{
	struct td_access access = {.offset = offset, .width = 4, .write = true, .value = value};

	assert_int_equal(td_vfio_bar_access(vf->dev, 0, &access), TD_DONE);
}

/* BAR 0 of an 82576 VF whose registers are the file's. */
static void make_bar(struct td_vfio_pci *dev)
{
	static const struct td_vfio_area areas[] = {{.len_bytes = TD_VF82576_PAGE_QUEUES},
		{.offset = TD_VF82576_PAGE_QUEUES + TD_PAGE, .len_bytes = TD_PAGE},
		{.offset = TD_VF82576_PAGE_QUEUES, .len_bytes = TD_PAGE, .of_rx = true}};
	struct td_vfio_bar *bar = &dev->bar[0];

	assert_int_equal(ftruncate(dev->open.device_fd, TD_VF82576_BAR0_BYTES), 0);
	*bar = (struct td_vfio_bar){.size_bytes = TD_VF82576_BAR0_BYTES, .area_count = TD_COUNT(areas)};
	for (unsigned i = 0; i < TD_COUNT(areas); i++) {
		bar->area[i] = areas[i];
		bar->area[i].host =
			mmap(NULL, areas[i].len_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, dev->open.device_fd, (off_t)areas[i].offset);
		assert_ptr_not_equal(bar->area[i].host, MAP_FAILED);
	}
	dev->intel.known = true;
	dev->events.opening = opening;
	dev->pci.bar[0].addr = BAR_AT;
}

static void check_page(bool open, unsigned said)
{
	const struct td_vfio_area *area = vf->dev->bar[0].area;

	assert_true(area[0].in_guest && area[1].in_guest);
	assert_int_equal(area[2].in_guest, open);
	assert_int_equal(openings, said);
}

static void test_opening(void **state)
{
	(void)state;
	if (!vf->vm)
		skip();
	struct td_vfio_pci *dev = vf->dev;
	openings = 0;
	make_bar(dev);
	td_vfio_bar_trap_rx(dev);
	td_vfio_bar_show(dev, 0);
	check_page(false, 0);
	write_reg(TD_VF_RXDCTL, 0); /* as igbvf does before it sets its ring up */
	write_reg(TD_VF_RDT, 7);
	check_page(false, 0);
	assert_int_equal(*td_vfio_bar_reg32(dev, 0, TD_VF_RDT), 7);
	write_reg(TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE);
	check_page(true, 1);
	assert_true(td_vfio_82576_rx_enabled(dev));
	td_vfio_bar_hide(dev, 0); /* the BAR moves */
	td_vfio_bar_show(dev, 0);
	check_page(true, 1);
	/* Its next driver is another. */
	sem_post(&vf->go_on);
	ask_for_reset();
	td_vfio_reset_wait(&dev->open);
	*td_vfio_bar_reg32(dev, 0, TD_VF_RXDCTL) = 0;
	td_vfio_bar_show(dev, 0);
	check_page(false, 1);
	write_reg(TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE);
	check_page(true, 2);
	td_vfio_bar_close(dev, 0);
}

static uint64_t read_reg(uint32_t offset, uint8_t width)
{
	struct td_access access = {.offset = offset, .width = width};

	assert_int_equal(td_vfio_bar_access(vf->dev, 0, &access), TD_DONE);
	return access.value;
}

/* A driver that does not wait for the reset's end, on a vCPU's thread with the VM's lock: it is answered without the card. */
static void test_registers_in_a_reset(void **state)
{
	(void)state;
	if (!vf->vm)
		skip();
	struct td_vfio_pci *dev = vf->dev;
	struct td_vfio_area *area = dev->bar[0].area;
	alarm(20);
	openings = 0;
	make_bar(dev);
	td_vfio_bar_trap_rx(dev);
	*td_vfio_bar_reg32(dev, 0, TD_VF_RDT) = 7;
	ask_for_reset();
	assert_true(reset_began(1));
	dev->pci.bar[0].mapped = true; /* decoded anew, and shown when it is over */
	td_vfio_bar_show(dev, 0);
	assert_false(area[0].in_guest || area[1].in_guest || area[2].in_guest);
	assert_int_equal(read_reg(TD_VF_RDT, 4), UINT32_MAX);
	assert_int_equal(read_reg(TD_VF_RDT, 1), UINT8_MAX);
	write_reg(TD_VF_RDT, 9);
	write_reg(TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE);
	assert_int_equal(*td_vfio_bar_reg32(dev, 0, TD_VF_RDT), 7);
	assert_int_equal(openings, 0);
	sem_post(&vf->go_on);
	for (unsigned ms = 0; ms < 1000 && !area[0].in_guest; ms++)
		driver_run(vf->vm, 1);
	check_page(false, 0);
	assert_int_equal(read_reg(TD_VF_RDT, 4), 7);
	dev->pci.bar[0].mapped = false;
	td_vfio_bar_close(dev, 0);
	alarm(0);
}

/* A guest whose writes the host refuses cannot fill the host's log. */
static void test_refused_writes(void **state)
{
	char text[8192];
	unsigned lines = 0;

	(void)state;
	if (!vf->vm)
		skip();
	struct td_vfio_pci *dev = vf->dev;
	td_auto_close int log = memfd_create("log", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
	close(dev->open.device_fd);
	dev->open.device_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	td_log_set_level(TD_LOG_WARN);
	assert_return_code(dup2(log, STDERR_FILENO), errno);
	for (unsigned i = 0; i < 100; i++)
		write_config(PCI_COMMAND, i % 2 ? 0 : PCI_COMMAND_MASTER);
	assert_return_code(dup2(kept, STDERR_FILENO), errno);
	td_log_set_level(TD_LOG_ERROR);
	ssize_t len = pread(log, text, sizeof(text), 0);
	assert_in_range(len, 1, sizeof(text) - 1);
	for (ssize_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	assert_int_equal(lines, 5);
}

/* The first thing told is the base; a PF that counts anew begins at zero. */
static void test_told(void **state)
{
	static const struct {
		uint64_t now, sum;
	} rows[] = {{1000, 0}, {1007, 7}, {1007, 7}, {5, 12}, {6, 13}};
	struct td_vfio_counters counters;

	(void)state;
	if (!vf->vm)
		skip();
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		td_vfio_pci_told(vf->dev, &(struct td_vfio_counters){.rx_packets = rows[i].now});
		td_vfio_pci_counters(vf->dev, &counters);
		assert_int_equal(counters.rx_packets, rows[i].sum);
	}
	vf->dev->open.lost = true;
	td_vfio_pci_told(vf->dev, &(struct td_vfio_counters){.rx_packets = 99});
	td_vfio_pci_counters(vf->dev, &counters);
	assert_int_equal(counters.rx_packets, 13);
	vf->dev->open.lost = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resets_in_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause_in_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ready_in_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_opening, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registers_in_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
