/* SPDX-License-Identifier: Apache-2.0 */
/* stream_gaps.c - what came of a direction of sequenced packets: lost, twice, out of order, and the longest silences. No sockets here. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "stream.h"

#define LOSS_RUNS_PRINTED 64U

int stream_seen_init(struct stream_seen *seen, uint64_t capacity, uint64_t interval_ns)
{
	*seen = (struct stream_seen){.bits = capacity < STREAM_SEQ_MAX ? capacity : STREAM_SEQ_MAX};
	seen->gap_min_ns = 3 * interval_ns > 5000000 ? 3 * interval_ns : 5000000;
	seen->bitmap = calloc(1, seen->bits / 8 + 1);
	return seen->bitmap ? 0 : -ENOMEM;
}

void stream_seen_fini(struct stream_seen *seen)
{
	free(seen->bitmap);
	seen->bitmap = NULL;
}

static bool has(const struct stream_seen *seen, uint64_t seq)
{
	return seen->bitmap[seq / 8] & (1U << (seq % 8));
}

static void add_gap(struct stream_seen *seen, const struct stream_gap *gap)
{
	unsigned place = 0;

	if (seen->gap_count < STREAM_GAPS) {
		seen->gap[seen->gap_count++] = *gap;
		return;
	}
	for (unsigned i = 1; i < STREAM_GAPS; i++) {
		if (seen->gap[i].len_ns < seen->gap[place].len_ns)
			place = i;
	}
	if (gap->len_ns > seen->gap[place].len_ns)
		seen->gap[place] = *gap;
}

static void first(struct stream_seen *seen, uint64_t seq, uint64_t sent_ns)
{
	seen->any = true;
	seen->first_seq = seq;
	seen->first_sent_ns = sent_ns;
}

void stream_seen_add(struct stream_seen *seen, uint64_t seq, uint64_t sent_ns, uint64_t now_ns)
{
	if (seq >= seen->bits) {
		seen->bad++;
		return;
	}
	if (has(seen, seq)) {
		if (seen->duplicate_count < sizeof(seen->duplicate) / sizeof(seen->duplicate[0]))
			seen->duplicate[seen->duplicate_count++] = sent_ns;
		seen->duplicated++;
		return;
	}
	seen->bitmap[seq / 8] |= (uint8_t)(1U << (seq % 8));
	seen->received++;
	if (!seen->any) {
		first(seen, seq, sent_ns);
	} else if (seq < seen->highest) {
		seen->reordered++;
	} else if (now_ns - seen->last_received_ns >= seen->gap_min_ns) {
		add_gap(seen, &(struct stream_gap){.len_ns = now_ns - seen->last_received_ns,
				      .sent_at_ns = seen->last_sent_ns,
				      .received_at_ns = seen->last_received_ns,
				      .missing = seq - seen->highest - 1});
	}
	if (seq > seen->highest)
		seen->highest = seq;
	seen->last_received_ns = now_ns;
	seen->last_sent_ns = sent_ns;
}

uint64_t stream_seen_lost(const struct stream_seen *seen, uint64_t peer_sent)
{
	return peer_sent > seen->received ? peer_sent - seen->received : 0;
}

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static int by_length(const void *a, const void *b)
{
	const struct stream_gap *x = a, *y = b;

	return x->len_ns < y->len_ns ? 1 : x->len_ns > y->len_ns ? -1 : 0;
}

static void print_gaps(struct stream_seen *seen, FILE *out)
{
	qsort(seen->gap, seen->gap_count, sizeof(seen->gap[0]), by_length);
	fprintf(out, ",\"gaps\":[");
	for (unsigned i = 0; i < seen->gap_count; i++) {
		const struct stream_gap *gap = &seen->gap[i];

		fprintf(out, "%s{\"ms\":%.3f,\"sent_at\":%.6f,\"received_at\":%.6f,\"missing\":%" PRIu64 "}", i ? "," : "",
			(double)gap->len_ns / 1e6, seconds(gap->sent_at_ns), seconds(gap->received_at_ns), gap->missing);
	}
	fprintf(out, "]");
}

/* When a packet was sent follows from the sender's even pace. */
static void print_losses(const struct stream_seen *seen, uint64_t peer_sent, uint64_t interval_ns, FILE *out)
{
	uint64_t end = peer_sent < seen->bits ? peer_sent : seen->bits, start = 0;
	unsigned printed = 0;

	fprintf(out, ",\"losses\":[");
	for (uint64_t seq = 0; seq <= end; seq++) {
		if (seq < end && !has(seen, seq))
			continue;
		if (seq > start && printed < LOSS_RUNS_PRINTED) {
			double at = seconds(seen->first_sent_ns) + ((double)start - (double)seen->first_seq) * seconds(interval_ns);

			fprintf(out, "%s{\"first\":%" PRIu64 ",\"count\":%" PRIu64 ",\"sent_at\":%.6f}", printed ? "," : "", start,
				seq - start, at);
			printed++;
		}
		start = seq + 1;
	}
	fprintf(out, "]");
}

void stream_seen_print(struct stream_seen *seen, uint64_t peer_sent, uint64_t interval_ns, FILE *out)
{
	fprintf(out,
		"\"peer_sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64
		",\"bad\":%" PRIu64,
		peer_sent, seen->received, stream_seen_lost(seen, peer_sent), seen->duplicated, seen->reordered, seen->bad);
	fprintf(out, ",\"first_sent_at\":%.6f,\"last_sent_at\":%.6f", seconds(seen->first_sent_ns), seconds(seen->last_sent_ns));
	print_gaps(seen, out);
	print_losses(seen, peer_sent, interval_ns, out);
	fprintf(out, ",\"duplicates\":[");
	for (unsigned i = 0; i < seen->duplicate_count; i++)
		fprintf(out, "%s{\"sent_at\":%.6f}", i ? "," : "", seconds(seen->duplicate[i]));
	fprintf(out, "]");
}
