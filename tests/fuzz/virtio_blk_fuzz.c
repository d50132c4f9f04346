/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_blk_fuzz.c - what a disk makes of requests: chains of any parts, with any header, many at once, and resets in between. Whatever
 * they are, each is answered inside the memory that it gave or breaks the device, and no request slot is lost. Needs /dev/kvm.
 */
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/vm.h"
#include "emul/virtio_blk.h"
#include "emul/virtio_blk_parts.h"

#define RAM_BYTES   (4ULL << 20)
#define IMAGE_BYTES (64U * 1024U)
#define RING_SIZE   64U
#define DESC_GPA    0x1000ULL
#define AVAIL_GPA   0x2000ULL
#define USED_GPA    0x3000ULL
#define HEADER_GPA  0x4000ULL
#define DATA_GPA    0x10000ULL
#define DATA_BYTES  0x40000U
#define STEPS_MAX   64U
#define SERVE_NS    50000U /* timers come before events: without delay the loop would end before it began */

enum { STEP_REQUEST, STEP_RAW, STEP_SERVE, STEP_RESET, STEP_KINDS };

struct step {
	uint8_t what, parts, type, in_mask;
	uint32_t sector;
	uint16_t len[4];
};

struct machine {
	struct td_vm vm;
	struct blk *blk;
	struct td_timer stop;
	unsigned next;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop_loop(struct td_timer *timer)
{
	td_loop_stop(&TD_CONTAINER_OF(timer, struct machine, stop)->vm.loop);
}

static void serve(struct machine *m)
{
	do {
		td_loop_arm(&m->vm.loop, &m->stop, SERVE_NS);
		td_loop_run(&m->vm.loop);
	} while (m->blk->in_flight);
}

static void *ram(struct machine *m, uint64_t gpa)
{
	return td_mem_ptr(&m->vm.mem, TD_GPA(gpa), 1);
}

static void set(struct machine *m, uint32_t at, uint8_t width, uint64_t value)
{
	struct td_access step = {.offset = at, .width = width, .write = true, .value = value};

	td_virtio_pci_common_access(&m->blk->dev, &step);
}

static void check(struct machine *m)
{
	unsigned free_count = 0;

	for (struct request *request = m->blk->free; request; request = request->next_free)
		free_count++;
	if (free_count != m->blk->request_count)
		abort(); /* a slot was lost, or given twice */
}

static void reset(struct machine *m)
{
	set(m, 20, 1, 0);
	while (m->blk->dev.status)
		serve(m);
	check(m);
	memset(ram(m, DESC_GPA), 0, HEADER_GPA - DESC_GPA);
	m->next = 0;
	set(m, 20, 1, 3);
	set(m, 8, 4, 0);
	set(m, 12, 4, 1U << VIRTIO_RING_F_EVENT_IDX | 1U << VIRTIO_RING_F_INDIRECT_DESC);
	set(m, 8, 4, 1);
	set(m, 12, 4, 1);
	set(m, 20, 1, 11);
	set(m, 24, 2, RING_SIZE);
	set(m, 32, 8, DESC_GPA);
	set(m, 40, 8, AVAIL_GPA);
	set(m, 48, 8, USED_GPA);
	set(m, 28, 2, 1);
	set(m, 20, 1, 15);
}

static struct machine *make(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct td_vm_config config = {.name = "fuzz", .mem.size_bytes = RAM_BYTES, .cpus = 1};
	int fd = memfd_create("disk", MFD_CLOEXEC);
	char path[32];
	struct td_virtio_blk_config disk = {.name = "disk0", .path = path};
	struct td_err err = {0};

	td_log_set_level(TD_LOG_ERROR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!m || fd < 0 || ftruncate(fd, IMAGE_BYTES) || td_vm_init(&m->vm, &config, &err) || td_virtio_blk_create(&m->vm, &disk, &err)) {
		td_err_print(stderr, &err);
		exit(1);
	}
	close(fd);
	m->stop.expired = stop_loop;
	for (unsigned i = 1; i < TD_PCI_SLOTS && !m->blk; i++)
		if (m->vm.pci.slot[i])
			m->blk = TD_CONTAINER_OF(m->vm.pci.slot[i], struct blk, dev.pci);
	return m;
}

static void offer(struct machine *m, uint16_t head)
{
	uint16_t *avail = ram(m, AVAIL_GPA);

	avail[2 + avail[1] % RING_SIZE] = head;
	__atomic_store_n(&avail[1], (uint16_t)(avail[1] + 1), __ATOMIC_RELEASE);
}

/* A chain of up to four parts, the first of which holds a header; lengths and directions are the input's. */
static void add(struct machine *m, const struct step *step, bool raw)
{
	struct vring_desc *desc = ram(m, DESC_GPA);
	struct virtio_blk_outhdr header = {
		.type = raw ? step->sector : step->type % 13U, .sector = raw ? step->sector : step->sector % 160U};
	unsigned parts = 1 + step->parts % 4U;
	uint16_t head = (uint16_t)(m->next % RING_SIZE);
	uint64_t header_gpa = HEADER_GPA + head * 0x40ULL;

	memcpy(ram(m, header_gpa), &header, sizeof(header));
	for (unsigned i = 0; i < parts; i++) {
		unsigned at = m->next++ % RING_SIZE;
		bool last = i + 1 == parts, in = step->in_mask >> i & 1;

		desc[at] = (struct vring_desc){.addr = i ? DATA_GPA + 0x1000ULL * at : header_gpa,
			.len = step->len[i],
			.flags = (uint16_t)((in ? VRING_DESC_F_WRITE : 0) | (last ? 0 : VRING_DESC_F_NEXT)),
			.next = (uint16_t)((at + 1) % RING_SIZE)};
		if (!raw && i == 0)
			desc[at] = (struct vring_desc){header_gpa, 16, last ? 0 : VRING_DESC_F_NEXT, desc[at].next};
		else if (!raw && !last)
			desc[at].len = step->len[i] % 9U * 512U;
		else if (!raw)
			desc[at].len = 1 + step->len[i] % 2U;
	}
	offer(m, head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine *m;

	if (!m)
		m = make();
	reset(m);
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		if (step.what % STEP_KINDS <= STEP_RAW)
			add(m, &step, step.what % STEP_KINDS == STEP_RAW);
		if (m->blk->dev.running)
			m->blk->dev.ops->kicked(&m->blk->dev, 0);
		if (step.what % STEP_KINDS == STEP_SERVE)
			serve(m);
		if (step.what % STEP_KINDS == STEP_RESET || m->blk->dev.pci.device.broken)
			reset(m);
	}
	serve(m);
	check(m);
	return 0;
}
