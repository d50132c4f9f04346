/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - filling and printing struct td_err. */
#include "core/err.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const struct {
	const char *name, *hint;
} reasons[] = {
#define REASON_ROW(symbol, name, hint) [TD_REASON_##symbol] = {name, hint},
	TD_REASONS(REASON_ROW)
#undef REASON_ROW
};

static_assert(TD_COUNT(reasons) == TD_REASON_COUNT, "one row for each reason");

/* A negative errnum is a caller's slip of sign, not a reason to report success. */
static int err_code(int errnum)
{
	if (errnum == 0)
		return -EIO;
	return errnum > 0 ? -errnum : errnum;
}

static void err_fill(struct td_err *err, int code, enum td_reason reason, const char *fmt, va_list args)
{
	err->code = code;
	err->reason = reason;
	vsnprintf(err->text, sizeof(err->text), fmt, args);
}

static void err_append(struct td_err *err, const char *separator, const char *text)
{
	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, "%s%s", separator, text);
}

int(td_err_set)(struct td_err *err, int errnum, enum td_reason reason, const char *fmt, ...)
{
	int code = err_code(errnum);
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	err_fill(err, code, reason, fmt, args);
	va_end(args);
	return code;
}

int(td_err_sys)(struct td_err *err, int errnum, enum td_reason reason, const char *fmt, ...)
{
	int code = err_code(errnum);
	char buffer[128];
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	err_fill(err, code, reason, fmt, args);
	va_end(args);
	err_append(err, ": ", strerror_r(-code, buffer, sizeof(buffer)));
	return code;
}

int td_err_prefix(struct td_err *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list args;

	if (!err)
		return -EIO;
	if (err->code == 0)
		return 0;
	memcpy(text, err->text, sizeof(text));
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	err_append(err, ": ", text);
	return err->code;
}

const char *td_reason_name(enum td_reason reason)
{
	return (unsigned)reason < TD_REASON_COUNT ? reasons[reason].name : "unknown";
}

const char *td_reason_hint(enum td_reason reason)
{
	return (unsigned)reason < TD_REASON_COUNT ? reasons[reason].hint : "";
}

void td_err_print(FILE *out, const struct td_err *err)
{
	const char *hint = td_reason_hint(err->reason);

	fprintf(out, "tandem: %s [%s]\n", err->text, td_reason_name(err->reason));
	if (*hint)
		fprintf(out, "  try: %s\n", hint);
}
