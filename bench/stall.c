/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stall.c - tandem-stall, in a guest: what a guest notices of its host's work. One thread wakes each millisecond and notes how late it is;
 * another reads 4 KiB of a disk, from a random place past the page cache, and notes how long that takes. One line of JSON at the end.
 * Exit status: 0, 1 the disk can't be read, 2 usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
#define TICK_NS	    1000000ULL

static atomic_bool ending;

struct ticker {
	uint64_t ticks, longest_ns;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void *ticker_main(void *opaque)
{
	struct ticker *ticker = opaque;
	uint64_t due_ns = now_ns(), late_ns;

	while (!atomic_load(&ending)) {
		due_ns += TICK_NS;
		const struct timespec due = {(time_t)(due_ns / 1000000000ULL), (long)(due_ns % 1000000000ULL)};

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		late_ns = now_ns() - due_ns;
		if (late_ns > ticker->longest_ns)
			ticker->longest_ns = late_ns;
		ticker->ticks++;
		if (late_ns > TICK_NS) /* what was missed is one stall, not many */
			due_ns = now_ns();
	}
	return NULL;
}

static int read_disk(const char *path, uint64_t until_ns, uint64_t *ret_reads, uint64_t *ret_longest_ns)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	off_t bytes = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *block = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);

	if (!block || bytes < BLOCK_BYTES)
		return fd < 0 ? -errno : -EINVAL;
	while (now_ns() < until_ns) {
		uint64_t begun_ns = now_ns(), took_ns;

		if (pread(fd, block, BLOCK_BYTES, (random() % (bytes / BLOCK_BYTES)) * BLOCK_BYTES) != BLOCK_BYTES)
			return -EIO;
		took_ns = now_ns() - begun_ns;
		if (took_ns > *ret_longest_ns)
			*ret_longest_ns = took_ns;
		++*ret_reads;
	}
	free(block);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	long seconds = argc == 3 ? strtol(argv[1], NULL, 10) : 0;
	uint64_t reads = 0, longest_ns = 0;
	struct ticker ticker = {0};
	pthread_t thread;
	int rc;

	if (seconds < 1 || seconds > 86400) {
		fprintf(stderr, "usage: tandem-stall SECONDS DISK\n");
		return 2;
	}
	if (pthread_create(&thread, NULL, ticker_main, &ticker) != 0)
		return 1;
	rc = read_disk(argv[2], now_ns() + (uint64_t)seconds * 1000000000ULL, &reads, &longest_ns);
	atomic_store(&ending, true);
	pthread_join(thread, NULL);
	if (rc < 0) {
		fprintf(stderr, "tandem-stall: %s: %s\n", argv[2], strerror(-rc));
		return 1;
	}
	printf("{\"ticks\": %llu, \"tick_ms\": %.3f, \"reads\": %llu, \"read_ms\": %.3f}\n", (unsigned long long)ticker.ticks,
		(double)ticker.longest_ns / 1e6, (unsigned long long)reads, (double)longest_ns / 1e6);
	return 0;
}
