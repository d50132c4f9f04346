/* SPDX-License-Identifier: Apache-2.0 */
/* iommu.c - see iommu.h: what is mapped, limits, counts, and KVM's view of it. The kernel's interface is a backend's: iommu_ops.h. */
#include "iommu/iommu.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem_room.h"
#include "iommu/iommu_ops.h"
#include "iommu/memlock.h"

struct td_iommu {
	struct td_iommu_backend *backend;
	int kvm_vfio_fd; /* KVM's view of who does DMA into the guest, or -1 */
	unsigned group_count;
	unsigned mapped_count; /* runs of `mapped` */
	struct {
		td_iova iova;
		uint64_t len_bytes;
	} mapped[TD_MEM_REGIONS];
	struct td_iommu_stats stats;
};

int td_iommu_create_on(struct td_iommu_backend *backend, struct td_iommu **ret_iommu, struct td_err *err)
{
	struct td_iommu *iommu = calloc(1, sizeof(*iommu));

	if (!iommu) {
		backend->ops->close(backend);
		return td_err_sys(err, ENOMEM, TD_REASON_NO_MEMORY, "IOMMU address space");
	}
	iommu->backend = backend;
	iommu->kvm_vfio_fd = -1;
	*ret_iommu = iommu;
	return 0;
}

int td_iommu_create(struct td_iommu **ret_iommu, struct td_err *err)
{
	struct td_iommu_backend *backend;
	int rc = td_iommu_type1_open(&backend, err);

	return rc < 0 ? rc : td_iommu_create_on(backend, ret_iommu, err);
}

void td_iommu_destroy(struct td_iommu *iommu)
{
	if (!iommu)
		return;
	td_iommu_unmap_ram(iommu);
	td_cleanup_close(&iommu->kvm_vfio_fd);
	iommu->backend->ops->close(iommu->backend);
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
	int rc = iommu->backend->ops->add_group(iommu->backend, group_fd, group, iommu->group_count == 0, err);

	if (rc < 0)
		return rc;
	iommu->group_count++;
	tell_kvm_of_group(iommu, group_fd, KVM_DEV_VFIO_GROUP_ADD);
	return 0;
}

void td_iommu_remove_group(struct td_iommu *iommu, int group_fd)
{
	if (iommu->group_count == 1)
		td_iommu_unmap_ram(iommu);
	tell_kvm_of_group(iommu, group_fd, KVM_DEV_VFIO_GROUP_DEL);
	iommu->backend->ops->remove_group(iommu->backend, group_fd);
	iommu->group_count--;
}

static int map_run(struct td_iommu *iommu, const struct td_mem_region *run, struct td_err *err)
{
	td_iova iova = TD_IOVA(run->gpa.v);

	iommu->stats.map_calls++;
	int rc = iommu->backend->ops->map(iommu->backend, iova, run->host, run->len_bytes);
	if (rc < 0)
		return td_err_sys(err, -rc, rc == -ENOMEM ? TD_REASON_MEMLOCK : TD_REASON_IOMMU_MAP, "map guest RAM 0x%llx..0x%llx for DMA",
			(unsigned long long)iova.v, (unsigned long long)(iova.v + run->len_bytes - 1));
	iommu->mapped[iommu->mapped_count].iova = iova;
	iommu->mapped[iommu->mapped_count++].len_bytes = run->len_bytes;
	iommu->stats.mapped_bytes += run->len_bytes;
	return 0;
}

int td_iommu_map_ram(struct td_iommu *iommu, const struct td_mem *mem, struct td_err *err)
{
	struct td_memlock memlock = {0};
	uint64_t started = td_now_ns();

	if (iommu->mapped_count)
		return 0;
	int rc = td_mem_room_check(td_mem_absent_bytes(mem), "a VF pins all of the guest's at once", err);
	td_memlock_read(&memlock);
	if (rc == 0)
		rc = td_memlock_check(&memlock, mem->size_bytes, err);
	for (unsigned i = 0; rc == 0 && i < mem->region_count; i++)
		rc = map_run(iommu, &mem->region[i], err);
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
		td_iova iova = iommu->mapped[iommu->mapped_count].iova;
		uint64_t len_bytes = iommu->mapped[iommu->mapped_count].len_bytes;

		iommu->stats.unmap_calls++;
		iommu->stats.mapped_bytes -= len_bytes;
		int rc = iommu->backend->ops->unmap(iommu->backend, iova, len_bytes);
		if (rc < 0)
			td_warn("iommu: unmap guest RAM 0x%llx..0x%llx: %s", (unsigned long long)iova.v,
				(unsigned long long)(iova.v + len_bytes - 1), strerror(-rc));
	}
}

void td_iommu_stats(const struct td_iommu *iommu, struct td_iommu_stats *ret_stats)
{
	*ret_stats = iommu->stats;
}
