/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_flow.c - sequenced UDP both ways at an even pace, packet by packet or in bursts, beside it a checked TCP stream (stream_tcp.c).
 * Each end counts what the other sent; how many that were it learns by the control connection when both have ended.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

struct packet {
	uint32_t magic, type;
	uint64_t seq, sent_ns;
	uint64_t filler;
};

_Static_assert(sizeof(struct packet) <= STREAM_SIZE_MIN, "a packet fits the smallest size");

#define CATCH_UP_NS 8000000ULL

enum { TYPE_HELLO = 1, TYPE_HELLO_BACK, TYPE_DATA };

struct flow {
	struct stream *stream;
	uint64_t interval_ns; /* between two bursts */
	_Atomic uint64_t sent;
	atomic_bool sender_ended;
	uint64_t send_errors, late_sends, longest_late_ns;
	_Atomic uint64_t received; /* what the main thread may read of `seen` while the receiver runs */
	struct stream_seen seen;
	uint64_t peer_sent;
	bool peer_ended;
};

static void send_hello(int fd, uint32_t type)
{
	struct packet hello = {.magic = STREAM_MAGIC, .type = type};

	(void)!send(fd, &hello, sizeof(hello), 0);
}

static int meet_server(int fd)
{
	struct packet packet;

	for (int i = 0; i < 100 && !stream_interrupted(); i++) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		send_hello(fd, TYPE_HELLO);
		if (poll(&wait, 1, 100) <= 0)
			continue;
		if (recv(fd, &packet, sizeof(packet), 0) == (ssize_t)sizeof(packet) && packet.magic == STREAM_MAGIC)
			return 0;
		usleep(100000); /* refused: the server's socket is not there yet */
	}
	return -ETIMEDOUT;
}

static int meet_client(int fd)
{
	struct sockaddr_storage from;
	struct packet packet;

	for (int i = 0; i < 100 && !stream_interrupted(); i++) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		socklen_t from_len = sizeof(from);

		if (poll(&wait, 1, 100) <= 0)
			continue;
		if (recvfrom(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&from, &from_len) != (ssize_t)sizeof(packet) ||
			packet.magic != STREAM_MAGIC || packet.type != TYPE_HELLO)
			continue;
		if (connect(fd, (struct sockaddr *)&from, from_len) < 0)
			return -errno;
		send_hello(fd, TYPE_HELLO_BACK);
		return 0;
	}
	return -ETIMEDOUT;
}

int stream_udp_meet(struct stream *stream, int udp_fd)
{
	struct timeval limit = {.tv_usec = 100000};
	int buffer = 4 << 20, size = (int)stream->request.size, on = 1, rc;

	setsockopt(udp_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	/* What a stalled reader loses is not the network's loss: beyond net.core.rmem_max where we may (the guest's init is root). */
	if (setsockopt(udp_fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		setsockopt(udp_fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	rc = stream->client ? meet_server(udp_fd) : meet_client(udp_fd);
	if (rc == 0 && stream->request.burst > 1 &&
		(setsockopt(udp_fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0 ||
			setsockopt(udp_fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on)) < 0))
		rc = -errno;
	if (rc == 0)
		stream->data_fd = udp_fd;
	return rc;
}

static void note_lateness(struct flow *flow, uint64_t late_ns)
{
	if (late_ns > flow->interval_ns)
		flow->late_sends++;
	if (late_ns > flow->longest_late_ns)
		flow->longest_late_ns = late_ns;
}

/* The packets from seq on that are sent at once; the kernel makes datagrams of them. */
static void send_burst(struct flow *flow, uint64_t seq, uint64_t now_ns)
{
	static _Thread_local uint8_t buffer[STREAM_SIZE_MAX];
	const struct stream_request *request = &flow->stream->request;

	for (uint32_t i = 0; i < request->burst; i++) {
		struct packet packet = {.magic = STREAM_MAGIC, .type = TYPE_DATA, .seq = seq + i, .sent_ns = now_ns};

		memcpy(buffer + (size_t)i * request->size, &packet, sizeof(packet));
	}
	if (send(flow->stream->data_fd, buffer, (size_t)request->burst * request->size, 0) < 0)
		flow->send_errors += request->burst;
	atomic_fetch_add(&flow->sent, request->burst);
}

/*
 * A sender that was kept from its pace makes up for some milliseconds of it. The rest is not sent, and shows in `sent`: a second for which
 * its machine stood would come as a burst that says nothing of the network but how many buffers there are.
 */
static void *sender(void *opaque)
{
	struct flow *flow = opaque;
	struct stream *stream = flow->stream;
	const uint32_t burst = stream->request.burst;
	uint64_t start_ns = stream_now_ns() + flow->interval_ns, limit_ns = stream->request.duration_ms * 1000000ULL, due_ns = start_ns;

	for (uint64_t seq = 0; seq + burst <= flow->seen.capacity && !atomic_load(&stream->stop); seq += burst) {
		uint64_t now_ns;

		if (due_ns - start_ns >= limit_ns)
			break;
		stream_sleep_until(due_ns);
		now_ns = stream_now_ns();
		note_lateness(flow, now_ns - due_ns);
		due_ns += flow->interval_ns;
		if (due_ns + CATCH_UP_NS < now_ns)
			due_ns = now_ns - CATCH_UP_NS;
		send_burst(flow, seq, now_ns);
	}
	atomic_store(&flow->sender_ended, true);
	return NULL;
}

static void take_packet(struct flow *flow, const uint8_t *data)
{
	struct packet packet;

	memcpy(&packet, data, sizeof(packet));
	if (packet.magic != STREAM_MAGIC)
		return;
	if (packet.type == TYPE_HELLO && !flow->stream->client)
		send_hello(flow->stream->data_fd, TYPE_HELLO_BACK);
	if (packet.type == TYPE_DATA)
		stream_seen_add(&flow->seen, packet.seq, packet.sent_ns, stream_now_ns());
}

/* What was sent at once may come as one: packets of the same size, one behind the other. */
static void *receiver(void *opaque)
{
	static _Thread_local uint8_t buffer[1 << 16];
	struct flow *flow = opaque;

	while (!atomic_load(&flow->stream->stop_all)) {
		ssize_t len = recv(flow->stream->data_fd, buffer, sizeof(buffer), 0);

		for (ssize_t at = 0; at + (ssize_t)sizeof(struct packet) <= len; at += flow->stream->request.size)
			take_packet(flow, buffer + at);
		atomic_store(&flow->received, flow->seen.received);
	}
	return NULL;
}

/* Reads the other end's count when it is there. Losing the control connection ends the session too. */
static void hear_peer(struct flow *flow, int wait_ms)
{
	struct pollfd wait = {.fd = flow->stream->control_fd, .events = POLLIN};

	if (flow->peer_ended || poll(&wait, 1, wait_ms) <= 0) {
		if (flow->peer_ended)
			usleep((useconds_t)wait_ms * 1000);
		return;
	}
	if (stream_recv_all(flow->stream->control_fd, &flow->peer_sent, sizeof(flow->peer_sent)) < 0)
		fprintf(stderr, "tandem-stream: the control connection is lost\n");
	flow->peer_ended = true;
	atomic_store(&flow->stream->stop, true);
}

/* Until both ends have sent all, and what was sent has come or had its time. */
static void conduct(struct flow *flow)
{
	struct stream *stream = flow->stream;
	uint64_t sent, deadline_ns;

	while (!atomic_load(&flow->sender_ended)) {
		hear_peer(flow, 20);
		if (stream_interrupted())
			atomic_store(&stream->stop, true);
	}
	sent = atomic_load(&flow->sent);
	(void)stream_send_all(stream->control_fd, &sent, sizeof(sent));
	deadline_ns = stream_now_ns() + STREAM_LINGER_MS * 1000000ULL;
	while (!flow->peer_ended && stream_now_ns() < deadline_ns + stream->request.duration_ms * 1000000ULL)
		hear_peer(flow, 20);
	deadline_ns = stream_now_ns() + STREAM_LINGER_MS * 1000000ULL;
	while (stream_now_ns() < deadline_ns && atomic_load(&flow->received) < flow->peer_sent)
		usleep(20000);
	usleep(200000); /* late duplicates */
	atomic_store(&stream->stop_all, true);
}

static void print(struct flow *flow, FILE *out)
{
	fprintf(out,
		"\"udp\":{\"rate\":%u,\"burst\":%u,\"size\":%u,\"sent\":%" PRIu64 ",\"send_errors\":%" PRIu64 ",\"late_sends\":%" PRIu64
		",\"longest_late_ms\":%.3f,",
		flow->stream->request.rate, flow->stream->request.burst, flow->stream->request.size, atomic_load(&flow->sent),
		flow->send_errors, flow->late_sends, (double)flow->longest_late_ns / 1e6);
	stream_seen_print(&flow->seen, flow->peer_sent, out);
	fprintf(out, "}");
}

int stream_flow_run(struct stream *stream, struct stream_text *text)
{
	const struct stream_request *request = &stream->request;
	struct flow flow = {.stream = stream, .interval_ns = 1000000000ULL * request->burst / request->rate};
	uint64_t capacity = (uint64_t)request->rate * request->duration_ms / 1000 + 2;
	struct stream_tcp *tcp = NULL;
	pthread_t send_thread, receive_thread;
	int rc = stream_seen_init(&flow.seen, capacity, request->duration_ms, flow.interval_ns);

	if (rc < 0)
		return rc;
	if (stream->tcp_fd >= 0)
		tcp = stream_tcp_start(stream);
	if (pthread_create(&receive_thread, NULL, receiver, &flow) != 0) {
		stream_seen_fini(&flow.seen);
		return -EAGAIN;
	}
	if (pthread_create(&send_thread, NULL, sender, &flow) != 0)
		atomic_store(&flow.sender_ended, true);
	else
		pthread_detach(send_thread);
	conduct(&flow);
	pthread_join(receive_thread, NULL);
	fprintf(text->file, "{");
	print(&flow, text->file);
	if (tcp) {
		fprintf(text->file, ",");
		stream_tcp_finish(tcp, text->file);
	}
	fprintf(text->file, "}");
	stream_seen_fini(&flow.seen);
	return 0;
}
