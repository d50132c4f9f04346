/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: bytes from a client of the control socket, which then closes its side and takes what comes until the server hangs up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct peer {
	struct td_watch watch;
	struct td_loop *loop;
	const uint8_t *data;
	size_t left;
};

static void run_echo(struct td_control_request *request, json_t *args, void *opaque)
{
	(void)opaque;
	td_control_reply(request, json_incref(args));
}

static const struct td_control_command commands[] = {{"echo", run_echo}, {NULL, NULL}};

static void peer_ready(struct td_watch *watch, uint32_t events)
{
	struct peer *peer = TD_CONTAINER_OF(watch, struct peer, watch);
	char taken[4096];
	ssize_t n = recv(watch->fd, taken, sizeof(taken), MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		td_loop_stop(peer->loop);
		return;
	}
	if (!(events & EPOLLOUT) || !peer->left)
		return;
	n = send(watch->fd, peer->data, peer->left, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		peer->data += n;
		peer->left -= (size_t)n;
	}
	if (!peer->left) {
		shutdown(watch->fd, SHUT_WR);
		td_loop_modify(peer->loop, watch, EPOLLIN);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct td_loop loop;
	struct td_control *control;
	if (!size)
		return 0;
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/td-control-fuzz-%d", (int)getpid());
	if (td_loop_init(&loop, NULL, NULL) || td_control_create(&loop, address.sun_path, commands, NULL, &control, NULL))
		abort();
	struct peer peer = {.loop = &loop, .data = data, .left = size};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		abort();
	peer.watch = (struct td_watch){.fd = fd, .ready = peer_ready, .events = EPOLLIN | EPOLLOUT};
	if (td_loop_watch(&loop, &peer.watch) || td_loop_run(&loop))
		abort();
	td_loop_unwatch(&loop, &peer.watch);
	close(fd);
	td_control_destroy(control);
	td_loop_fini(&loop);
	return 0;
}
