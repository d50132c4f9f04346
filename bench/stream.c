/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.c - tandem-stream's command line, its sessions and its one line of JSON on standard output.
 * Exit status: 0 the session was held (whatever it found), 1 it was not, 2 usage, 3 it took longer than it may.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "stream.h"

#define TEXT_MAX (64U << 20) /* every loss is in it */

static const char usage_text[] =
	"usage: tandem-stream --listen[=ADDRESS] [--sessions N]      (until a signal, or N sessions)\n"
	"       tandem-stream --connect ADDRESS KIND [OPTION]...\n"
	"KIND: flow        sequenced UDP both ways, with --tcp a checked TCP stream too (ends early on SIGTERM or SIGINT at either end)\n"
	"      rtt         round trips, one at a time\n"
	"      up, down    throughput from, to the client\n"
	"  --port N        (7700)             --size BYTES   payload (64; up, down: 1400 for UDP, 65000 for TCP)\n"
	"  --rate N        flow: packets/s each way (1000)\n"
	"  --burst N       flow: packets sent at once, each no longer than the MTU takes, with N times the pause between (1)\n"
	"  --tcp N         flow: blocks of 4 KiB a second each way (0: none)\n"
	"  --duration S    flow: seconds (10)\n"
	"  --count N       rtt, up, down: round trips, packets or writes (1000)\n"
	"  --proto P       rtt, up, down: udp or tcp (udp)\n"
	"  --limit S       ends with status 3 after S seconds (duration + 60; listening: none)\n";

struct options {
	bool listening, client;
	struct in_addr address;
	unsigned sessions, limit_s;
	struct stream_request request;
};

static volatile sig_atomic_t interrupted;

bool stream_interrupted(void)
{
	return interrupted != 0;
}

static void on_signal(int number)
{
	static const char late[] = "tandem-stream: took longer than --limit\n";

	if (number == SIGALRM) {
		(void)!write(STDERR_FILENO, late, sizeof(late) - 1);
		_exit(3);
	}
	interrupted = 1;
}

static int usage(const char *what)
{
	fprintf(stderr, "tandem-stream: %s\n%s", what, usage_text);
	return 2;
}

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	char *end;

	errno = 0;
	*ret_value = strtoull(text, &end, 10);
	return !errno && end != text && !*end && text[0] != '-' && *ret_value >= min && *ret_value <= max;
}

enum {
	OPT_LISTEN = 1,
	OPT_CONNECT,
	OPT_PORT,
	OPT_SIZE,
	OPT_RATE,
	OPT_BURST,
	OPT_TCP,
	OPT_DURATION,
	OPT_COUNT,
	OPT_PROTO,
	OPT_LIMIT,
	OPT_SESSIONS
};

static const struct option long_options[] = {
	{"listen", optional_argument, NULL, OPT_LISTEN},
	{"connect", required_argument, NULL, OPT_CONNECT},
	{"port", required_argument, NULL, OPT_PORT},
	{"size", required_argument, NULL, OPT_SIZE},
	{"rate", required_argument, NULL, OPT_RATE},
	{"burst", required_argument, NULL, OPT_BURST},
	{"tcp", required_argument, NULL, OPT_TCP},
	{"duration", required_argument, NULL, OPT_DURATION},
	{"count", required_argument, NULL, OPT_COUNT},
	{"proto", required_argument, NULL, OPT_PROTO},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"sessions", required_argument, NULL, OPT_SESSIONS},
	{NULL, 0, NULL, 0},
};

/* An option with a number. False: the number is none, or too small or large. */
static bool take_number(struct options *options, int option, const char *text)
{
	struct stream_request *request = &options->request;
	uint64_t value = 0;

	switch (option) {
	case OPT_PORT:
		if (!number(text, 1, 65535, &value))
			return false;
		request->port = (uint16_t)value;
		return true;
	case OPT_SIZE:
		if (!number(text, STREAM_SIZE_MIN, STREAM_SIZE_MAX, &value))
			return false;
		request->size = (uint32_t)value;
		return true;
	case OPT_BURST:
		if (!number(text, 1, STREAM_BURST_MAX, &value))
			return false;
		request->burst = (uint16_t)value;
		return true;
	case OPT_COUNT:
		return number(text, 1, 100000000, &request->count);
	case OPT_DURATION:
		if (!number(text, 1, 86400, &value))
			return false;
		request->duration_ms = (uint32_t)value * 1000;
		return true;
	default:
		if (!number(text, option == OPT_TCP ? 0 : 1, 1000000, &value))
			return false;
		*(option == OPT_RATE	      ? &request->rate
			: option == OPT_TCP   ? &request->tcp_blocks
			: option == OPT_LIMIT ? &options->limit_s
					      : &options->sessions) = (unsigned)value;
		return true;
	}
}

static int take_kind(struct options *options, const char *kind)
{
	static const char *const names[] = {"flow", "", "rtt", "up", "down"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i][0] && strcmp(kind, names[i]) == 0) {
			options->request.kind = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){.request = {.magic = STREAM_MAGIC,
					    .version = STREAM_VERSION,
					    .rate = 1000,
					    .burst = 1,
					    .duration_ms = 10000,
					    .count = 1000,
					    .port = 7700,
					    .proto = STREAM_UDP}};
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (option) {
		case OPT_LISTEN:
		case OPT_CONNECT:
			options->listening = option == OPT_LISTEN;
			options->client = !options->listening;
			if (optarg && inet_pton(AF_INET, optarg, &options->address) != 1)
				return usage("an IPv4 address is wanted");
			break;
		case OPT_PROTO:
			if (strcmp(optarg, "udp") != 0 && strcmp(optarg, "tcp") != 0)
				return usage("--proto: udp or tcp");
			options->request.proto = optarg[0] == 't' ? STREAM_TCP : STREAM_UDP;
			break;
		case '?':
			return usage("see above");
		default:
			if (!take_number(options, option, optarg))
				return usage("a number is not one, or is too small or too large");
		}
	}
	if (options->listening == options->client)
		return usage("--listen or --connect is wanted");
	if (options->client && (optind + 1 != argc || take_kind(options, argv[optind]) < 0))
		return usage("--connect wants one KIND: flow, rtt, up or down");
	return 0;
}

static void set_defaults(struct options *options)
{
	struct stream_request *request = &options->request;

	if (!request->size && request->kind >= STREAM_RATE_UP)
		request->size = request->proto == STREAM_TCP ? STREAM_SIZE_MAX : 1400;
	if (!request->size)
		request->size = 64;
	if (!options->limit_s && options->client)
		options->limit_s = 60 + (request->kind == STREAM_FLOW ? request->duration_ms / 1000 : 540);
}

static int open_socket(const struct options *options, int type, bool bound)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(options->request.port), .sin_addr = options->address};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), on = 1, rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	rc = bound ? bind(fd, (struct sockaddr *)&name, sizeof(name)) : connect(fd, (struct sockaddr *)&name, sizeof(name));
	if (rc == 0 && bound && type == SOCK_STREAM)
		rc = listen(fd, 4);
	if (rc < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

/* The server may be up a little later than the client. */
static int connect_patiently(const struct options *options)
{
	int fd = -1;

	for (int i = 0; i < 100 && !stream_interrupted(); i++) {
		fd = open_socket(options, SOCK_STREAM, false);
		if (fd >= 0 || (fd != -ECONNREFUSED && fd != -ENETUNREACH && fd != -EHOSTUNREACH))
			return fd;
		usleep(100000);
	}
	return fd;
}

/* One burst is one datagram to the kernel, and at least one is sent. */
static bool burst_ok(const struct stream_request *request)
{
	return request->burst == 1 || (request->burst > 1 && request->burst <= STREAM_BURST_MAX && request->kind == STREAM_FLOW &&
					      request->burst * request->size <= STREAM_SIZE_MAX &&
					      (uint64_t)request->rate * request->duration_ms / 1000 >= request->burst);
}

static bool request_ok(const struct stream_request *request)
{
	return request->magic == STREAM_MAGIC && request->version == STREAM_VERSION && request->kind <= STREAM_RATE_DOWN &&
	       request->proto <= STREAM_TCP && request->size >= STREAM_SIZE_MIN && request->size <= STREAM_SIZE_MAX && request->rate >= 1 &&
	       request->rate <= 1000000 && burst_ok(request) && request->tcp_blocks <= 1000000 && request->duration_ms <= 86400000 &&
	       request->count <= 100000000;
}

static bool wants_udp(const struct stream_request *request)
{
	return request->kind == STREAM_FLOW || request->proto == STREAM_UDP;
}

static bool wants_tcp(const struct stream_request *request)
{
	return request->kind == STREAM_FLOW ? request->tcp_blocks > 0 : request->proto == STREAM_TCP;
}

/* The data connections of a session. listen_fd: the server's; -1 at the client. */
static int open_data(struct stream *stream, const struct options *options, int listen_fd)
{
	const struct stream_request *request = &stream->request;
	int udp_fd, tcp_fd = -1, rc;

	if (wants_tcp(request)) {
		tcp_fd = stream->client ? open_socket(options, SOCK_STREAM, false) : accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (tcp_fd < 0)
			return stream->client ? tcp_fd : -errno;
		if (request->kind == STREAM_FLOW)
			stream->tcp_fd = tcp_fd;
		else
			stream->data_fd = tcp_fd;
	}
	if (!wants_udp(request))
		return 0;
	udp_fd = open_socket(options, SOCK_DGRAM, !stream->client);
	if (udp_fd < 0)
		return udp_fd;
	rc = stream_udp_meet(stream, udp_fd);
	if (rc < 0)
		close(udp_fd);
	return rc;
}

static int run_kind(struct stream *stream, struct stream_text *text)
{
	switch (stream->request.kind) {
	case STREAM_FLOW:
		return stream_flow_run(stream, text);
	case STREAM_RTT:
		return stream_rtt_run(stream, text);
	default:
		return stream_rate_run(stream, text);
	}
}

/* Both texts in one line: the client has the server's too, or says with -EPROTO that it did not come. */
static int exchange(struct stream *stream, const char *own)
{
	static const char *const kinds[] = {"flow", "", "rtt", "up", "down"};
	const char *kind = kinds[stream->request.kind];
	uint32_t len = (uint32_t)strlen(own);
	char *other = NULL;
	bool heard;

	if (!stream->client) {
		(void)stream_send_all(stream->control_fd, &len, sizeof(len));
		(void)stream_send_all(stream->control_fd, own, len);
		printf("{\"tool\":\"tandem-stream\",\"kind\":\"%s\",\"server\":%s}\n", kind, own);
		return 0;
	}
	if (stream_recv_all(stream->control_fd, &len, sizeof(len)) == 0 && len <= TEXT_MAX)
		other = calloc(1, len + 1);
	heard = other && stream_recv_all(stream->control_fd, other, len) == 0;
	if (heard)
		printf("{\"tool\":\"tandem-stream\",\"kind\":\"%s\",\"client\":%s,\"server\":%s}\n", kind, own, other);
	else
		printf("{\"tool\":\"tandem-stream\",\"kind\":\"%s\",\"client\":%s,\"server\":null}\n", kind, own);
	free(other);
	return heard ? 0 : -EPROTO;
}

static void close_all(struct stream *stream)
{
	const int fds[] = {stream->control_fd, stream->data_fd, stream->tcp_fd};

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Owns stream->control_fd. */
static int hold_session(struct stream *stream, const struct options *options, int listen_fd)
{
	struct stream_text text;
	char *own = NULL;
	int rc = open_data(stream, options, listen_fd);

	if (rc == 0)
		rc = stream_text_open(&text);
	if (rc == 0) {
		rc = run_kind(stream, &text);
		own = stream_text_close(&text);
	}
	if (rc == 0)
		rc = own ? exchange(stream, own) : -ENOMEM;
	if (rc < 0)
		fprintf(stderr, "tandem-stream: the session failed: %s\n", strerror(-rc));
	fflush(stdout);
	free(own);
	close_all(stream);
	return rc;
}

static int run_client(const struct options *options)
{
	struct stream stream = {.request = options->request, .client = true, .control_fd = -1, .data_fd = -1, .tcp_fd = -1};
	int rc = connect_patiently(options);

	if (rc < 0) {
		fprintf(stderr, "tandem-stream: connect: %s\n", strerror(-rc));
		return 1;
	}
	stream.control_fd = rc;
	if (stream_send_all(rc, &stream.request, sizeof(stream.request)) < 0) {
		close(rc);
		return 1;
	}
	return hold_session(&stream, options, -1) < 0;
}

static int run_server(const struct options *options)
{
	int listen_fd = open_socket(options, SOCK_STREAM, true), rc = 0;

	if (listen_fd < 0) {
		fprintf(stderr, "tandem-stream: listen: %s\n", strerror(-listen_fd));
		return 1;
	}
	for (unsigned i = 0; (!options->sessions || i < options->sessions) && !stream_interrupted(); i++) {
		struct stream stream = {.data_fd = -1, .tcp_fd = -1};

		stream.control_fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (stream.control_fd < 0)
			continue;
		if (stream_recv_all(stream.control_fd, &stream.request, sizeof(stream.request)) < 0) {
			close(stream.control_fd);
			continue;
		}
		if (!request_ok(&stream.request)) {
			fprintf(stderr, "tandem-stream: refused a request that is out of range or of another version\n");
			close(stream.control_fd);
			continue;
		}
		rc |= hold_session(&stream, options, listen_fd) < 0;
	}
	close(listen_fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: accept() must end */
	struct options options;
	int rc = parse(&options, argc, argv);

	if (rc)
		return rc;
	set_defaults(&options);
	if (options.client && !burst_ok(&options.request))
		return usage("--burst is for flow; times --size it may be 65000 bytes at most, and no more than --rate times --duration");
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	alarm(options.limit_s);
	return options.client ? run_client(&options) : run_server(&options);
}
