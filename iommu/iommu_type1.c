/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iommu_type1.c - VFIO's type 1 IOMMU: one container for all VFs of a VM, so that RAM is pinned and mapped once however many there are.
 * Source: Linux Documentation/driver-api/vfio.rst, uAPI linux/vfio.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/log.h"
#include "iommu/iommu_ops.h"

struct type1 {
	struct td_iommu_backend backend; /* first */
	int container_fd;
};

static struct type1 *type1_of(struct td_iommu_backend *backend)
{
	return TD_CONTAINER_OF(backend, struct type1, backend);
}

static int type1_add_group(struct td_iommu_backend *backend, int group_fd, unsigned group, bool first, struct td_err *err)
{
	struct type1 *type1 = type1_of(backend);

	if (ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &type1->container_fd) < 0)
		return td_err_sys(err, errno, TD_REASON_VFIO, "group %u: VFIO_GROUP_SET_CONTAINER", group);
	if (!first || ioctl(type1->container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) == 0)
		return 0;
	int errnum = errno;

	(void)ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER);
	/* The kernel has one errno for it, and a line in its log. */
	if (errnum == EPERM)
		return td_err_set(err, EPERM, TD_REASON_IRQ_REMAP,
			"group %u: the host does not remap interrupts, so a guest could raise any of them", group);
	return td_err_sys(err, errnum, TD_REASON_VFIO, "group %u: VFIO_SET_IOMMU", group);
}

static void type1_remove_group(struct td_iommu_backend *backend, int group_fd)
{
	(void)backend;
	/* EINVAL: the group's last device is gone (its PF was unbound), and the kernel has taken the group out itself. */
	if (ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER) < 0 && errno != EINVAL)
		td_warn("iommu: VFIO_GROUP_UNSET_CONTAINER: %s", strerror(errno));
}

static int type1_map(struct td_iommu_backend *backend, td_iova iova, void *host, uint64_t len_bytes)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)host,
		.iova = iova.v,
		.size = len_bytes,
	};

	return ioctl(type1_of(backend)->container_fd, VFIO_IOMMU_MAP_DMA, &map) < 0 ? -errno : 0;
}

static int type1_unmap(struct td_iommu_backend *backend, td_iova iova, uint64_t len_bytes)
{
	struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof(unmap), .iova = iova.v, .size = len_bytes};

	return ioctl(type1_of(backend)->container_fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0 ? -errno : 0;
}

static void type1_close(struct td_iommu_backend *backend)
{
	struct type1 *type1 = type1_of(backend);

	td_cleanup_close(&type1->container_fd);
	free(type1);
}

static const struct td_iommu_ops type1_ops = {
	.add_group = type1_add_group,
	.remove_group = type1_remove_group,
	.map = type1_map,
	.unmap = type1_unmap,
	.close = type1_close,
};

static int open_container(int *ret_fd, struct td_err *err)
{
	td_auto_close int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);

	if (fd < 0 && access("/sys/kernel/iommu_groups/0", F_OK) < 0)
		return td_err_set(err, ENOENT, TD_REASON_NO_IOMMU, "the host has no IOMMU in use: /sys/kernel/iommu_groups is empty");
	if (fd < 0)
		return td_err_sys(err, errno, errno == ENOENT ? TD_REASON_VFIO_DRIVER : TD_REASON_VFIO, "/dev/vfio/vfio");
	if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION)
		return td_err_set(err, EPROTO, TD_REASON_VFIO, "/dev/vfio/vfio speaks a VFIO version other than %d", VFIO_API_VERSION);
	if (ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) != 1)
		return td_err_set(err, ENOENT, TD_REASON_VFIO_DRIVER, "/dev/vfio/vfio has no type 1 IOMMU: is vfio_iommu_type1 loaded?");
	*ret_fd = td_take_fd(&fd);
	return 0;
}

int td_iommu_type1_open(struct td_iommu_backend **ret_backend, struct td_err *err)
{
	td_auto_free struct type1 *type1 = calloc(1, sizeof(*type1));

	if (!type1)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "IOMMU container");
	type1->backend.ops = &type1_ops;
	int rc = open_container(&type1->container_fd, err);
	if (rc == 0)
		*ret_backend = &td_take_ptr(type1)->backend;
	return rc;
}
