/* SPDX-License-Identifier: Apache-2.0 */
/* emul_nbd_server_test.c - a server's start, its descriptors and variables, its last words, its end. The servers are shell scripts. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/log.h"
#include "emul/nbd_server.h"

static char dir[] = "/tmp/tandem-nbd-XXXXXX";
static char image[64];

static int set_up(void **state)
{
	(void)state;
	td_log_set_level(TD_LOG_ERROR);
	if (!mkdtemp(dir))
		return -1;
	snprintf(image, sizeof(image), "%s/image", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(image);
	return rmdir(dir); /* nothing of ours is left in it */
}

static int start(struct td_nbd_server *server, struct td_nbd_server_config *config, const char *const *argv, struct td_err *err)
{
	int fd = -1;

	*config = (struct td_nbd_server_config){.name = "disk0",
		.dir = dir,
		.argv = argv,
		.package = "a-package",
		.image_fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
	assert_true(config->image_fd >= 0);
	assert_int_equal(td_nbd_server_start(server, config, &fd, err), 0);
	return fd;
}

/* As a client sees a server that is not there: its socket is closed. */
static void expect_closed(int fd)
{
	char byte;

	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
}

static void a_missing_program_is_named(void **state)
{
	static const char *const argv[] = {"tandem-has-no-such-program", NULL};
	struct td_nbd_server_config config;
	struct td_nbd_server server;
	struct td_err err = {0};

	(void)state;
	expect_closed(start(&server, &config, argv, &err));
	assert_int_equal(td_nbd_server_blame(&server, &config, "x", &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_DISK);
	assert_string_equal(err.text, "disk0: tandem-has-no-such-program is missing: apt-get install a-package");
	assert_int_equal(server.pid, 0);
	close(config.image_fd);
}

static void last_words_are_told(void **state)
{
	static const char *const argv[] = {"sh", "-c", "echo first >&2; echo 'no such image' >&2; exit 1", NULL};
	static const char *const silent[] = {"sh", "-c", "exit 1", NULL};
	struct td_nbd_server_config config;
	struct td_nbd_server server;
	struct td_err err = {0};

	(void)state;
	expect_closed(start(&server, &config, argv, &err));
	assert_int_equal(td_nbd_server_blame(&server, &config, "x", &err), -EIO);
	assert_string_equal(err.text, "disk0: no such image");
	close(config.image_fd);
	expect_closed(start(&server, &config, silent, &err));
	assert_int_equal(td_nbd_server_blame(&server, &config, "the socket was closed", &err), -EIO);
	assert_string_equal(err.text, "disk0: the socket was closed");
	close(config.image_fd);
}

/* The listening socket is descriptor 3, whatever is ours in this process; the variables are the child's; signals are let in. */
static void it_is_started_as_systemd_does(void **state)
{
	static const char *const argv[] = {"sh", "-c",
		"[ $LISTEN_PID = $$ ] && [ $LISTEN_FDS = 1 ] && [ -S /proc/self/fd/3 ] && [ -f /proc/self/fd/4 ] && [ ! -e /proc/self/fd/5 "
		"] && "
		"echo right >&2; exit 1",
		NULL};
	struct td_nbd_server_config config;
	struct td_nbd_server server;
	struct td_err err = {0};
	sigset_t set, before;

	(void)state;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	expect_closed(start(&server, &config, argv, &err));
	sigprocmask(SIG_SETMASK, &before, NULL);
	td_nbd_server_blame(&server, &config, "wrong", &err);
	assert_string_equal(err.text, "disk0: right");
	close(config.image_fd);
}

/* It holds the lock until it has ended, and is waited for. */
static void the_image_is_locked_to_its_end(void **state)
{
	static const char *const argv[] = {"sh", "-c", "sleep 0.2", NULL};
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	struct td_nbd_server_config config;
	struct td_nbd_server server;
	struct td_err err = {0};
	int fd, other = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	fd = start(&server, &config, argv, &err);
	assert_int_equal(fcntl(config.image_fd, F_OFD_SETLK, &lock), 0);
	close(config.image_fd);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &lock), -1);
	close(fd);
	td_nbd_server_stop(&server, "disk0");
	assert_int_equal(fcntl(other, F_OFD_SETLK, &lock), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* none is left, and no zombie */
	td_nbd_server_stop(&server, "disk0");		  /* harmless twice */
	close(other);
}

/* Who starts it is killed: so is it. */
static void it_does_not_outlive_us(void **state)
{
	static const char *const argv[] = {"sleep", "1000", NULL};
	int pipe_fds[2], status;
	char byte;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t pid = fork();
	if (!pid) {
		struct td_nbd_server_config config;
		struct td_nbd_server server;
		struct td_err err = {0};

		start(&server, &config, argv, &err);
		raise(SIGKILL);
	}
	close(pipe_fds[1]); /* the sleeper inherits it, and holds it open while it lives */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(read(pipe_fds[0], &byte, 1), 0); /* waits for its end */
	close(pipe_fds[0]);
}

/* What ends a whole scope at once: the guest that is shut down by it needs its disk. (A shell would clear the mask.) */
static void it_stays_while_it_is_needed(void **state)
{
	static const char *const shows[] = {"sed", "-n", "s/^SigBlk:\t0*/mask /w /dev/stderr", "/proc/self/status", NULL};
	static const char *const stays[] = {"sleep", "1000", NULL};
	struct td_nbd_server_config config;
	struct td_nbd_server server;
	struct td_err err = {0};

	(void)state;
	expect_closed(start(&server, &config, shows, &err));
	td_nbd_server_blame(&server, &config, "wrong", &err);
	assert_string_equal(err.text, "disk0: mask 4003"); /* HUP, INT, TERM */
	close(config.image_fd);

	int fd = start(&server, &config, stays, &err);
	kill(server.pid, SIGKILL); /* this it does not hold off */
	close(fd);
	td_nbd_server_stop(&server, "disk0");
	assert_int_equal(server.pid, 0);
	close(config.image_fd);
}

static void a_socket_that_cannot_be_made_is_refused(void **state)
{
	static const char *const argv[] = {"true", NULL};
	struct td_nbd_server_config config = {.name = "disk0", .dir = "/nonexistent", .argv = argv, .image_fd = 0};
	struct td_nbd_server server;
	struct td_err err = {0};
	char deep[200];
	int fd = -1;

	(void)state;
	assert_int_equal(td_nbd_server_start(&server, &config, &fd, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_RUN_DIR);
	memset(deep, 'd', sizeof(deep));
	deep[0] = '/';
	deep[sizeof(deep) - 1] = '\0';
	config.dir = deep;
	assert_int_equal(td_nbd_server_start(&server, &config, &fd, &err), -ENAMETOOLONG);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_program_is_named),
		cmocka_unit_test(last_words_are_told),
		cmocka_unit_test(it_is_started_as_systemd_does),
		cmocka_unit_test(the_image_is_locked_to_its_end),
		cmocka_unit_test(it_does_not_outlive_us),
		cmocka_unit_test(it_stays_while_it_is_needed),
		cmocka_unit_test(a_socket_that_cannot_be_made_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
