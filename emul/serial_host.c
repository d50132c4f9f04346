/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial_host.c - output and input of the serial port on the host.
 *
 * Theory of operation: vCPU threads put bytes into `out` and write them out at each newline, themselves, never blocking. A line without
 * end is written by a timer of the main loop, at most TICK_NS later; the timer keeps ticking while there is output, so that a busy
 * console wakes the main loop once a tick and not once a line. vCPU threads ask for the timer, and for epoll changes, by posting `work`.
 */
#include "emul/serial_host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_NS	 8000000ULL
#define CTRL_A	 0x01
#define IN_BYTES 64U

static ssize_t write_some(struct td_serial_host *host, unsigned from)
{
	struct pollfd ready = {.fd = host->out_fd, .events = POLLOUT};
	unsigned count = host->out_used - from;

	if (host->out_is_socket)
		return send(host->out_fd, host->out + from, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (host->out_step) {
		int rc = poll(&ready, 1, 0);

		if (rc == 0)
			errno = EAGAIN;
		if (rc <= 0)
			return -1;
		count = TD_MIN(count, host->out_step);
	}
	return write(host->out_fd, host->out + from, count);
}

/* What a PTY holds and nobody has read makes room for what is new. */
static bool discard_unread(struct td_serial_host *host)
{
	return host->slave_fd >= 0 && tcflush(host->slave_fd, TCIFLUSH) == 0;
}

static void flush_out(struct td_serial_host *host)
{
	bool discarded = false;
	unsigned from = 0;

	while (from < host->out_used) {
		ssize_t written = write_some(host, from);

		if (written > 0) {
			from += (unsigned)written;
		} else if (written < 0 && errno == EAGAIN && !host->drops) {
			host->blocked = true;
			td_loop_post(host->loop, &host->work);
			break;
		} else if (written < 0 && errno == EAGAIN && !discarded) {
			discarded = true;
			if (!discard_unread(host))
				from = host->out_used;
		} else if (written >= 0 || errno != EINTR) {
			from = host->out_used; /* the reader is gone: nobody to tell */
		}
	}
	memmove(host->out, host->out + from, host->out_used - from);
	host->out_used -= from;
}

void td_serial_host_put(struct td_serial_host *host, uint8_t byte)
{
	if (host->out_fd < 0 || td_serial_host_full(host))
		return;
	host->out[host->out_used++] = byte;
	host->put_since_tick = true;
	if (!host->blocked && (byte == '\n' || td_serial_host_full(host)))
		flush_out(host);
	if (!host->ticking && host->out_used > 0) {
		host->ticking = true;
		td_loop_post(host->loop, &host->work);
	}
}

bool td_serial_host_full(const struct td_serial_host *host)
{
	return host->out_used == sizeof(host->out);
}

static void tick_expired(struct td_timer *timer)
{
	struct td_serial_host *host = TD_CONTAINER_OF(timer, struct td_serial_host, tick);

	if (!host->blocked)
		flush_out(host);
	if (host->put_since_tick)
		td_loop_arm(host->loop, timer, TICK_NS);
	else
		host->ticking = false;
	host->put_since_tick = false;
}

static void out_ready(struct td_watch *watch, uint32_t events)
{
	struct td_serial_host *host = TD_CONTAINER_OF(watch, struct td_serial_host, out_watch);
	bool was_full = td_serial_host_full(host);

	(void)events;
	host->blocked = false;
	flush_out(host);
	if (!host->blocked)
		td_loop_unwatch(host->loop, watch);
	if (was_full && !td_serial_host_full(host))
		host->ops->output_drained(host);
}

/* Level-triggered: with no room for input, a watch would spin. */
static void update_in_watch(struct td_serial_host *host)
{
	bool wanted = host->has_input && !host->paused && host->ops->input_room(host) > 0;

	if (!wanted)
		td_loop_unwatch(host->loop, &host->in_watch);
	/* EPERM: a regular file or /dev/null as standard input: a port that nothing is typed on. */
	else if (!host->in_watch.active && td_loop_watch(host->loop, &host->in_watch) < 0)
		host->has_input = false;
}

static void serial_host_work_run(struct td_work *work)
{
	struct td_serial_host *host = TD_CONTAINER_OF(work, struct td_serial_host, work);

	if (host->ticking && !host->tick.armed)
		td_loop_arm(host->loop, &host->tick, TICK_NS);
	if (host->blocked && !host->out_watch.active && td_loop_watch(host->loop, &host->out_watch) < 0)
		host->blocked = false;
	update_in_watch(host);
}

/* Takes the escape key out of what was typed: Ctrl-A x ends the VM, Ctrl-A Ctrl-A is one Ctrl-A. */
static unsigned take_escapes(struct td_serial_host *host, uint8_t *bytes, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!host->escaped && bytes[i] == CTRL_A) {
			host->escaped = true;
			continue;
		}
		if (host->escaped && bytes[i] == 'x') {
			host->ops->quit(host);
			return kept;
		}
		host->escaped = false;
		bytes[kept++] = bytes[i];
	}
	return kept;
}

static void in_ready(struct td_watch *watch, uint32_t events)
{
	struct td_serial_host *host = TD_CONTAINER_OF(watch, struct td_serial_host, in_watch);
	unsigned room = host->ops->input_room(host), count;
	uint8_t bytes[IN_BYTES];
	ssize_t got;

	(void)events;
	if (room == 0) {
		update_in_watch(host);
		return;
	}
	got = read(host->in_fd, bytes, TD_MIN(room, IN_BYTES));
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0)
		host->has_input = false;
	count = got > 0 ? (unsigned)got : 0;
	if (host->raw)
		count = take_escapes(host, bytes, count);
	if (count)
		host->ops->input(host, bytes, count);
	update_in_watch(host);
}

void td_serial_host_room(struct td_serial_host *host)
{
	if (host->has_input && !host->in_watch.active && !host->paused)
		td_loop_post(host->loop, &host->work);
}

void td_serial_host_pause(struct td_serial_host *host, bool paused)
{
	host->paused = paused;
	if (paused && !host->blocked)
		flush_out(host);
	update_in_watch(host);
}

/* Our own description of the same terminal or pipe, so that O_NONBLOCK does not hit whoever else has it. Else a plain duplicate,
 * which may block: step_of(). */
static int open_again(int fd, int flags)
{
	char path[32];
	struct stat st;
	int again = -1;

	if (fstat(fd, &st) < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))
		again = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return again >= 0 ? again : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* A pipe that is ready takes PIPE_BUF bytes without waiting; of a terminal no more is known than that it takes one. */
static unsigned step_of(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || flags & O_NONBLOCK || fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	return S_ISFIFO(st.st_mode) ? PIPE_BUF : 1;
}

static int make_raw(struct td_serial_host *host, const char *name, struct td_err *err)
{
	struct termios raw;

	if (!isatty(host->in_fd))
		return 0;
	if (tcgetattr(host->in_fd, &host->before) < 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "serial %s: terminal", name);
	raw = host->before;
	cfmakeraw(&raw);
	raw.c_oflag = host->before.c_oflag; /* log lines share the terminal and need their carriage returns */
	if (tcsetattr(host->in_fd, TCSANOW, &raw) < 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "serial %s: terminal", name);
	host->raw = true;
	return 0;
}

static int open_stdio(struct td_serial_host *host, const char *name, struct td_err *err)
{
	struct stat st;

	host->in_fd = open_again(STDIN_FILENO, O_RDONLY); /* -1, standard input closed: no input */
	host->out_fd = open_again(STDOUT_FILENO, O_WRONLY);
	if (host->out_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "serial %s: standard output", name);
	host->out_is_socket = fstat(host->out_fd, &st) == 0 && S_ISSOCK(st.st_mode);
	host->out_step = step_of(host->out_fd);
	return make_raw(host, name, err);
}

static int open_pty(struct td_serial_host *host, const char *name, struct td_err *err)
{
	struct termios raw;

	host->drops = true;
	host->in_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (host->in_fd < 0 || grantpt(host->in_fd) < 0 || unlockpt(host->in_fd) < 0 ||
		ptsname_r(host->in_fd, host->pty_path, sizeof(host->pty_path)) != 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "serial %s: PTY", name);
	host->slave_fd = open(host->pty_path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	host->out_fd = fcntl(host->in_fd, F_DUPFD_CLOEXEC, 3);
	if (host->slave_fd < 0 || host->out_fd < 0 || tcgetattr(host->slave_fd, &raw) < 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "serial %s: %s", name, host->pty_path);
	cfmakeraw(&raw);
	tcsetattr(host->slave_fd, TCSANOW, &raw);
	return 0;
}

static int serial_host_open_file(struct td_serial_host *host, const char *name, const char *path, struct td_err *err)
{
	if (!path)
		return td_err_set(err, EINVAL, TD_REASON_SERIAL, "serial %s: no file name", name);
	host->out_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0644);
	if (host->out_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "serial %s: file %s", name, path);
	return 0;
}

static int open_kind(struct td_serial_host *host, const char *name, const struct td_serial_config *config, struct td_err *err)
{
	switch (config->kind) {
	case TD_SERIAL_NULL:
		return 0;
	case TD_SERIAL_STDIO:
		return open_stdio(host, name, err);
	case TD_SERIAL_PTY:
		return open_pty(host, name, err);
	case TD_SERIAL_FILE:
		return serial_host_open_file(host, name, config->path, err);
	}
	return td_err_set(err, EINVAL, TD_REASON_SERIAL, "serial %s: unknown kind", name);
}

int td_serial_host_open(struct td_serial_host *host, const char *name, const struct td_serial_config *config, struct td_loop *loop,
	const struct td_serial_host_ops *ops, struct td_err *err)
{
	int rc;

	memset(host, 0, sizeof(*host));
	host->in_fd = host->out_fd = host->slave_fd = -1;
	host->ops = ops;
	host->loop = loop;
	host->tick.expired = tick_expired;
	host->work.run = serial_host_work_run;
	rc = open_kind(host, name, config, err);
	if (rc < 0) {
		td_serial_host_close(host);
		return rc;
	}
	host->in_watch = (struct td_watch){.fd = host->in_fd, .ready = in_ready, .events = EPOLLIN};
	host->out_watch = (struct td_watch){.fd = host->out_fd, .ready = out_ready, .events = EPOLLOUT};
	host->has_input = host->in_fd >= 0;
	update_in_watch(host);
	return 0;
}

void td_serial_host_close(struct td_serial_host *host)
{
	if (!host->loop)
		return;
	if (host->out_fd >= 0)
		flush_out(host);
	td_loop_cancel(host->loop, &host->work);
	td_loop_disarm(host->loop, &host->tick);
	td_loop_unwatch(host->loop, &host->in_watch);
	td_loop_unwatch(host->loop, &host->out_watch);
	if (host->raw)
		tcsetattr(host->in_fd, TCSANOW, &host->before);
	td_cleanup_close(&host->in_fd);
	td_cleanup_close(&host->out_fd);
	td_cleanup_close(&host->slave_fd);
	host->in_fd = host->out_fd = host->slave_fd = -1;
	host->loop = NULL;
}
