/* SPDX-License-Identifier: Apache-2.0 */
/* vhost_net.c - see vhost_net.h. */
#include "emul/vhost_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define VHOST_PATH "/dev/vhost-net"

int td_vhost_net_open(struct td_vhost_net *vhost, struct td_err *err)
{
	td_auto_close int fd = open(VHOST_PATH, O_RDWR | O_CLOEXEC);

	vhost->fd = -1;
	vhost->running = false;
	if (fd < 0)
		return td_err_sys(err, errno, TD_REASON_VHOST, VHOST_PATH);
	if (ioctl(fd, VHOST_SET_OWNER))
		return td_err_sys(err, errno, TD_REASON_VHOST, VHOST_PATH ": VHOST_SET_OWNER");
	vhost->fd = td_take_fd(&fd);
	return 0;
}

int td_vhost_net_features(const struct td_vhost_net *vhost, uint64_t *ret_features)
{
	return ioctl(vhost->fd, VHOST_GET_FEATURES, ret_features) ? -errno : 0;
}

static int set_memory(int fd, const struct td_mem *mem)
{
	td_auto_free struct vhost_memory *table = calloc(1, sizeof(*table) + TD_MEM_REGIONS * sizeof(table->regions[0]));

	if (!table)
		return -ENOMEM;
	table->nregions = mem->region_count;
	for (unsigned i = 0; i < mem->region_count; i++)
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->region[i].gpa.v,
			.memory_size = mem->region[i].len_bytes,
			.userspace_addr = (uintptr_t)mem->region[i].host,
		};
	return ioctl(fd, VHOST_SET_MEM_TABLE, table) ? -errno : 0;
}

static int vhost_set_queue(int fd, unsigned index, const struct td_vhost_queue *queue)
{
	const struct td_virtqueue *vq = queue->vq;
	struct vhost_vring_state size = {index, vq->size}, base = {index, vq->next_avail};
	struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
		.log_guest_addr = vq->used_gpa.v,
	};
	struct vhost_vring_file kick = {index, queue->kick_fd}, call = {index, queue->call_fd}, error = {index, queue->error_fd};

	if (ioctl(fd, VHOST_SET_VRING_NUM, &size) || ioctl(fd, VHOST_SET_VRING_BASE, &base) || ioctl(fd, VHOST_SET_VRING_ADDR, &addr) ||
		ioctl(fd, VHOST_SET_VRING_CALL, &call) || ioctl(fd, VHOST_SET_VRING_ERR, &error) || ioctl(fd, VHOST_SET_VRING_KICK, &kick))
		return -errno;
	return 0;
}

static int set_backend(int fd, unsigned index, int tap_fd)
{
	struct vhost_vring_file file = {index, tap_fd};

	return ioctl(fd, VHOST_NET_SET_BACKEND, &file) ? -errno : 0;
}

static void stop_backends(int fd)
{
	for (unsigned i = 0; i < 2; i++)
		(void)set_backend(fd, i, -1);
}

int td_vhost_net_start(
	struct td_vhost_net *vhost, const struct td_mem *mem, uint64_t features, const struct td_vhost_queue queue[2], struct td_err *err)
{
	const char *what = "VHOST_SET_FEATURES";
	uint64_t supported = 0;
	int rc = td_vhost_net_features(vhost, &supported);

	features &= supported;
	if (!rc && ioctl(vhost->fd, VHOST_SET_FEATURES, &features))
		rc = -errno;
	if (!rc) {
		what = "VHOST_SET_MEM_TABLE";
		rc = set_memory(vhost->fd, mem);
	}
	for (unsigned i = 0; !rc && i < 2; i++) {
		what = "VHOST_SET_VRING_*";
		rc = vhost_set_queue(vhost->fd, i, &queue[i]);
	}
	for (unsigned i = 0; !rc && i < 2; i++) {
		what = "VHOST_NET_SET_BACKEND";
		rc = set_backend(vhost->fd, i, queue[i].tap_fd);
	}
	if (rc) {
		stop_backends(vhost->fd);
		return td_err_sys(err, -rc, TD_REASON_VHOST, VHOST_PATH ": %s", what);
	}
	vhost->running = true;
	return 0;
}

void td_vhost_net_stop(struct td_vhost_net *vhost, struct td_virtqueue *const vq[2])
{
	if (!vhost->running)
		return;
	vhost->running = false;
	stop_backends(vhost->fd);
	for (unsigned i = 0; i < 2; i++) {
		struct vhost_vring_state base = {.index = i};
		struct vhost_vring_file none = {i, VHOST_FILE_UNBIND};

		if (!ioctl(vhost->fd, VHOST_GET_VRING_BASE, &base))
			td_virtqueue_take_over(vq[i], (uint16_t)base.num);
		(void)ioctl(vhost->fd, VHOST_SET_VRING_KICK, &none);
		(void)ioctl(vhost->fd, VHOST_SET_VRING_CALL, &none);
	}
}

int td_vhost_net_set_tap(struct td_vhost_net *vhost, unsigned queue, int tap_fd)
{
	return set_backend(vhost->fd, queue, tap_fd);
}

int td_vhost_net_set_call(struct td_vhost_net *vhost, unsigned queue, int call_fd)
{
	struct vhost_vring_file call = {queue, call_fd};

	return ioctl(vhost->fd, VHOST_SET_VRING_CALL, &call) ? -errno : 0;
}

void td_vhost_net_close(struct td_vhost_net *vhost)
{
	if (vhost->fd < 0)
		return;
	stop_backends(vhost->fd);
	close(vhost->fd);
	vhost->fd = -1;
	vhost->running = false;
}
