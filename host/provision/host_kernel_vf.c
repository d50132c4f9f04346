/* SPDX-License-Identifier: Apache-2.0 */
/* host_kernel_vf.c - the number of VFs, their settings in the PF, their drivers: host/sriov/sriov.h, and what takes a moment. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/provision/host_kernel.h"
#include "host/provision/host_kmod.h"
#include "host/provision/host_words.h"
#include "host/sriov/lease.h"
#include "host/sriov/sriov.h"
#include "host/sys/sysfs.h"

#define APPEAR_MS 5000 /* VFs in sysfs after sriov_numvfs was written; a PF's link after that */
#define LOOK_MS	  20
#define AUTOPROBE "/bus/pci/devices/%s/sriov_drivers_autoprobe"

static void sleep_ms(unsigned ms)
{
	struct timespec time = {.tv_nsec = (long)ms * 1000000L};
	nanosleep(&time, NULL);
}

/* ---- locks: a VM that starts meanwhile must not take a VF that goes away or changes its driver ---- */

/* Ours already: good. */
static int lock_vf(struct td_host_kernel *kernel, const char *bdf, struct td_err *err)
{
	for (unsigned i = 0; i < kernel->lock_count; i++)
		if (!strcmp(kernel->lock[i].bdf, bdf))
			return 0;
	struct td_host_kernel_lock *more = realloc(kernel->lock, (kernel->lock_count + 1) * sizeof(*more));
	if (!more)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	kernel->lock = more;
	struct td_host_kernel_lock *lock = &more[kernel->lock_count];
	snprintf(lock->bdf, sizeof(lock->bdf), "%s", bdf);
	int r = td_lease_lock(kernel->run_dir, bdf, "(tandem host apply)", &lock->fd, err);
	kernel->lock_count += !r;
	return r;
}

static void unlock_vf(struct td_host_kernel *kernel, const char *bdf)
{
	for (unsigned i = kernel->lock_count; i-- > 0;)
		if (!strcmp(kernel->lock[i].bdf, bdf)) {
			close(kernel->lock[i].fd);
			kernel->lock[i] = kernel->lock[--kernel->lock_count];
		}
}

void td_host_kernel_unlock(struct td_host_kernel *kernel)
{
	for (unsigned i = 0; i < kernel->lock_count; i++)
		close(kernel->lock[i].fd);
	free(kernel->lock);
	kernel->lock = NULL;
	kernel->lock_count = 0;
}

/* The kernel said yes: are all of them there? */
static int make_vfs(const char *pf, const char *to, struct td_err *err)
{
	unsigned wanted = (unsigned)strtoul(to, NULL, 10), count = 0;
	int r = td_sriov_set_count(pf, wanted, err);
	for (unsigned waited = 0; !r; waited += LOOK_MS) {
		td_auto_free struct td_sriov_vf *vfs = NULL;
		if (!td_sriov_list(pf, &vfs, &count, err) && count == wanted)
			return 0;
		if (waited >= APPEAR_MS)
			r = td_err_set(err, EIO, TD_REASON_NO_SRIOV, "%s: %s VFs asked for, %u made", pf, to, count);
		sleep_ms(LOOK_MS);
	}
	return r;
}

int td_host_kernel_num_vfs(struct td_host_kernel *kernel, const char *pf, const char *to, struct td_err *err)
{
	td_auto_free struct td_sriov_vf *vfs = NULL;
	unsigned count = 0;
	int r = td_sriov_list(pf, &vfs, &count, err);
	for (unsigned i = 0; !r && i < count; i++)
		r = lock_vf(kernel, vfs[i].bdf, err);
	if (!r)
		r = make_vfs(pf, to, err);
	for (unsigned i = 0; i < count; i++)
		unlock_vf(kernel, vfs[i].bdf); /* they are no more; other PFs' VFs still have to go */
	return r;
}

/* Cards refuse rates without a link, and the link is away for 2 s when VFs were made. */
static int set_rate(const char *pf, unsigned index, enum td_host_attr attr, const char *to, struct td_err *err)
{
	struct td_sriov_vf_settings now;
	uint32_t value = (uint32_t)strtoul(to, NULL, 10);
	bool up = false, carrier = false;
	int r = td_sriov_get(pf, index, &now, err);
	if (r)
		return r;
	uint32_t *rate = attr == TD_HOST_ATTR_MAX_TX_RATE ? &now.max_tx_rate : &now.min_tx_rate;
	if (*rate == value)
		return 0;
	*rate = value;
	for (unsigned waited = 0; waited < APPEAR_MS; waited += LOOK_MS) {
		if (td_sriov_pf_link(pf, &up, &carrier, NULL) || !up || carrier)
			break;
		sleep_ms(LOOK_MS);
	}
	return td_sriov_set_rate(pf, index, now.min_tx_rate, now.max_tx_rate, err);
}

static int fail_probe(const struct td_sriov_vf *vf, struct td_err *err)
{
	return td_err_set(err, ENODEV, TD_REASON_VFIO_DRIVER, "vf %s: no network driver took it: is its module there?", vf->bdf);
}

/* With autoprobe off the kernel matches no driver to a VF: it is on for the moment. */
static int bind_netdevice(const struct td_sriov_vf *vf, struct td_err *err)
{
	char alias[256], autoprobe[8];
	struct td_sriov_vf now;
	if (vf->driver[0] && strcmp(vf->driver, "vfio-pci") != 0)
		return 0;
	int r = td_sriov_unbind_vfio(vf->bdf, "", err);
	if (r)
		return r;
	if (!td_sysfs_read(TD_SYSFS, alias, sizeof(alias), "/bus/pci/devices/%s/modalias", vf->bdf))
		(void)td_host_kmod_load(alias, NULL); /* it may be built in, or loaded by udev meanwhile */
	bool known = !td_sysfs_read(TD_SYSFS, autoprobe, sizeof(autoprobe), AUTOPROBE, vf->pf_bdf);
	(void)td_sysfs_write(TD_SYSFS, "1", AUTOPROBE, vf->pf_bdf);
	r = td_sysfs_write(TD_SYSFS, vf->bdf, "/bus/pci/drivers_probe");
	(void)td_sysfs_write(TD_SYSFS, known ? autoprobe : "0", AUTOPROBE, vf->pf_bdf);
	if (r || td_sriov_lookup(vf->bdf, &now, NULL) || !now.driver[0])
		return fail_probe(vf, err);
	return 0;
}

static int bind_vf(const struct td_sriov_vf *vf, const char *to, struct td_err *err)
{
	int r = 0;
	if (!strcmp(to, "netdevice"))
		return bind_netdevice(vf, err);
	if (!strcmp(to, "none"))
		return vf->driver[0] ? td_sriov_unbind_vfio(vf->bdf, "", err) : 0;
	if (!td_sysfs_exists(TD_SYSFS, "/bus/pci/drivers/vfio-pci"))
		r = td_host_kmod_load("vfio-pci", err);
	return r ? r : td_sriov_bind_vfio(vf->bdf, NULL, err);
}

static bool is_bound(const struct td_sriov_vf *vf, const char *to)
{
	const char *is = !vf->driver[0] ? "none" : strcmp(vf->driver, "vfio-pci") ? "netdevice" : "vfio-pci";
	return !strcmp(is, to);
}

/* One that loses its driver stays locked, as its PF's number of VFs changes next; one that gets one is anybody's again. */
static int set_driver(struct td_host_kernel *kernel, const char *pf, unsigned index, const char *to, struct td_err *err)
{
	td_auto_free struct td_sriov_vf *vfs = NULL;
	unsigned count = 0;
	int r = td_sriov_list(pf, &vfs, &count, err);
	if (r)
		return r;
	if (index >= count)
		return td_err_set(err, ENODEV, TD_REASON_VF_LOST, "%s: VF %u: is not there", pf, index);
	if (is_bound(&vfs[index], to)) /* an undo, where a VM was faster: it may have the VF */
		return 0;
	r = lock_vf(kernel, vfs[index].bdf, err);
	if (!r)
		r = bind_vf(&vfs[index], to, err);
	if (strcmp(to, "none") != 0)
		unlock_vf(kernel, vfs[index].bdf);
	return r;
}

/* Only what differs is written: a driver that knows no such setting refuses it, were it to what it is. */
static int set_setting(const char *pf, unsigned index, enum td_host_attr attr, const char *to, struct td_err *err)
{
	struct td_sriov_vf_settings now;
	bool on = !strcmp(to, "yes");
	uint16_t vlan = (uint16_t)strtoul(to, NULL, 10);
	int state = TD_MAX(TD_HOST_WORDS_FIND(td_host_words_link_state, to), 0), r = td_sriov_get(pf, index, &now, err);
	if (r)
		return r;
	switch (attr) {
	case TD_HOST_ATTR_TRUST:
		return on == now.trust ? 0 : td_sriov_set_trust(pf, index, on, err);
	case TD_HOST_ATTR_SPOOFCHK:
		return on == now.spoofchk ? 0 : td_sriov_set_spoofchk(pf, index, on, err);
	case TD_HOST_ATTR_VLAN:
		return vlan == now.vlan ? 0 : td_sriov_set_vlan(pf, index, vlan, err);
	default:
		return state == (int)now.link_state ? 0 : td_sriov_set_link_state(pf, index, (enum td_sriov_link)state, err);
	}
}

int td_host_kernel_vf(struct td_host_kernel *kernel, const char *vf, enum td_host_attr attr, const char *to, struct td_err *err)
{
	char pf[16];
	unsigned index;
	if (!td_host_state_split_vf(vf, pf, &index))
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "'%.32s' is no VF's name", vf);
	switch (attr) {
	case TD_HOST_ATTR_DRIVER:
		return set_driver(kernel, pf, index, to, err);
	case TD_HOST_ATTR_TRUST:
	case TD_HOST_ATTR_SPOOFCHK:
	case TD_HOST_ATTR_VLAN:
	case TD_HOST_ATTR_LINK_STATE:
		return set_setting(pf, index, attr, to, err);
	case TD_HOST_ATTR_MAX_TX_RATE:
	case TD_HOST_ATTR_MIN_TX_RATE:
		return set_rate(pf, index, attr, to, err);
	default:
		return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: %s cannot be set", vf, td_host_state_attr_name(attr));
	}
}
