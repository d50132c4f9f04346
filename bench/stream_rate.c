/* SPDX-License-Identifier: Apache-2.0 */
/* stream_rate.c - round trips one at a time, and throughput: fixed counts, so that two runs did the same work. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "stream.h"

#define RTT_LIMIT_NS 1000000000ULL /* a UDP reply that has not come by then is lost */

static uint8_t *make_buffer(const struct stream *stream)
{
	return calloc(1, stream->request.size);
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* One round trip in *ret_ns; false: lost. */
static bool ping_udp(const struct stream *stream, uint8_t *buffer, uint64_t seq, uint64_t *ret_ns)
{
	uint64_t start_ns = stream_now_ns(), back;

	memcpy(buffer, &seq, sizeof(seq));
	if (send(stream->data_fd, buffer, stream->request.size, 0) < 0)
		return false;
	while (stream_now_ns() - start_ns < RTT_LIMIT_NS) {
		if (recv(stream->data_fd, buffer, stream->request.size, 0) < (ssize_t)sizeof(back))
			continue;
		memcpy(&back, buffer, sizeof(back));
		if (back == seq) {
			*ret_ns = stream_now_ns() - start_ns;
			return true;
		}
	}
	return false;
}

static bool ping_tcp(const struct stream *stream, uint8_t *buffer, uint64_t *ret_ns)
{
	uint64_t start_ns = stream_now_ns();

	if (stream_send_all(stream->data_fd, buffer, stream->request.size) < 0 ||
		stream_recv_all(stream->data_fd, buffer, stream->request.size) < 0)
		return false;
	*ret_ns = stream_now_ns() - start_ns;
	return true;
}

static void print_rtt(uint64_t *sample, uint64_t count, uint64_t lost, FILE *out)
{
	uint64_t sum = 0;

	fprintf(out, "{\"round_trips\":%" PRIu64 ",\"lost\":%" PRIu64, count, lost);
	if (count) {
		qsort(sample, count, sizeof(*sample), compare);
		for (uint64_t i = 0; i < count; i++)
			sum += sample[i];
		fprintf(out, ",\"us\":{\"min\":%.1f,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
			(double)sample[0] / 1e3, (double)sum / (double)count / 1e3, (double)sample[count / 2] / 1e3,
			(double)sample[count * 9 / 10] / 1e3, (double)sample[count * 99 / 100] / 1e3, (double)sample[count - 1] / 1e3);
	}
	fprintf(out, "}");
}

static int ping(struct stream *stream, struct stream_text *text)
{
	uint64_t *sample = calloc(stream->request.count, sizeof(*sample)), good = 0, lost = 0;
	uint8_t *buffer = make_buffer(stream), end = 1;

	if (!sample || !buffer) {
		free(sample);
		free(buffer);
		return -ENOMEM;
	}
	for (uint64_t i = 0; i < stream->request.count && !stream_interrupted(); i++) {
		bool ok = stream->request.proto == STREAM_UDP ? ping_udp(stream, buffer, i + 1, &sample[good])
							      : ping_tcp(stream, buffer, &sample[good]);
		if (ok)
			good++;
		else if (lost++ > 100 || stream->request.proto == STREAM_TCP)
			break;
	}
	print_rtt(sample, good, lost, text->file);
	free(sample);
	free(buffer);
	return stream_send_all(stream->control_fd, &end, 1);
}

/* Echoes until the client says on the control connection that it is done. */
static int pong(struct stream *stream, struct stream_text *text)
{
	struct timeval limit = {.tv_usec = 100000};
	uint8_t *buffer = make_buffer(stream), end;
	uint64_t echoed = 0;

	if (!buffer)
		return -ENOMEM;
	setsockopt(stream->data_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	while (!stream_interrupted() && recv(stream->control_fd, &end, 1, MSG_DONTWAIT) < 0) {
		ssize_t len = recv(stream->data_fd, buffer, stream->request.size, 0);

		if (len == 0)
			break;
		if (len > 0 && stream_send_all(stream->data_fd, buffer, (size_t)len) == 0)
			echoed++;
	}
	fprintf(text->file, "{\"echoed\":%" PRIu64 "}", echoed);
	free(buffer);
	return 0;
}

int stream_rtt_run(struct stream *stream, struct stream_text *text)
{
	return stream->client ? ping(stream, text) : pong(stream, text);
}

static int source(struct stream *stream, struct stream_text *text)
{
	uint8_t *buffer = make_buffer(stream);
	uint64_t sent = 0, refused = 0, start_ns = stream_now_ns(), end_ns;

	if (!buffer)
		return -ENOMEM;
	while (sent < stream->request.count && !stream_interrupted()) {
		if (stream->request.proto == STREAM_TCP) {
			if (stream_send_all(stream->data_fd, buffer, stream->request.size) < 0)
				break;
		} else if (send(stream->data_fd, buffer, stream->request.size, 0) < 0) {
			refused++;
		}
		sent++;
	}
	end_ns = stream_now_ns();
	if (stream->request.proto == STREAM_TCP)
		shutdown(stream->data_fd, SHUT_WR);
	fprintf(text->file, "{\"sent\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"seconds\":%.6f}", sent, refused,
		(double)(end_ns - start_ns) / 1e9);
	free(buffer);
	return stream_send_all(stream->control_fd, &sent, sizeof(sent));
}

/* UDP: until the source's count is here and nothing has come for a while. TCP: until the stream ends. */
static int sink(struct stream *stream, struct stream_text *text)
{
	uint64_t bytes = 0, packets = 0, peer_sent = 0, first_ns = 0, last_ns = 0;
	uint8_t *buffer = make_buffer(stream);
	bool told = false;

	if (!buffer)
		return -ENOMEM;
	while (!stream_interrupted()) {
		ssize_t len = recv(stream->data_fd, buffer, stream->request.size, 0);

		if (len > 0) {
			last_ns = stream_now_ns();
			first_ns = first_ns ? first_ns : last_ns;
			bytes += (uint64_t)len;
			packets++;
			continue;
		}
		if (len == 0 || told)
			break;
		if (stream->request.proto == STREAM_TCP && errno != EAGAIN)
			break;
		told = recv(stream->control_fd, &peer_sent, sizeof(peer_sent), MSG_DONTWAIT) == (ssize_t)sizeof(peer_sent);
	}
	if (!told)
		(void)stream_recv_all(stream->control_fd, &peer_sent, sizeof(peer_sent));
	fprintf(text->file,
		"{\"received\":%" PRIu64 ",\"peer_sent\":%" PRIu64 ",\"bytes\":%" PRIu64
		",\"seconds\":%.6f,\"mbit_per_s\":%.3f,\"per_s\":%.1f}",
		packets, peer_sent, bytes, (double)(last_ns - first_ns) / 1e9,
		last_ns > first_ns ? (double)bytes * 8e3 / (double)(last_ns - first_ns) : 0.0,
		last_ns > first_ns ? (double)packets * 1e9 / (double)(last_ns - first_ns) : 0.0);
	free(buffer);
	return 0;
}

int stream_rate_run(struct stream *stream, struct stream_text *text)
{
	return stream->client == (stream->request.kind == STREAM_RATE_UP) ? source(stream, text) : sink(stream, text);
}
