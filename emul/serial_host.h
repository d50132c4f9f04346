/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial_host.h - the host's end of the serial port: descriptors, terminal mode, output collected by the line. Knows no UART register.
 * All calls with the VM's lock held; open and close on the main thread.
 */
#ifndef TD_EMUL_SERIAL_HOST_H
#define TD_EMUL_SERIAL_HOST_H

#include <termios.h>

#include "core/loop.h"
#include "emul/serial.h"

#define TD_SERIAL_HOST_OUT_BYTES 2048U

struct td_serial_host;

struct td_serial_host_ops {
	unsigned (*input_room)(struct td_serial_host *host); /* how many bytes the UART takes now */
	void (*input)(struct td_serial_host *host, const uint8_t *bytes, unsigned count);
	void (*output_drained)(struct td_serial_host *host); /* not full any more */
	void (*quit)(struct td_serial_host *host);	     /* the user typed Ctrl-A x */
};

struct td_serial_host {
	const struct td_serial_host_ops *ops;
	struct td_loop *loop;
	int in_fd, out_fd, slave_fd; /* owned; -1: none. slave_fd keeps a PTY from hanging up while nobody has it open */
	bool out_is_socket, drops;   /* drops: what nobody reads is lost, not waited for */
	unsigned out_step;	     /* out_fd would block: so many bytes at once when it says that it is ready. 0: it does not */
	bool raw;		     /* in_fd is a terminal that has to be set back */
	bool has_input;		     /* in_fd has not ended yet */
	bool escaped;		     /* Ctrl-A was typed */
	bool paused, blocked, ticking, put_since_tick;
	struct termios before;
	char pty_path[64];
	struct td_watch in_watch, out_watch;
	struct td_timer tick;
	struct td_work work;
	unsigned out_used;
	uint8_t out[TD_SERIAL_HOST_OUT_BYTES];
};

int td_serial_host_open(struct td_serial_host *host, const char *name, const struct td_serial_config *config, struct td_loop *loop,
	const struct td_serial_host_ops *ops, struct td_err *err);
void td_serial_host_close(struct td_serial_host *host); /* writes what is left; harmless when not open */

/* Any thread, with the lock. */
void td_serial_host_put(struct td_serial_host *host, uint8_t byte);
bool td_serial_host_full(const struct td_serial_host *host);
void td_serial_host_room(struct td_serial_host *host); /* the UART takes input again */

/* Main loop. While paused nothing comes in. */
void td_serial_host_pause(struct td_serial_host *host, bool paused);

#endif
