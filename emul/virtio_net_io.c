/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_net_io.c - see virtio_net_io.h.
 *
 * Theory of operation. All watches are edge-triggered, so that no eventfd is ever read; an event only sets a flag, and net_io_pump() goes
 * round over queues whose flag is set until each said that nothing is left. While one queue keeps net_io_pump() busy no event is seen, so
 * each round looks at the others itself. Kicks are asked for only when a queue has run dry.
 *
 * To the guest: `held` buffers are taken off the ring ahead of time and read into directly, several frames long if need be. How much is
 * held follows the frames: small ones need few buffers, and few buffers make a cheap readv. Behind them stands a spill buffer, so a frame
 * that is larger than expected loses nothing: its tail is copied, once, and more is held from then on.
 *
 * From the guest: each chain is written as it stands, header included; the kernel takes its own copy of the header and checks that.
 */
#include "emul/virtio_net_io.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "core/loop.h"
#include "emul/io_thread.h"

#define HEADER_BYTES	 12U /* struct virtio_net_hdr_v1 */
#define FRAME_LIMIT	 (HEADER_BYTES + 65536U + 64U)
#define SPILL_BYTES	 FRAME_LIMIT
#define HELD_SEGMENTS	 256U
#define HELD_CHAINS	 128U
#define SMALL_BYTES	 4096U	/* held while frames are small */
#define SMALL_RUN	 256U	/* so many small frames in a row: hold little again */
#define ROUND_FRAMES	 64U	/* of one queue before the others have their turn */
#define PUBLISH_FRAMES	 16U	/* shown to the guest at once */
#define TAP_ROUNDS	 4U	/* a tap that was empty is read again after so many: each try is a system call */
#define POLL_NS		 20000U /* how long a busy sender is waited for, see poll_tx() */
#define POLL_LOST_MAX	 6U
#define POLL_BUSY_FRAMES 4U /* what counts as busy */

struct held_chain {
	uint16_t head;
	uint16_t segments;
	size_t bytes;
};

struct rx {
	struct td_virtqueue *vq;
	bool ready;   /* the tap may have a frame */
	bool starved; /* no buffer was there; a kick is asked for */
	size_t bytes; /* held */
	size_t wanted;
	unsigned small_run;
	unsigned segment_first, segment_count;
	unsigned chain_first, chain_count;
	struct iovec segment[HELD_SEGMENTS + 1]; /* one more for the spill buffer */
	struct held_chain chain[HELD_CHAINS];
};

struct tx {
	struct td_virtqueue *vq;
	bool ready;
	unsigned polls_lost; /* in a row */
	unsigned polls_skip; /* so many chances to poll are let go */
};

struct pair {
	struct td_net_io *io;
	unsigned index;
	int tap_fd;
	struct td_watch rx_kick, tx_kick, tap;
	struct rx rx;
	struct tx tx;
};

struct td_net_io {
	struct td_net_io_config config;
	struct td_loop loop;
	pthread_t thread;
	bool loop_ready, thread_ready;
	bool stopping; /* atomic */
	bool halted;   /* a queue is broken */
	unsigned pair_count;
	uint8_t *spill;
	struct iovec tx_segment[TD_VIRTQUEUE_SIZE_MAX];
	struct pair pair[]; /* pair_count of them */
};

static void count(uint64_t *counter, uint64_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

static void net_io_halt(struct td_net_io *io, const char *why)
{
	if (io->halted)
		return;
	io->halted = true;
	io->config.broken(io->config.opaque, why);
}

static bool may_go_on(const struct td_net_io *io)
{
	return !io->halted && !__atomic_load_n(&io->stopping, __ATOMIC_RELAXED);
}

static void publish(struct td_net_io *io, struct td_virtqueue *vq, unsigned queue)
{
	if (!td_virtqueue_publish(vq))
		return;
	count(&io->config.stats->signals, 1);
	io->config.signal(io->config.opaque, queue);
}

/* ---- to the guest ---- */

static void compact(struct rx *rx)
{
	memmove(rx->segment, rx->segment + rx->segment_first, rx->segment_count * sizeof(rx->segment[0]));
	memmove(rx->chain, rx->chain + rx->chain_first, rx->chain_count * sizeof(rx->chain[0]));
	rx->segment_first = rx->chain_first = 0;
}

/* Takes one buffer more. 1, 0: none there or no room, -EPROTO. */
static int hold_one(struct rx *rx)
{
	struct td_virtqueue_chain chain;
	unsigned at = rx->segment_first + rx->segment_count;
	int rc;

	if (rx->chain_count == HELD_CHAINS)
		return 0;
	rc = rx->chain_first + rx->chain_count == HELD_CHAINS ? -ENOSPC
							      : td_virtqueue_pop(rx->vq, &rx->segment[at], HELD_SEGMENTS - at, &chain);
	if (rc == -ENOSPC && rx->chain_first) {
		compact(rx);
		at = rx->segment_count;
		rc = td_virtqueue_pop(rx->vq, &rx->segment[at], HELD_SEGMENTS - at, &chain);
	}
	if (rc == -ENOSPC) {
		rx->vq->why = "a receive buffer of too many segments";
		return rx->chain_count ? 0 : -EPROTO;
	}
	if (rc <= 0)
		return rc;
	if (chain.out_count || chain.in_bytes < HEADER_BYTES) {
		rx->vq->why = "a receive buffer that is to be read, or too small for a header";
		return -EPROTO;
	}
	rx->chain[rx->chain_first + rx->chain_count++] =
		(struct held_chain){.head = chain.head, .segments = (uint16_t)chain.in_count, .bytes = chain.in_bytes};
	rx->segment_count += chain.in_count;
	rx->bytes += chain.in_bytes;
	return 1;
}

static int hold(struct rx *rx, size_t wanted, bool mergeable)
{
	int rc = 1;

	while (rc > 0 && (mergeable ? rx->bytes < wanted : !rx->chain_count))
		rc = hold_one(rx);
	return rc;
}

/* Gives the first held chains, which hold a frame of `bytes`, to the guest. */
static void net_io_give(struct rx *rx, size_t bytes)
{
	uint16_t buffers = 0;
	size_t left = bytes;

	for (size_t sum = 0; sum < bytes; buffers++)
		sum += rx->chain[rx->chain_first + buffers].bytes;
	td_virtqueue_copy_in(&rx->segment[rx->segment_first], rx->segment_count, offsetof(struct virtio_net_hdr_v1, num_buffers), &buffers,
		sizeof(buffers));
	while (buffers--) {
		const struct held_chain *chain = &rx->chain[rx->chain_first];
		size_t part = TD_MIN(left, chain->bytes);

		td_virtqueue_push(rx->vq, chain->head, (uint32_t)part);
		left -= part;
		rx->bytes -= chain->bytes;
		rx->segment_first += chain->segments;
		rx->segment_count -= chain->segments;
		rx->chain_first++;
		rx->chain_count--;
	}
}

/* A frame of which `over` bytes went into the spill buffer: finds room for them, or drops it. */
static void give_spilled(struct pair *pair, size_t bytes, size_t over)
{
	struct td_net_io *io = pair->io;
	struct rx *rx = &pair->rx;

	rx->wanted = io->config.frame_max;
	rx->small_run = 0;
	if (!io->config.mergeable || hold(rx, bytes, true) < 0 || rx->bytes < bytes) {
		count(&io->config.stats->rx_dropped, 1);
		return;
	}
	count(&io->config.stats->rx_spills, 1);
	count(&io->config.stats->rx_frames, 1);
	td_virtqueue_copy_in(&rx->segment[rx->segment_first], rx->segment_count, bytes - over, io->spill, over);
	net_io_give(rx, bytes);
}

static void follow_size(struct rx *rx, size_t bytes)
{
	if (rx->wanted <= SMALL_BYTES)
		return;
	rx->small_run = bytes <= SMALL_BYTES ? rx->small_run + 1 : 0;
	if (rx->small_run > SMALL_RUN) {
		rx->wanted = SMALL_BYTES;
		rx->small_run = 0;
	}
}

/* 1: a frame was taken off the tap; 0: none there, or no buffer; -EPROTO. */
static int net_io_receive(struct pair *pair)
{
	struct td_net_io *io = pair->io;
	struct rx *rx = &pair->rx;
	int rc = hold(rx, rx->wanted, io->config.mergeable);

	if (rc < 0)
		return rc;
	if (!rx->chain_count) {
		rx->starved = !td_virtqueue_arm(rx->vq);
		return !rx->starved;
	}
	struct iovec *segment = &rx->segment[rx->segment_first];
	unsigned segments = io->config.mergeable ? rx->segment_count : rx->chain[rx->chain_first].segments;
	size_t room = io->config.mergeable ? rx->bytes : rx->chain[rx->chain_first].bytes;
	struct iovec kept = segment[segments];
	segment[segments] = (struct iovec){io->spill, SPILL_BYTES};
	ssize_t got = readv(pair->tap_fd, segment, (int)segments + 1);
	segment[segments] = kept;
	count(&io->config.stats->reads, 1);
	if (got < (ssize_t)HEADER_BYTES) {
		count(&io->config.stats->reads_empty, 1);
		rx->ready = got > 0 || (got < 0 && errno == EINTR);
		return rx->ready;
	}
	if ((size_t)got > room) {
		give_spilled(pair, (size_t)got, (size_t)got - room);
	} else {
		net_io_give(rx, (size_t)got);
		follow_size(rx, (size_t)got);
		count(&io->config.stats->rx_frames, 1);
	}
	return 1;
}

/* True: there may be more. */
static bool receive_round(struct pair *pair)
{
	struct td_net_io *io = pair->io;
	struct rx *rx = &pair->rx;

	for (unsigned i = 1; rx->ready && !rx->starved && i <= ROUND_FRAMES; i++) {
		if (net_io_receive(pair) < 0 || rx->vq->broken) {
			net_io_halt(io, rx->vq->why);
			return false;
		}
		if (i % PUBLISH_FRAMES == 0)
			publish(io, rx->vq, 2 * pair->index);
	}
	publish(io, rx->vq, 2 * pair->index);
	return rx->ready && !rx->starved;
}

/* ---- from the guest ---- */

/* 1, 0: none there, -EPROTO. */
static int net_io_transmit(struct pair *pair)
{
	struct td_net_io *io = pair->io;
	struct td_virtqueue_chain chain;
	ssize_t sent = -1;
	int rc = td_virtqueue_pop(pair->tx.vq, io->tx_segment, TD_VIRTQUEUE_SIZE_MAX, &chain);

	if (rc <= 0)
		return rc;
	if (chain.in_count) {
		pair->tx.vq->why = "a frame to send in buffers that are to be written";
		return -EPROTO;
	}
	if (chain.out_bytes > HEADER_BYTES && chain.out_bytes <= FRAME_LIMIT) {
		sent = writev(pair->tap_fd, io->tx_segment, (int)chain.out_count);
		count(&io->config.stats->writes, 1);
	}
	count(sent < 0 ? &io->config.stats->tx_dropped : &io->config.stats->tx_frames, 1);
	td_virtqueue_push(pair->tx.vq, chain.head, 0);
	return 1;
}

/*
 * A kick is an exit of the guest's, so a sender that was busy until now is looked at a little longer before it is asked to kick again.
 * Where that does not pay, it is tried ever more seldom.
 */
static bool poll_tx(struct td_net_io *io, struct tx *tx)
{
	uint64_t until = td_now_ns() + POLL_NS;

	if (tx->polls_skip) {
		tx->polls_skip--;
		return false;
	}
	count(&io->config.stats->polls, 1);
	do {
		if (td_virtqueue_waiting(tx->vq)) {
			count(&io->config.stats->polls_won, 1);
			tx->polls_lost = 0;
			return true;
		}
		__builtin_ia32_pause();
	} while (td_now_ns() < until && may_go_on(io));
	tx->polls_lost = TD_MIN(tx->polls_lost + 1, POLL_LOST_MAX);
	tx->polls_skip = (1U << tx->polls_lost) - 1;
	return false;
}

/* True: there may be more. */
static bool transmit_round(struct pair *pair)
{
	struct td_net_io *io = pair->io;
	struct td_virtqueue *vq = pair->tx.vq;
	unsigned sent;
	int rc = 1;

	td_virtqueue_disarm(vq);
	for (sent = 0; rc > 0 && sent<ROUND_FRAMES; sent += rc> 0) {
		rc = net_io_transmit(pair);
		if (rc > 0 && (sent + 1) % PUBLISH_FRAMES == 0)
			publish(io, vq, 2 * pair->index + 1);
	}
	publish(io, vq, 2 * pair->index + 1);
	if (rc < 0)
		net_io_halt(io, vq->why);
	else if (rc == 0 && !(sent >= POLL_BUSY_FRAMES && poll_tx(io, &pair->tx)))
		pair->tx.ready = td_virtqueue_arm(vq);
	return rc >= 0 && pair->tx.ready;
}

/* ---- the thread ---- */

/* The flags are set by events, which a queue that is always busy would keep from being seen for as long as its guest or the wire likes. */
static void look_again(struct pair *pair, bool try_tap)
{
	pair->tx.ready |= td_virtqueue_waiting(pair->tx.vq);
	pair->rx.starved &= !td_virtqueue_waiting(pair->rx.vq);
	pair->rx.ready |= try_tap && !pair->io->config.hold_rx;
}

static void net_io_pump(struct td_net_io *io)
{
	bool more = true;

	count(&io->config.stats->wakeups, 1);
	for (unsigned round = 1; more && may_go_on(io); round++) {
		more = false;
		for (unsigned i = 0; i < io->pair_count && !io->halted; i++) {
			struct pair *pair = &io->pair[i];

			if (round > 1)
				look_again(pair, round % TAP_ROUNDS == 0);
			if (pair->tx.ready)
				more |= transmit_round(pair);
			if (pair->rx.ready && !pair->rx.starved && !io->halted)
				more |= receive_round(pair);
		}
	}
}

static void rx_kicked(struct td_watch *watch, uint32_t events)
{
	struct pair *pair = TD_CONTAINER_OF(watch, struct pair, rx_kick);

	(void)events;
	count(&pair->io->config.stats->kick_wakeups, 1);
	pair->rx.starved = false;
	net_io_pump(pair->io);
}

static void tx_kicked(struct td_watch *watch, uint32_t events)
{
	struct pair *pair = TD_CONTAINER_OF(watch, struct pair, tx_kick);

	(void)events;
	count(&pair->io->config.stats->kick_wakeups, 1);
	pair->tx.ready = true;
	net_io_pump(pair->io);
}

static void tap_readable(struct td_watch *watch, uint32_t events)
{
	struct pair *pair = TD_CONTAINER_OF(watch, struct pair, tap);

	(void)events;
	pair->rx.ready = true;
	net_io_pump(pair->io);
}

static void *net_io_run(void *opaque)
{
	struct td_net_io *io = opaque;

	net_io_pump(io);
	td_loop_run(&io->loop);
	return NULL;
}

static int watch_pair(struct td_net_io *io, unsigned index)
{
	const struct td_net_io_pair *config = &io->config.pair[index];
	struct pair *pair = &io->pair[index];
	int rc;

	pair->io = io;
	pair->index = index;
	pair->tap_fd = config->tap_fd;
	pair->rx.vq = config->rx;
	pair->tx.vq = config->tx;
	pair->rx.wanted = SMALL_BYTES;
	pair->rx.ready = !io->config.hold_rx;
	pair->tx.ready = true;
	pair->rx_kick = (struct td_watch){.fd = config->rx_kick_fd, .ready = rx_kicked, .events = EPOLLIN | EPOLLET};
	pair->tx_kick = (struct td_watch){.fd = config->tx_kick_fd, .ready = tx_kicked, .events = EPOLLIN | EPOLLET};
	pair->tap = (struct td_watch){.fd = config->tap_fd, .ready = tap_readable, .events = EPOLLIN | EPOLLET};
	rc = td_loop_watch(&io->loop, &pair->rx_kick);
	if (!rc)
		rc = td_loop_watch(&io->loop, &pair->tx_kick);
	return rc || io->config.hold_rx ? rc : td_loop_watch(&io->loop, &pair->tap);
}

static size_t io_bytes(unsigned pair_count)
{
	return sizeof(struct td_net_io) + pair_count * sizeof(struct pair) + SPILL_BYTES;
}

int td_net_io_start(struct td_net_io **ret_io, const struct td_net_io_config *config, struct td_err *err)
{
	/* Mapped, not allocated: pages that are never needed, the spill buffer above all, then never exist. */
	size_t len = io_bytes(config->pair_count);
	struct td_net_io *io = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc;

	if (io == MAP_FAILED)
		return td_err_sys(err, errno, TD_REASON_NO_MEMORY, "%s: I/O thread", config->name);
	io->config = *config;
	io->config.frame_max = TD_MIN(config->frame_max, (size_t)FRAME_LIMIT);
	io->pair_count = config->pair_count;
	io->spill = (uint8_t *)io + len - SPILL_BYTES;
	rc = td_loop_init(&io->loop, NULL, err);
	io->loop_ready = !rc;
	for (unsigned i = 0; !rc && i < io->pair_count; i++)
		rc = watch_pair(io, i);
	if (!rc)
		rc = td_io_thread_start(&io->thread, config->name, net_io_run, io);
	io->thread_ready = !rc;
	if (rc) {
		td_net_io_stop(io);
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: I/O thread", config->name);
	}
	*ret_io = io;
	return 0;
}

void td_net_io_stop(struct td_net_io *io)
{
	if (!io)
		return;
	if (io->thread_ready) {
		__atomic_store_n(&io->stopping, true, __ATOMIC_RELAXED);
		td_loop_stop(&io->loop);
		pthread_join(io->thread, NULL);
	}
	for (unsigned i = 0; i < io->pair_count; i++)
		if (io->pair[i].io)
			td_virtqueue_rewind(io->pair[i].rx.vq, io->pair[i].rx.chain_count);
	if (io->loop_ready)
		td_loop_fini(&io->loop);
	munmap(io, io_bytes(io->pair_count));
}
