/* SPDX-License-Identifier: Apache-2.0 */
/* emul_virtio_blk_test.c - disk requests, good ones and bad ones, on a small image. */
#include "emul/virtio_blk.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/virtio_blk.h>
#include <sys/ioctl.h>

#include "emul/virtio_blk_parts.h"
#include "tests/unit/virtio_driver.h"

#define V1	       (1ULL << VIRTIO_F_VERSION_1)
#define SECTORS	       128U
#define HEADER_AT      DRIVER_DATA
#define STATUS_AT      (DRIVER_DATA + 0x1000)
#define DATA_AT	       (DRIVER_DATA + 0x2000)
#define UNTOUCHED      0xee
#define STATUS_NOTHING 0x77

struct disk {
	struct td_vm *vm;
	struct td_virtio_pci *dev;
	struct driver_queue queue;
	char path[64];
	int fd;
};

static uint8_t pattern(unsigned sector)
{
	return (uint8_t)(sector * 3 + 1);
}

static struct disk *make(bool readonly)
{
	struct disk *d = calloc(1, sizeof(*d));
	struct td_virtio_blk_config config = {.name = "disk0", .path = d->path, .readonly = readonly, .serial = "serial-of-20-bytes!!+"};
	uint8_t sector[512];

	snprintf(d->path, sizeof(d->path), "/tmp/tandem-blk-XXXXXX");
	d->fd = mkstemp(d->path);
	assert_true(d->fd >= 0);
	for (unsigned i = 0; i < SECTORS; i++) {
		memset(sector, pattern(i), sizeof(sector));
		assert_int_equal(write(d->fd, sector, sizeof(sector)), sizeof(sector));
	}
	d->vm = driver_make_vm();
	if (!d->vm)
		return d;
	assert_int_equal(td_virtio_blk_create(d->vm, &config, NULL), 0);
	d->dev = driver_device(d->vm);
	assert_true(driver_negotiate(d->dev, V1) & VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(driver_set_up_queue(d->dev, 0, 64, &d->queue), TD_DONE);
	driver_go(d->dev);
	return d;
}

static void unmake(struct disk *d)
{
	if (d->vm)
		driver_free_vm(d->vm);
	close(d->fd);
	unlink(d->path);
	free(d);
}

static int setup(void **state)
{
	*state = make(false);
	return 0;
}

static int setup_readonly(void **state)
{
	*state = make(true);
	return 0;
}

static int teardown(void **state)
{
	unmake(*state);
	return 0;
}

static struct disk *get(void **state)
{
	struct disk *d = *state;

	if (!d->vm)
		skip();
	return d;
}

static void put_header(struct disk *d, uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr header = {.type = type, .sector = sector};

	memcpy(driver_ram(d->dev, HEADER_AT), &header, sizeof(header));
	memset(driver_ram(d->dev, STATUS_AT), STATUS_NOTHING, 1);
}

static void submit(struct disk *d, const struct driver_part *part, unsigned count)
{
	driver_add(&d->queue, part, count);
	driver_kick(d->dev, 0);
}

/* A request with one data segment (none when len is 0); returns the status byte, or -1 when there was no answer. */
static int request(struct disk *d, uint32_t type, uint64_t sector, uint32_t len)
{
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, len, in}, {STATUS_AT, 1, true}};
	const struct driver_part bare[] = {{HEADER_AT, 16, false}, {STATUS_AT, 1, true}};

	put_header(d, type, sector);
	if (len)
		submit(d, part, 3);
	else
		submit(d, bare, 2);
	if (driver_used(d->vm, &d->queue) < 0)
		return -1;
	return *(uint8_t *)driver_ram(d->dev, STATUS_AT);
}

static void test_config(void **state)
{
	struct disk *d = get(state);

	assert_int_equal(driver_read(d->dev, TD_VIRTIO_AT_DEVICE, 8), SECTORS);
	assert_int_equal(td_pci_get16(d->dev->pci.config, 2), 0x1042);
}

/* With O_NONBLOCK some kernels' io_uring gives up where a read would have to wait for the disk. */
static void test_image_blocks(void **state)
{
	struct disk *d = get(state);
	unsigned found = 0;

	for (int fd = 0; fd < 256; fd++) {
		char link[32], target[64] = "";

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (fd == d->fd || readlink(link, target, sizeof(target) - 1) < 0 || strcmp(target, d->path) != 0)
			continue;
		assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		found++;
	}
	assert_int_equal(found, 1);
}

static void test_read(void **state)
{
	struct disk *d = get(state);
	uint8_t *data = driver_ram(d->dev, DATA_AT);

	memset(data, UNTOUCHED, 4096);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 5, 1024), VIRTIO_BLK_S_OK);
	assert_int_equal(data[0], pattern(5));
	assert_int_equal(data[1023], pattern(6));
	assert_int_equal(data[1024], UNTOUCHED);
	assert_true(driver_signalled(d->dev, 1));
}

static void test_write_and_flush(void **state)
{
	struct disk *d = get(state);
	uint8_t sector[512];

	memset(driver_ram(d->dev, DATA_AT), 0x5a, 512);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(request(d, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(d->fd, sector, 512, (SECTORS - 1) * 512), 512);
	assert_int_equal(sector[0], 0x5a);
	assert_int_equal(pread(d->fd, sector, 512, (SECTORS - 2) * 512), 512);
	assert_int_equal(sector[511], pattern(SECTORS - 2));
}

static void test_used_length(void **state)
{
	struct disk *d = get(state);
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, 512, true}, {STATUS_AT, 1, true}};

	put_header(d, VIRTIO_BLK_T_IN, 0);
	submit(d, part, 3);
	assert_int_equal(driver_used(d->vm, &d->queue), 513);
}

/* Nothing says that header, data and status have segments of their own (virtio 1.2 §2.7.4). */
static void test_any_layout(void **state)
{
	struct disk *d = get(state);
	const struct driver_part part[] = {
		{HEADER_AT, 3, false}, {HEADER_AT + 3, 13, false}, {DATA_AT, 100, true}, {DATA_AT + 100, 412 + 1, true}};

	put_header(d, VIRTIO_BLK_T_IN, 9);
	memset(driver_ram(d->dev, DATA_AT), UNTOUCHED, 513);
	submit(d, part, 4);
	assert_int_equal(driver_used(d->vm, &d->queue), 513);
	assert_int_equal(*(uint8_t *)driver_ram(d->dev, DATA_AT + 511), pattern(9));
	assert_int_equal(*(uint8_t *)driver_ram(d->dev, DATA_AT + 512), VIRTIO_BLK_S_OK);
	/* Header and written data in one. */
	const struct driver_part one[] = {{HEADER_AT, 16 + 512, false}, {STATUS_AT, 1, true}};
	put_header(d, VIRTIO_BLK_T_OUT, 1);
	memset(driver_ram(d->dev, HEADER_AT + 16), 0x11, 512);
	submit(d, one, 2);
	assert_int_equal(driver_used(d->vm, &d->queue), 1);
	uint8_t byte;
	assert_int_equal(pread(d->fd, &byte, 1, 512), 1);
	assert_int_equal(byte, 0x11);
}

static void test_id(void **state)
{
	struct disk *d = get(state);
	uint8_t *data = driver_ram(d->dev, DATA_AT);

	memset(data, UNTOUCHED, 64);
	assert_int_equal(request(d, VIRTIO_BLK_T_GET_ID, 0, 20), VIRTIO_BLK_S_OK);
	assert_memory_equal(data, "serial-of-20-bytes!!", 20);
	assert_int_equal(data[20], UNTOUCHED);
	assert_int_equal(request(d, VIRTIO_BLK_T_GET_ID, 0, 6), VIRTIO_BLK_S_OK);
}

static void test_refused(void **state)
{
	struct disk *d = get(state);
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		int status;
	} refused[] = {
		{VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, ~0ULL, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, ~0ULL / 512, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, 1ULL << 55, 512, VIRTIO_BLK_S_IOERR}, /* its byte offset is 0 in 64 bits */
		{VIRTIO_BLK_T_IN, 0, 511, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_IN, 0, 0, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, SECTORS, 512, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR},
		{VIRTIO_BLK_T_DISCARD, 0, 16, VIRTIO_BLK_S_UNSUPP},
		{0xffffffff, 0, 512, VIRTIO_BLK_S_UNSUPP},
	};

	for (unsigned i = 0; i < TD_COUNT(refused); i++)
		assert_int_equal(request(d, refused[i].type, refused[i].sector, refused[i].len), refused[i].status);
	assert_false(d->dev->pci.device.broken);
}

/* The direction of the data must be the request's. */
static void test_wrong_direction(void **state)
{
	struct disk *d = get(state);
	const struct driver_part out[] = {{HEADER_AT, 16, false}, {DATA_AT, 512, false}, {STATUS_AT, 1, true}};
	const struct driver_part in[] = {{HEADER_AT, 16, false}, {DATA_AT, 512, true}, {STATUS_AT, 1, true}};

	put_header(d, VIRTIO_BLK_T_IN, 0);
	submit(d, out, 3);
	assert_int_equal(driver_used(d->vm, &d->queue), 1);
	assert_int_equal(*(uint8_t *)driver_ram(d->dev, STATUS_AT), VIRTIO_BLK_S_IOERR);
	put_header(d, VIRTIO_BLK_T_OUT, 0);
	submit(d, in, 3);
	assert_int_equal(driver_used(d->vm, &d->queue), 1);
	assert_int_equal(*(uint8_t *)driver_ram(d->dev, STATUS_AT), VIRTIO_BLK_S_IOERR);
}

static void test_readonly(void **state)
{
	struct disk *d = get(state);
	uint8_t byte;

	assert_true(d->dev->offered & 1ULL << VIRTIO_BLK_F_RO);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(d->fd, &byte, 1, 0), 1);
	assert_int_equal(byte, pattern(0));
}

/* Chains that are no request break the device; a reset mends it, more often than there are requests to lose. */
static void test_no_request(void **state)
{
	struct disk *d = get(state);
	static const struct driver_part bad[][3] = {
		{{HEADER_AT, 15, false}, {STATUS_AT, 1, true}}, {{HEADER_AT, 16, false}}, {{STATUS_AT, 1, true}},
		{{HEADER_AT, 16 + 512, false}, {DATA_AT, 512, true}, {STATUS_AT, 1, true}}, {{HEADER_AT, 0, false}}, /* not one segment */
	};
	static const unsigned count[] = {2, 1, 1, 3, 1};

	for (unsigned i = 0; i < 200; i++) {
		put_header(d, VIRTIO_BLK_T_IN, 0);
		submit(d, bad[i % TD_COUNT(bad)], count[i % TD_COUNT(bad)]);
		for (unsigned ms = 0; ms < 100 && !d->dev->pci.device.broken; ms++)
			driver_run(d->vm, 1);
		assert_true(d->dev->pci.device.broken);
		driver_negotiate(d->dev, V1);
		assert_int_equal(driver_set_up_queue(d->dev, 0, 64, &d->queue), TD_DONE);
		driver_go(d->dev);
		assert_int_equal(request(d, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	}
}

static void test_many(void **state)
{
	struct disk *d = get(state);

	for (unsigned i = 0; i < 20; i++) {
		struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN, .sector = i};
		const struct driver_part part[] = {
			{HEADER_AT + 16 * i, 16, false}, {DATA_AT + 512 * i, 512, true}, {STATUS_AT + i, 1, true}};

		memcpy(driver_ram(d->dev, HEADER_AT + 16 * i), &header, sizeof(header));
		driver_add(&d->queue, part, 3);
	}
	driver_kick(d->dev, 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(driver_used(d->vm, &d->queue), 513);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(*(uint8_t *)driver_ram(d->dev, DATA_AT + 512 * i), pattern(i));
}

/* Large requests, posted at once: the main loop has its turn after each MiB, and comes back for the rest by itself. */
static void test_bytes_a_round(void **state)
{
	enum { REQUESTS = 6, BYTES = 512 * 1024 };
	struct disk *d = get(state);
	struct blk *blk = TD_CONTAINER_OF(d->dev, struct blk, dev);
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, BYTES, true}, {STATUS_AT, 1, true}};
	const uint16_t *used = d->queue.used;

	blk->sectors = BYTES / TD_BLK_SECTOR; /* the image is shorter, so they fail in the end */
	put_header(d, VIRTIO_BLK_T_IN, 0);
	for (unsigned i = 0; i < REQUESTS; i++)
		driver_add(&d->queue, part, TD_COUNT(part));
	d->dev->ops->kicked(d->dev, 0);
	assert_int_equal(used[1] + blk->in_flight, TD_BLK_ROUND_BYTES / BYTES);
	for (unsigned ms = 0; ms < 2000 && used[1] != REQUESTS; ms++)
		driver_run(d->vm, 1);
	assert_int_equal(used[1], REQUESTS);
}

/* As drivers do (virtio 1.2 §4.1.4.3.2). */
static void reset_and_wait(struct disk *d)
{
	driver_write(d->dev, VIRTIO_PCI_COMMON_STATUS, 1, 0);
	for (unsigned ms = 0; ms < 2000 && driver_status(d->dev); ms++)
		driver_run(d->vm, 1);
	assert_int_equal(driver_status(d->dev), 0);
}

static void bring_up(struct disk *d)
{
	assert_true(driver_negotiate(d->dev, V1) & VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(driver_set_up_queue(d->dev, 0, 64, &d->queue), TD_DONE);
	driver_go(d->dev);
}

/* A read that the storage does not answer until it is told to: the image is the end of a pipe. */
static void start_hung_read(struct disk *d)
{
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, 512, true}, {STATUS_AT, 1, true}};
	struct blk *blk = TD_CONTAINER_OF(d->dev, struct blk, dev);

	memset(driver_ram(d->dev, DATA_AT), UNTOUCHED, 512);
	put_header(d, VIRTIO_BLK_T_IN, 3);
	submit(d, part, 3);
	driver_run(d->vm, 20);
	assert_int_equal(blk->in_flight, 1);
}

static void test_hung_storage(void **state)
{
	struct disk *d = get(state);
	struct blk *blk = TD_CONTAINER_OF(d->dev, struct blk, dev);
	uint8_t *data = driver_ram(d->dev, DATA_AT), bytes[512];
	int image = dup(blk->fd), pipe_fds[2];

	if (!blk->uring_ready)
		skip();
	td_log_set_level(TD_LOG_ERROR);
	alarm(60);
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(dup2(pipe_fds[0], blk->fd), blk->fd);

	/* A pause does not wait for ever, and the disk goes on. */
	blk->patience_ns = 50000000;
	start_hung_read(d);
	assert_int_equal(d->dev->pci.device.ops->quiesce(&d->dev->pci.device), -ETIMEDOUT);
	memset(bytes, 0x42, sizeof(bytes));
	assert_int_equal(write(pipe_fds[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(driver_used(d->vm, &d->queue), 513);
	assert_int_equal(data[511], 0x42);

	/* A reset calls the request off; so does the VM's own. */
	start_hung_read(d);
	reset_and_wait(d);
	bring_up(d);
	start_hung_read(d);
	d->dev->pci.device.ops->reset(&d->dev->pci.device);
	assert_int_equal(driver_status(d->dev), 0);
	assert_int_equal(d->vm->end, TD_VM_END_NONE);
	assert_int_equal(blk->in_flight, 0);
	assert_int_equal(data[0], UNTOUCHED);

	assert_int_equal(dup2(image, blk->fd), blk->fd);
	bring_up(d);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(data[0], pattern(3));
	alarm(0);
	close(image);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* After a reset, or a rest, nothing writes into RAM, and what was asked for before is done or gone. */
static void test_reset_in_flight(void **state)
{
	struct disk *d = get(state);
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, 512, true}, {STATUS_AT, 1, true}};
	uint8_t *data = driver_ram(d->dev, DATA_AT);

	for (unsigned i = 0; i < 50; i++) {
		put_header(d, VIRTIO_BLK_T_IN, 3);
		submit(d, part, 3);
		d->dev->ops->kicked(d->dev, 0);
		reset_and_wait(d);
		memset(data, UNTOUCHED, 512);
		driver_run(d->vm, 1);
		assert_int_equal(data[0], UNTOUCHED);
		bring_up(d);
	}
	put_header(d, VIRTIO_BLK_T_IN, 3);
	submit(d, part, 3);
	assert_int_equal(d->dev->pci.device.ops->quiesce(&d->dev->pci.device), 0);
	d->dev->pci.device.ops->resume(&d->dev->pci.device);
	assert_int_equal(driver_used(d->vm, &d->queue), 513);
}

/* A block device of blocks of 4096 bytes on the file; it goes with its last descriptor, which is returned. -1: none to be had. */
static int make_loop(int image, char path[32])
{
	struct loop_config config = {.fd = (uint32_t)image, .block_size = 4096, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (control >= 0)
		close(control);
	snprintf(path, 32, "/dev/loop%d", number);
	int fd = number < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* With O_DIRECT the storage takes nothing smaller, so the guest must not ask for it. */
static void test_direct_blocks(void **state)
{
	struct disk *d = get(state);
	const uint32_t at = TD_VIRTIO_AT_DEVICE + offsetof(struct virtio_blk_config, blk_size);
	char path[32];
	struct td_virtio_blk_config config = {.name = "disk1", .path = path, .direct = true, .serial = "s"};

	assert_int_equal(driver_read(d->dev, at, 4), 512);
	int loop = make_loop(d->fd, path);
	if (loop < 0) {
		print_message("skipped: no loop device: %s\n", strerror(errno));
		skip();
	}
	int rc = td_virtio_blk_create(d->vm, &config, NULL);
	close(loop);
	assert_int_equal(rc, 0);
	d->dev = driver_device(d->vm);
	assert_int_equal(driver_read(d->dev, at, 4), 4096);
	bring_up(d);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 8, 4096), VIRTIO_BLK_S_OK);
	assert_int_equal(*(uint8_t *)driver_ram(d->dev, DATA_AT + 512), pattern(9));
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 8, 512), VIRTIO_BLK_S_IOERR);
}

static void expect_answer(const char *path, bool readonly, enum td_reason reason)
{
	struct td_vm *vm = driver_make_vm();
	struct td_virtio_blk_config config = {.name = "disk0", .path = path, .readonly = readonly};
	struct td_err err = {0};

	if (!vm)
		skip();
	assert_int_equal(td_virtio_blk_create(vm, &config, &err) < 0, reason != TD_REASON_NONE);
	assert_int_equal(err.reason, reason);
	if (reason)
		assert_non_null(strstr(err.text, path));
	driver_free_vm(vm);
}

static void expect_refused(const char *path, enum td_reason reason)
{
	expect_answer(path, false, reason);
}

/* As the kernel does for who mounts it. */
static void test_claimed_device(void **state)
{
	struct disk *d = get(state);
	char path[32];
	int loop = make_loop(d->fd, path), claim;

	if (loop < 0) {
		print_message("skipped: no loop device: %s\n", strerror(errno));
		skip();
	}
	claim = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(claim >= 0);
	expect_answer(path, false, TD_REASON_DISK_IN_USE);
	expect_answer(path, true, TD_REASON_NONE);
	close(claim);
	expect_answer(path, false, TD_REASON_NONE);
	close(loop);
}

/* One writes, or many read; and a VM that has ended holds nothing. */
static void test_shared_image(void **state)
{
	struct disk *d = get(state);

	expect_answer(d->path, false, TD_REASON_DISK_IN_USE);
	expect_answer(d->path, true, TD_REASON_DISK_IN_USE);
	driver_free_vm(d->vm);
	d->vm = NULL;
	expect_answer(d->path, false, TD_REASON_NONE);
}

static void test_shared_readonly_image(void **state)
{
	struct disk *d = get(state);

	expect_answer(d->path, false, TD_REASON_DISK_IN_USE);
	expect_answer(d->path, true, TD_REASON_NONE);
}

static void test_bad_images(void **state)
{
	char path[] = "/tmp/tandem-blk-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	expect_refused("/nonexistent/image", TD_REASON_DISK);
	expect_refused("/tmp", TD_REASON_DISK);
	expect_refused("/dev/null", TD_REASON_DISK);
	expect_refused(path, TD_REASON_DISK); /* empty */
	assert_int_equal(ftruncate(fd, 513), 0);
	expect_refused(path, TD_REASON_DISK);
	close(fd);
	unlink(path);
}

/* Refused before the size is looked at, which of a compressed file is any; and nothing is written to it. */
static void test_other_formats(void **state)
{
	static const char qcow2[512] = "QFI\xfb\0\0\0\3", packed[100] = "\x1f\x8b\x08";
	char path[] = "/tmp/tandem-blk-XXXXXX";
	int fd = mkstemp(path);
	struct td_virtio_blk_config config = {.name = "disk0", .path = path, .format = TD_DISK_RAW};
	struct td_vm *vm;

	(void)state;
	assert_int_equal(pwrite(fd, packed, sizeof(packed), 0), sizeof(packed));
	expect_refused(path, TD_REASON_DISK_FORMAT);
	assert_int_equal(pwrite(fd, qcow2, sizeof(qcow2), 0), sizeof(qcow2));
	expect_refused(path, TD_REASON_DISK_FORMAT);
	assert_int_equal(pwrite(fd, "conectix", 8, 512), 8);
	assert_int_equal(pwrite(fd, "", 1, 0), 1);
	assert_int_equal(ftruncate(fd, 1024), 0);
	expect_refused(path, TD_REASON_DISK_FORMAT);

	assert_int_equal(pwrite(fd, qcow2, sizeof(qcow2), 0), sizeof(qcow2));
	vm = driver_make_vm();
	if (vm) {
		assert_int_equal(td_virtio_blk_create(vm, &config, NULL), 0);
		driver_free_vm(vm);
	}
	close(fd);
	unlink(path);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config),
		TEST(test_image_blocks),
		TEST(test_read),
		TEST(test_write_and_flush),
		TEST(test_used_length),
		TEST(test_any_layout),
		TEST(test_id),
		TEST(test_refused),
		TEST(test_wrong_direction),
		cmocka_unit_test_setup_teardown(test_readonly, setup_readonly, teardown),
		TEST(test_no_request),
		TEST(test_many),
		TEST(test_bytes_a_round),
		TEST(test_reset_in_flight),
		TEST(test_shared_image),
		cmocka_unit_test_setup_teardown(test_shared_readonly_image, setup_readonly, teardown),
		TEST(test_hung_storage),
		TEST(test_direct_blocks),
		TEST(test_claimed_device),
		cmocka_unit_test(test_bad_images),
		cmocka_unit_test(test_other_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
