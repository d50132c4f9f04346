/* SPDX-License-Identifier: Apache-2.0 */
/* nbd_server.c - see nbd_server.h. */
#include "emul/nbd_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/log.h"

#define LISTEN_FD      3 /* SD_LISTEN_FDS_START */
#define IMAGE_FD       4
#define FIRST_SPARE_FD 10
#define PATIENCE_MS    5000 /* then it is said that it is waited for */
#define AT_MOST_MS     60000
#define BLAME_MS       1000
#define EXIT_MISSING   127
#define EXIT_FAILED    126

extern char **environ;

/* ---- the child: between fork and exec, where only async-signal-safe calls may be made ---- */

struct child {
	const char *const *argv;
	char **env;
	char *listen_pid; /* of env: room for the child's own */
	int listen_fd, image_fd, log_fd, null_fd;
	pid_t parent;
};

static void put_decimal(char *to, unsigned value)
{
	char digits[12];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*to++ = digits[--n];
	*to = '\0';
}

/* The copy stands out of the way of the descriptors that are set next. */
static int spare(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
}

/*
 * A guest that is asked to shut down needs its disk to the end. So Ctrl-C on the terminal is not for the server (a session of its own), nor
 * is what ends a whole scope or service at once: these signals stay blocked over the exec. It ends when its client's socket closes.
 */
static _Noreturn void child_run(const struct child *child)
{
	int listen_fd = spare(child->listen_fd), image_fd = spare(child->image_fd), log_fd = spare(child->log_fd),
	    null_fd = spare(child->null_fd);
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGHUP);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	setsid();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != child->parent)
		_exit(EXIT_FAILED);
	if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(log_fd, 2) < 0 || dup2(listen_fd, LISTEN_FD) < 0 ||
		dup2(image_fd, IMAGE_FD) < 0)
		_exit(EXIT_FAILED);
	put_decimal(child->listen_pid, (unsigned)getpid());
	execvpe(child->argv[0], (char *const *)(uintptr_t)child->argv, child->env);
	_exit(errno == ENOENT ? EXIT_MISSING : EXIT_FAILED);
}

/* ---- its start ---- */

static int listen_at(const char *path, struct sockaddr_un *address)
{
	td_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	unlink(path); /* of one that died here */
	if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 || listen(fd, 1) < 0)
		return -errno;
	return td_take_fd(&fd);
}

/* The environment and sd_listen_fds(3)'s two variables. *ret_listen_pid: where the number goes. One block. */
static char **make_env(char **ret_listen_pid)
{
	static const char pid_key[] = "LISTEN_PID=";
	size_t count = 0, kept = 0;
	char **env, *text;

	while (environ[count])
		count++;
	env = malloc((count + 3) * sizeof(*env) + sizeof(pid_key) + 12);
	if (!env)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (strncmp(environ[i], "LISTEN_", 7) != 0)
			env[kept++] = environ[i];
	text = (char *)(env + count + 3);
	memcpy(text, pid_key, sizeof(pid_key));
	env[kept++] = text;
	env[kept++] = (char *)(uintptr_t) "LISTEN_FDS=1";
	env[kept] = NULL;
	*ret_listen_pid = text + sizeof(pid_key) - 1;
	return env;
}

static int spawn(struct td_nbd_server *server, const struct td_nbd_server_config *config, int listen_fd)
{
	struct child child = {.argv = config->argv, .listen_fd = listen_fd, .image_fd = config->image_fd, .parent = getpid()};
	td_auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	td_auto_free char **env = make_env(&child.listen_pid);
	pid_t pid;

	server->log_fd = memfd_create("tandem-nbd-log", MFD_CLOEXEC);
	if (!env || null_fd < 0 || server->log_fd < 0)
		return -errno;
	child.env = env;
	child.null_fd = null_fd;
	child.log_fd = server->log_fd;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_run(&child);
	server->pid = pid;
	return 0;
}

/* It is connected to before the server is there: the kernel keeps the connection for who listens. */
static int connect_to(const struct sockaddr_un *address)
{
	td_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	return td_take_fd(&fd);
}

int td_nbd_server_start(struct td_nbd_server *server, const struct td_nbd_server_config *config, int *ret_socket, struct td_err *err)
{
	struct sockaddr_un address;
	char path[256];

	*server = (struct td_nbd_server){.log_fd = -1};
	snprintf(path, sizeof(path), "%s/%s.nbd", config->dir, config->name);
	td_auto_close int listen_fd = listen_at(path, &address);
	if (listen_fd < 0)
		return td_err_sys(err, -listen_fd, TD_REASON_RUN_DIR, "%s: socket %s", config->name, path);
	int fd = connect_to(&address);
	unlink(path);
	if (fd < 0)
		return td_err_sys(err, -fd, TD_REASON_SYSTEM, "%s: socket %s", config->name, path);
	int rc = spawn(server, config, listen_fd);
	if (rc < 0) {
		close(fd);
		td_nbd_server_stop(server, config->name);
		return td_err_sys(err, -rc, TD_REASON_SYSTEM, "%s: %s cannot be started", config->name, config->argv[0]);
	}
	*ret_socket = fd;
	return 0;
}

/* ---- its end ---- */

/* The status, or -1: it did not end in time. */
static int wait_for_end(struct td_nbd_server *server, int limit_ms)
{
	td_auto_close int fd = pidfd_open(server->pid, 0);
	struct pollfd ended = {.fd = fd, .events = POLLIN};
	int status = 0, rc = -1;
	pid_t pid;

	while (fd >= 0 && (rc = poll(&ended, 1, limit_ms)) < 0 && errno == EINTR)
		;
	if (rc == 0)
		return -1;
	pid = waitpid(server->pid, &status, rc > 0 ? 0 : WNOHANG); /* without a pidfd nobody says when it ends */
	if (pid == 0)
		return -1;
	if (pid < 0)
		status = 0;
	server->pid = 0;
	return status;
}

void td_nbd_server_last_words(const struct td_nbd_server *server, char *to, size_t to_bytes)
{
	char text[512], *line;
	off_t size = server->log_fd < 0 ? 0 : lseek(server->log_fd, 0, SEEK_END);
	off_t at = TD_MAX(size - (off_t)sizeof(text) + 1, 0);
	ssize_t len = size > 0 ? pread(server->log_fd, text, sizeof(text) - 1, at) : 0;

	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[TD_MAX(len, 0)] = '\0';
	line = strrchr(text, '\n');
	snprintf(to, to_bytes, "%s", line ? line + 1 : text);
}

int td_nbd_server_blame(struct td_nbd_server *server, const struct td_nbd_server_config *config, const char *what, struct td_err *err)
{
	const char *program = config->argv[0];
	char words[256];
	int status;

	status = wait_for_end(server, BLAME_MS); /* it closed the socket, so most likely it ends */
	if (status < 0)
		kill(server->pid, SIGKILL); /* it has served nothing */
	td_nbd_server_last_words(server, words, sizeof(words));
	td_nbd_server_stop(server, config->name);
	if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_MISSING)
		return td_err_set(
			err, ENOENT, TD_REASON_DISK, "%s: %s is missing: apt-get install %s", config->name, program, config->package);
	return td_err_set(err, EIO, TD_REASON_DISK, "%s: %s", config->name, *words ? words : what);
}

void td_nbd_server_stop(struct td_nbd_server *server, const char *name)
{
	if (server->pid && wait_for_end(server, PATIENCE_MS) < 0) {
		td_warn("%s: its server (process %d) is still writing, and is waited for", name, (int)server->pid);
		if (wait_for_end(server, AT_MOST_MS) < 0)
			td_error("%s: its server has not ended in %u s, and is killed: what the guest has not flushed may be lost", name,
				(AT_MOST_MS + PATIENCE_MS) / 1000);
		if (server->pid)
			kill(server->pid, SIGKILL);
		server->pid = 0;
	}
	td_cleanup_close(&server->log_fd);
	server->log_fd = -1;
}
