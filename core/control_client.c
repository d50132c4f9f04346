/* SPDX-License-Identifier: Apache-2.0 */
/* control_client.c - the client's side of the control socket: one request, one reply, with a time limit. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control.h"

#define REPLY_MAX (8U * 1024U * 1024U)

struct call {
	int fd;
	const char *path;
	uint64_t deadline_ns; /* 0: none */
	struct td_err *err;
};

static int call_wait(const struct call *call, short events)
{
	for (;;) {
		uint64_t now = td_now_ns();
		int left = -1;
		if (call->deadline_ns)
			left = call->deadline_ns <= now ? 0 : (int)((call->deadline_ns - now) / 1000000U) + 1;
		struct pollfd poll_fd = {.fd = call->fd, .events = events};
		int n = poll(&poll_fd, 1, left);
		if (n > 0)
			return 0;
		if (n == 0)
			return td_err_set(call->err, ETIMEDOUT, TD_REASON_CONTROL, "control socket %s: no answer in time", call->path);
		if (errno != EINTR)
			return td_err_sys(call->err, errno, TD_REASON_CONTROL, "control socket %s: poll", call->path);
	}
}

static int call_connect(struct call *call)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(call->path) >= sizeof(address.sun_path))
		return td_err_set(call->err, ENAMETOOLONG, TD_REASON_CONTROL, "control socket %s: the path is too long", call->path);
	memcpy(address.sun_path, call->path, strlen(call->path) + 1);
	call->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (call->fd < 0)
		return td_err_sys(call->err, errno, TD_REASON_CONTROL, "control socket %s: socket", call->path);
	if (connect(call->fd, (const struct sockaddr *)&address, sizeof(address)))
		return td_err_sys(call->err, errno, TD_REASON_CONTROL, "control socket %s: connect", call->path);
	return 0;
}

static int call_send(const struct call *call, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(call->fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			int r = call_wait(call, POLLOUT);
			if (r)
				return r;
		} else if (n < 0 && errno != EINTR) {
			return td_err_sys(call->err, errno, TD_REASON_CONTROL, "control socket %s: send", call->path);
		} else if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Until a newline. *ret_line is the caller's to free. */
static int call_receive(const struct call *call, char **ret_line, size_t *ret_len)
{
	td_auto_free char *line = NULL;
	size_t len = 0, room = 0;
	for (;;) {
		if (len == room) {
			room = room ? room * 2 : 4096;
			char *more = room <= REPLY_MAX ? realloc(line, room) : NULL;
			if (!more)
				return td_err_set(
					call->err, EMSGSIZE, TD_REASON_CONTROL, "control socket %s: the reply is too long", call->path);
			line = more;
		}
		ssize_t n = recv(call->fd, line + len, room - len, 0);
		if (n == 0)
			return td_err_set(call->err, ECONNRESET, TD_REASON_CONTROL,
				"control socket %s: the VM's process ended before it answered", call->path);
		if (n < 0 && errno == EAGAIN) {
			int r = call_wait(call, POLLIN);
			if (r)
				return r;
		} else if (n < 0 && errno != EINTR) {
			return td_err_sys(call->err, errno, TD_REASON_CONTROL, "control socket %s: receive", call->path);
		} else if (n > 0) {
			char *end = memchr(line + len, '\n', (size_t)n);
			len += (size_t)n;
			if (end) {
				*ret_len = (size_t)(end - line);
				*ret_line = td_take_ptr(line);
				return 0;
			}
		}
	}
}

static enum td_reason reason_of_name(const char *name)
{
	for (unsigned i = 0; name && i < TD_REASON_COUNT; i++)
		if (!strcmp(name, td_reason_name((enum td_reason)i)))
			return (enum td_reason)i;
	return TD_REASON_CONTROL;
}

static int server_error(const struct call *call, json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "text"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	enum td_reason reason = reason_of_name(json_string_value(json_object_get(error, "reason")));
	return td_err_set(call->err, code < 0 && code > -4096 ? (int)-code : EIO, reason, "%s", text ? text : "failed without a word");
}

static int call_run(struct call *call, json_t *request, json_t **ret_result)
{
	td_auto_free char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	td_auto_free char *line = NULL;
	size_t len = 0;
	if (!text)
		return td_err_set(call->err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	text[strlen(text)] = '\n'; /* sent by length: the NUL's place is the newline's */
	int r = call_connect(call);
	if (!r)
		r = call_send(call, text, strcspn(text, "\n") + 1);
	if (!r)
		r = call_receive(call, &line, &len);
	if (r)
		return r;
	json_t *reply = json_loadb(line, len, 0, NULL);
	if (json_is_true(json_object_get(reply, "ok")))
		*ret_result = json_incref(json_object_get(reply, "result"));
	else if (json_is_object(json_object_get(reply, "error"))) {
		r = server_error(call, json_object_get(reply, "error"));
		if (json_object_get(reply, "result"))
			*ret_result = json_incref(json_object_get(reply, "result"));
	} else
		r = td_err_set(call->err, EPROTO, TD_REASON_CONTROL, "control socket %s: what came back is no reply", call->path);
	json_decref(reply);
	return r;
}

int td_control_call(const char *path, const char *command, json_t *args, int timeout_ms, json_t **ret_result, struct td_err *err)
{
	struct call call = {.fd = -1, .path = path, .err = err};
	if (timeout_ms >= 0)
		call.deadline_ns = td_now_ns() + (uint64_t)timeout_ms * 1000000U;
	json_t *request = json_pack("{s:s, s:O?}", "command", command, "args", args);
	if (request && !args)
		json_object_del(request, "args");
	int r = call_run(&call, request, ret_result);
	json_decref(request);
	td_cleanup_close(&call.fd);
	return r;
}
