/* SPDX-License-Identifier: Apache-2.0 */
/* emul_virtio_net_io_test.c - the I/O thread between a ring in plain memory and a socket that keeps frames apart, as a tap does. */
#include "emul/virtio_net_io.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE	  128U
#define RAM_BYTES (2ULL << 20)
#define DATA_GPA  0x100000ULL
#define HEADER	  sizeof(struct virtio_net_hdr_v1)

struct side {
	struct td_virtqueue vq;
	struct vring_desc *desc;
	uint16_t *avail, *used;
	uint16_t used_seen;
	uint64_t data_gpa;
	int kick;
};

struct bench {
	struct td_mem mem;
	struct side rx, tx;
	int far, near; /* far: the test's end of the wire */
	struct td_net_io *io;
	struct td_net_io_stats stats;
	int signalled[2], broken;			      /* eventfds */
	enum { BUSY_NOT, BUSY_SENDING, BUSY_RECEIVING } busy; /* set before the start */
};

/* A guest that gives its buffers back as fast as they are used, and needs no kick for it: at each interrupt, on the I/O thread. */
static void keep_busy(struct bench *b)
{
	struct side *side = b->busy == BUSY_SENDING ? &b->tx : &b->rx;
	static const uint8_t frame[HEADER + 60];

	for (unsigned i = 0; b->busy == BUSY_RECEIVING && i < 32; i++)
		(void)!send(b->far, frame, sizeof(frame), MSG_DONTWAIT);
	__atomic_store_n(&side->avail[1], (uint16_t)(__atomic_load_n(&side->used[1], __ATOMIC_ACQUIRE) + SIZE), __ATOMIC_RELEASE);
}

static void on_signal(void *opaque, unsigned queue)
{
	struct bench *b = opaque;

	if (b->busy != BUSY_NOT && queue == (b->busy == BUSY_SENDING))
		keep_busy(b);
	(void)!eventfd_write(b->signalled[queue], 1);
}

static void on_broken(void *opaque, const char *why)
{
	struct bench *b = opaque;

	(void)!(why && eventfd_write(b->broken, 1));
}

static void make_side(struct bench *b, struct side *side, uint64_t gpa)
{
	side->desc = td_mem_ptr(&b->mem, TD_GPA(gpa), 4096);
	side->avail = td_mem_ptr(&b->mem, TD_GPA(gpa + 0x1000), 4096);
	side->used = td_mem_ptr(&b->mem, TD_GPA(gpa + 0x2000), 4096);
	side->vq = (struct td_virtqueue){.size = SIZE, .desc_gpa = {gpa}, .avail_gpa = {gpa + 0x1000}, .used_gpa = {gpa + 0x2000}};
	side->data_gpa = DATA_GPA + gpa * 8;
	side->kick = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(td_virtqueue_map(&side->vq, &b->mem), 0);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct td_mem_config config = {.size_bytes = RAM_BYTES};
	int pair[2], room = 1 << 20;

	assert_int_equal(td_mem_init(&b->mem, &config, NULL), 0);
	make_side(b, &b->rx, 0x4000);
	make_side(b, &b->tx, 0x10000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	b->far = pair[0];
	b->near = pair[1];
	setsockopt(b->far, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(b->near, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	for (unsigned i = 0; i < 2; i++)
		b->signalled[i] = eventfd(0, 0);
	b->broken = eventfd(0, 0);
	*state = b;
	return 0;
}

static void stop(struct bench *b)
{
	td_net_io_stop(b->io);
	b->io = NULL;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	stop(b);
	close(b->far);
	close(b->near);
	close(b->rx.kick);
	close(b->tx.kick);
	close(b->signalled[0]);
	close(b->signalled[1]);
	close(b->broken);
	td_mem_fini(&b->mem);
	free(b);
	return 0;
}

static void start_with(struct bench *b, bool mergeable, bool hold_rx)
{
	struct td_net_io_config config = {
		.name = "net0",
		.pair_count = 1,
		.pair = {{&b->rx.vq, &b->tx.vq, b->rx.kick, b->tx.kick, b->near}},
		.mergeable = mergeable,
		.hold_rx = hold_rx,
		.frame_max = 65562,
		.stats = &b->stats,
		.signal = on_signal,
		.broken = on_broken,
		.opaque = b,
	};

	assert_int_equal(td_net_io_start(&b->io, &config, NULL), 0);
}

static void start(struct bench *b, bool mergeable)
{
	start_with(b, mergeable, false);
}

/* Offers one buffer of len bytes, 4 KiB apart in memory. */
static void offer(struct side *side, uint32_t len, uint16_t flags)
{
	unsigned slot = side->avail[1] % SIZE;

	side->desc[slot] = (struct vring_desc){side->data_gpa + 4096ULL * slot, len, flags, 0};
	side->avail[2 + slot] = (uint16_t)slot;
	__atomic_store_n(&side->avail[1], (uint16_t)(side->avail[1] + 1), __ATOMIC_RELEASE);
}

static void offer_many(struct side *side, unsigned count, uint32_t len)
{
	while (count--)
		offer(side, len, VRING_DESC_F_WRITE);
	assert_int_equal(eventfd_write(side->kick, 1), 0);
}

static void wait_fd(int fd, short events)
{
	struct pollfd poll_fd = {fd, events, 0};

	assert_int_equal(poll(&poll_fd, 1, 2000), 1);
}

static void wait_signal(int fd)
{
	eventfd_t count;

	wait_fd(fd, POLLIN);
	assert_int_equal(eventfd_read(fd, &count), 0);
}

/* The next frame of the ring: its bytes without header into `to`; how many buffers it took. Waits for an interrupt. */
static unsigned take(struct bench *b, uint8_t *to, size_t *ret_bytes)
{
	struct side *side = &b->rx;
	uint16_t buffers = 0;
	size_t bytes = 0;

	while (__atomic_load_n(&side->used[1], __ATOMIC_ACQUIRE) == side->used_seen)
		wait_signal(b->signalled[0]);
	for (unsigned i = 0; i == 0 || i < buffers; i++) {
		struct vring_used_elem element;

		assert_int_not_equal(__atomic_load_n(&side->used[1], __ATOMIC_ACQUIRE), side->used_seen);
		memcpy(&element, &side->used[2 + 4 * (side->used_seen++ % SIZE)], sizeof(element));
		const uint8_t *data = td_mem_ptr(&b->mem, TD_GPA(side->desc[element.id].addr), element.len);
		assert_non_null(data);
		if (i == 0)
			memcpy(&buffers, data + offsetof(struct virtio_net_hdr_v1, num_buffers), 2);
		memcpy(to + bytes, data, element.len);
		bytes += element.len;
	}
	memmove(to, to + HEADER, bytes - HEADER);
	*ret_bytes = bytes - HEADER;
	return buffers;
}

static void send_frame(struct bench *b, size_t bytes, uint8_t seed)
{
	uint8_t *frame = calloc(1, HEADER + bytes);

	for (size_t i = 0; i < bytes; i++)
		frame[HEADER + i] = (uint8_t)(seed + i * 7);
	wait_fd(b->far, POLLOUT);
	assert_int_equal(send(b->far, frame, HEADER + bytes, 0), HEADER + bytes);
	free(frame);
}

static void expect_frame(struct bench *b, size_t bytes, uint8_t seed, unsigned buffers)
{
	static uint8_t frame[70000];
	size_t got;

	assert_int_equal(take(b, frame, &got), buffers);
	assert_int_equal(got, bytes);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(frame[i], (uint8_t)(seed + i * 7));
}

static void test_small_frames(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 20, 1536);
	start(b, true);
	for (uint8_t i = 0; i < 20; i++)
		send_frame(b, 60, i);
	for (uint8_t i = 0; i < 20; i++)
		expect_frame(b, 60, i, 1);
	stop(b);
	assert_int_equal(b->stats.rx_frames, 20);
	assert_int_equal(b->stats.rx_spills, 0);
}

static void test_merged_buffers(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 64, 256);
	start(b, true);
	send_frame(b, 1000, 1); /* with its header 1012 bytes */
	expect_frame(b, 1000, 1, 4);
	send_frame(b, 1024 - HEADER, 2);
	expect_frame(b, 1024 - HEADER, 2, 4);
	send_frame(b, 1025 - HEADER, 3);
	expect_frame(b, 1025 - HEADER, 3, 5);
}

/* Larger than what is held while frames are small: the tail is copied once, the next one is not. */
static void test_large_frames(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 100, 1536);
	start(b, true);
	send_frame(b, 60000, 5);
	expect_frame(b, 60000, 5, 40);
	send_frame(b, 60000, 6);
	expect_frame(b, 60000, 6, 40);
	stop(b);
	assert_int_equal(b->stats.rx_spills, 1);
	assert_int_equal(b->stats.rx_dropped, 0);
}

static void test_too_few_buffers(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 3, 256);
	start(b, true);
	send_frame(b, 5000, 1); /* can not be given */
	send_frame(b, 100, 2);
	expect_frame(b, 100, 2, 1);
	stop(b);
	assert_int_equal(b->stats.rx_dropped, 1);
}

static void test_no_buffers_yet(void **state)
{
	struct bench *b = *state;

	start(b, true);
	send_frame(b, 100, 2);
	usleep(20000);
	assert_int_equal(b->rx.used[1], 0);
	offer_many(&b->rx, 1, 256);
	expect_frame(b, 100, 2, 1);
	send_frame(b, 100, 3);
	usleep(20000);
	offer_many(&b->rx, 1, 256);
	expect_frame(b, 100, 3, 1);
}

static void test_not_mergeable(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 4, 2048);
	start(b, false);
	send_frame(b, 1500, 1);
	expect_frame(b, 1500, 1, 1);
	send_frame(b, 3000, 2); /* does not fit its one buffer */
	send_frame(b, 1500, 3);
	expect_frame(b, 1500, 3, 1);
	stop(b);
	assert_int_equal(b->stats.rx_dropped, 1);
}

/* What was held ready goes back: the next user of the ring finds it. */
static void test_stop_gives_back(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 20, 1536);
	start(b, true);
	send_frame(b, 60, 1);
	expect_frame(b, 60, 1, 1);
	stop(b);
	assert_int_equal(b->rx.vq.next_avail, 1);
	start(b, true);
	send_frame(b, 60, 2);
	expect_frame(b, 60, 2, 1);
	stop(b);
	assert_int_equal(b->rx.vq.next_avail, 2);
	assert_int_equal(b->rx.used[1], 2);
}

/* Frames to the guest wait, frames from it go on. */
static void test_hold(void **state)
{
	struct bench *b = *state;
	uint8_t got[100];

	offer_many(&b->rx, 20, 1536);
	start_with(b, true, true);
	send_frame(b, 60, 1);
	offer(&b->tx, HEADER + 60, 0);
	assert_int_equal(eventfd_write(b->tx.kick, 1), 0);
	wait_fd(b->far, POLLIN);
	assert_int_equal(recv(b->far, got, sizeof(got), 0), HEADER + 60);
	assert_int_equal(b->rx.used[1], 0);
	stop(b);
	start(b, true);
	expect_frame(b, 60, 1, 1);
}

static void test_rounds_over_the_ring(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, SIZE, 200);
	start(b, true);
	for (unsigned i = 0; i < 1000; i++) {
		size_t bytes = 60 + i * 13 % 900;

		send_frame(b, bytes, (uint8_t)i);
		expect_frame(b, bytes, (uint8_t)i, (unsigned)((bytes + HEADER + 199) / 200));
		offer_many(&b->rx, (unsigned)((bytes + HEADER + 199) / 200), 200);
	}
}

static void test_transmit(void **state)
{
	struct bench *b = *state;
	uint8_t got[2048];

	start(b, true);
	for (unsigned i = 0; i < 100; i++) {
		unsigned slot = b->tx.avail[1] % SIZE;
		uint8_t *data = td_mem_ptr(&b->mem, TD_GPA(b->tx.data_gpa + 4096ULL * slot), 4096);

		memset(data, (int)i, 1000);
		offer(&b->tx, 1000, 0);
	}
	assert_int_equal(eventfd_write(b->tx.kick, 1), 0);
	for (unsigned i = 0; i < 100; i++) {
		wait_fd(b->far, POLLIN);
		assert_int_equal(recv(b->far, got, sizeof(got), 0), 1000);
		assert_int_equal(got[999], i);
	}
	wait_signal(b->signalled[1]);
	stop(b);
	assert_int_equal(b->tx.used[1], 100);
	assert_int_equal(b->stats.tx_frames, 100);
	assert_true(b->stats.signals <= 50); /* in batches; how large they are is the scheduler's matter too */
}

static void test_transmit_bad_lengths(void **state)
{
	struct bench *b = *state;
	uint8_t got[100];

	start(b, true);
	offer(&b->tx, 5, 0);	   /* not even a header */
	offer(&b->tx, HEADER, 0);  /* nothing behind it */
	offer(&b->tx, 0x14000, 0); /* longer than any frame */
	offer(&b->tx, HEADER + 60, 0);
	assert_int_equal(eventfd_write(b->tx.kick, 1), 0);
	wait_fd(b->far, POLLIN);
	assert_int_equal(recv(b->far, got, sizeof(got), 0), HEADER + 60);
	stop(b);
	assert_int_equal(b->stats.tx_dropped, 3);
	assert_int_equal(b->tx.used[1], 4);
}

static bool wait_used(const struct side *side, uint16_t count)
{
	for (unsigned ms = 0; ms < 2000 && __atomic_load_n(&side->used[1], __ATOMIC_ACQUIRE) < count; ms++)
		usleep(1000);
	return __atomic_load_n(&side->used[1], __ATOMIC_ACQUIRE) >= count;
}

/* The send ring never runs dry. */
static void start_sending(struct bench *b)
{
	for (unsigned i = 0; i < SIZE; i++)
		offer(&b->tx, HEADER + 60, 0);
	b->busy = BUSY_SENDING;
	start(b, true);
	assert_true(wait_used(&b->tx, SIZE));
}

static void test_busy_sender_receives(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, 20, 1536);
	start_sending(b);
	usleep(20000); /* the tap was empty, and is not looked at again on the way */
	send_frame(b, 60, 1);
	assert_true(wait_used(&b->rx, 1));
}

static void test_busy_sender_adds_buffers(void **state)
{
	struct bench *b = *state;

	send_frame(b, 60, 1);
	start_sending(b);
	assert_int_equal(b->rx.used[1], 0);
	offer_many(&b->rx, 1, 1536);
	assert_true(wait_used(&b->rx, 1));
}

/* Frames always wait, and buffers for them. */
static void test_busy_receiver_sends(void **state)
{
	struct bench *b = *state;

	offer_many(&b->rx, SIZE, 1536);
	b->busy = BUSY_RECEIVING;
	start(b, true);
	for (unsigned i = 0; i < 32; i++)
		send_frame(b, 60, 0);
	assert_true(wait_used(&b->rx, SIZE));
	offer(&b->tx, HEADER + 60, 0);
	assert_int_equal(eventfd_write(b->tx.kick, 1), 0);
	assert_true(wait_used(&b->tx, 1));
}

static void expect_broken(struct bench *b)
{
	wait_signal(b->broken);
	stop(b);
}

static void test_transmit_writable(void **state)
{
	struct bench *b = *state;

	start(b, true);
	offer_many(&b->tx, 1, 100);
	expect_broken(b);
}

static void test_receive_readable(void **state)
{
	struct bench *b = *state;

	offer(&b->rx, 100, 0);
	start(b, true);
	expect_broken(b);
}

static void test_receive_tiny(void **state)
{
	struct bench *b = *state;

	offer(&b->rx, HEADER - 1, VRING_DESC_F_WRITE);
	start(b, true);
	expect_broken(b);
}

static void test_receive_broken_ring(void **state)
{
	struct bench *b = *state;

	b->rx.avail[1] = SIZE + 1;
	start(b, true);
	expect_broken(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_small_frames),
		TEST(test_merged_buffers),
		TEST(test_large_frames),
		TEST(test_too_few_buffers),
		TEST(test_no_buffers_yet),
		TEST(test_not_mergeable),
		TEST(test_stop_gives_back),
		TEST(test_hold),
		TEST(test_rounds_over_the_ring),
		TEST(test_transmit),
		TEST(test_transmit_bad_lengths),
		TEST(test_busy_sender_receives),
		TEST(test_busy_sender_adds_buffers),
		TEST(test_busy_receiver_sends),
		TEST(test_transmit_writable),
		TEST(test_receive_readable),
		TEST(test_receive_tiny),
		TEST(test_receive_broken_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
