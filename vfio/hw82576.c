/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hw82576.c - an 82576 VF's life as the hardware half of a transparent NIC: opened and closed, its vectors, its registers while a guest
 * runs on it, its counters. What the PF is told stands in hw82576_prepare.c, rings in hw82576_rings.c, the mailbox in hw82576_mail.c.
 */
#include "vfio/hw82576.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "core/vm.h"
#include "host/sys/names.h"
#include "vfio/hw82576_parts.h"
#include "vfio/vfio_dev.h"

#define NAP_NS	    50000
#define NAP_ROUNDS  16U	  /* before that the answer may come any moment */
#define VECTOR_BITS 0x7fU /* of a byte of IVAR0 */

static uint32_t bar_read(void *opaque, uint32_t reg)
{
	struct td_hw82576 *hw = opaque;

	return *(volatile uint32_t *)(void *)(hw->bar + reg);
}

static void bar_write(void *opaque, uint32_t reg, uint32_t value)
{
	struct td_hw82576 *hw = opaque;

	*(volatile uint32_t *)(void *)(hw->bar + reg) = value;
}

void td_hw82576_nap(unsigned round)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};

	if (round >= NAP_ROUNDS)
		nanosleep(&nap, NULL);
}

/* ---- opened, closed ---- */

static void open_gone(struct td_vfio_open *open, bool release_requested)
{
	struct td_hw82576 *hw = TD_CONTAINER_OF(open, struct td_hw82576, open);

	if (hw->events.lost)
		hw->events.lost(hw->events.opaque, release_requested); /* may close the device */
}

static void open_noted(struct td_vfio_open *open)
{
	(void)open; /* a reset is over: who needs it over waits for it */
}

static void before_reset(struct td_vfio_open *open)
{
	td_hw82576_disconnect(TD_CONTAINER_OF(open, struct td_hw82576, open));
}

int td_hw82576_stuck(struct td_hw82576 *hw, struct td_err *err, const char *what)
{
	if (td_hw82576_get(hw, TD_VF_STATUS) == TD_HW82576_GONE)
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "vf %s: does not answer any more", hw->open.bdf);
	return td_err_set(err, EIO, TD_REASON_VFIO, "vf %s: %s", hw->open.bdf, what);
}

void td_hw82576_found_gone(struct td_hw82576 *hw)
{
	if (hw->open.lost)
		return;
	hw->open.lost = true;
	td_warn("%s: the VF does not answer any more", hw->name);
	open_gone(&hw->open, false);
}

static int check_model(struct td_hw82576 *hw, struct td_err *err)
{
	uint32_t ids = 0;

	if (pread(hw->open.device_fd, &ids, sizeof(ids), (off_t)(hw->open.config_offset + PCI_VENDOR_ID)) != sizeof(ids))
		return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: read configuration space", hw->open.bdf);
	if (ids == (TD_VF82576_DEVICE << 16 | TD_VF82576_VENDOR))
		return 0;
	return td_err_set(err, ENOTSUP, TD_REASON_VF_MODEL, "vf %s: is %04x:%04x, not %04x:%04x", hw->open.bdf, ids & 0xffff, ids >> 16,
		TD_VF82576_VENDOR, TD_VF82576_DEVICE);
}

static int map_bar(struct td_hw82576 *hw, struct td_err *err)
{
	td_auto_free struct vfio_region_info *info = NULL;
	int rc = td_vfio_open_get_region(&hw->open, VFIO_PCI_BAR0_REGION_INDEX, &info);

	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_VFIO, "vf %s: BAR 0: VFIO_DEVICE_GET_REGION_INFO", hw->open.bdf);
	if (info->size < TD_VF82576_BAR0_BYTES || !(info->flags & VFIO_REGION_INFO_FLAG_MMAP))
		return td_err_set(err, ENOTSUP, TD_REASON_VFIO, "vf %s: BAR 0 can't be mapped", hw->open.bdf);
	void *host = mmap(NULL, TD_VF82576_BAR0_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, hw->open.device_fd, (off_t)info->offset);
	if (host == MAP_FAILED)
		return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: BAR 0: mmap", hw->open.bdf);
	hw->bar = host;
	return 0;
}

static int open_mail(struct td_hw82576 *hw, struct td_err *err)
{
	hw->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hw->mail_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vf %s: eventfd", hw->open.bdf);
	hw->mail_watch = (struct td_watch){.fd = hw->mail_fd, .ready = td_hw82576_mail_ready, .events = EPOLLIN};
	int rc = td_loop_watch(&hw->vm->loop, &hw->mail_watch);
	return rc < 0 ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: watch its mailbox", hw->open.bdf) : 0;
}

static int open_parts(struct td_hw82576 *hw, struct td_err *err)
{
	int rc = check_model(hw, err);

	if (rc == 0)
		rc = map_bar(hw, err);
	if (rc == 0)
		rc = td_vfio_open_watch_events(&hw->open, err);
	if (rc == 0)
		rc = open_mail(hw, err);
	if (rc < 0)
		return rc;
	hw->open.bus_master = true; /* so that the next line writes: registers answer from then on */
	td_vfio_open_set_bus_master(&hw->open, false);
	if (td_hw82576_get(hw, TD_VF_STATUS) == TD_HW82576_GONE)
		return td_err_set(err, EIO, TD_REASON_VF_LOST, "vf %s: does not answer", hw->open.bdf);
	return 0;
}

int td_hw82576_create(
	struct td_vm *vm, struct td_iommu *iommu, const struct td_hw82576_config *config, struct td_hw82576 **ret_hw, struct td_err *err)
{
	if (config->group < 0 || !td_names_is_bdf(config->bdf))
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: not a VF with an IOMMU group: %.32s", config->name, config->bdf);
	struct td_hw82576 *hw = calloc(1, sizeof(*hw));
	if (!hw)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "%s", config->name);
	snprintf(hw->name, sizeof(hw->name), "%s", config->name);
	td_vfio_open_init(&hw->open, vm, iommu, hw->name, config->bdf, config->group);
	hw->open.gone = open_gone;
	hw->open.noted = open_noted;
	hw->open.before_reset = before_reset;
	hw->vm = vm;
	hw->events = config->events;
	hw->mail_fd = -1;
	hw->bus = (struct td_hw82576_bus){bar_read, bar_write, hw};
	hw->reset_work.run = td_hw82576_reset_run;
	td_hw82576_mail_init(hw);
	*ret_hw = hw;
	return 0;
}

void td_hw82576_destroy(struct td_hw82576 *hw)
{
	if (!hw)
		return;
	td_hw82576_close(hw);
	td_hw82576_close_device(hw);
	free(hw);
}

int td_hw82576_open_device(struct td_hw82576 *hw, struct td_err *err)
{
	return td_vfio_open_device(&hw->open, err);
}

int td_hw82576_open(struct td_hw82576 *hw, struct td_err *err)
{
	if (hw->phase != TD_HW82576_CLOSED)
		return td_err_set(err, EALREADY, TD_REASON_INTERNAL, "vf %s: is open already", hw->open.bdf);
	int rc = open_parts(hw, err);
	if (rc == 0)
		hw->phase = TD_HW82576_OPEN;
	return rc;
}

/* Nothing here waits. Harmless on what was not opened. */
void td_hw82576_close(struct td_hw82576 *hw)
{
	td_hw82576_mail_stop(hw);
	hw->mail.busy = hw->mail.guest_waits = false;
	td_loop_cancel(&hw->vm->loop, &hw->mail.work);
	td_loop_cancel(&hw->vm->loop, &hw->reset_work);
	hw->reset_due = false; /* the kernel resets it when the device is closed */
	td_vfio_open_unwatch_events(&hw->open);
	if (!td_vfio_reset_runs(&hw->open)) /* it is off there already */
		td_vfio_open_set_bus_master(&hw->open, false);
	td_loop_unwatch(&hw->vm->loop, &hw->mail_watch);
	td_cleanup_close(&hw->mail_fd);
	hw->mail_fd = -1;
	if (hw->bar)
		munmap(hw->bar, TD_VF82576_BAR0_BYTES);
	hw->bar = NULL;
	hw->phase = TD_HW82576_CLOSED;
}

/* The kernel disables the function's interrupts, resets it and takes its DMA away, in this order. */
void td_hw82576_close_device(struct td_hw82576 *hw)
{
	td_vfio_open_close(&hw->open);
	hw->connected = false;
}

enum td_hw82576_phase td_hw82576_phase(const struct td_hw82576 *hw)
{
	return hw->phase;
}

/* ---- vectors ---- */

int td_hw82576_connect(struct td_hw82576 *hw, const int fds[2], struct td_err *err)
{
	const int all[TD_VF82576_VECTORS] = {fds[0], fds[1], hw->mail_fd};

	if (hw->connected && memcmp(hw->guest_fd, fds, sizeof(hw->guest_fd)) == 0)
		return 0;
	td_hw82576_disconnect(hw);
	int rc = td_vfio_open_set_irqs(&hw->open, VFIO_PCI_MSIX_IRQ_INDEX, all, TD_VF82576_VECTORS);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_VFIO, "vf %s: enable its interrupts", hw->open.bdf);
	memcpy(hw->guest_fd, fds, sizeof(hw->guest_fd));
	hw->connected = true;
	return 0;
}

void td_hw82576_disconnect(struct td_hw82576 *hw)
{
	if (!hw->connected)
		return;
	int rc = td_vfio_open_set_irqs(&hw->open, VFIO_PCI_MSIX_IRQ_INDEX, NULL, 0);
	if (rc < 0)
		td_warn("%s: the VF's interrupts can't be disabled: %s", hw->name, strerror(-rc));
	hw->connected = false;
}

void td_hw82576_own_vector(struct td_hw82576 *hw, bool on)
{
	td_hw82576_put(hw, TD_VF_IVAR_MISC, TD_HW82576_OURS | TD_VF_IVAR_VALID);
	td_hw82576_put(hw, TD_VF_EIAC, hw->eiac | TD_HW82576_OUR_BIT);
	td_hw82576_put(hw, TD_VF_EIAM, hw->eiam | TD_HW82576_OUR_BIT);
	if (on)
		td_hw82576_put(hw, TD_VF_EIMS, TD_HW82576_OUR_BIT);
}

/* ---- counters ---- */

static bool reachable(const struct td_hw82576 *hw)
{
	return hw->phase == TD_HW82576_RUNNING && !hw->open.lost;
}

static bool counts_bytes(unsigned counter)
{
	return counter == TD_VF_COUNT_GORC || counter == TD_VF_COUNT_GOTC || counter == TD_VF_COUNT_GORLBC || counter == TD_VF_COUNT_GOTLBC;
}

static void read_counters(struct td_hw82576 *hw, uint32_t now[TD_VF82576_COUNTERS])
{
	for (unsigned i = 0; i < TD_VF82576_COUNTERS; i++)
		now[i] = td_hw82576_get(hw, td_vf82576_counter_reg[i]);
}

/* A reset of the PF may have set it back. */
static void grow(struct td_hw82576 *hw, unsigned counter, uint32_t now, uint64_t elapsed_ns)
{
	uint64_t most = td_vfio_82576_most(elapsed_ns, counts_bytes(counter));

	hw->counter[counter] += td_vfio_82576_add(hw->counter_last[counter], now, most);
	hw->counter_last[counter] = now;
}

void td_hw82576_rebase(struct td_hw82576 *hw)
{
	read_counters(hw, hw->counter_last);
	hw->counter_ns = td_now_ns();
}

void td_hw82576_baseline(struct td_hw82576 *hw)
{
	memset(hw->counter, 0, sizeof(hw->counter));
	td_hw82576_rebase(hw);
}

void td_hw82576_sample(struct td_hw82576 *hw)
{
	uint64_t now_ns = td_now_ns();
	uint32_t now[TD_VF82576_COUNTERS];

	read_counters(hw, now);
	if (td_hw82576_get(hw, TD_VF_STATUS) == TD_HW82576_GONE)
		return;
	for (unsigned i = 0; i < TD_VF82576_COUNTERS; i++)
		grow(hw, i, now[i], now_ns - hw->counter_ns);
	hw->counter_ns = now_ns;
}

/* For the guest, which reads them one by one. */
static uint32_t sample_one(struct td_hw82576 *hw, unsigned counter)
{
	uint32_t now = td_hw82576_get(hw, td_vf82576_counter_reg[counter]);

	if (now != TD_HW82576_GONE)
		grow(hw, counter, now, td_now_ns() - hw->counter_ns);
	return (uint32_t)hw->counter[counter];
}

void td_hw82576_counters(struct td_hw82576 *hw, uint64_t ret_counter[TD_VF82576_COUNTERS])
{
	if (reachable(hw))
		td_hw82576_sample(hw);
	memcpy(ret_counter, hw->counter, sizeof(hw->counter));
}

/* ---- registers while a guest runs on it ---- */

static bool is_mailbox(uint32_t reg)
{
	return (reg >= TD_VF_MBMEM && reg < TD_VF_MBMEM + 4 * TD_VF_MAIL_WORDS) || reg == TD_VF_V2PMAILBOX;
}

uint32_t td_hw82576_read(struct td_hw82576 *hw, uint32_t reg)
{
	bool there = reachable(hw);

	/* Counters of a VF that is gone stay where they were: a driver takes one that goes back for one that wrapped. */
	for (unsigned i = 0; i < TD_VF82576_COUNTERS; i++)
		if (reg == td_vf82576_counter_reg[i])
			return there ? sample_one(hw, i) : (uint32_t)hw->counter[i];
	if (!there || reg % 4 || reg >= TD_VF82576_BAR0_BYTES || is_mailbox(reg))
		return 0;
	return td_hw82576_get(hw, reg);
}

/* A queue's causes don't go to our vector: a guest would wake the main loop with them. Such a queue has no interrupt on hardware. */
static uint32_t guest_ivar(uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		if ((value >> (8 * i) & VECTOR_BITS) >= TD_HW82576_OURS)
			value &= ~(0xffU << (8 * i));
	return value;
}

void td_hw82576_write(struct td_hw82576 *hw, uint32_t reg, uint32_t value)
{
	if (!reachable(hw) || reg % 4 || reg >= TD_VF82576_BAR0_BYTES || is_mailbox(reg))
		return;
	switch (reg) {
	case TD_VF_CTRL:
	case TD_VF_IVAR_MISC:
		return;
	case TD_VF_EICS:
	case TD_VF_EIMS:
	case TD_VF_EIMC:
	case TD_VF_EICR:
		value &= TD_HW82576_GUEST_VECTORS;
		break;
	case TD_VF_IVAR0:
		value = guest_ivar(value);
		break;
	case TD_VF_EIAC:
		hw->eiac = value & TD_HW82576_GUEST_VECTORS;
		value = hw->eiac | TD_HW82576_OUR_BIT;
		break;
	case TD_VF_EIAM:
		hw->eiam = value & TD_HW82576_GUEST_VECTORS;
		value = hw->eiam | TD_HW82576_OUR_BIT;
		break;
	}
	td_hw82576_put(hw, reg, value);
}

void td_hw82576_reset_queues(struct td_hw82576 *hw)
{
	if (!reachable(hw))
		return;
	td_hw82576_sample(hw);
	td_hw82576_put(hw, TD_VF_CTRL, TD_VF_CTRL_RST);
	hw->eiac = hw->eiam = 0;
	td_hw82576_put(hw, TD_VF_EIMC, TD_HW82576_ALL_VECTORS);
	td_hw82576_own_vector(hw, true);
	td_hw82576_rebase(hw); /* where a reset clears them */
}

void td_hw82576_bus_master(struct td_hw82576 *hw, bool on)
{
	if (reachable(hw))
		td_vfio_open_set_bus_master(&hw->open, on);
}

void *td_hw82576_guest_pages(struct td_hw82576 *hw)
{
	return hw->bar ? hw->bar + TD_VF82576_PAGE_IRQ : NULL;
}

bool td_hw82576_link_up(struct td_hw82576 *hw)
{
	if (hw->phase < TD_HW82576_PREPARED || hw->open.lost)
		return false;
	uint32_t status = td_hw82576_get(hw, TD_VF_STATUS);
	return status != TD_HW82576_GONE && status & TD_VF_STATUS_LU;
}

void td_hw82576_times(const struct td_hw82576 *hw, struct td_hw82576_times *ret_times)
{
	*ret_times = hw->times;
}
