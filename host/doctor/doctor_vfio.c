/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_vfio.c - checks of VFIO's drivers and device files. */
#include <string.h>

#include "host/doctor/doctor_host.h"

/* Groups whose VF is bound to vfio-pci have a file each, which the user who starts the VM opens. */
static void check_groups_access(struct td_doctor *doctor)
{
	const struct td_doctor_host *host = &doctor->host;
	for (unsigned i = 0; i < host->function_count; i++) {
		const struct td_doctor_function *vf = &host->function[i];
		struct td_doctor_device device;
		char path[64];
		if (!*vf->pf_bdf || vf->group < 0 || strcmp(vf->driver, "vfio-pci") != 0)
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/%d", vf->group);
		if (td_doctor_tree_device(doctor->tree, path, &device) && !device.usable)
			td_doctor_find(doctor, TD_DOCTOR_VFIO_ACCESS, path,
				"%s (VF %s) has mode %04o, owner %u, group %u; user %u may not open it", path, vf->bdf, device.mode,
				device.uid, device.gid, host->uid);
	}
}

void td_doctor_check_vfio(struct td_doctor *doctor)
{
	struct td_doctor_device device;
	unsigned before = doctor->report->count;
	const char *noiommu = td_doctor_tree_text(doctor->tree, "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	if (noiommu && *noiommu == 'Y')
		td_doctor_find(doctor, TD_DOCTOR_VFIO_NOIOMMU, "host", "vfio has enable_unsafe_noiommu_mode=Y");
	if (!td_doctor_tree_exists(doctor->tree, "/sys/bus/pci/drivers/vfio-pci")) {
		td_doctor_find(doctor, TD_DOCTOR_VFIO_NOT_LOADED, "host", "the driver vfio-pci is not loaded");
		return;
	}
	if (!td_doctor_tree_device(doctor->tree, "/dev/vfio/vfio", &device)) {
		td_doctor_find(doctor, TD_DOCTOR_VFIO_DEVICE, "/dev/vfio/vfio", "there is no /dev/vfio/vfio");
		return;
	}
	if (!device.usable) {
		struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_VFIO_ACCESS, "/dev/vfio/vfio",
			"/dev/vfio/vfio has mode %04o; user %u may not open it", device.mode, doctor->host.uid);
		td_doctor_advise(finding, "As root: chmod 0666 /dev/vfio/vfio (it gives access to no device by itself)");
	}
	check_groups_access(doctor);
	if (doctor->report->count == before)
		td_doctor_fine(doctor, "host", "vfio-pci is loaded, /dev/vfio is there and may be opened");
}
