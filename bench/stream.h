/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream.h - parts of tandem-stream, the traffic tool: what the two ends agree on, and helpers. One static program that runs in guests'
 * initrds and in the outside world's namespace; it uses nothing of tandem's own folders.
 *
 * Theory of operation: the client makes a TCP control connection and sends one request; the server does its half of the session; both end
 * with a JSON text of their own, the server's travels to the client by the control connection. Times in the results are CLOCK_MONOTONIC
 * of whoever they name (sent_at: the sender's), in seconds, so that an end which runs on the VM's host matches the VMM's flip log.
 */
#ifndef TD_BENCH_STREAM_H
#define TD_BENCH_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define STREAM_MAGIC	 0x54445354U /* "TDST" */
#define STREAM_VERSION	 2U
#define STREAM_SIZE_MIN	 32U
#define STREAM_SIZE_MAX	 65000U
#define STREAM_SEQ_MAX	 (64U << 20) /* packets of one direction that can be told apart */
#define STREAM_BURST_MAX 64U	     /* what UDP_SEGMENT takes: UDP_MAX_SEGMENTS of Linux's udp.h */
#define STREAM_LINGER_MS 5000

enum stream_kind { STREAM_FLOW, STREAM_FLOW_TCP, STREAM_RTT, STREAM_RATE_UP, STREAM_RATE_DOWN };
enum stream_proto { STREAM_UDP, STREAM_TCP };

/* Both ends are x86: as it stands in memory. */
struct stream_request {
	uint32_t magic, version;
	uint32_t kind, proto;
	uint32_t size;	     /* bytes of payload of a packet, or of a TCP write */
	uint32_t rate;	     /* flow: packets/s each way, at least 1 */
	uint32_t tcp_blocks; /* flow: 4 KiB blocks/s each way; 0: no TCP */
	uint32_t duration_ms;
	uint64_t count; /* rtt: round trips; rate: packets or writes */
	uint16_t port;
	uint16_t burst; /* flow: packets sent at once (UDP_SEGMENT), received as they come (UDP_GRO) */
	uint16_t reserved[2];
};

/* One end of a session. */
struct stream {
	struct stream_request request;
	bool client;
	int control_fd;
	int data_fd;	      /* UDP socket, connected; or the second TCP connection */
	int tcp_fd;	      /* flow: the TCP stream; -1 */
	atomic_bool stop;     /* senders end */
	atomic_bool stop_all; /* receivers too */
};

/* JSON text that grows; a text that does not fit memory is cut and said so by `failed`. */
struct stream_text {
	FILE *file;
	char *data;
	size_t len;
};

int stream_text_open(struct stream_text *text);
char *stream_text_close(struct stream_text *text); /* the caller frees it; NULL: no memory */

uint64_t stream_now_ns(void);
void stream_sleep_until(uint64_t deadline_ns);
int stream_send_all(int fd, const void *data, size_t len); /* 0 or -errno */
int stream_recv_all(int fd, void *data, size_t len);	   /* 0, -errno; -EPIPE: closed before */

/* True once a signal asked the process to end its session. */
bool stream_interrupted(void);

/* UDP datagrams before data: the client says hello until the server answers. Sets data_fd. */
int stream_udp_meet(struct stream *stream, int udp_fd);

/* stream_flow.c: sequenced UDP both ways and a checked TCP stream both ways. Writes this end's object into the text. */
int stream_flow_run(struct stream *stream, struct stream_text *text);
/* stream_tcp.c: one end of the TCP stream, on a thread of its own. */
struct stream_tcp;
struct stream_tcp *stream_tcp_start(struct stream *stream);
void stream_tcp_finish(struct stream_tcp *tcp, FILE *out); /* joins; writes its object; frees */
/* stream_rate.c: round trips and throughput with fixed counts. */
int stream_rtt_run(struct stream *stream, struct stream_text *text);
int stream_rate_run(struct stream *stream, struct stream_text *text);

/* stream_gaps.c: the longest gaps of a direction, what was lost, what came twice. */
struct stream_gap {
	uint64_t len_ns, sent_at_ns, received_at_ns;
	uint64_t missing; /* sequence numbers jumped over */
};

#define STREAM_GAPS	 64
#define STREAM_BUCKET_NS 100000000ULL

struct stream_seen {
	uint32_t *sent_us; /* of each, from first_sent_ns less a second on; 0: not received */
	uint64_t capacity;
	uint64_t received, duplicated, reordered, bad, highest, first_sent_ns;
	uint64_t last_received_ns, last_sent_ns;
	bool any;
	struct stream_gap gap[STREAM_GAPS]; /* the longest, unsorted until printed */
	unsigned gap_count;
	uint64_t gap_min_ns;	/* shorter ones are no gaps */
	uint64_t duplicate[64]; /* sent_at of duplicates, the first ones */
	unsigned duplicate_count;
	uint64_t reorder[64]; /* sent_at of what came after a later one, the first ones */
	unsigned reorder_count;
	uint32_t *arrivals; /* in each STREAM_BUCKET_NS from the first on */
	uint64_t arrivals_count, first_received_ns;
	int64_t delay_min_ns; /* received - sent: the least transit and what the two ends' clocks differ by */
};

/* interval_ns: the sender's pause. 0 or -ENOMEM. */
int stream_seen_init(struct stream_seen *seen, uint64_t capacity, uint32_t duration_ms, uint64_t interval_ns);
void stream_seen_fini(struct stream_seen *seen);
void stream_seen_add(struct stream_seen *seen, uint64_t seq, uint64_t sent_ns, uint64_t now_ns);
/* peer_sent: how many the other end sent. Members of an object, without braces. */
void stream_seen_print(struct stream_seen *seen, uint64_t peer_sent, FILE *out);
uint64_t stream_seen_lost(const struct stream_seen *seen, uint64_t peer_sent);

#endif
