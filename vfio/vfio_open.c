/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfio_open.c - opening and closing a function through VFIO's group interface, its configuration space, regions, vectors, and the two
 * messages VFIO sends about it: it had an error, it is wanted back. Source: Linux Documentation/driver-api/vfio.rst, uAPI linux/vfio.h.
 */
#include "vfio/vfio_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/lock.h"
#include "core/log.h"
#include "core/msix.h"
#include "core/vm.h"
#include "host/sys/iommu_group.h"
#include "host/sys/sysfs.h"

void td_vfio_open_init(struct td_vfio_open *open, struct td_vm *vm, struct td_iommu *iommu, const char *name, const char *bdf, int group)
{
	*open = (struct td_vfio_open){.vm = vm,
		.iommu = iommu,
		.name = name,
		.group = group,
		.group_fd = -1,
		.device_fd = -1,
		.error_fd = -1,
		.request_fd = -1,
		.note_fd = -1};
	pthread_mutex_init(&open->reset_lock, NULL);
	pthread_cond_init(&open->reset_over, NULL);
	snprintf(open->bdf, sizeof(open->bdf), "%s", bdf);
}

static int open_group(struct td_vfio_open *o, struct td_err *err)
{
	struct vfio_group_status status = {.argsz = sizeof(status)};
	char path[32];

	snprintf(path, sizeof(path), "/dev/vfio/%d", o->group);
	td_auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == EBUSY)
		return td_err_set(err, EBUSY, TD_REASON_VF_BUSY, "vf %s: another process has its IOMMU group (%s) open", o->bdf, path);
	if (fd < 0)
		return td_err_sys(err, errno, errno == ENOENT ? TD_REASON_VFIO_DRIVER : TD_REASON_VFIO, "vf %s: %s", o->bdf, path);
	if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
		return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: VFIO_GROUP_GET_STATUS", o->bdf);
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		int rc = td_iommu_group_check(TD_SYSFS, o->bdf, err);

		return rc < 0 ? rc : td_err_set(err, EPERM, TD_REASON_GROUP_NOT_VIABLE, "vf %s: group %d is not viable", o->bdf, o->group);
	}
	int rc = td_iommu_add_group(o->iommu, fd, (unsigned)o->group, err);
	if (rc == 0)
		o->group_fd = td_take_fd(&fd);
	return rc < 0 ? td_err_prefix(err, "vf %s", o->bdf) : 0;
}

static int open_function(struct td_vfio_open *o, struct td_err *err)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	struct vfio_region_info config = {.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX};

	o->device_fd = ioctl(o->group_fd, VFIO_GROUP_GET_DEVICE_FD, o->bdf);
	if (o->device_fd < 0)
		return td_err_sys(
			err, errno, errno == ENODEV ? TD_REASON_VF_LOST : TD_REASON_VFIO, "vf %s: VFIO_GROUP_GET_DEVICE_FD", o->bdf);
	(void)fcntl(o->device_fd, F_SETFD, FD_CLOEXEC);
	if (ioctl(o->device_fd, VFIO_DEVICE_GET_INFO, &info) < 0 || !(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: is no PCI device of VFIO", o->bdf);
	if (ioctl(o->device_fd, VFIO_DEVICE_GET_REGION_INFO, &config) < 0)
		return td_err_sys(err, errno, TD_REASON_VFIO, "vf %s: configuration space", o->bdf);
	o->can_reset = (info.flags & VFIO_DEVICE_FLAGS_RESET) != 0;
	if (!o->can_reset)
		return td_err_set(err, EOPNOTSUPP, TD_REASON_VFIO, "vf %s: can't be reset, so it can't be given to a guest", o->bdf);
	o->config_offset = config.offset;
	return 0;
}

int td_vfio_open_device(struct td_vfio_open *open, struct td_err *err)
{
	td_iommu_tell_kvm(open->iommu, open->vm->kvm.vm_fd);
	int rc = open_group(open, err);
	if (rc == 0)
		rc = td_iommu_map_ram(open->iommu, &open->vm->mem, err);
	if (rc == 0)
		rc = open_function(open, err);
	return rc;
}

void td_vfio_open_close(struct td_vfio_open *open)
{
	td_vfio_reset_end(open);
	td_cleanup_close(&open->note_fd);
	td_cleanup_close(&open->device_fd);
	if (open->group_fd >= 0)
		td_iommu_remove_group(open->iommu, open->group_fd);
	td_cleanup_close(&open->group_fd);
	open->note_fd = open->device_fd = open->group_fd = -1;
	open->bus_master = open->lost = open->wanted_back = false;
}

void td_vfio_open_write_config(struct td_vfio_open *open, unsigned offset, unsigned width, uint32_t value)
{
	ssize_t written = width;

	td_lock_excuse();
	if (open->device_fd >= 0)
		written = pwrite(open->device_fd, &value, width, (off_t)(open->config_offset + offset));
	td_lock_excuse_end();
	if (written != (ssize_t)width)
		td_log_limited(&open->log_limit, TD_LOG_WARN, "%s: write to the VF's configuration space at 0x%x: %s", open->name, offset,
			strerror(errno));
}

void td_vfio_open_set_bus_master(struct td_vfio_open *open, bool on)
{
	if (open->bus_master == on)
		return;
	td_vfio_open_write_config(open, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE | (on ? PCI_COMMAND_MASTER : 0U));
	open->bus_master = on;
}

int td_vfio_open_get_region(const struct td_vfio_open *open, unsigned index, struct vfio_region_info **ret_info)
{
	uint32_t size = sizeof(struct vfio_region_info);

	for (unsigned tries = 0; tries < 2; tries++) {
		td_auto_free struct vfio_region_info *info = calloc(1, size);

		if (!info)
			return -ENOMEM;
		info->argsz = size;
		info->index = index;
		if (ioctl(open->device_fd, VFIO_DEVICE_GET_REGION_INFO, info) < 0)
			return -errno;
		if (info->argsz <= size) {
			info->argsz = size;
			*ret_info = td_take_ptr(info);
			return 0;
		}
		size = info->argsz;
	}
	return -EIO;
}

int td_vfio_open_set_irqs(struct td_vfio_open *open, uint32_t index, const int *fds, unsigned count)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + TD_MSIX_VECTORS_MAX * sizeof(int)];
	} request = {0};

	request.set.argsz = (uint32_t)(sizeof(request.set) + count * sizeof(int));
	request.set.flags = VFIO_IRQ_SET_ACTION_TRIGGER | (count ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	request.set.index = index;
	request.set.count = count;
	if (count)
		memcpy(request.set.data, fds, count * sizeof(int));
	td_lock_excuse();
	int rc = ioctl(open->device_fd, VFIO_DEVICE_SET_IRQS, &request) < 0 ? -errno : 0;
	td_lock_excuse_end();
	return rc;
}

static void lose(struct td_vfio_open *open, struct td_watch *watch, bool release_requested)
{
	uint64_t count;

	/* The host repeats its request until the device is closed. */
	if (read(watch->fd, &count, sizeof(count)) < 0 || open->lost || (release_requested && open->wanted_back))
		return;
	td_warn("%s: %s", open->name,
		release_requested ? "the host wants the VF back (its PF is being removed or sriov_numvfs changed)"
				  : "the VF reports an error");
	*(release_requested ? &open->wanted_back : &open->lost) = true;
	open->gone(open, release_requested); /* may close the device */
}

static void error_ready(struct td_watch *watch, uint32_t events)
{
	(void)events;
	lose(TD_CONTAINER_OF(watch, struct td_vfio_open, error_watch), watch, false);
}

static void request_ready(struct td_watch *watch, uint32_t events)
{
	(void)events;
	lose(TD_CONTAINER_OF(watch, struct td_vfio_open, request_watch), watch, true);
}

static int watch_index(struct td_vfio_open *open, uint32_t index, int *fd, struct td_watch *watch,
	void (*ready)(struct td_watch *, uint32_t), struct td_err *err)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vf %s: eventfd", open->bdf);
	*watch = (struct td_watch){.fd = *fd, .ready = ready, .events = EPOLLIN};
	int rc = td_loop_watch(&open->vm->loop, watch);
	if (rc < 0)
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: watch its events", open->bdf);
	/* A kernel or bus without this message: then it never comes. */
	rc = td_vfio_open_set_irqs(open, index, fd, 1);
	if (rc < 0)
		td_debug("%s: no event %u from VFIO: %s", open->name, index, strerror(-rc));
	return 0;
}

static void note_ready(struct td_watch *watch, uint32_t events)
{
	struct td_vfio_open *open = TD_CONTAINER_OF(watch, struct td_vfio_open, note_watch);
	eventfd_t count;

	(void)events;
	if (eventfd_read(watch->fd, &count) == 0)
		open->noted(open); /* may close the device */
}

static int watch_notes(struct td_vfio_open *open, struct td_err *err)
{
	open->note_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (open->note_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vf %s: eventfd", open->bdf);
	open->note_watch = (struct td_watch){.fd = open->note_fd, .ready = note_ready, .events = EPOLLIN};
	int rc = td_loop_watch(&open->vm->loop, &open->note_watch);
	return rc < 0 ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "vf %s: watch its events", open->bdf) : 0;
}

int td_vfio_open_watch_events(struct td_vfio_open *open, struct td_err *err)
{
	int rc = watch_notes(open, err);

	if (rc == 0)
		rc = watch_index(open, VFIO_PCI_ERR_IRQ_INDEX, &open->error_fd, &open->error_watch, error_ready, err);
	return rc < 0 ? rc : watch_index(open, VFIO_PCI_REQ_IRQ_INDEX, &open->request_fd, &open->request_watch, request_ready, err);
}

/* What VFIO would still signal ends with the device. note_fd stays: a reset that runs writes to it. */
void td_vfio_open_unwatch_events(struct td_vfio_open *open)
{
	td_loop_unwatch(&open->vm->loop, &open->note_watch);
	td_loop_unwatch(&open->vm->loop, &open->error_watch);
	td_loop_unwatch(&open->vm->loop, &open->request_watch);
	td_cleanup_close(&open->error_fd);
	td_cleanup_close(&open->request_fd);
	open->error_fd = open->request_fd = -1;
}
