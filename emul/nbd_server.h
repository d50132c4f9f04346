/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nbd_server.h - another program's NBD server for one image of this process alone: started with a listening UNIX socket, as systemd starts
 * services (sd_listen_fds(3)), and connected to at once. Knows no NBD: emul/virtio_blk_nbd.c speaks it.
 *
 * The server ends with us, and by nothing else: its only client's socket closes, and the kernel kills it should we die before it has seen
 * that. It holds the image's lock with us, so that nobody else opens what it has not finished writing.
 */
#ifndef TD_EMUL_NBD_SERVER_H
#define TD_EMUL_NBD_SERVER_H

#include <sys/types.h>

#include "core/base.h"
#include "core/err.h"

struct td_nbd_server_config {
	const char *name;	 /* of the disk, for messages */
	const char *dir;	 /* where only we may make files: the socket stands there until it is connected */
	const char *const *argv; /* ended by NULL; the program is looked for in PATH */
	const char *package;	 /* which of Debian's has it */
	int image_fd;		 /* locked; the server inherits it */
};

struct td_nbd_server {
	pid_t pid;  /* 0: none */
	int log_fd; /* what it writes to standard error. Owned; -1: none */
};

/*
 * Main thread: the server's life hangs on the thread that started it. *ret_socket is connected, and the caller's; the server may still
 * fail then, and closes it: td_nbd_server_blame().
 */
int td_nbd_server_start(struct td_nbd_server *server, const struct td_nbd_server_config *config, int *ret_socket, struct td_err *err);

/* Of a server that did not answer: ends it. TD_REASON_DISK: it is not installed, or its own last words; else `what`. */
int td_nbd_server_blame(struct td_nbd_server *server, const struct td_nbd_server_config *config, const char *what, struct td_err *err);

/* What it said last, or "". */
void td_nbd_server_last_words(const struct td_nbd_server *server, char *to, size_t to_bytes);

/* Its socket is closed: waits until it has written everything and ended, but not for ever. Harmless when none runs. */
void td_nbd_server_stop(struct td_nbd_server *server, const char *name);

#endif
