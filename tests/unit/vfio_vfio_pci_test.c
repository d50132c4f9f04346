/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_vfio_pci_test.c - a guest's function-level resets of a VF whose descriptor is a file and whose reset takes as long as the test
 * likes. What a kernel and a card do is tested in the lab. Needs /dev/kvm.
 */
#include <linux/pci_regs.h>
#include <semaphore.h>
#include <sys/mman.h>

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
	assert_int_equal(td_vfio_reset_open(&dev->open, NULL), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resets_in_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause_in_a_reset, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
