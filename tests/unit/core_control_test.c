/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of core/control.c and core/control_client.c: one server on a loop in a thread, well-behaved clients and hostile peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control.h"

#define BIG_BYTES (4U * 1024U * 1024U)

struct server {
	char dir[32], path[64];
	struct td_loop loop;
	struct td_control *control;
	pthread_t thread;
	struct td_control_request *kept; /* of "keep", until "release" */
};

static void run_echo(struct td_control_request *request, json_t *args, void *opaque)
{
	(void)opaque;
	td_control_reply(request, json_incref(args));
}

static void run_null(struct td_control_request *request, json_t *args, void *opaque)
{
	(void)args;
	(void)opaque;
	td_control_reply(request, NULL);
}

static void run_fail(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_err err;
	(void)args;
	(void)opaque;
	td_err_set(&err, ENOENT, TD_REASON_NIC_NOT_FOUND, "nic n\xff: not there");
	td_control_fail(request, &err);
}

static void run_undone(struct td_control_request *request, json_t *args, void *opaque)
{
	struct td_err err;
	(void)args;
	(void)opaque;
	td_err_set(&err, EBUSY, TD_REASON_FLIP_BUSY, "undone");
	td_control_fail_with(request, &err, json_string("what was done"));
}

static void run_keep(struct td_control_request *request, json_t *args, void *opaque)
{
	struct server *server = opaque;
	(void)args;
	assert_null(server->kept);
	server->kept = request;
}

static void run_release(struct td_control_request *request, json_t *args, void *opaque)
{
	struct server *server = opaque;
	(void)args;
	td_control_reply(server->kept, json_string("kept"));
	server->kept = NULL;
	td_control_reply(request, json_string("released"));
}

static void run_big(struct td_control_request *request, json_t *args, void *opaque)
{
	char *text = malloc(BIG_BYTES + 1);
	(void)args;
	(void)opaque;
	memset(text, 'x', BIG_BYTES);
	text[BIG_BYTES] = '\0';
	td_control_reply(request, json_string(text));
	free(text);
}

static const struct td_control_command commands[] = {
	{"echo", run_echo},
	{"null", run_null},
	{"fail", run_fail},
	{"undone", run_undone},
	{"keep", run_keep},
	{"release", run_release},
	{"big", run_big},
	{NULL, NULL},
};

static void *server_thread(void *opaque)
{
	struct server *server = opaque;
	td_loop_run(&server->loop);
	return NULL;
}

static int start(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	struct td_err err = {0};
	assert_non_null(server);
	strcpy(server->dir, "/tmp/td-control-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	snprintf(server->path, sizeof(server->path), "%s/sock", server->dir);
	assert_int_equal(td_loop_init(&server->loop, NULL, &err), 0);
	assert_int_equal(td_control_create(&server->loop, server->path, commands, server, &server->control, &err), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, server_thread, server), 0);
	*state = server;
	return 0;
}

static int stop(void **state)
{
	struct server *server = *state;
	td_loop_stop(&server->loop);
	pthread_join(server->thread, NULL);
	td_control_destroy(server->control);
	assert_int_equal(access(server->path, F_OK), -1);
	if (server->kept) /* an answer after the server's end goes nowhere */
		td_control_reply(server->kept, json_object());
	td_loop_fini(&server->loop);
	rmdir(server->dir);
	free(server);
	return 0;
}

static int connect_raw(const struct server *server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, server->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void send_text(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The next line, without its newline; "" at the connection's end. */
static void read_line(int fd, char *line, size_t room)
{
	size_t len = 0;
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	while (len + 1 < room && poll(&poll_fd, 1, 10000) == 1 && recv(fd, line + len, 1, 0) == 1 && line[len] != '\n')
		len++;
	line[len] = '\0';
}

static void expect_line(int fd, const char *expected)
{
	char line[512];
	read_line(fd, line, sizeof(line));
	assert_string_equal(line, expected);
}

static void expect_error(int fd, const char *part)
{
	char line[1024];
	read_line(fd, line, sizeof(line));
	assert_memory_equal(line, "{\"ok\":false,", 12);
	assert_non_null(strstr(line, part));
}

static void expect_served(const struct server *server)
{
	json_t *result = NULL;
	struct td_err err = {0};
	assert_int_equal(td_control_call(server->path, "null", NULL, 10000, &result, &err), 0);
	assert_true(json_is_null(result));
	json_decref(result);
}

static void calls_and_their_answers(void **state)
{
	struct server *server = *state;
	struct td_err err = {0};
	json_t *result = NULL, *args = json_pack("{s:s, s:i}", "a", "\n\"x", "b", 7);
	struct stat st;
	assert_int_equal(stat(server->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(td_control_call(server->path, "echo", args, 10000, &result, &err), 0);
	assert_true(json_equal(result, args));
	json_decref(result);
	json_decref(args);
	assert_int_equal(td_control_call(server->path, "echo", NULL, 10000, &result, &err), 0);
	assert_true(json_is_object(result));
	json_decref(result);
	assert_int_equal(td_control_call(server->path, "fail", NULL, -1, &result, &err), -ENOENT);
	assert_int_equal(err.reason, TD_REASON_NIC_NOT_FOUND);
	assert_string_equal(err.text, "nic n\xef\xbf\xbd: not there");
	result = NULL;
	assert_int_equal(td_control_call(server->path, "undone", NULL, -1, &result, &err), -EBUSY);
	assert_int_equal(err.reason, TD_REASON_FLIP_BUSY);
	assert_string_equal(json_string_value(result), "what was done");
	json_decref(result);
	assert_int_equal(td_control_call(server->path, "bogus", NULL, -1, &result, &err), -EOPNOTSUPP);
	assert_string_equal(err.text, "control socket: unknown command 'bogus'");
	assert_int_equal(td_control_call(server->path, "big", NULL, -1, &result, &err), 0);
	assert_int_equal(json_string_length(result), BIG_BYTES);
	json_decref(result);
}

static void lines_in_pieces_and_together(void **state)
{
	struct server *server = *state;
	int fd = connect_raw(server);
	send_text(fd, "{\"comm");
	usleep(20000);
	send_text(fd, "and\":\"null\"}");
	usleep(20000);
	send_text(fd, "\n{\"command\":\"echo\",\"args\":{\"n\":1}}\n{\"command\":\"echo\",\"args\":{\"n\":2}}\n{\"command\":");
	expect_line(fd, "{\"ok\":true,\"result\":null}");
	expect_line(fd, "{\"ok\":true,\"result\":{\"n\":1}}");
	expect_line(fd, "{\"ok\":true,\"result\":{\"n\":2}}");
	close(fd); /* in the middle of a line */
	expect_served(server);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
	struct server *server = *state;
	int fd = connect_raw(server);
	send_text(fd, "{\"command\":\"null\"}\n{\"command\":\"echo\"}\n");
	shutdown(fd, SHUT_WR);
	expect_line(fd, "{\"ok\":true,\"result\":null}");
	expect_line(fd, "{\"ok\":true,\"result\":{}}");
	expect_line(fd, "");
	close(fd);
}

static void garbage_is_answered(void **state)
{
	static const char *const garbage[] = {"", "x", "[]", "{}", "\"a\"", "{\"command\":1}", "{\"command\":\"echo\",\"args\":[]}",
		"{\"command\":\"echo\",\"args\":null}", "{\"command\":\"echo\",\"command\":\"null\"}", "{\"command\":\"\xff\"}",
		"{\"command\":", "{\"command\":\"echo\"} x", "\x16\x03\x01", "GET / HTTP/1.1\r"};
	struct server *server = *state;
	int fd = connect_raw(server);
	for (size_t i = 0; i < TD_COUNT(garbage); i++) {
		send_text(fd, garbage[i]);
		send_text(fd, "\n");
		expect_error(fd, "\"reason\":\"control-socket\"");
	}
	assert_int_equal(send(fd, "{\"command\":\"null\"\0}\n", 20, MSG_NOSIGNAL), 20);
	expect_error(fd, "not a JSON object");
	send_text(fd, "{\"command\":\"null\"}\n");
	expect_line(fd, "{\"ok\":true,\"result\":null}");
	close(fd);
}

static void deep_nesting_is_an_error(void **state)
{
	struct server *server = *state;
	int fd = connect_raw(server);
	char *line = malloc(60001);
	memset(line, '[', 60000);
	line[60000] = '\0';
	send_text(fd, line);
	send_text(fd, "\n");
	expect_error(fd, "maximum parsing depth");
	free(line);
	close(fd);
}

static void a_line_without_end_is_refused_and_the_client_dropped(void **state)
{
	struct server *server = *state;
	int fd = connect_raw(server);
	char *line = malloc(TD_CONTROL_LINE_MAX);
	memset(line, ' ', TD_CONTROL_LINE_MAX);
	assert_int_equal(send(fd, line, TD_CONTROL_LINE_MAX, MSG_NOSIGNAL), TD_CONTROL_LINE_MAX);
	expect_error(fd, "the line is too long");
	expect_line(fd, "");
	close(fd);
	/* One byte less fits, with its newline. */
	fd = connect_raw(server);
	memcpy(line, "{\"command\":\"null\"}", 18);
	line[TD_CONTROL_LINE_MAX - 1] = '\n';
	assert_int_equal(send(fd, line, TD_CONTROL_LINE_MAX, MSG_NOSIGNAL), TD_CONTROL_LINE_MAX);
	expect_line(fd, "{\"ok\":true,\"result\":null}");
	close(fd);
	free(line);
}

static void an_answer_may_come_later_or_to_nobody(void **state)
{
	struct server *server = *state;
	int waiting = connect_raw(server), other = connect_raw(server);
	send_text(waiting, "{\"command\":\"keep\"}\n{\"command\":\"null\"}\n");
	usleep(50000);
	send_text(other, "{\"command\":\"release\"}\n");
	expect_line(other, "{\"ok\":true,\"result\":\"released\"}");
	expect_line(waiting, "{\"ok\":true,\"result\":\"kept\"}");
	expect_line(waiting, "{\"ok\":true,\"result\":null}");
	send_text(waiting, "{\"command\":\"keep\"}\n");
	usleep(50000);
	close(waiting);
	usleep(50000);
	send_text(other, "{\"command\":\"release\"}\n");
	expect_line(other, "{\"ok\":true,\"result\":\"released\"}");
	send_text(other, "{\"command\":\"keep\"}\n"); /* open at the server's end: see stop() */
	usleep(50000);
	close(other);
}

static void who_does_not_read_is_dropped_and_holds_up_nobody(void **state)
{
	struct server *server = *state;
	int fd = connect_raw(server);
	struct pollfd poll_fd = {.fd = fd, .events = 0}; /* only POLLHUP */
	send_text(fd, "{\"command\":\"big\"}\n");
	usleep(100000);
	expect_served(server);
	assert_int_equal(poll(&poll_fd, 1, 20000), 1);
	assert_true(poll_fd.revents & POLLHUP);
	expect_served(server);
	close(fd);
}

static void the_longest_silent_makes_room(void **state)
{
	struct server *server = *state;
	int fd[TD_CONTROL_CLIENTS_MAX + 1];
	for (size_t i = 0; i < TD_COUNT(fd); i++) {
		fd[i] = connect_raw(server);
		send_text(fd[i], "{\"command\":\"null\"}\n");
		expect_line(fd[i], "{\"ok\":true,\"result\":null}");
	}
	expect_line(fd[0], "");
	send_text(fd[1], "{\"command\":\"null\"}\n");
	expect_line(fd[1], "{\"ok\":true,\"result\":null}");
	for (size_t i = 0; i < TD_COUNT(fd); i++)
		close(fd[i]);
}

static void names_that_are_taken(void **state)
{
	struct server *server = *state;
	struct td_control *control = NULL;
	struct td_loop loop;
	struct td_err err = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[64];
	assert_int_equal(td_control_create(&server->loop, server->path, commands, NULL, &control, &err), -EADDRINUSE);
	assert_int_equal(err.reason, TD_REASON_CONTROL_IN_USE);
	expect_served(server);

	snprintf(path, sizeof(path), "%s/file", server->dir);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(td_control_create(&server->loop, path, commands, NULL, &control, &err), -EEXIST);
	assert_int_equal(access(path, F_OK), 0); /* not ours to remove */
	unlink(path);

	/* A dead process's socket: bound, nobody listens. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(td_loop_init(&loop, NULL, &err), 0); /* the server's is its thread's */
	assert_int_equal(td_control_create(&loop, path, commands, NULL, &control, &err), 0);
	td_control_destroy(control);
	td_loop_fini(&loop);
	assert_int_equal(access(path, F_OK), -1);

	char long_path[200];
	memset(long_path, 'a', sizeof(long_path));
	long_path[0] = '/';
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(td_control_create(&server->loop, long_path, commands, NULL, &control, &err), -ENAMETOOLONG);
	assert_int_equal(td_control_create(&server->loop, "/nonexistent/sock", commands, NULL, &control, &err), -ENOENT);
}

/* A server that answers `fake_answer` and hangs up (or says nothing, when it is NULL). */
struct fake {
	int fd;
	const char *answer;
};

static void *fake_thread(void *opaque)
{
	struct fake *fake = opaque;
	char request[256];
	int fd = accept(fake->fd, NULL, NULL);
	if (recv(fd, request, sizeof(request), 0) > 0 && fake->answer)
		send(fd, fake->answer, strlen(fake->answer), MSG_NOSIGNAL);
	if (!fake->answer)
		recv(fd, request, sizeof(request), 0); /* until the client gives up */
	close(fd);
	return NULL;
}

static int call_fake(const struct server *server, const char *answer, int timeout_ms, struct td_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/fake", server->dir);
	struct fake fake = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer};
	pthread_t thread;
	json_t *result = NULL;
	assert_int_equal(bind(fake.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fake.fd, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, fake_thread, &fake), 0);
	int r = td_control_call(address.sun_path, "x", NULL, timeout_ms, &result, err);
	pthread_join(thread, NULL);
	close(fake.fd);
	unlink(address.sun_path);
	json_decref(result);
	return r;
}

static void a_client_takes_hostile_servers(void **state)
{
	struct server *server = *state;
	struct td_err err = {0};
	json_t *result = NULL;
	assert_int_equal(call_fake(server, NULL, 50, &err), -ETIMEDOUT);
	assert_int_equal(call_fake(server, "", 5000, &err), -ECONNRESET);
	assert_int_equal(call_fake(server, "{\"ok\":true", 5000, &err), -ECONNRESET);
	assert_int_equal(call_fake(server, "hello\n", 5000, &err), -EPROTO);
	assert_int_equal(call_fake(server, "{\"ok\":1}\n", 5000, &err), -EPROTO);
	assert_int_equal(call_fake(server, "{\"ok\":false,\"error\":{\"reason\":\"x\",\"code\":5}}\n", 5000, &err), -EIO);
	assert_int_equal(err.reason, TD_REASON_CONTROL);
	assert_int_equal(call_fake(server, "{\"ok\":true,\"result\":1}\n{\"more", 5000, &err), 0);
	assert_int_equal(td_control_call("/nonexistent", "x", NULL, 10, &result, &err), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_and_their_answers),
		TEST(lines_in_pieces_and_together),
		TEST(a_half_closed_client_gets_its_answer),
		TEST(garbage_is_answered),
		TEST(deep_nesting_is_an_error),
		TEST(a_line_without_end_is_refused_and_the_client_dropped),
		TEST(an_answer_may_come_later_or_to_nobody),
		TEST(who_does_not_read_is_dropped_and_holds_up_nobody),
		TEST(the_longest_silent_makes_room),
		TEST(names_that_are_taken),
		TEST(a_client_takes_hostile_servers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
