/* SPDX-License-Identifier: Apache-2.0 */
/* emul_virtio_blk_nbd_test.c - a disk on a qcow2 image, by the real qemu-nbd: what is written is there, what dies is an error and no hang.
 */
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "emul/virtio_blk.h"
#include "emul/virtio_blk_parts.h"
#include "tests/unit/virtio_driver.h"

#define V1	  (1ULL << VIRTIO_F_VERSION_1)
#define SECTORS	  (64U * 2048U)
#define HEADER_AT DRIVER_DATA
#define STATUS_AT (DRIVER_DATA + 0x1000)
#define DATA_AT	  (DRIVER_DATA + 0x2000)
#define LONG	  0x180000U /* in more than one piece */

struct disk {
	struct td_vm *vm;
	struct td_virtio_pci *dev;
	struct driver_queue queue;
	char dir[64], path[96];
};

static bool has(const char *program)
{
	char command[64];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	return system(command) == 0;
}

static int run(const char *fmt, const char *path)
{
	char command[256];

	snprintf(command, sizeof(command), fmt, path);
	return system(command);
}

static int open_disk(struct disk *d, enum td_disk_format format, bool readonly, struct td_err *err)
{
	struct td_virtio_blk_config config = {.name = "disk0", .path = d->path, .format = format, .readonly = readonly, .run_dir = d->dir};

	d->vm = driver_make_vm();
	if (!d->vm)
		return -ENODEV;
	int rc = td_virtio_blk_create(d->vm, &config, err);
	if (rc)
		return rc;
	d->dev = driver_device(d->vm);
	assert_true(driver_negotiate(d->dev, V1) & VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(driver_set_up_queue(d->dev, 0, 64, &d->queue), TD_DONE);
	driver_go(d->dev);
	return 0;
}

static void close_disk(struct disk *d)
{
	if (d->vm)
		driver_free_vm(d->vm);
	d->vm = NULL;
}

/* A comma in the name, which is qemu's own separator. */
static int setup(void **state)
{
	struct disk *d = calloc(1, sizeof(*d));

	*state = d;
	td_log_set_level(TD_LOG_ERROR);
	snprintf(d->dir, sizeof(d->dir), "/tmp/tandem-blk-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/a,b.img", d->dir);
	return 0;
}

static int teardown(void **state)
{
	struct disk *d = *state;

	close_disk(d);
	unlink(d->path);
	assert_int_equal(rmdir(d->dir), 0); /* no socket is left */
	free(d);
	return 0;
}

static struct disk *get(void **state)
{
	struct disk *d = *state;

	if (!has("qemu-img") || !has("qemu-nbd"))
		skip();
	d->vm = driver_make_vm();
	if (!d->vm)
		skip();
	close_disk(d);
	assert_int_equal(run("qemu-img create -q -f qcow2 '%s' 64M", d->path), 0);
	return d;
}

static int request(struct disk *d, uint32_t type, uint64_t sector, uint32_t len)
{
	struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, len / 3, type == VIRTIO_BLK_T_IN},
		{DATA_AT + len / 3, len - len / 3, type == VIRTIO_BLK_T_IN}, {STATUS_AT, 1, true}};
	const struct driver_part bare[] = {{HEADER_AT, 16, false}, {STATUS_AT, 1, true}};

	memcpy(driver_ram(d->dev, HEADER_AT), &header, sizeof(header));
	if (len)
		driver_add(&d->queue, part, 4);
	else
		driver_add(&d->queue, bare, 2);
	driver_kick(d->dev, 0);
	for (unsigned i = 0; i < 20; i++)
		if (driver_used(d->vm, &d->queue) >= 0)
			return *(uint8_t *)driver_ram(d->dev, STATUS_AT);
	return -1;
}

static void fill(uint8_t *data, uint8_t salt)
{
	for (unsigned i = 0; i < LONG; i++)
		data[i] = (uint8_t)(i % 251 + salt);
}

static void what_is_written_is_in_the_image(void **state)
{
	struct disk *d = get(state);
	struct td_err err = {0};
	uint8_t *data, *expected = malloc(LONG);

	assert_int_equal(open_disk(d, TD_DISK_QCOW2, false, &err), 0);
	assert_int_equal(driver_read(d->dev, TD_VIRTIO_AT_DEVICE, 8), SECTORS);
	data = driver_ram(d->dev, DATA_AT);
	fill(data, 7);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, 5, LONG), VIRTIO_BLK_S_OK);
	assert_int_equal(request(d, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	memset(data, 0, LONG);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 5, LONG), VIRTIO_BLK_S_OK);
	fill(expected, 7);
	assert_memory_equal(data, expected, LONG);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, SECTORS, 512), VIRTIO_BLK_S_IOERR);
	close_disk(d);
	/* The image is whole, is a qcow2 still, and nobody has it any more. */
	assert_int_equal(run("qemu-img check -q -f qcow2 '%s'", d->path), 0);
	assert_int_equal(open_disk(d, TD_DISK_QCOW2, true, &err), 0);
	memset(driver_ram(d->dev, DATA_AT), 0, LONG);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 5, LONG), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_ram(d->dev, DATA_AT), expected, LONG);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, 5, 512), VIRTIO_BLK_S_IOERR);
	free(expected);
}

static void a_second_one_is_refused(void **state)
{
	struct disk *d = get(state), second = *d;
	struct td_err err = {0};

	assert_int_equal(open_disk(d, TD_DISK_QCOW2, false, &err), 0);
	assert_int_equal(open_disk(&second, TD_DISK_QCOW2, false, &err), -EBUSY);
	assert_int_equal(err.reason, TD_REASON_DISK_IN_USE);
	close_disk(&second);
	assert_int_equal(open_disk(&second, TD_DISK_RAW, true, &err), -EBUSY);
	close_disk(&second);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

static void another_format_is_refused(void **state)
{
	struct disk *d = get(state);
	struct td_err err = {0};

	assert_int_equal(open_disk(d, TD_DISK_VMDK, false, &err), -EINVAL);
	assert_int_equal(err.reason, TD_REASON_DISK_FORMAT);
	assert_non_null(strstr(err.text, "holds qcow2, not vmdk"));
	close_disk(d);
	assert_int_equal(open_disk(d, TD_DISK_AUTO, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "format=qcow2"));
	close_disk(d);
	assert_int_equal(truncate(d->path, 8), 0); /* its mark, and no more */
	assert_int_equal(open_disk(d, TD_DISK_QCOW2, false, &err), -EIO);
	assert_int_equal(err.reason, TD_REASON_DISK);
	assert_non_null(strstr(err.text, "disk0: qemu-nbd: "));
	close_disk(d);
	assert_int_equal(truncate(d->path, 0), 0);
	assert_int_equal(open_disk(d, TD_DISK_QCOW2, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "holds no qcow2"));
}

static pid_t server_of(struct disk *d)
{
	char text[32] = "";
	FILE *list = popen("pgrep -P $PPID -x qemu-nbd", "r"); /* the shell's parent is this process */

	(void)d;
	assert_non_null(fgets(text, sizeof(text), list));
	pclose(list);
	return (pid_t)atoi(text);
}

/* Killed amid requests, and before others: each is answered. */
static void a_server_that_dies_is_an_error(void **state)
{
	struct disk *d = get(state);
	struct td_err err = {0};
	pid_t pid;

	td_log_set_level(TD_LOG_ERROR);
	assert_int_equal(open_disk(d, TD_DISK_QCOW2, false, &err), 0);
	assert_int_equal(request(d, VIRTIO_BLK_T_OUT, 0, 4096), VIRTIO_BLK_S_OK);
	pid = server_of(d);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 0, 0), VIRTIO_BLK_S_IOERR); /* nothing to read: answered without it */
	struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, 4096, true}, {STATUS_AT, 1, true}};
	memcpy(driver_ram(d->dev, HEADER_AT), &header, sizeof(header));
	driver_add(&d->queue, part, 3);
	driver_kick(d->dev, 0);
	driver_run(d->vm, 1);
	assert_int_equal(TD_CONTAINER_OF(d->dev, struct blk, dev)->in_flight, 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(driver_used(d->vm, &d->queue) >= 0);
	assert_int_equal(*(uint8_t *)driver_ram(d->dev, STATUS_AT), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(d, VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_IOERR);
}

/* A reset waits for what is under way, and writes none of it into guest RAM. */
static void a_reset_drops_what_is_under_way(void **state)
{
	struct disk *d = get(state);
	const struct driver_part part[] = {{HEADER_AT, 16, false}, {DATA_AT, LONG, true}, {STATUS_AT, 1, true}};
	struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
	struct td_err err = {0};
	uint8_t *data;

	assert_int_equal(open_disk(d, TD_DISK_QCOW2, false, &err), 0);
	data = driver_ram(d->dev, DATA_AT);
	for (unsigned i = 0; i < 20; i++) {
		memcpy(driver_ram(d->dev, HEADER_AT), &header, sizeof(header));
		driver_add(&d->queue, part, 3);
		d->dev->ops->kicked(d->dev, 0);
		memset(data, 0xee, LONG);
		driver_write(d->dev, VIRTIO_PCI_COMMON_STATUS, 1, 0);
		for (unsigned ms = 0; ms < 2000 && driver_status(d->dev); ms++)
			driver_run(d->vm, 1);
		assert_int_equal(driver_status(d->dev), 0);
		assert_int_equal(data[0], 0xee);
		assert_int_equal(data[LONG - 1], 0xee);
		assert_true(driver_negotiate(d->dev, V1) & VIRTIO_CONFIG_S_FEATURES_OK);
		assert_int_equal(driver_set_up_queue(d->dev, 0, 64, &d->queue), TD_DONE);
		driver_go(d->dev);
	}
	assert_int_equal(request(d, VIRTIO_BLK_T_IN, 5, LONG), VIRTIO_BLK_S_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_in_the_image),
		TEST(a_second_one_is_refused),
		TEST(another_format_is_refused),
		TEST(a_server_that_dies_is_an_error),
		TEST(a_reset_drops_what_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
