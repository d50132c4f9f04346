/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_tcp.c - a TCP stream both ways whose every byte is checked: blocks of 4 KiB, each with its number, its time and a content that
 * follows from the number. A stall is the time between two blocks that arrived.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "stream.h"

#define BLOCK_BYTES 4096U
#define BLOCK_WORDS (BLOCK_BYTES / 8U)

struct stream_tcp {
	struct stream *stream;
	pthread_t send_thread, receive_thread;
	bool sending, receiving;
	uint64_t sent, received, corrupt;
	int send_error, receive_error;
	struct stream_seen seen; /* gaps only */
};

static void fill(uint64_t *block, uint64_t number)
{
	uint64_t x = number * 0x9e3779b97f4a7c15ULL + 1;

	block[0] = number;
	block[1] = stream_now_ns();
	for (unsigned i = 2; i < BLOCK_WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		block[i] = x;
	}
}

static bool check(const uint64_t *block, uint64_t number)
{
	uint64_t expected[BLOCK_WORDS];

	fill(expected, number);
	return block[0] == number && memcmp(block + 2, expected + 2, BLOCK_BYTES - 16) == 0;
}

static void *sender(void *opaque)
{
	struct stream_tcp *tcp = opaque;
	struct stream *stream = tcp->stream;
	uint64_t interval_ns = 1000000000ULL / stream->request.tcp_blocks;
	uint64_t next_ns = stream_now_ns(), end_ns = next_ns + stream->request.duration_ms * 1000000ULL;
	uint64_t block[BLOCK_WORDS];

	while (!atomic_load(&stream->stop) && next_ns < end_ns) {
		stream_sleep_until(next_ns);
		fill(block, tcp->sent);
		tcp->send_error = stream_send_all(stream->tcp_fd, block, sizeof(block));
		if (tcp->send_error < 0)
			break;
		tcp->sent++;
		next_ns += interval_ns;
	}
	shutdown(stream->tcp_fd, SHUT_WR);
	return NULL;
}

static void *receiver(void *opaque)
{
	struct stream_tcp *tcp = opaque;
	uint64_t block[BLOCK_WORDS];

	for (;;) {
		int rc = stream_recv_all(tcp->stream->tcp_fd, block, sizeof(block));

		if (rc < 0) {
			tcp->receive_error = rc == -EPIPE ? 0 : rc;
			return NULL;
		}
		if (!check(block, tcp->received))
			tcp->corrupt++;
		stream_seen_add(&tcp->seen, tcp->received, block[1], stream_now_ns());
		tcp->received++;
	}
}

struct stream_tcp *stream_tcp_start(struct stream *stream)
{
	struct stream_tcp *tcp = calloc(1, sizeof(*tcp));
	uint64_t blocks = (uint64_t)stream->request.tcp_blocks * (stream->request.duration_ms / 1000 + 2);

	if (!tcp)
		return NULL;
	tcp->stream = stream;
	if (stream_seen_init(&tcp->seen, blocks, stream->request.duration_ms, 1000000000ULL / stream->request.tcp_blocks) < 0) {
		free(tcp);
		return NULL;
	}
	tcp->receiving = pthread_create(&tcp->receive_thread, NULL, receiver, tcp) == 0;
	tcp->sending = pthread_create(&tcp->send_thread, NULL, sender, tcp) == 0;
	return tcp;
}

/* A connection that died must not keep us. */
static void end_thread(struct stream_tcp *tcp, bool started, pthread_t thread)
{
	struct timespec limit;

	if (!started)
		return;
	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += 3;
	if (pthread_timedjoin_np(thread, NULL, &limit) == 0)
		return;
	shutdown(tcp->stream->tcp_fd, SHUT_RDWR);
	pthread_join(thread, NULL);
}

void stream_tcp_finish(struct stream_tcp *tcp, FILE *out)
{
	atomic_store(&tcp->stream->stop, true);
	end_thread(tcp, tcp->sending, tcp->send_thread);
	end_thread(tcp, tcp->receiving, tcp->receive_thread);
	fprintf(out,
		"\"tcp\":{\"blocks_per_s\":%u,\"block_bytes\":%u,\"sent\":%" PRIu64 ",\"corrupt\":%" PRIu64
		",\"send_error\":%d,\"receive_error\":%d,",
		tcp->stream->request.tcp_blocks, BLOCK_BYTES, tcp->sent, tcp->corrupt, tcp->send_error, tcp->receive_error);
	stream_seen_print(&tcp->seen, tcp->received, out);
	fprintf(out, "}");
	stream_seen_fini(&tcp->seen);
	free(tcp);
}
