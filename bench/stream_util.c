/* SPDX-License-Identifier: Apache-2.0 */
/* stream_util.c - clocks, whole reads and writes, growing text. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

int stream_text_open(struct stream_text *text)
{
	*text = (struct stream_text){0};
	text->file = open_memstream(&text->data, &text->len);
	return text->file ? 0 : -errno;
}

char *stream_text_close(struct stream_text *text)
{
	bool failed = ferror(text->file) != 0;

	if (fclose(text->file) != 0 || failed) {
		free(text->data);
		return NULL;
	}
	return text->data;
}

uint64_t stream_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

void stream_sleep_until(uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000ULL), .tv_nsec = (long)(deadline_ns % 1000000000ULL)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
		if (stream_interrupted())
			return;
	}
}

int stream_send_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int stream_recv_all(int fd, void *data, size_t len)
{
	char *p = data;

	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && errno == EINTR && !stream_interrupted())
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}
