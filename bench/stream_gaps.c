/* SPDX-License-Identifier: Apache-2.0 */
/* stream_gaps.c - what came of a direction of sequenced packets: lost, twice, out of order, and the longest silences. No sockets here. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "stream.h"

#define NS_PER_S  1000000000ULL
#define NS_PER_US 1000ULL

int stream_seen_init(struct stream_seen *seen, uint64_t capacity, uint32_t duration_ms, uint64_t interval_ns)
{
	*seen = (struct stream_seen){.capacity = capacity < STREAM_SEQ_MAX ? capacity : STREAM_SEQ_MAX};
	seen->gap_min_ns = 3 * interval_ns > 5000000 ? 3 * interval_ns : 5000000;
	seen->sent_us = calloc(seen->capacity + 1, sizeof(*seen->sent_us));
	seen->arrivals_count = ((uint64_t)duration_ms + STREAM_LINGER_MS) * 1000000ULL / STREAM_BUCKET_NS + 1;
	seen->arrivals = calloc(seen->arrivals_count, sizeof(*seen->arrivals));
	seen->delay_min_ns = INT64_MAX;
	if (seen->sent_us && seen->arrivals)
		return 0;
	stream_seen_fini(seen);
	return -ENOMEM;
}

void stream_seen_fini(struct stream_seen *seen)
{
	free(seen->sent_us);
	free(seen->arrivals);
	seen->sent_us = NULL;
	seen->arrivals = NULL;
}

static bool has(const struct stream_seen *seen, uint64_t seq)
{
	return seen->sent_us[seq];
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

static void first(struct stream_seen *seen, uint64_t sent_ns, uint64_t now_ns)
{
	seen->any = true;
	seen->first_sent_ns = sent_ns;
	seen->first_received_ns = now_ns;
}

/* The first to come need not be the first that was sent. */
static void note_sent(struct stream_seen *seen, uint64_t seq, uint64_t sent_ns)
{
	uint64_t us = (sent_ns + NS_PER_S - seen->first_sent_ns) / NS_PER_US;

	seen->sent_us[seq] = us > 0 && us <= UINT32_MAX ? (uint32_t)us : 1;
}

static void count_arrival(struct stream_seen *seen, uint64_t sent_ns, uint64_t now_ns)
{
	uint64_t bucket = (now_ns - seen->first_received_ns) / STREAM_BUCKET_NS;
	int64_t delay_ns = (int64_t)(now_ns - sent_ns);

	if (bucket < seen->arrivals_count)
		seen->arrivals[bucket]++;
	if (delay_ns < seen->delay_min_ns)
		seen->delay_min_ns = delay_ns;
}

void stream_seen_add(struct stream_seen *seen, uint64_t seq, uint64_t sent_ns, uint64_t now_ns)
{
	if (seq >= seen->capacity) {
		seen->bad++;
		return;
	}
	if (has(seen, seq)) {
		if (seen->duplicate_count < sizeof(seen->duplicate) / sizeof(seen->duplicate[0]))
			seen->duplicate[seen->duplicate_count++] = sent_ns;
		seen->duplicated++;
		return;
	}
	seen->received++;
	if (!seen->any) {
		first(seen, sent_ns, now_ns);
	} else if (seq < seen->highest) {
		if (seen->reorder_count < sizeof(seen->reorder) / sizeof(seen->reorder[0]))
			seen->reorder[seen->reorder_count++] = sent_ns;
		seen->reordered++;
	} else if (now_ns - seen->last_received_ns >= seen->gap_min_ns) {
		add_gap(seen, &(struct stream_gap){.len_ns = now_ns - seen->last_received_ns,
				      .sent_at_ns = seen->last_sent_ns,
				      .received_at_ns = seen->last_received_ns,
				      .missing = seq - seen->highest - 1});
	}
	note_sent(seen, seq, sent_ns);
	count_arrival(seen, sent_ns, now_ns);
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

/* When the first of [start, end), which are lost, was sent: between its neighbours, as senders that are late keep no even pace. */
static double lost_at(const struct stream_seen *seen, uint64_t start, uint64_t end)
{
	double before = start > 0 ? seen->sent_us[start - 1] : 0, after = end < seen->capacity ? seen->sent_us[end] : 0;
	double us = before > 0 && after > 0 ? before + (after - before) / (double)(end - start + 1) : before + after;

	return seconds(seen->first_sent_ns) - 1.0 + us / 1e6;
}

static void print_losses(const struct stream_seen *seen, uint64_t peer_sent, FILE *out)
{
	uint64_t end = peer_sent < seen->capacity ? peer_sent : seen->capacity, start = 0;
	bool any = false;

	fprintf(out, ",\"losses\":[");
	for (uint64_t seq = 0; seq <= end; seq++) {
		if (seq < end && !has(seen, seq))
			continue;
		if (seq > start) {
			fprintf(out, "%s{\"first\":%" PRIu64 ",\"count\":%" PRIu64 ",\"sent_at\":%.6f}", any ? "," : "", start, seq - start,
				lost_at(seen, start, seq));
			any = true;
		}
		start = seq + 1;
	}
	fprintf(out, "]");
}

static void print_moments(const char *name, const uint64_t *sent_ns, unsigned count, FILE *out)
{
	fprintf(out, ",\"%s\":[", name);
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "%s{\"sent_at\":%.6f}", i ? "," : "", seconds(sent_ns[i]));
	fprintf(out, "]");
}

/* delay_min takes a moment of this end's clock to the sender's, but for the least transit. */
static void print_arrivals(const struct stream_seen *seen, FILE *out)
{
	uint64_t end = seen->arrivals_count;

	while (end > 0 && seen->arrivals[end - 1] == 0)
		end--;
	fprintf(out, ",\"arrivals\":{\"first_at\":%.6f,\"delay_min\":%.6f,\"bucket_ms\":%llu,\"counts\":[",
		seconds(seen->first_received_ns), seen->any ? (double)seen->delay_min_ns / 1e9 : 0.0, STREAM_BUCKET_NS / 1000000ULL);
	for (uint64_t i = 0; i < end; i++)
		fprintf(out, "%s%u", i ? "," : "", seen->arrivals[i]);
	fprintf(out, "]}");
}

void stream_seen_print(struct stream_seen *seen, uint64_t peer_sent, FILE *out)
{
	fprintf(out,
		"\"peer_sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"duplicated\":%" PRIu64 ",\"reordered\":%" PRIu64
		",\"bad\":%" PRIu64,
		peer_sent, seen->received, stream_seen_lost(seen, peer_sent), seen->duplicated, seen->reordered, seen->bad);
	fprintf(out, ",\"first_sent_at\":%.6f,\"last_sent_at\":%.6f", seconds(seen->first_sent_ns), seconds(seen->last_sent_ns));
	print_gaps(seen, out);
	print_losses(seen, peer_sent, out);
	print_moments("duplicates", seen->duplicate, seen->duplicate_count, out);
	print_moments("reorders", seen->reorder, seen->reorder_count, out);
	print_arrivals(seen, out);
}
