/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_fuzz.c - a guest that does anything at all with the registers, mailbox and rings of the software 82576 VF, while frames come, the
 * model is put to rest, flipped to a hardware VF that answers nonsense, and back. The input is a list of steps of 12 bytes; one that begins
 * with 'S' is what is changed in a saved state before it is loaded. Needs /dev/kvm and CAP_NET_ADMIN.
 */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/state.h"
#include "core/vm.h"
#include "emul/igbvf_parts.h"

#define RAM_BYTES   (4ULL << 20)
#define RX_GPA	    0x1000U
#define TX_GPA	    0x2000U
#define RING_WINDOW 0x4000U /* bytes of RAM that pokes reach */
#define RING_BYTES  512U
#define STEPS_MAX   300U
#define FRAME_MAX   2000U

enum { STEP_REGISTER, STEP_HOT, STEP_POKE, STEP_TX, STEP_MAIL, STEP_FRAME, STEP_SET_UP, STEP_CONFIG, STEP_MSIX, STEP_FLIP, STEP_KINDS };

struct step {
	uint8_t what, how, width, spare;
	uint32_t at, value;
};

struct machine {
	struct td_vm vm;
	struct td_igbvf *dev;
	int wire;
	bool rest, hardware;
	uint32_t tx_next;
	uint32_t noise;
	struct td_timer stop;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stop_loop(struct td_timer *timer)
{
	td_loop_stop(&TD_CONTAINER_OF(timer, struct machine, stop)->vm.loop);
}

static void plug_wire(struct machine *m)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair))
		abort();
	m->wire = pair[0];
	td_igbvf_io_hold(m->dev, TD_IGBVF_HOLD_REGISTER);
	if (dup2(pair[1], m->dev->tap.fd[0]) < 0)
		abort();
	close(pair[1]);
	event.data.fd = m->dev->tap.fd[0];
	epoll_ctl(m->dev->io.epoll_fd, EPOLL_CTL_ADD, m->dev->tap.fd[0], &event);
	td_igbvf_io_release(m->dev, TD_IGBVF_HOLD_REGISTER);
}

static struct machine *make(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct td_vm_config config = {.name = "fuzz", .mem.size_bytes = RAM_BYTES, .cpus = 1};
	struct td_igbvf_config nic = {.name = "net0", .mac = {2, 0, 0, 0, 0, 1}};
	struct td_err err = {0};

	td_log_set_level(TD_LOG_ERROR);
	if (!m || td_vm_init(&m->vm, &config, &err) || td_igbvf_create(&m->vm, &nic, &m->dev, &err)) {
		td_err_print(stderr, &err);
		exit(1);
	}
	m->stop.expired = stop_loop;
	plug_wire(m);
	return m;
}

static void touch(struct machine *m, unsigned bar, uint32_t at, uint8_t width, uint64_t value, bool write)
{
	struct td_access access = {.offset = at, .width = width, .write = write, .value = value};

	if (td_range_ok(at, width, m->dev->pci.bar[bar].size_bytes))
		m->dev->pci.ops->bar_access(&m->dev->pci, bar, &access);
}

static void reg(struct machine *m, uint32_t at, uint32_t value)
{
	touch(m, 0, at, 4, value, true);
}

/* ---- a hardware VF of noise ---- */

static uint32_t noise(struct machine *m)
{
	m->noise = m->noise * 1664525U + 1013904223U;
	return m->noise;
}

static uint32_t hw_read(void *opaque, uint32_t at)
{
	(void)at;
	return noise(opaque);
}

static void hw_write(void *opaque, uint32_t at, uint32_t value)
{
	(void)opaque, (void)at, (void)value;
}

static void hw_reset(void *opaque)
{
	(void)opaque;
}

static void hw_bus_master(void *opaque, bool on)
{
	(void)opaque, (void)on;
}

static int hw_mail(void *opaque, const uint32_t words[TD_VF_MAIL_WORDS])
{
	struct machine *m = opaque;

	if (noise(m) & 1) {
		uint32_t answer[TD_VF_MAIL_WORDS] = {words[0] | TD_VF_MAIL_ANSWER_ACK | TD_VF_MAIL_ANSWER_CTS};

		td_igbvf_answer(m->dev, answer);
	}
	return noise(m) & 2 ? -1 : 0;
}

static void flip(struct machine *m, const struct step *step)
{
	const struct td_igbvf_hardware hardware = {
		.read = hw_read, .write = hw_write, .reset = hw_reset, .bus_master = hw_bus_master, .mail = hw_mail, .opaque = m};
	struct td_vf82576_state rings;
	uint32_t words[TD_VF_MAIL_WORDS];
	unsigned burned;

	for (unsigned i = 0; i < TD_VF_MAIL_WORDS; i++)
		words[i] = step->how & 0x80 ? 0 : noise(m);
	switch (step->how % 9) {
	case 0:
		td_igbvf_rest(m->dev);
		break;
	case 1:
		td_igbvf_go(m->dev);
		break;
	case 2:
		td_igbvf_rest(m->dev);
		td_igbvf_burn_to_start(m->dev, &burned);
		break;
	case 3:
		td_igbvf_rest(m->dev);
		td_igbvf_to_hardware(m->dev, &hardware, NULL);
		m->dev->irq_unseen = m->dev->on_hardware && step->how & 0x40; /* as if pages were mapped */
		break;
	case 4:
		rings = *td_igbvf_state(m->dev);
		for (size_t i = 0; i < sizeof(rings); i++)
			((uint8_t *)&rings)[i] ^= step->value >> (i % 7) & 1 ? 0 : (uint8_t)noise(m);
		td_igbvf_to_software(m->dev, &rings);
		break;
	case 5:
		td_igbvf_answer(m->dev, words);
		break;
	case 6:
		td_igbvf_pf_message(m->dev, words);
		break;
	case 7:
		td_igbvf_set_link(m->dev, step->value & 1);
		break;
	case 8:
		td_igbvf_check(m->dev, NULL);
		td_igbvf_kick(m->dev, step->value % 4);
		td_igbvf_listen(m->dev, step->value & 4);
		break;
	}
}

/* ---- steps ---- */

static void set_up(struct machine *m, uint32_t how)
{
	static const uint32_t srrctl[] = {0x82000002, 0x8a000202, 0x02000001, 0x0a003f01};
	struct td_access command = {.offset = PCI_COMMAND, .width = 2, .write = true, .value = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER};

	td_pci_config_access(&m->vm.pci, (unsigned)m->dev->pci.slot * 8, &command);
	reg(m, TD_VF_CTRL, TD_VF_CTRL_RST);
	reg(m, TD_VF_MBMEM, TD_VF_MAIL_RESET);
	reg(m, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	reg(m, TD_VF_MBMEM, TD_VF_MAIL_SET_LPE);
	reg(m, TD_VF_MBMEM + 4, how >> 8 & 0x3fff);
	reg(m, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	reg(m, TD_VF_TDBAL, TX_GPA);
	reg(m, TD_VF_TDLEN, RING_BYTES);
	reg(m, TD_VF_TXDCTL, TD_VF_QUEUE_ENABLE);
	reg(m, TD_VF_RDBAL, RX_GPA);
	reg(m, TD_VF_RDLEN, RING_BYTES);
	reg(m, TD_VF_SRRCTL, srrctl[how & 3]);
	reg(m, TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE);
	reg(m, TD_VF_RDT, 31);
	reg(m, TD_VF_IVAR0, 0x8081);
	reg(m, TD_VF_IVAR_MISC, 0x82);
	reg(m, TD_VF_EIAC, 7);
	reg(m, TD_VF_EIAM, 7);
	reg(m, TD_VF_EIMS, 7);
	m->tx_next = 0;
}

/* A descriptor at the driver's place in the ring; the last one is shown to the device. */
static void put_tx(struct machine *m, const struct step *step)
{
	unsigned writes = step->how & 0x80 ? 40 : 1; /* of the tail: often enough to be spared exits */
	static const uint32_t kinds[] = {0x20200000, 0x20300000, 0x2b300000, 0xab300000, 0x6b300000, 0xeb300000};
	uint64_t desc[2];

	if (step->how % 6 == 0) { /* context */
		desc[0] = step->at;
		desc[1] = (uint64_t)step->value << 32 | kinds[0] | (uint32_t)(step->width & 15) << 9;
	} else {
		desc[0] = step->at & 0x1ffff;
		desc[1] = (uint64_t)(step->spare & 3) << 40 | kinds[step->how % 6] | (step->value & 0xffff);
	}
	td_mem_write(&m->vm.mem, TD_GPA(TX_GPA + 16 * (m->tx_next % 32)), desc, sizeof(desc));
	m->tx_next = (m->tx_next + 1) % 32;
	while (step->how & 0x40 && writes--)
		reg(m, TD_VF_TDT, m->tx_next);
}

static void mail(struct machine *m, const struct step *step)
{
	touch(m, 0, TD_VF_MBMEM, 4, (step->how & 7) | (uint32_t)step->width << 16, true);
	touch(m, 0, TD_VF_MBMEM + 4 * (step->spare % 16), 4, step->value, true);
	touch(m, 0, TD_VF_V2PMAILBOX, 4, step->at, true);
	touch(m, 0, TD_VF_V2PMAILBOX, 4, 0, false);
}

static void send_frame(struct machine *m, const struct step *step)
{
	uint8_t frame[12 + FRAME_MAX];
	size_t len = 12 + step->value % FRAME_MAX;

	for (size_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(step->at >> i % 24);
	memset(frame, 0, 12);
	frame[0] = step->how & 3;
	memcpy(frame + 6, &step->at, 4);
	memcpy(frame + 12, m->dev->state.mac, 6);
	memcpy(frame + 24, step->how & 4 ? "\x81\x00\x00\x01\x08\x00\x45" : "\x08\x00\x45\x00\x00\x00\x00", 7);
	(void)!write(m->wire, frame, len);
}

static void config_space(struct machine *m, const struct step *step, uint8_t width)
{
	struct td_access config = {.offset = step->at & 0xff & ~(width - 1U), .width = width, .write = true, .value = step->value};

	td_pci_config_access(&m->vm.pci, (unsigned)m->dev->pci.slot * 8, &config);
}

static void take_step(struct machine *m, const struct step *step)
{
	static const uint32_t hot[] = {TD_VF_TDT, TD_VF_RDT, TD_VF_EIMS, TD_VF_EICS, TD_VF_TXDCTL, TD_VF_RXDCTL, TD_VF_TDLEN, TD_VF_RDLEN};
	uint8_t width = (uint8_t)(1U << (step->width & 3));

	switch (step->what % STEP_KINDS) {
	case STEP_REGISTER:
		touch(m, 0, step->at % TD_VF82576_BAR0_BYTES, width, step->value, !(step->how & 1));
		break;
	case STEP_HOT:
		reg(m, hot[step->how % TD_COUNT(hot)], step->value);
		break;
	case STEP_POKE:
		if (m->dev->direct.on && step->how & 1)
			__atomic_store_n(&m->dev->direct.page[(step->spare & 1 ? 0x818 : 0x800 + (step->at & 0x1fc)) / 4], step->value,
				__ATOMIC_RELAXED);
		td_mem_write(&m->vm.mem, TD_GPA(RX_GPA + step->at % RING_WINDOW), &step->value, sizeof(step->value));
		break;
	case STEP_TX:
		put_tx(m, step);
		break;
	case STEP_MAIL:
		mail(m, step);
		break;
	case STEP_FRAME:
		send_frame(m, step);
		break;
	case STEP_SET_UP:
		set_up(m, step->value);
		break;
	case STEP_CONFIG:
		config_space(m, step, width);
		break;
	case STEP_MSIX:
		touch(m, 3, step->at % TD_VF82576_BAR3_BYTES, width, step->value, !(step->how & 1));
		break;
	case STEP_FLIP:
		flip(m, step);
		break;
	}
}

static void drain(struct machine *m)
{
	uint8_t scrap[64];

	while (read(m->wire, scrap, sizeof(scrap)) > 0)
		;
}

/* A saved state whose header is right and whose fields are the input's. */
static void load_state(struct machine *m, const uint8_t *data, size_t size)
{
	static uint8_t stream[4096];
	size_t bytes = td_igbvf_state_bytes();

	td_igbvf_rest(m->dev);
	if (td_igbvf_save(m->dev, stream, sizeof(stream), NULL))
		abort();
	for (size_t i = 0; i < size && TD_STATE_HEADER_BYTES + i < bytes; i++)
		stream[TD_STATE_HEADER_BYTES + i] ^= data[i];
	if (td_igbvf_load(m->dev, stream, bytes, NULL) == 0 && td_igbvf_save(m->dev, stream, sizeof(stream), NULL))
		abort();
	td_igbvf_go(m->dev);
}

static void finish(struct machine *m)
{
	struct td_vf82576_state rings = {0};

	td_igbvf_to_software(m->dev, &rings);
	td_igbvf_go(m->dev);
	td_loop_arm(&m->vm.loop, &m->stop, 0);
	td_loop_run(&m->vm.loop);
	td_loop_disarm(&m->vm.loop, &m->stop);
	m->dev->pci.device.ops->reset(&m->dev->pci.device);
	td_pci_reset(&m->vm.pci);
	drain(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct machine *m;

	if (!m)
		m = make();
	m->noise = 1;
	memset(td_mem_ptr(&m->vm.mem, TD_GPA(RX_GPA), RING_WINDOW + 4), 0, RING_WINDOW + 4);
	if (size && data[0] == 'S') {
		load_state(m, data + 1, size - 1);
		size = 0;
	}
	for (unsigned i = 0; i < STEPS_MAX && size >= sizeof(struct step); i++) {
		struct step step;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		take_step(m, &step);
		if (i % 32 == 31)
			drain(m);
	}
	finish(m);
	return 0;
}
