/* SPDX-License-Identifier: Apache-2.0 */
/* console.c - terminal to PTY and back, byte by byte; Ctrl-A x leaves, Ctrl-A twice sends one Ctrl-A. */
#include "cli/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "core/base.h"
#include "host/sys/files.h"

#define CTRL_A 1

enum { INPUT, GUEST, SIGNALS, SOURCES };

struct console {
	struct pollfd source[SOURCES];
	bool escaped, left;
};

/* What goes to the guest, in place; sets left at Ctrl-A x. */
static size_t console_filter(struct console *console, char *data, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len && !console->left; i++) {
		bool was_escaped = console->escaped;

		console->escaped = !was_escaped && data[i] == CTRL_A;
		if (was_escaped && data[i] == 'x')
			console->left = true;
		else if (!console->escaped)
			data[kept++] = data[i];
	}
	return kept;
}

static void take_input(struct console *console)
{
	char data[512];
	ssize_t n = read(console->source[INPUT].fd, data, sizeof(data));

	if (n <= 0) {
		console->source[INPUT].fd = -1; /* poll leaves it out */
		return;
	}
	size_t kept = console_filter(console, data, (size_t)n);
	if (td_files_write_all(console->source[GUEST].fd, data, kept))
		console->left = true;
}

static void take_output(struct console *console)
{
	char data[4096];
	ssize_t n = read(console->source[GUEST].fd, data, sizeof(data));

	if (n <= 0 || td_files_write_all(STDOUT_FILENO, data, (size_t)n))
		console->left = true; /* EIO: the VM has ended */
}

static void console_pump(struct console *console)
{
	while (!console->left) {
		if (poll(console->source, SOURCES, -1) < 0 && errno != EINTR)
			return;
		if (console->source[GUEST].revents)
			take_output(console);
		if (console->source[INPUT].revents)
			take_input(console);
		if (console->source[SIGNALS].revents)
			console->left = true;
	}
}

/* A signal that would end the process must not leave the terminal raw. */
static int open_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int td_console_connect(const char *pty_path, struct td_err *err)
{
	struct termios before, raw, guest;
	td_auto_close int pty_fd = open(pty_path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (pty_fd < 0)
		return td_err_sys(err, errno, TD_REASON_SERIAL, "console %s", pty_path);
	if (!tcgetattr(pty_fd, &guest)) { /* the guest echoes and edits by itself */
		cfmakeraw(&guest);
		tcsetattr(pty_fd, TCSANOW, &guest);
	}
	td_auto_close int signal_fd = open_signals();
	struct console console = {.source = {[INPUT] = {.fd = STDIN_FILENO, .events = POLLIN},
					  [GUEST] = {.fd = pty_fd, .events = POLLIN},
					  [SIGNALS] = {.fd = signal_fd, .events = POLLIN}}};
	bool terminal = !tcgetattr(STDIN_FILENO, &before);
	if (terminal) {
		fprintf(stderr, "connected to %s; Ctrl-A x leaves\n", pty_path);
		raw = before;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	console_pump(&console);
	if (terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return 0;
}
