/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.c - the server's side of the control socket; the client's is control_client.c.
 *
 * Theory of operation: a client is either sending a line, waiting for the answer to it, or taking the answer; client_pump() moves it from
 * one to the next until it would block, and is the only place that drops a client. It is not entered twice: a command that answers at once
 * only queues its reply. A request knows its client and its server as long as they live; an answer to nobody is thrown away.
 */
#include "core/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/json.h"
#include "core/log.h"

#define ROOM_MIN	 1024U
#define UNREAD_LIMIT_NS	 5000000000ULL /* how long a client may leave a reply unread */
#define ACCEPT_RETRY_NS	 1000000000ULL
#define CONTROL_BACKLOG	 16
#define CONTROL_FILEMODE 0600

struct client {
	struct td_watch watch;
	struct td_timer unread;
	struct td_control *control;
	struct td_control_request *request; /* the open one */
	char *in, *out;			    /* out: a reply on its way, ended by a newline */
	size_t in_len, in_room, out_len, out_sent;
	bool eof, pumping, broken;
	uint64_t last_ns;
	struct client *next;
};

struct td_control_request {
	struct td_control *control; /* NULL: destroyed */
	struct client *client;	    /* NULL: gone */
	struct td_control_request *next;
};

struct td_control {
	struct td_watch watch;
	struct td_timer accept_retry;
	struct td_loop *loop;
	const struct td_control_command *commands;
	void *opaque;
	struct client *clients;
	unsigned client_count;
	struct td_control_request *requests;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void client_drop(struct client *client)
{
	struct td_control *control = client->control;
	struct client **link = &control->clients;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	control->client_count--;
	if (client->request)
		client->request->client = NULL;
	td_loop_disarm(control->loop, &client->unread);
	td_loop_unwatch(control->loop, &client->watch);
	close(client->watch.fd);
	free(client->in);
	free(client->out);
	free(client);
}

/* Takes the reference. A reply that cannot be put into words (no memory) breaks the client's connection. */
static void client_queue(struct client *client, json_t *reply)
{
	char *text = reply ? json_dumps(reply, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	json_decref(reply);
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 1) : NULL;
	if (!line) {
		free(text);
		client->broken = true;
		return;
	}
	line[len] = '\n'; /* in the place of the NUL */
	client->out = line;
	client->out_len = len + 1;
	client->out_sent = 0;
}

json_t *td_control_error_json(const struct td_err *err)
{
	return json_pack("{s:s, s:i, s:o, s:s}", "reason", td_reason_name(err->reason), "code", err->code, "text", td_json_text(err->text),
		"hint", td_reason_hint(err->reason));
}

static json_t *error_reply(const struct td_err *err)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", td_control_error_json(err));
}

static void client_queue_error(struct client *client, int errnum, const char *text)
{
	struct td_err err;
	td_err_set(&err, errnum, TD_REASON_CONTROL, "control socket: %s", text);
	client_queue(client, error_reply(&err));
}

static const struct td_control_command *find_command(const struct td_control *control, const char *name)
{
	for (const struct td_control_command *command = control->commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

static void run_command(struct client *client, const struct td_control_command *command, json_t *args)
{
	struct td_control *control = client->control;
	struct td_control_request *request = calloc(1, sizeof(*request));
	if (!request || !args) {
		free(request);
		client->broken = true;
		return;
	}
	*request = (struct td_control_request){.control = control, .client = client, .next = control->requests};
	control->requests = request;
	client->request = request;
	command->run(request, args, control->opaque);
}

static void run_line(struct client *client, const char *line, size_t len)
{
	json_error_t at;
	char text[256];
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &at);
	json_t *name = json_object_get(request, "command"), *args = json_object_get(request, "args");
	const struct td_control_command *command = json_is_string(name) ? find_command(client->control, json_string_value(name)) : NULL;
	if (!request) {
		snprintf(text, sizeof(text), "not a JSON object in one line: column %d: %s", at.column, at.text);
		client_queue_error(client, EINVAL, text);
	} else if (!json_is_string(name) || (args && !json_is_object(args))) {
		client_queue_error(client, EINVAL, "a request is {\"command\": \"NAME\", \"args\": {...}}");
	} else if (!command) {
		snprintf(text, sizeof(text), "unknown command '%.64s'", json_string_value(name));
		client_queue_error(client, EOPNOTSUPP, text);
	} else {
		json_t *empty = args ? NULL : json_object();
		run_command(client, command, args ? args : empty);
		json_decref(empty);
	}
	json_decref(request);
}

/* Cuts the first line off the input and runs it. False: there is none yet. */
static bool client_take_line(struct client *client)
{
	char *end = client->in_len ? memchr(client->in, '\n', client->in_len) : NULL;
	if (!end && client->in_len >= TD_CONTROL_LINE_MAX) {
		client_queue_error(client, EMSGSIZE, "the line is too long");
		client->in_len = 0;
		client->eof = true;
		return true;
	}
	if (!end)
		return false;
	size_t len = (size_t)(end - client->in);
	run_line(client, client->in, len);
	client->in_len -= len + 1;
	memmove(client->in, end + 1, client->in_len);
	return true;
}

/* False: the client cannot take more just now, or never. */
static bool client_flush(struct client *client)
{
	while (client->out_sent < client->out_len) {
		ssize_t n = send(
			client->watch.fd, client->out + client->out_sent, client->out_len - client->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			client->broken = client->broken || errno != EAGAIN;
			return false;
		}
		client->out_sent += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_len = client->out_sent = 0;
	return true;
}

static void client_pump(struct client *client)
{
	client->pumping = true;
	while (!client->broken && client_flush(client) && !client->request && client_take_line(client))
		;
	client->pumping = false;
	bool sending = client->out_len > 0;
	if (client->broken || (client->eof && !sending && !client->request)) {
		client_drop(client);
		return;
	}
	struct td_loop *loop = client->control->loop;
	uint32_t events = sending ? EPOLLOUT : client->request || client->eof ? 0 : EPOLLIN;
	if (events != client->watch.events)
		td_loop_modify(loop, &client->watch, events);
	client->watch.events = events;
	if (!sending)
		td_loop_disarm(loop, &client->unread);
	else if (!client->unread.armed)
		td_loop_arm(loop, &client->unread, UNREAD_LIMIT_NS);
}

static void client_unread_expired(struct td_timer *timer)
{
	client_drop(TD_CONTAINER_OF(timer, struct client, unread));
}

static void client_read(struct client *client)
{
	if (client->in_len == client->in_room) {
		size_t room = client->in_room ? client->in_room * 2 : ROOM_MIN;
		char *in = realloc(client->in, room);
		if (!in) {
			client->broken = true;
			return;
		}
		client->in = in;
		client->in_room = room;
	}
	ssize_t n = recv(client->watch.fd, client->in + client->in_len, client->in_room - client->in_len, MSG_DONTWAIT);
	if (n > 0) {
		client->in_len += (size_t)n;
		client->last_ns = td_now_ns();
	} else if (n == 0) {
		client->eof = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		client->broken = true;
	}
}

static void client_ready(struct td_watch *watch, uint32_t events)
{
	struct client *client = TD_CONTAINER_OF(watch, struct client, watch);
	if (events & EPOLLIN)
		client_read(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		client->broken = true;
	client_pump(client);
}

/* Room for one more: the client that has been silent longest goes, unless it waits for an answer. */
static bool control_make_room(struct td_control *control)
{
	if (control->client_count < TD_CONTROL_CLIENTS_MAX)
		return true;
	struct client *oldest = NULL;
	for (struct client *client = control->clients; client; client = client->next)
		if (!client->request && (!oldest || client->last_ns < oldest->last_ns))
			oldest = client;
	if (oldest)
		client_drop(oldest);
	return oldest;
}

static void control_add_client(struct td_control *control, int taken_fd)
{
	td_auto_close int fd = taken_fd;
	struct client *client = control_make_room(control) ? calloc(1, sizeof(*client)) : NULL;
	if (!client)
		return;
	client->watch = (struct td_watch){.fd = fd, .ready = client_ready, .events = EPOLLIN};
	client->unread.expired = client_unread_expired;
	client->control = control;
	client->last_ns = td_now_ns();
	if (td_loop_watch(control->loop, &client->watch)) {
		free(client);
		return;
	}
	td_take_fd(&fd);
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
}

static void control_ready(struct td_watch *watch, uint32_t events)
{
	struct td_control *control = TD_CONTAINER_OF(watch, struct td_control, watch);
	(void)events;
	int fd = accept4(control->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		control_add_client(control, fd);
	} else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* No descriptor left: the connection stays in the queue, and epoll would tell of it again and again. */
		td_warn("control socket: accept: %s", strerror(errno));
		td_loop_unwatch(control->loop, &control->watch);
		td_loop_arm(control->loop, &control->accept_retry, ACCEPT_RETRY_NS);
	}
}

static void control_retry_accept(struct td_timer *timer)
{
	struct td_control *control = TD_CONTAINER_OF(timer, struct td_control, accept_retry);
	if (td_loop_watch(control->loop, &control->watch))
		td_loop_arm(control->loop, timer, ACCEPT_RETRY_NS);
}

static void request_free(struct td_control_request *request)
{
	if (request->control) {
		struct td_control_request **link = &request->control->requests;
		while (*link != request)
			link = &(*link)->next;
		*link = request->next;
	}
	free(request);
}

/* Takes the reference. */
static void request_end(struct td_control_request *request, json_t *reply)
{
	struct client *client = request->client;
	request_free(request);
	if (!client) {
		json_decref(reply);
		return;
	}
	client->request = NULL;
	client_queue(client, reply);
	if (!client->pumping)
		client_pump(client);
}

void td_control_reply(struct td_control_request *request, json_t *result)
{
	request_end(request, json_pack("{s:b, s:o}", "ok", 1, "result", result ? result : json_null()));
}

void td_control_fail(struct td_control_request *request, const struct td_err *err)
{
	td_control_fail_with(request, err, NULL);
}

void td_control_fail_with(struct td_control_request *request, const struct td_err *err, json_t *result)
{
	json_t *reply = error_reply(err);
	if (result)
		json_object_set_new(reply, "result", result);
	request_end(request, reply);
}

/* Somebody listens: -EADDRINUSE. Nobody does: the socket of a dead process is removed. */
static int clear_path(const struct sockaddr_un *address, struct td_err *err)
{
	struct stat st;
	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : td_err_sys(err, errno, TD_REASON_CONTROL, "control socket %s", address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return td_err_set(
			err, EEXIST, TD_REASON_CONTROL, "control socket %s: something else has this name: remove it", address->sun_path);
	td_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return td_err_sys(err, errno, TD_REASON_CONTROL, "control socket %s: socket", address->sun_path);
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN)
		return td_err_set(
			err, EADDRINUSE, TD_REASON_CONTROL_IN_USE, "control socket %s: a process listens there", address->sun_path);
	if (errno != ECONNREFUSED)
		return td_err_sys(err, errno, TD_REASON_CONTROL, "control socket %s: connect", address->sun_path);
	if (unlink(address->sun_path) && errno != ENOENT)
		return td_err_sys(err, errno, TD_REASON_CONTROL, "control socket %s: unlink", address->sun_path);
	return 0;
}

/* *ret_fd is the caller's. The mode is set on the socket before its name exists: no moment when others may connect. */
static int listen_at(const struct sockaddr_un *address, int *ret_fd, struct td_err *err)
{
	td_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || fchmod(fd, CONTROL_FILEMODE))
		return td_err_sys(err, errno, TD_REASON_CONTROL, "control socket %s: socket", address->sun_path);
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		return td_err_sys(err, errno, errno == EADDRINUSE ? TD_REASON_CONTROL_IN_USE : TD_REASON_CONTROL, "control socket %s: bind",
			address->sun_path);
	if (listen(fd, CONTROL_BACKLOG)) {
		int r = td_err_sys(err, errno, TD_REASON_CONTROL, "control socket %s: listen", address->sun_path);
		unlink(address->sun_path);
		return r;
	}
	*ret_fd = td_take_fd(&fd);
	return 0;
}

int td_control_create(struct td_loop *loop, const char *path, const struct td_control_command *commands, void *opaque,
	struct td_control **ret_control, struct td_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return td_err_set(err, ENAMETOOLONG, TD_REASON_CONTROL, "control socket %s: the path has %zu bytes, a socket's at most %zu",
			path, strlen(path), sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = -1, r = clear_path(&address, err);
	if (!r)
		r = listen_at(&address, &fd, err);
	if (r)
		return r;
	struct td_control *control = calloc(1, sizeof(*control));
	if (control) {
		*control = (struct td_control){.watch = {.fd = fd, .ready = control_ready, .events = EPOLLIN},
			.accept_retry = {.expired = control_retry_accept},
			.loop = loop,
			.commands = commands,
			.opaque = opaque};
		memcpy(control->path, address.sun_path, sizeof(control->path));
		r = td_loop_watch(loop, &control->watch);
	}
	if (!control || r) {
		close(fd);
		unlink(path);
		free(control);
		return td_err_set(err, r ? -r : ENOMEM, TD_REASON_SYSTEM, "control socket %s: cannot be watched", path);
	}
	*ret_control = control;
	return 0;
}

void td_control_destroy(struct td_control *control)
{
	if (!control)
		return;
	while (control->clients)
		client_drop(control->clients);
	for (struct td_control_request *request = control->requests; request; request = request->next)
		request->control = NULL;
	td_loop_disarm(control->loop, &control->accept_retry);
	td_loop_unwatch(control->loop, &control->watch);
	close(control->watch.fd);
	unlink(control->path);
	free(control);
}
