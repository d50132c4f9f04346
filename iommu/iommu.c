/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iommu.c - the VFIO type1 backend: one container for all VFs of a VM, so that RAM is pinned and mapped once however many there are.
 *
 * Only RAM is mapped. A VF's BARs are not: no device can reach another's registers (peer to peer), and a slip of the guest's driver
 * there is an IOMMU fault instead of a write into hardware.
 */
#include "iommu/iommu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/log.h"
#include "iommu/memlock.h"

struct td_iommu {
	int container_fd;
	int kvm_vfio_fd; /* KVM's view of who does DMA into the guest, or -1 */
	unsigned group_count;
	unsigned mapped_count; /* runs of `mapped` */
	struct {
		td_iova iova;
		uint64_t len_bytes;
	} mapped[TD_MEM_REGIONS];
	struct td_iommu_stats stats;
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

int td_iommu_create(struct td_iommu **ret_iommu, struct td_err *err)
{
	td_auto_free struct td_iommu *iommu = calloc(1, sizeof(*iommu));

	if (!iommu)
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "IOMMU address space");
	iommu->kvm_vfio_fd = -1;
	int rc = open_container(&iommu->container_fd, err);
	if (rc == 0)
		*ret_iommu = td_take_ptr(iommu);
	return rc;
}

void td_iommu_destroy(struct td_iommu *iommu)
{
	if (!iommu)
		return;
	td_iommu_unmap_ram(iommu);
	td_cleanup_close(&iommu->kvm_vfio_fd);
	td_cleanup_close(&iommu->container_fd);
	free(iommu);
}

void td_iommu_tell_kvm(struct td_iommu *iommu, int vm_fd)
{
	struct kvm_create_device create = {.type = KVM_DEV_TYPE_VFIO};

	if (iommu->kvm_vfio_fd >= 0)
		return;
	if (ioctl(vm_fd, KVM_CREATE_DEVICE, &create) < 0) {
		td_debug("iommu: no KVM VFIO device: %s", strerror(errno));
		return;
	}
	iommu->kvm_vfio_fd = (int)create.fd;
	(void)fcntl(iommu->kvm_vfio_fd, F_SETFD, FD_CLOEXEC);
}

static void tell_kvm_of_group(struct td_iommu *iommu, int group_fd, uint64_t what)
{
	struct kvm_device_attr attr = {.group = KVM_DEV_VFIO_GROUP, .attr = what, .addr = (uintptr_t)&group_fd};

	if (iommu->kvm_vfio_fd >= 0 && ioctl(iommu->kvm_vfio_fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
		td_warn("iommu: KVM is not told of the VFIO group: %s", strerror(errno));
}

int td_iommu_add_group(struct td_iommu *iommu, int group_fd, unsigned group, struct td_err *err)
{
	if (ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &iommu->container_fd) < 0)
		return td_err_sys(err, errno, TD_REASON_VFIO, "group %u: VFIO_GROUP_SET_CONTAINER", group);
	if (iommu->group_count == 0 && ioctl(iommu->container_fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
		int errnum = errno;

		(void)ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER);
		/* The kernel has one errno for it, and a line in its log. */
		if (errnum == EPERM)
			return td_err_set(err, EPERM, TD_REASON_IRQ_REMAP,
				"group %u: the host does not remap interrupts, so a guest could raise any of them", group);
		return td_err_sys(err, errnum, TD_REASON_VFIO, "group %u: VFIO_SET_IOMMU", group);
	}
	iommu->group_count++;
	tell_kvm_of_group(iommu, group_fd, KVM_DEV_VFIO_GROUP_ADD);
	return 0;
}

void td_iommu_remove_group(struct td_iommu *iommu, int group_fd)
{
	if (iommu->group_count == 1)
		td_iommu_unmap_ram(iommu);
	tell_kvm_of_group(iommu, group_fd, KVM_DEV_VFIO_GROUP_DEL);
	/* EINVAL: the group's last device is gone (its PF was unbound), and the kernel has taken the group out itself. */
	if (ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER) < 0 && errno != EINVAL)
		td_warn("iommu: VFIO_GROUP_UNSET_CONTAINER: %s", strerror(errno));
	iommu->group_count--;
}

static int map_region(struct td_iommu *iommu, const struct td_mem_region *region, struct td_err *err)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)region->host,
		.iova = region->gpa.v,
		.size = region->len_bytes,
	};

	iommu->stats.map_calls++;
	if (ioctl(iommu->container_fd, VFIO_IOMMU_MAP_DMA, &map) < 0)
		return td_err_sys(err, errno, errno == ENOMEM ? TD_REASON_MEMLOCK : TD_REASON_IOMMU_MAP,
			"map guest RAM 0x%llx..0x%llx for DMA", (unsigned long long)map.iova,
			(unsigned long long)(map.iova + map.size - 1));
	iommu->mapped[iommu->mapped_count].iova = TD_IOVA(map.iova);
	iommu->mapped[iommu->mapped_count++].len_bytes = map.size;
	iommu->stats.mapped_bytes += map.size;
	return 0;
}

int td_iommu_map_ram(struct td_iommu *iommu, const struct td_mem *mem, struct td_err *err)
{
	struct td_memlock memlock = {0};
	uint64_t started = td_now_ns();

	if (iommu->mapped_count)
		return 0;
	td_memlock_read(&memlock);
	int rc = td_memlock_check(&memlock, mem->size_bytes, err);
	for (unsigned i = 0; rc == 0 && i < mem->region_count; i++)
		rc = map_region(iommu, &mem->region[i], err);
	if (rc < 0)
		td_iommu_unmap_ram(iommu);
	else
		iommu->stats.last_map_ns = td_now_ns() - started;
	return rc;
}

void td_iommu_unmap_ram(struct td_iommu *iommu)
{
	while (iommu->mapped_count) {
		iommu->mapped_count--;
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap),
			.iova = iommu->mapped[iommu->mapped_count].iova.v,
			.size = iommu->mapped[iommu->mapped_count].len_bytes,
		};

		iommu->stats.unmap_calls++;
		iommu->stats.mapped_bytes -= unmap.size;
		if (ioctl(iommu->container_fd, VFIO_IOMMU_UNMAP_DMA, &unmap) < 0)
			td_warn("iommu: unmap guest RAM: %s", strerror(errno));
	}
}

bool td_iommu_is_mapped(const struct td_iommu *iommu)
{
	return iommu->mapped_count != 0;
}

void td_iommu_stats(const struct td_iommu *iommu, struct td_iommu_stats *ret_stats)
{
	*ret_stats = iommu->stats;
}
