/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serial.h - the first serial port of a PC (16550A at 0x3f8, GSI 4) on standard input and output, a PTY or a file. Source: TI PC16550D
 * data sheet. No baud rates, parity or modem lines: what the guest sets there reads back and does nothing.
 *
 * Output is collected and written to the host by the line, or when the guest has said nothing more for some milliseconds.
 */
#ifndef TD_EMUL_SERIAL_H
#define TD_EMUL_SERIAL_H

#include "core/vm.h"

#define TD_SERIAL_PORT 0x3f8U
#define TD_SERIAL_GSI  4U

enum td_serial_kind {
	TD_SERIAL_NULL,	 /* output is dropped, no input */
	TD_SERIAL_STDIO, /* a terminal is put into raw mode until the device is destroyed; Ctrl-A x there ends the VM */
	TD_SERIAL_PTY,	 /* a new PTY; what nobody reads is dropped */
	TD_SERIAL_FILE	 /* output only, truncated first */
};

struct td_serial_config {
	enum td_serial_kind kind;
	const char *path; /* TD_SERIAL_FILE */
};

struct td_serial;

/* Makes the port and gives it to the VM. After td_vm_init(), before td_vm_boot(), on the main thread. *ret_serial (may be NULL) is
 * borrowed. */
int td_serial_create(
	struct td_vm *vm, const char *name, const struct td_serial_config *config, struct td_serial **ret_serial, struct td_err *err);

/* "/dev/pts/7" of a TD_SERIAL_PTY, else "". Lives as long as the device. */
const char *td_serial_pty_path(const struct td_serial *serial);

#endif
