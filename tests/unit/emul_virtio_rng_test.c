/* SPDX-License-Identifier: Apache-2.0 */
/* emul_virtio_rng_test.c - requests for entropy. */
#include "emul/virtio_rng.h"

#include "tests/unit/virtio_driver.h"

struct rng {
	struct td_vm *vm;
	struct td_virtio_pci *dev;
	struct driver_queue queue;
};

static void bring_up(struct rng *r)
{
	assert_true(driver_negotiate(r->dev, 1ULL << VIRTIO_F_VERSION_1) & VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(driver_set_up_queue(r->dev, 0, 8, &r->queue), TD_DONE);
	driver_go(r->dev);
}

static int setup(void **state)
{
	struct rng *r = calloc(1, sizeof(*r));

	*state = r;
	r->vm = driver_make_vm();
	if (!r->vm)
		return 0;
	assert_int_equal(td_virtio_rng_create(r->vm, "rng0", NULL), 0);
	r->dev = driver_device(r->vm);
	bring_up(r);
	return 0;
}

static int teardown(void **state)
{
	struct rng *r = *state;

	if (r->vm)
		driver_free_vm(r->vm);
	free(r);
	return 0;
}

static struct rng *get(void **state)
{
	struct rng *r = *state;

	if (!r->vm)
		skip();
	return r;
}

static void test_bytes(void **state)
{
	struct rng *r = get(state);
	const struct driver_part part[] = {{DRIVER_DATA, 100, true}, {DRIVER_DATA + 4096, 28, true}};
	const uint8_t *data = driver_ram(r->dev, DRIVER_DATA);
	unsigned zeros = 0;

	driver_add(&r->queue, part, 2);
	driver_kick(r->dev, 0);
	assert_int_equal(driver_used(r->vm, &r->queue), 128);
	assert_true(driver_signalled(r->dev, 1));
	for (unsigned i = 0; i < 100; i++)
		zeros += data[i] == 0;
	assert_true(zeros < 20); /* by chance: one in 10^24 */
	assert_int_equal(data[100], 0);
}

/* A request is not answered beyond a page: a guest can't keep the host busy with one descriptor. */
static void test_large(void **state)
{
	struct rng *r = get(state);
	const struct driver_part part[] = {{DRIVER_DATA, 1 << 20, true}};

	driver_add(&r->queue, part, 1);
	driver_kick(r->dev, 0);
	assert_int_equal(driver_used(r->vm, &r->queue), 4096);
}

static void test_readable_breaks(void **state)
{
	struct rng *r = get(state);
	const struct driver_part bad[] = {{DRIVER_DATA, 16, false}}, good[] = {{DRIVER_DATA, 16, true}};

	driver_add(&r->queue, bad, 1);
	driver_kick(r->dev, 0);
	assert_int_equal(driver_used(r->vm, &r->queue), -1);
	assert_true(r->dev->pci.device.broken);
	bring_up(r);
	driver_add(&r->queue, good, 1);
	driver_kick(r->dev, 0);
	assert_int_equal(driver_used(r->vm, &r->queue), 16);
}

/* A guest that offers the same buffer for ever gets it filled for ever, but the main loop has its turn in between. */
static void test_ring_always_full(void **state)
{
	struct rng *r = get(state);
	const struct driver_part part[] = {{DRIVER_DATA, 16, true}};

	for (unsigned i = 0; i < 1000; i++) {
		driver_add(&r->queue, part, 1);
		driver_kick(r->dev, 0);
		assert_int_equal(driver_used(r->vm, &r->queue), 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_readable_breaks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_always_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
