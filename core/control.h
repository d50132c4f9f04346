/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - the JSON control socket of a VM process: a UNIX stream socket, one JSON object a line each way.
 *   request  {"command": "nic-switch", "args": {"nic": "net0", "to": "emulated"}}
 *   reply    {"ok": true, "result": ...}  or  {"ok": false, "error": {"reason": "nic-not-found", "code": -2, "text": "...", "hint": "..."}}
 * A command that failed on its way may put a "result" beside its error: a flip that was undone has a record.
 * A client may send the next request after the reply. Peers are untrusted: a line is at most TD_CONTROL_LINE_MAX bytes; what is no request
 * gets an error reply; a client that does not read is dropped. Runs on the main loop.
 */
#ifndef TD_CORE_CONTROL_H
#define TD_CORE_CONTROL_H

#include <jansson.h>

#include "core/base.h"
#include "core/err.h"
#include "core/loop.h"

#define TD_CONTROL_LINE_MAX    (64U * 1024U)
#define TD_CONTROL_CLIENTS_MAX 16

struct td_control;
struct td_control_request;

struct td_control_command {
	const char *name;
	/*
	 * Must end in exactly one td_control_reply() or td_control_fail(), at once or later on the main loop; args is borrowed for the call
	 * and is an object (empty when absent). The request stays valid until then, also when its client has gone.
	 */
	void (*run)(struct td_control_request *request, json_t *args, void *opaque);
};

/*
 * Binds PATH (mode 0600). -EADDRINUSE with TD_REASON_CONTROL_IN_USE when a process listens there; a dead socket is replaced.
 * commands: ended by a NULL name; borrowed.
 */
int td_control_create(struct td_loop *loop, const char *path, const struct td_control_command *commands, void *opaque,
	struct td_control **ret_control, struct td_err *err);
void td_control_destroy(struct td_control *control); /* unlinks the socket; open requests are dropped */

void td_control_reply(struct td_control_request *request, json_t *result); /* takes the reference; NULL: null */
void td_control_fail(struct td_control_request *request, const struct td_err *err);
/* With what there is to tell beside it; takes the reference; NULL: nothing. */
void td_control_fail_with(struct td_control_request *request, const struct td_err *err, json_t *result);

/* {"reason", "code", "text", "hint"}, as in a reply. New reference. */
json_t *td_control_error_json(const struct td_err *err);

/*
 * The client's side, blocking: one request, one reply. *ret_result is a new reference. The server's error comes back in *err with its
 * reason, and then *ret_result is what it tells beside it, or untouched. timeout_ms < 0: none.
 */
int td_control_call(const char *path, const char *command, json_t *args, int timeout_ms, json_t **ret_result, struct td_err *err);

#endif
