/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_fuzz.c - a guest that does anything at all with the registers, configuration space and rings of a disk, an entropy source and,
 * where the process may make a tap, a NIC. The input is a list of steps of 12 bytes: what, which device, width, and two numbers. Needs
 * /dev/kvm.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/virtio_blk.h"
#include "emul/virtio_net.h"
#include "emul/virtio_pci.h"
#include "emul/virtio_rng.h"

#define RAM_BYTES   (4ULL << 20)
#define IMAGE_BYTES (64U * 1024U)
#define RING_GPA    0x1000ULL
#define RING_WINDOW 0x4000U /* bytes of RAM that pokes reach */
#define STEPS_MAX   200U
#define RUN_NS	    50000U /* timers come before events: without delay the loop would end before it began */

enum { STEP_REGISTER, STEP_POKE, STEP_CONFIG, STEP_PORT, STEP_RUN, STEP_SET_UP, STEP_PAUSE, STEP_KINDS };

struct step {
	uint8_t what, device, width, spare;
	uint32_t at, value;
};

struct machine {
	struct td_vm vm;
	struct td_virtio_pci *dev[3];
	unsigned dev_count;
	struct td_timer stop;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop_loop(struct td_timer *timer)
{
	td_loop_stop(&TD_CONTAINER_OF(timer, struct machine, stop)->vm.loop);
}

static void add_devices(struct machine *m)
{
	/* In memory: a real disk that is busy makes flushes, and so resets, look like hangs. */
	int fd = memfd_create("disk", MFD_CLOEXEC);
	char path[32];
	struct td_virtio_blk_config disk = {.name = "disk0", .path = path};
	struct td_virtio_net_config nic = {.name = "net0", .mac = {2}, .queue_pairs = 2, .vhost = TD_VHOST_OFF};
	struct td_virtio_net *net;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fd < 0 || ftruncate(fd, IMAGE_BYTES) || td_virtio_blk_create(&m->vm, &disk, NULL) || td_virtio_rng_create(&m->vm, "rng0", NULL))
		abort();
	close(fd);
	(void)td_virtio_net_create(&m->vm, &nic, &net, NULL);
	for (unsigned i = 1; i < TD_PCI_SLOTS; i++)
		if (m->vm.pci.slot[i] && m->dev_count < TD_COUNT(m->dev))
			m->dev[m->dev_count++] = TD_CONTAINER_OF(m->vm.pci.slot[i], struct td_virtio_pci, pci);
}

static struct machine *make(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct td_vm_config config = {.name = "fuzz", .mem.size_bytes = RAM_BYTES, .cpus = 1};
	struct td_err err = {0};

	td_log_set_level(TD_LOG_ERROR);
	if (!m || td_vm_init(&m->vm, &config, &err)) {
		td_err_print(stderr, &err);
		exit(1);
	}
	m->stop.expired = stop_loop;
	add_devices(m);
	return m;
}

static void touch(struct td_virtio_pci *dev, unsigned bar, uint32_t at, uint8_t width, uint64_t value, bool write)
{
	struct td_access step = {.offset = at, .width = width, .write = write, .value = value};

	if (td_range_ok(at, width, dev->pci.bar[bar].size_bytes))
		dev->pci.ops->bar_access(&dev->pci, bar, &step);
}

static void run_loop(struct machine *m)
{
	td_loop_arm(&m->vm.loop, &m->stop, RUN_NS);
	td_loop_run(&m->vm.loop);
	td_loop_disarm(&m->vm.loop, &m->stop);
}

/* A driver that does the set-up right, so that what follows gets far; its rings stand where pokes reach. */
static void set_up(struct td_virtio_pci *dev, uint32_t features)
{
	static const uint8_t status[] = {0, 1, 3};

	for (unsigned i = 0; i < sizeof(status); i++)
		touch(dev, TD_VIRTIO_BAR_MEMORY, 20, 1, status[i], true);
	for (uint32_t i = 0; i < 2; i++) {
		touch(dev, TD_VIRTIO_BAR_MEMORY, 8, 4, i, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 12, 4, i ? 1 : (uint32_t)dev->offered & features, true);
	}
	touch(dev, TD_VIRTIO_BAR_MEMORY, 20, 1, 11, true);
	for (uint32_t i = 0; i < dev->queue_count; i++) {
		uint64_t base = RING_GPA + i * 0x800ULL;

		touch(dev, TD_VIRTIO_BAR_MEMORY, 22, 2, i, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 24, 2, 8, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 26, 2, i + 1, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 32, 8, base, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 40, 8, base + 0x100, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 48, 8, base + 0x200, true);
		touch(dev, TD_VIRTIO_BAR_MEMORY, 28, 2, 1, true);
	}
	touch(dev, TD_VIRTIO_BAR_MEMORY, 20, 1, 15, true);
}

static void config_space(struct machine *m, struct td_virtio_pci *dev, const struct step *step, uint8_t width)
{
	struct td_access config = {.offset = step->at & 0xff & ~(width - 1U), .width = width, .write = true, .value = step->value};

	/* The device's own configuration, but not where its BARs stand: that is another fuzzer's. */
	if (config.offset >= 0x40)
		td_pci_config_access(&m->vm.pci, (unsigned)dev->pci.slot * 8, &config);
}

static void take_step(struct machine *m, const struct step *step)
{
	struct td_virtio_pci *dev = m->dev[step->device % m->dev_count];
	uint8_t width = (uint8_t)(1U << (step->width & 3));
	bool write = !(step->width & 0x80);

	switch (step->what % STEP_KINDS) {
	case STEP_REGISTER:
		touch(dev, TD_VIRTIO_BAR_MEMORY, step->at % TD_VIRTIO_BAR_BYTES, width, step->value, write);
		break;
	case STEP_POKE:
		td_mem_write(&m->vm.mem, TD_GPA(RING_GPA + step->at % RING_WINDOW), &step->value, sizeof(step->value));
		break;
	case STEP_CONFIG:
		config_space(m, dev, step, width);
		break;
	case STEP_PORT:
		touch(dev, TD_VIRTIO_BAR_PORTS, step->at & 0x3f, width, step->value, write);
		break;
	case STEP_RUN:
		run_loop(m);
		break;
	case STEP_SET_UP:
		set_up(dev, step->value);
		break;
	case STEP_PAUSE:
		dev->pci.device.ops->quiesce(&dev->pci.device);
		dev->pci.device.ops->resume(&dev->pci.device);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine *m;

	if (!m)
		m = make();
	memset(td_mem_ptr(&m->vm.mem, TD_GPA(RING_GPA), RING_WINDOW + 4), 0, RING_WINDOW + 4);
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		take_step(m, &step);
	}
	run_loop(m);
	for (unsigned i = 0; i < m->dev_count; i++)
		m->dev[i]->pci.device.ops->reset(&m->dev[i]->pci.device);
	run_loop(m);
	return 0;
}
