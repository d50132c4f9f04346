/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_hardware.h - a hardware VF behind the function that igbvf_driver.h drives: registers that keep what they are given by the test, a
 * PF that answers when it is told to, counts of what it was asked. For the tests of flips and of mail.
 */
#ifndef TD_TESTS_IGBVF_HARDWARE_H
#define TD_TESTS_IGBVF_HARDWARE_H

#include "tests/unit/igbvf_driver.h"

#define REGS (TD_VF82576_BAR0_BYTES / 4)

struct fake {
	uint32_t reg[REGS];
	uint32_t written[64], values[64];
	unsigned writes, resets, mails;
	bool no_dma;
	uint32_t mail[TD_VF_MAIL_WORDS];
	int mail_result;
	struct td_igbvf *answer_at_once;
	void *pages;
};

static inline uint32_t fake_read(void *opaque, uint32_t reg)
{
	struct fake *fake = opaque;

	return fake->reg[reg / 4];
}

static inline void fake_write(void *opaque, uint32_t reg, uint32_t value)
{
	struct fake *fake = opaque;

	fake->written[fake->writes % TD_COUNT(fake->written)] = reg;
	fake->values[fake->writes++ % TD_COUNT(fake->written)] = value;
}

static inline void fake_reset(void *opaque)
{
	((struct fake *)opaque)->resets++;
}

static inline void fake_bus_master(void *opaque, bool on)
{
	((struct fake *)opaque)->no_dma = !on;
}

static inline int fake_mail(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct fake *fake = opaque;

	fake->mails++;
	memcpy(fake->mail, words, sizeof(fake->mail));
	if (fake->answer_at_once) {
		uint32_t answer[TD_VF_MAIL_WORDS] = {words[0] | TD_VF_MAIL_ANSWER_ACK | TD_VF_MAIL_ANSWER_CTS};

		td_igbvf_answer(fake->answer_at_once, answer);
	}
	return fake->mail_result;
}

static inline void to_hardware_held(struct driver *d, struct fake *fake)
{
	const struct td_igbvf_hardware hardware = {.read = fake_read,
		.write = fake_write,
		.reset = fake_reset,
		.bus_master = fake_bus_master,
		.mail = fake_mail,
		.pages = fake->pages,
		.opaque = fake};
	const struct td_vf82576_state *state;

	td_igbvf_rest(d->dev);
	state = td_igbvf_state(d->dev);
	fake->reg[TD_VF_STATUS / 4] = 0x83;
	fake->reg[TD_VF_RDBAL / 4] = (uint32_t)state->rx[0].base;
	fake->reg[TD_VF_RDLEN / 4] = state->rx[0].len_bytes;
	fake->reg[TD_VF_RDT / 4] = state->rx[0].tail;
	fake->reg[TD_VF_SRRCTL / 4] = state->rx[0].srrctl;
	fake->reg[TD_VF_RXDCTL / 4] = state->rx[0].control;
	fake->reg[TD_VF_TDBAL / 4] = (uint32_t)state->tx[0].base;
	fake->reg[TD_VF_TDLEN / 4] = state->tx[0].len_bytes;
	fake->reg[TD_VF_TXDCTL / 4] = state->tx[0].control;
	assert_int_equal(td_igbvf_to_hardware(d->dev, &hardware, NULL), 0);
}

/* As a flip does it, to its end. */
static inline void to_hardware(struct driver *d, struct fake *fake)
{
	to_hardware_held(d, fake);
	td_igbvf_release_tx(d->dev);
	td_igbvf_give_pages(d->dev);
	fake->writes = 0;
}

/* Back, with the rings as they were but for what `rings` says. */
static inline void to_software(struct driver *d, const struct td_vf82576_state *rings)
{
	td_igbvf_to_software(d->dev, rings);
}

static inline void check_frames(struct driver *d)
{
	struct virtio_net_hdr_v1 header;
	uint8_t frame[100], got[200];
	uint32_t at = d->tx_next;
	size_t len;

	driver_fill(frame, sizeof(frame), 1);
	driver_wire_send(d, NULL, frame, sizeof(frame));
	assert_true(driver_rx_wait(d) & RXD_EOP);
	assert_memory_equal(driver_rx_data(d, &len), frame, sizeof(frame));
	driver_rx_done(d);
	driver_fill(driver_ram(d, DRIVER_DATA), 80, 2);
	driver_tx_frame(d, 0, 80);
	driver_tx_go(d);
	assert_int_equal(driver_wire_take(d, &header, got, sizeof(got), 1000), 80);
	assert_true(driver_tx_done(d, at));
}

#endif
