/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_driver.h - a guest's igbvf for tests: it works registers, mailbox and rings from outside as the driver does, in one thread with the
 * main loop. The tap is replaced by a socket that keeps frames apart, virtio-net headers and all. Needs /dev/kvm and CAP_NET_ADMIN.
 */
#ifndef TD_TESTS_IGBVF_DRIVER_H
#define TD_TESTS_IGBVF_DRIVER_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/vm.h"
#include "emul/igbvf_parts.h"

#define DRIVER_RAM_BYTES (16ULL << 20)
#define DRIVER_RX_GPA	 (1ULL << 20)
#define DRIVER_TX_GPA	 (DRIVER_RX_GPA + 0x40000)
#define DRIVER_BUFFERS	 (4ULL << 20) /* receive: 2 KiB a descriptor */
#define DRIVER_DATA	 (8ULL << 20) /* to send */
#define DRIVER_SIZE	 64U	      /* descriptors a ring */
#define DRIVER_BUFFER	 2048U
#define HEADER_BYTES	 sizeof(struct virtio_net_hdr_v1)

#define RXD_DD	 0x01U
#define RXD_EOP	 0x02U
#define RXD_VP	 0x08U
#define RXD_L4CS 0x20U
#define RXD_IPCS 0x40U
#define RXD_RXE	 0x80000000U

#define TXD_CONTEXT 0x20200000U
#define TXD_DATA    0x20300000U
#define TXD_EOP	    0x01000000U
#define TXD_RS	    0x08000000U
#define TXD_VLE	    0x40000000U
#define TXD_TSE	    0x80000000U
#define TXD_IXSM    0x100U
#define TXD_TXSM    0x200U
#define TUCMD_IPV4  0x400U
#define TUCMD_TCP   0x800U
#define TUCMD_SCTP  0x1000U

static const uint8_t driver_mac[6] = {0x52, 0x54, 0, 1, 2, 3};

struct driver {
	struct td_vm *vm;
	struct td_igbvf *dev;
	int wire; /* the test's end */
	uint64_t *rx, *tx;
	uint32_t rx_next, tx_next; /* the driver's */
};

static inline uint32_t driver_read(struct driver *d, uint32_t reg)
{
	struct td_access access = {.offset = reg, .width = 4};

	assert_int_equal(d->dev->pci.ops->bar_access(&d->dev->pci, 0, &access), TD_DONE);
	return (uint32_t)access.value;
}

static inline void driver_write(struct driver *d, uint32_t reg, uint32_t value)
{
	struct td_access access = {.offset = reg, .width = 4, .write = true, .value = value};

	assert_int_equal(d->dev->pci.ops->bar_access(&d->dev->pci, 0, &access), TD_DONE);
}

/* As pci_set_master() and pci_clear_master(). */
static inline void driver_bus_master(struct driver *d, bool on)
{
	uint16_t command = td_pci_get16(d->dev->pci.config, PCI_COMMAND) & (uint16_t)~PCI_COMMAND_MASTER;
	struct td_access access = {.offset = PCI_COMMAND, .width = 2, .write = true, .value = command | (on ? PCI_COMMAND_MASTER : 0U)};

	td_pci_config_access(&d->vm->pci, (unsigned)d->dev->pci.slot * 8, &access);
}

static inline void *driver_ram(struct driver *d, uint64_t gpa)
{
	return td_mem_ptr(&d->vm->mem, TD_GPA(gpa), 1);
}

static inline int driver_setup(void **state)
{
	struct driver *d = calloc(1, sizeof(*d));
	struct td_vm_config vm_config = {.name = "test", .mem.size_bytes = DRIVER_RAM_BYTES, .cpus = 1};
	struct td_igbvf_config config = {.name = "net0"};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	struct td_err err = {0};
	int pair[2], room = 1 << 20;

	*state = d;
	td_log_set_level(TD_LOG_ERROR);
	d->vm = calloc(1, sizeof(*d->vm));
	memcpy(config.mac, driver_mac, sizeof(driver_mac));
	if (td_vm_init(d->vm, &vm_config, &err) || td_igbvf_create(d->vm, &config, &d->dev, &err)) {
		fprintf(stderr, "skipped: %s\n", err.text);
		assert_true(err.reason == TD_REASON_NO_KVM || err.reason == TD_REASON_TAP || err.reason == TD_REASON_NETLINK);
		td_vm_fini(d->vm);
		free(d->vm);
		d->vm = NULL;
		return 0;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	d->wire = pair[0];
	td_igbvf_io_hold(d->dev, TD_IGBVF_HOLD_REGISTER);
	assert_int_equal(dup2(pair[1], d->dev->tap.fd[0]), d->dev->tap.fd[0]);
	close(pair[1]);
	event.data.fd = d->dev->tap.fd[0];
	assert_int_equal(epoll_ctl(d->dev->io.epoll_fd, EPOLL_CTL_ADD, d->dev->tap.fd[0], &event), 0);
	td_igbvf_io_release(d->dev, TD_IGBVF_HOLD_REGISTER);
	driver_bus_master(d, true);
	d->rx = driver_ram(d, DRIVER_RX_GPA);
	d->tx = driver_ram(d, DRIVER_TX_GPA);
	return 0;
}

static inline int driver_teardown(void **state)
{
	struct driver *d = *state;

	if (d->vm) {
		td_vm_fini(d->vm);
		close(d->wire);
		free(d->vm);
	}
	free(d);
	return 0;
}

static inline struct driver *driver_get(void **state)
{
	struct driver *d = *state;

	if (!d->vm)
		skip();
	return d;
}

/* Sends a message of `count` words as the driver does; its answer's first word. */
static inline uint32_t driver_mail(struct driver *d, const uint32_t *words, unsigned count)
{
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	assert_true(driver_read(d, TD_VF_V2PMAILBOX) & TD_VF_MAIL_VFU);
	for (unsigned i = 0; i < count; i++)
		driver_write(d, TD_VF_MBMEM + 4 * i, words[i]);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_REQ);
	if ((driver_read(d, TD_VF_V2PMAILBOX) & (TD_VF_MAIL_PFACK | TD_VF_MAIL_PFSTS)) != (TD_VF_MAIL_PFACK | TD_VF_MAIL_PFSTS))
		return 0;
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_VFU);
	uint32_t answer = driver_read(d, TD_VF_MBMEM);
	driver_write(d, TD_VF_V2PMAILBOX, TD_VF_MAIL_ACK);
	return answer;
}

static inline uint32_t driver_mail1(struct driver *d, uint32_t word, uint32_t second)
{
	const uint32_t words[] = {word, second};

	return driver_mail(d, words, 2);
}

static inline void driver_reset(struct driver *d)
{
	const uint32_t word = TD_VF_MAIL_RESET;

	driver_write(d, TD_VF_CTRL, TD_VF_CTRL_RST);
	assert_false(driver_read(d, TD_VF_V2PMAILBOX) & (TD_VF_MAIL_RSTI | TD_VF_MAIL_RSTD));
	assert_int_equal(driver_mail(d, &word, 1), TD_VF_MAIL_RESET | TD_VF_MAIL_ANSWER_ACK);
}

static inline void driver_post(struct driver *d, uint32_t at)
{
	d->rx[2 * at] = DRIVER_BUFFERS + (uint64_t)at * DRIVER_BUFFER;
	d->rx[2 * at + 1] = 0;
}

/* As igbvf_configure(): rings at their places, all receive buffers but one posted. srrctl: 0 for one buffer of 2 KiB. */
static inline void driver_rings(struct driver *d, uint32_t srrctl)
{
	memset(d->rx, 0, 16U * DRIVER_SIZE);
	memset(d->tx, 0, 16U * DRIVER_SIZE);
	d->rx_next = d->tx_next = 0;
	driver_write(d, TD_VF_TXDCTL, 0);
	driver_write(d, TD_VF_TDLEN, 16U * DRIVER_SIZE);
	driver_write(d, TD_VF_TDBAL, (uint32_t)DRIVER_TX_GPA);
	driver_write(d, TD_VF_TDBAH, (uint32_t)(DRIVER_TX_GPA >> 32));
	driver_write(d, TD_VF_TDH, 0);
	driver_write(d, TD_VF_TDT, 0);
	driver_write(d, TD_VF_TXDCTL, TD_VF_QUEUE_ENABLE);
	driver_write(d, TD_VF_SRRCTL, srrctl ? srrctl : 0x82000002U);
	driver_write(d, TD_VF_RXDCTL, 0);
	driver_write(d, TD_VF_RDBAL, (uint32_t)DRIVER_RX_GPA);
	driver_write(d, TD_VF_RDBAH, (uint32_t)(DRIVER_RX_GPA >> 32));
	driver_write(d, TD_VF_RDLEN, 16U * DRIVER_SIZE);
	driver_write(d, TD_VF_RDH, 0);
	driver_write(d, TD_VF_RDT, 0);
	driver_write(d, TD_VF_RXDCTL, TD_VF_QUEUE_ENABLE | 0x10810U);
	for (uint32_t i = 0; i < DRIVER_SIZE; i++)
		driver_post(d, i);
	driver_write(d, TD_VF_RDT, DRIVER_SIZE - 1);
}

/* As igbvf_configure_msix() and igbvf_irq_enable(): vector 0 transmit, 1 receive, 2 mailbox. */
static inline void driver_interrupts(struct driver *d, uint32_t eitr)
{
	driver_write(d, TD_VF_IVAR0, 0x8081U);
	driver_write(d, TD_VF_IVAR_MISC, 0x82U);
	driver_write(d, TD_VF_EITR0, eitr);
	driver_write(d, TD_VF_EITR0 + 4, eitr);
	driver_read(d, TD_VF_EICR);
	driver_write(d, TD_VF_EIAC, 7);
	driver_write(d, TD_VF_EIAM, 7);
	driver_write(d, TD_VF_EIMS, 7);
}

/* A driver that is up, with frames of up to 1500 bytes of payload. */
static inline void driver_up(struct driver *d)
{
	driver_reset(d);
	assert_true(driver_mail1(d, TD_VF_MAIL_SET_LPE, 1522) & TD_VF_MAIL_ANSWER_ACK);
	driver_rings(d, 0);
	driver_interrupts(d, 0);
}

/* Waits for a vector up to half a second; clears it. MSI-X is off in these tests, so signals stay in the eventfd. */
static inline bool driver_interrupted(struct driver *d, unsigned vector)
{
	struct pollfd fd = {td_igbvf_msix_fd(d->dev, vector), POLLIN, 0};
	eventfd_t count;

	return poll(&fd, 1, 500) == 1 && !eventfd_read(fd.fd, &count);
}

static inline bool driver_quiet(struct driver *d, unsigned vector, int ms)
{
	struct pollfd fd = {td_igbvf_msix_fd(d->dev, vector), POLLIN, 0};

	return poll(&fd, 1, ms) == 0;
}

static inline void driver_fill(uint8_t *frame, size_t len, uint8_t seed)
{
	memcpy(frame, driver_mac, 6);
	memset(frame + 6, 2, 6);
	frame[12] = 0x88; /* local experimental */
	frame[13] = 0xb5;
	for (size_t i = 14; i < len; i++)
		frame[i] = (uint8_t)(seed + i * 7);
}

/* From the wire, behind a header. */
static inline void driver_wire_send(struct driver *d, const struct virtio_net_hdr_v1 *header, const void *frame, size_t len)
{
	struct virtio_net_hdr_v1 none = {0};
	struct iovec iov[] = {{(void *)(uintptr_t)(header ? header : &none), HEADER_BYTES}, {(void *)(uintptr_t)frame, len}};
	struct pollfd fd = {d->wire, POLLOUT, 0};

	assert_int_equal(poll(&fd, 1, 2000), 1);
	assert_int_equal(writev(d->wire, iov, 2), HEADER_BYTES + len);
}

/* What came out to the wire: its length, or -1 after `ms` of nothing. */
static inline ssize_t driver_wire_take(struct driver *d, struct virtio_net_hdr_v1 *header, void *frame, size_t room, int ms)
{
	struct iovec iov[] = {{header, HEADER_BYTES}, {frame, room}};
	struct pollfd fd = {d->wire, POLLIN, 0};
	ssize_t got;

	if (poll(&fd, 1, ms) != 1)
		return -1;
	got = readv(d->wire, iov, 2);
	return got < (ssize_t)HEADER_BYTES ? -1 : got - (ssize_t)HEADER_BYTES;
}

/* A register once it holds the value, or what it holds after a second: frames are counted after they are sent. */
static inline uint32_t driver_read_when(struct driver *d, uint32_t reg, uint32_t value)
{
	for (unsigned i = 0; i < 1000 && driver_read(d, reg) != value; i++)
		usleep(1000);
	return (uint32_t)driver_read(d, reg);
}

/* The status dword of the next receive descriptor once it is done, or 0 after half a second. */
static inline uint32_t driver_rx_wait(struct driver *d)
{
	for (unsigned i = 0; i < 500; i++) {
		uint32_t status = (uint32_t)__atomic_load_n(&d->rx[2 * d->rx_next + 1], __ATOMIC_ACQUIRE);

		if (status & RXD_DD)
			return status;
		usleep(1000);
	}
	return 0;
}

static inline const uint8_t *driver_rx_data(struct driver *d, size_t *ret_len)
{
	*ret_len = (d->rx[2 * d->rx_next + 1] >> 32) & 0xffff;
	return driver_ram(d, DRIVER_BUFFERS + (uint64_t)d->rx_next * DRIVER_BUFFER);
}

/* Reposts the descriptor that was looked at, as igbvf does: the tail is one behind. */
static inline void driver_rx_done(struct driver *d)
{
	driver_post(d, d->rx_next);
	driver_write(d, TD_VF_RDT, d->rx_next);
	d->rx_next = (d->rx_next + 1) % DRIVER_SIZE;
}

static inline void driver_tx_put(struct driver *d, uint64_t low, uint32_t cmd, uint32_t olinfo)
{
	d->tx[2 * d->tx_next] = low;
	d->tx[2 * d->tx_next + 1] = (uint64_t)olinfo << 32 | cmd;
	d->tx_next = (d->tx_next + 1) % DRIVER_SIZE;
}

static inline void driver_tx_go(struct driver *d)
{
	driver_write(d, TD_VF_TDT, d->tx_next);
}

/* One frame in one descriptor, its bytes at DRIVER_DATA + at. */
static inline void driver_tx_frame(struct driver *d, uint64_t at, uint32_t len)
{
	driver_tx_put(d, DRIVER_DATA + at, TXD_DATA | TXD_EOP | TXD_RS | len, len << 14);
}

static inline bool driver_tx_done(struct driver *d, uint32_t at)
{
	for (unsigned i = 0; i < 500; i++) {
		if (__atomic_load_n(&d->tx[2 * at + 1], __ATOMIC_ACQUIRE) >> 32 & 1)
			return true;
		usleep(1000);
	}
	return false;
}

/* Until a register reads so, half a second at most: a head goes on just after its descriptor is done. */
static inline bool driver_reads(struct driver *d, uint32_t reg, uint32_t value)
{
	for (unsigned i = 0; i < 500 && driver_read(d, reg) != value; i++)
		usleep(1000);
	return driver_read(d, reg) == value;
}

/* The last one that was put. */
static inline bool driver_tx_last_done(struct driver *d)
{
	return driver_tx_done(d, (d->tx_next + DRIVER_SIZE - 1) % DRIVER_SIZE);
}

struct driver_stop {
	struct td_timer timer;
	struct td_loop *loop;
};

static inline void driver_stop_loop(struct td_timer *timer)
{
	td_loop_stop(TD_CONTAINER_OF(timer, struct driver_stop, timer)->loop);
}

/* Lets the main loop work for a while. */
static inline void driver_run(struct driver *d, unsigned ms)
{
	struct driver_stop stop = {.timer.expired = driver_stop_loop, .loop = &d->vm->loop};

	td_loop_arm(&d->vm->loop, &stop.timer, ms * 1000000ULL);
	td_loop_run(&d->vm->loop);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, driver_setup, driver_teardown)

#endif
