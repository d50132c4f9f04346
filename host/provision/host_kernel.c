/* SPDX-License-Identifier: Apache-2.0 */
/* host_kernel.c - which attribute is set by whom; huge pages and modules. Links are host_kernel_link.c, VFs host_kernel_vf.c. */
#include "host/provision/host_kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "host/net/host_guard.h"
#include "host/provision/host_kmod.h"

static int observe(void *opaque, struct td_host_state *ret_is, struct td_err *err)
{
	struct td_host_kernel *kernel = opaque;
	return td_host_observe(&kernel->observe, &kernel->netlink, ret_is, err);
}

/* The kernel makes as many as it finds memory for, and says yes. */
static int set_pages(const char *size, const char *to, struct td_err *err)
{
	char path[96], text[32] = "";
	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%skB/nr_hugepages", strcmp(size, "1G") ? "2048" : "1048576");
	td_auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || write(fd, to, strlen(to)) < 0)
		return td_err_sys(err, errno, TD_REASON_HUGEPAGES, "huge pages of %s: %s", size, to);
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	if (strtoull(text, NULL, 10) < strtoull(to, NULL, 10))
		return td_err_set(err, ENOMEM, TD_REASON_HUGEPAGES, "huge pages of %s: the host has memory for %lld of %s", size,
			strtoll(text, NULL, 10), to);
	return 0;
}

static int set(void *opaque, enum td_host_kind kind, const char *name, enum td_host_attr attr, const char *from, const char *to,
	struct td_err *err)
{
	struct td_host_kernel *kernel = opaque;
	switch (kind) {
	case TD_HOST_MODULE:
		return td_host_kmod_load(name, err);
	case TD_HOST_HUGEPAGES:
		return set_pages(name, to, err);
	case TD_HOST_LINK:
		if (attr == TD_HOST_ATTR_NUM_VFS)
			return td_host_kernel_num_vfs(kernel, name, to, err);
		return td_host_kernel_link(kernel, name, attr, from, to, err);
	case TD_HOST_VF:
		return td_host_kernel_vf(kernel, name, attr, to, err);
	case TD_HOST_KIND_COUNT:
		break;
	}
	return td_err_set(err, EINVAL, TD_REASON_INTERNAL, "%s: %s cannot be set", name, td_host_state_attr_name(attr));
}

static int save(void *opaque, const struct td_host_record *record, struct td_err *err)
{
	const struct td_host_kernel *kernel = opaque;
	return td_host_record_save(kernel->run_dir, record, err);
}

static int free_vf(void *opaque, const char *bdf, const char *holder, struct td_err *err)
{
	const struct td_host_kernel *kernel = opaque;
	return kernel->free_vf(bdf, holder, err);
}

const struct td_host_ops td_host_kernel_ops = {.observe = observe, .set = set, .save = save, .free_vf = free_vf};

void td_host_kernel_probe_groups(struct td_host_look *look)
{
	for (unsigned i = 0; i < look->plan.count; i++) {
		const struct td_host_step *step = &look->plan.step[i];
		const struct td_host_object *vf = td_host_state_find(&look->is, step->kind, step->name);
		if (step->kind == TD_HOST_VF && step->attr == TD_HOST_ATTR_DRIVER && td_host_state_is(vf, step->attr, "vfio-pci") &&
			!vf->value[TD_HOST_ATTR_HOLDER] && vf->value[TD_HOST_ATTR_BDF] &&
			td_host_observe_group_open(vf->value[TD_HOST_ATTR_BDF]))
			td_host_state_set(&look->is, TD_HOST_VF, step->name, TD_HOST_ATTR_HOLDER, "another program than tandem");
	}
}

void td_host_kernel_guard(struct td_host_kernel *kernel, const struct td_host_look *look)
{
	for (unsigned i = 0; i < look->is.count; i++) {
		const struct td_host_object *link = &look->is.object[i];
		struct td_err err = {0};
		if (link->kind == TD_HOST_LINK && td_host_state_is(link, TD_HOST_ATTR_KIND, "bridge") &&
			td_host_guard_sync(&kernel->netlink, link->name, &err))
			td_warn("%s: frames of its VMs may come back: %s", link->name, err.text);
	}
}
