/* SPDX-License-Identifier: Apache-2.0 */
/* console.h - connects this process's terminal to a VM's PTY until Ctrl-A x. (The terminal of `tandem run` itself is the serial port's.) */
#ifndef TD_CLI_CONSOLE_H
#define TD_CLI_CONSOLE_H

#include "core/err.h"

/* Standard input need not be a terminal; at its end the output goes on until the VM ends. The terminal is as before afterwards. */
int td_console_connect(const char *pty_path, struct td_err *err);

#endif
