/* SPDX-License-Identifier: Apache-2.0 */
/* emul_igbvf_pages_test.c - which pages of a hardware VF's BAR 0 the guest reaches without exit, and what it may have done there. */
#include <sys/mman.h>

#include "tests/unit/igbvf_hardware.h"

#define PAGES_BYTES (TD_VF82576_BAR0_BYTES - TD_VF82576_PAGE_IRQ)

static void decode(struct driver *d, bool on)
{
	uint16_t command = td_pci_get16(d->dev->pci.config, PCI_COMMAND) & (uint16_t)~PCI_COMMAND_MEMORY;
	struct td_access access = {.offset = PCI_COMMAND, .width = 2, .write = true, .value = command | (on ? PCI_COMMAND_MEMORY : 0U)};

	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &access);
}

static struct driver *begin(void **state, struct fake *fake)
{
	struct driver *d = driver_get(state);
	struct td_access access = {.offset = PCI_BASE_ADDRESS_0, .width = 4, .write = true, .value = 0xc0010000};

	fake->pages = mmap(NULL, PAGES_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(fake->pages != MAP_FAILED);
	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &access);
	decode(d, true);
	assert_true(d->dev->pci.bar[0].mapped);
	return d;
}

static void end(struct driver *d, struct fake *fake)
{
	struct td_vf82576_state rings = *td_igbvf_state(d->dev);

	if (d->dev->on_hardware)
		to_software(d, &rings);
	assert_int_equal(d->dev->mapped_from, 0);
	munmap(fake->pages, PAGES_BYTES);
}

/* A driver that is up and knows its link; the state to come back with. */
static struct td_vf82576_state up(struct driver *d)
{
	struct td_vf82576_state rings;

	driver_up(d);
	driver_read(d, TD_VF_STATUS);
	rings = *td_igbvf_state(d->dev);
	memset(rings.counter, 0, sizeof(rings.counter));
	return rings;
}

/* The page of the interrupts from EIMS to the next reset. */
static void test_as_igbvf(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);

	driver_up(d);
	assert_int_equal(d->dev->mapped_from, 0);
	to_hardware(d, &fake);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_IRQ);
	decode(d, false);
	assert_int_equal(d->dev->mapped_from, 0);
	decode(d, true);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_IRQ);
	fake.writes = 0;
	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_QUEUES);
	driver_write(d, TD_VF_IVAR0, 0x8081U);
	driver_write(d, TD_VF_EIAC, 7);
	driver_write(d, TD_VF_EIAM, 7);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_QUEUES);
	driver_write(d, TD_VF_EIMS, 7);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_IRQ);
	assert_int_equal(fake.writes, 4); /* its own write went through, too */
	end(d, &fake);
}

/* None while transmit is held, whatever the guest does. */
static void test_held(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);

	driver_up(d);
	to_hardware_held(d, &fake);
	assert_int_equal(d->dev->mapped_from, 0);
	driver_write(d, TD_VF_EIMS, 7);
	decode(d, false);
	decode(d, true);
	assert_int_equal(d->dev->mapped_from, 0);
	assert_false(d->dev->irq_unseen);
	td_igbvf_release_tx(d->dev);
	assert_int_equal(d->dev->mapped_from, 0);
	td_igbvf_give_pages(d->dev);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_IRQ);
	td_igbvf_hold_tx(d->dev);
	assert_int_equal(d->dev->mapped_from, 0);
	driver_write(d, TD_VF_EIMS, 7);
	assert_int_equal(d->dev->mapped_from, 0);
	assert_true(d->dev->irq_unseen); /* what it did before has to be read still */
	td_igbvf_release_tx(d->dev);
	assert_int_equal(d->dev->mapped_from, 0);
	td_igbvf_give_pages(d->dev);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_IRQ);
	end(d, &fake);
}

/* A driver that does it in another way keeps its exits, and what it has masked. */
static void test_as_another(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);
	struct td_vf82576_state rings;

	driver_up(d);
	driver_write(d, TD_VF_EIAC, 0);
	driver_write(d, TD_VF_EIMC, 2);
	rings = *td_igbvf_state(d->dev);
	memset(rings.counter, 0, sizeof(rings.counter));
	to_hardware(d, &fake);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_QUEUES);
	driver_write(d, TD_VF_EIMS, 1);
	assert_int_equal(d->dev->mapped_from, TD_VF82576_PAGE_QUEUES);
	rings.eitr[0] = 0x188;
	to_software(d, &rings);
	assert_true(driver_interrupted(d, 0) && driver_quiet(d, 1, 20));
	assert_int_equal(driver_read(d, TD_VF_EITR0), 0);
	end(d, &fake);
}

/* What it did there is not forgotten with the page. */
static void test_comes_back_undecoded(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);
	struct td_vf82576_state rings = up(d);

	d->dev->state.eims = 0;
	to_hardware(d, &fake);
	decode(d, false);
	to_software(d, &rings);
	decode(d, true);
	assert_true(driver_interrupted(d, 0) && driver_interrupted(d, 1));
	assert_int_equal(driver_read(d, TD_VF_EIMS), 4); /* the others were masked by that */
	end(d, &fake);
}

/* A driver that has turned into another meanwhile is left where it is. */
static void test_turns_into_another(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);

	driver_up(d);
	to_hardware(d, &fake);
	fake.reg[TD_VF_IVAR0 / 4] = 0x8081;
	fake.reg[TD_VF_EIAC / 4] = fake.reg[TD_VF_EIAM / 4] = 7;
	assert_int_equal(td_igbvf_check(d->dev, NULL), 0);
	fake.reg[TD_VF_EIAC / 4] = 4;
	assert_int_equal(td_igbvf_check(d->dev, NULL), -EOPNOTSUPP);
	fake.reg[TD_VF_EIAC / 4] = 7;
	fake.reg[TD_VF_IVAR0 / 4] = 0x8281; /* a queue on the mailbox's vector */
	assert_int_equal(td_igbvf_check(d->dev, NULL), -EOPNOTSUPP);
	end(d, &fake);
}

/* What it has masked without an exit is not known, so all that has a cause may fire; frames and interrupts go on. */
static void test_comes_back(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);
	struct td_vf82576_state rings = up(d);

	d->dev->state.eims = 4; /* both were fired, and are not served yet */
	to_hardware(d, &fake);
	driver_interrupted(d, 0);
	driver_interrupted(d, 1);
	rings.eitr[1] = 0x1e8;
	to_software(d, &rings);
	assert_true(driver_interrupted(d, 0) && driver_interrupted(d, 1));
	assert_int_equal(driver_read(d, TD_VF_EITR0 + 4), 0x1e8);
	driver_write(d, TD_VF_EIMS, 7);
	check_frames(d);
	assert_true(driver_quiet(d, 2, 0));
	end(d, &fake);
}

/* igbvf going down: vectors masked, auto-clear off, not reset yet. A handler that then unmasks its own is not called again. */
static void test_comes_back_going_down(void **state)
{
	struct fake fake = {0};
	struct driver *d = begin(state, &fake);
	struct td_vf82576_state rings = up(d);

	to_hardware(d, &fake);
	driver_interrupted(d, 0);
	driver_interrupted(d, 1);
	rings.eiac = 0;
	to_software(d, &rings);
	assert_true(driver_interrupted(d, 0) && driver_interrupted(d, 1));
	driver_write(d, TD_VF_EIMS, 1);
	assert_true(driver_quiet(d, 0, 20));
	end(d, &fake);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, driver_setup, driver_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_as_igbvf), TEST(test_held), TEST(test_as_another), TEST(test_comes_back),
		TEST(test_comes_back_undecoded), TEST(test_comes_back_going_down), TEST(test_turns_into_another)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
