/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_state_test.c - the software 82576 VF saved, and loaded into another: the guest goes on; streams that lie change nothing. */
#include "core/state.h"
#include "tests/unit/igbvf_driver.h"
#include "tests/unit/igbvf_state_v1.h"

#define CONFIG_MSIX (d->dev->msix.cap + 2U)

static void test_tables(void **state)
{
	struct td_err err = {0};

	(void)state;
	if (td_state_check(td_igbvf_state_table(), &err))
		fail_msg("%s", err.text);
	assert_int_equal(td_igbvf_state_bytes(), sizeof(igbvf_state_v1));
}

/* A function as one whose driver has set all that can be set. */
static void make_busy(struct driver *d)
{
	struct td_vf82576_state *vf = &d->dev->state;
	uint8_t *at = (uint8_t *)vf;

	driver_up(d);
	td_igbvf_rest(d->dev);
	for (size_t i = 0; i < sizeof(*vf); i++)
		at[i] = (uint8_t)(i * 5 + 1);
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		for (unsigned tx = 0; tx < 2; tx++) {
			struct td_vf82576_ring *ring = tx ? &vf->tx[i] : &vf->rx[i];

			ring->base &= ~127ULL;
			ring->len_bytes &= 0xfff80;
			ring->head &= 0xffff;
			ring->tail &= 0xffff;
		}
	vf->eims = 1;
	vf->eiac = 2;
	vf->eiam = 3;
	vf->eicr = 4;
	vf->mailbox = TD_VF_MAIL_PFSTS;
	vf->handshaken = true;
	memcpy(vf->mac, driver_mac, 6);
	vf->hash_count = 29;
	vf->frame_max_bytes = 9238;
	vf->promisc = TD_VF_MAIL_SET_PROMISC | 2 << 16;
	d->dev->irq.sent = 5;
	for (unsigned i = 0; i < TD_VF82576_QUEUES; i++)
		for (unsigned n = 0; n < 2; n++)
			d->dev->tx.queue[i].context[n] = (struct td_igbvf_context){0x11110000U + i, 0x22220000U + n, 0x3333U};
	d->dev->tx.queue[1].context_kept = true;
	d->dev->link_shown = true;
}

static void poke_config(struct driver *d, unsigned at, uint8_t width, uint32_t value)
{
	struct td_access access = {.offset = at, .width = width, .write = true, .value = value};

	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &access);
}

static void poke_vector(struct driver *d, unsigned at, uint32_t value)
{
	struct td_access access = {.offset = at, .width = 4, .write = true, .value = value};

	assert_int_equal(d->dev->pci.ops->bar_access(&d->dev->pci, 3, &access), TD_DONE);
}

static void save(struct driver *d, uint8_t *to)
{
	struct td_err err = {0};

	if (td_igbvf_save(d->dev, to, sizeof(igbvf_state_v1), &err))
		fail_msg("%s", err.text);
}

static void make_function_busy(struct driver *d)
{
	poke_config(d, 4, 2, 0); /* BARs where the golden stream has them, wherever this machine's stand */
	poke_config(d, 0x10, 4, 0xc0010000);
	poke_config(d, 0x14, 4, 0);
	poke_config(d, 0x1c, 4, 0xc0020000);
	poke_config(d, 0x20, 4, 0);
	poke_config(d, 4, 2, 0x406);
	poke_config(d, 0x3c, 1, 11);
	poke_config(d, 0x0c, 1, 16);
	poke_config(d, d->dev->pcie_cap + 8, 2, 0x2810);
	for (unsigned i = 0; i < TD_VF82576_VECTORS; i++) {
		poke_vector(d, 16 * i, 0xfee00000U + i * 0x1000);
		poke_vector(d, 16 * i + 8, 0x40 + i);
		poke_vector(d, 16 * i + 12, i == 2);
	}
	td_msix_raise(&d->dev->msix, 2);
	poke_config(d, CONFIG_MSIX, 2, 0x8000);
}

static void test_golden(void **state)
{
	struct driver *d = driver_get(state);
	static uint8_t stream[sizeof(igbvf_state_v1)], again[sizeof(igbvf_state_v1)];

	make_busy(d);
	make_function_busy(d);
	save(d, stream);
	if (getenv("PRINT_STATE"))
		for (size_t i = 0; i < sizeof(stream); i++)
			printf("%s0x%02x,", i % 24 ? " " : "\n\t", stream[i]);
	assert_memory_equal(stream, igbvf_state_v1, sizeof(stream));
	/* And back into a fresh one. */
	d->dev->pci.device.ops->reset(&d->dev->pci.device);
	td_pci_dev_reset(&d->dev->pci);
	memset(d->dev->state.counter, 0, sizeof(d->dev->state.counter));
	assert_int_equal(td_igbvf_load(d->dev, stream, sizeof(stream), NULL), 0);
	save(d, again);
	assert_memory_equal(again, stream, sizeof(stream));
	assert_true(d->dev->pci.bar[0].mapped && d->dev->pci.bar[0].addr == 0xc0010000);
	assert_true(d->dev->msix.vector[1].msi.attached);
	assert_false(d->dev->msix.vector[2].msi.attached);
}

/* Two functions as on two hosts: frames before, between and after. */
static void test_guest_goes_on(void **state)
{
	struct driver *a = driver_get(state), *b;
	void *second = NULL;
	static uint8_t stream[sizeof(igbvf_state_v1)];
	struct virtio_net_hdr_v1 header;
	uint8_t frame[100], got[100];
	size_t len;

	driver_setup(&second);
	b = second;
	driver_up(a);
	driver_mail1(a, TD_VF_MAIL_SET_VLAN | 1 << 16, 7);
	driver_fill(frame, sizeof(frame), 1);
	driver_wire_send(a, NULL, frame, sizeof(frame));
	assert_true(driver_rx_wait(a) & RXD_DD);
	driver_rx_done(a);
	td_igbvf_rest(a->dev);
	driver_tx_frame(a, 0, 80); /* posted, not sent */
	driver_tx_go(a);
	save(a, stream);
	memcpy(td_mem_ptr(&b->vm->mem, TD_GPA(0), DRIVER_RAM_BYTES), td_mem_ptr(&a->vm->mem, TD_GPA(0), DRIVER_RAM_BYTES),
		DRIVER_RAM_BYTES);
	td_igbvf_rest(b->dev);
	assert_int_equal(td_igbvf_load(b->dev, stream, sizeof(stream), NULL), 0);
	b->rx_next = a->rx_next;
	b->tx_next = a->tx_next;
	td_igbvf_go(b->dev);
	assert_int_equal(driver_wire_take(b, &header, got, sizeof(got), 1000), 80);
	assert_true(driver_tx_done(b, 0));
	driver_wire_send(b, NULL, frame, sizeof(frame));
	assert_true(driver_rx_wait(b) & RXD_DD);
	assert_memory_equal(driver_rx_data(b, &len), frame, sizeof(frame));
	assert_true(driver_interrupted(b, 0));
	assert_int_equal(driver_read(b, TD_VF_GPRC), 2);
	assert_int_equal(b->dev->state.vlan[0], 1 << 7);
	assert_int_equal(td_igbvf_check(b->dev, NULL), 0);
	driver_teardown(&second);
}

static void test_lies(void **state)
{
	struct driver *d = driver_get(state);
	static uint8_t stream[sizeof(igbvf_state_v1)], before[sizeof(igbvf_state_v1)], after[sizeof(igbvf_state_v1)];
	struct td_err err = {0};
	unsigned refused = 0;

	driver_up(d);
	assert_int_equal(td_igbvf_load(d->dev, igbvf_state_v1, sizeof(igbvf_state_v1), &err), -EBUSY);
	assert_int_equal(td_igbvf_save(d->dev, stream, sizeof(stream), &err), -EBUSY);
	driver_read(d, TD_VF_STATUS); /* or the link is news, and loading says so */
	td_igbvf_rest(d->dev);
	assert_int_equal(td_igbvf_save(d->dev, stream, sizeof(stream) - 1, &err), -ENOSPC);
	save(d, before);
	/* Each byte turned over: refused and nothing changed, or taken and sane. */
	for (size_t i = 0; i < sizeof(stream); i++) {
		int rc;

		memcpy(stream, before, sizeof(stream));
		stream[i] ^= 0xff;
		rc = td_igbvf_load(d->dev, stream, sizeof(stream), &err);
		save(d, after);
		if (rc) {
			refused++;
			assert_int_equal(err.reason, TD_REASON_DEVICE_STATE);
			assert_memory_equal(after, before, sizeof(after));
		}
		td_igbvf_go(d->dev);
		td_igbvf_rest(d->dev);
		assert_int_equal(td_igbvf_load(d->dev, before, sizeof(before), NULL), 0);
	}
	assert_true(refused > 100);
	td_igbvf_go(d->dev);
	driver_up(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		TEST(test_golden),
		TEST(test_guest_goes_on),
		TEST(test_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
