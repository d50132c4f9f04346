/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_gzip.h - files of the kernel that are packed: /proc/config.gz. Pure: bytes in, bytes out; hostile bytes are refused. */
#ifndef TD_HOST_DOCTOR_DOCTOR_GZIP_H
#define TD_HOST_DOCTOR_DOCTOR_GZIP_H

#include <sys/types.h>

#include "core/base.h"

/*
 * In place: the first len bytes of data, which has `room`, become what is packed in them, as much of it as there is room for. Bytes that
 * are no gzip file (RFC 1952) stay. Returns the new length; -EBADMSG: damaged; -ENOMEM.
 */
ssize_t td_doctor_gzip_unpack(char *data, size_t len, size_t room);

#endif
