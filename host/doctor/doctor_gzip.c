/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_gzip.c - see doctor_gzip.h. */
#include "host/doctor/doctor_gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define GZIP_ONLY (15 + 16) /* zlib.h, inflateInit2(): the largest window, a gzip header */

ssize_t td_doctor_gzip_unpack(char *data, size_t len, size_t room)
{
	static const uint8_t magic[] = {0x1f, 0x8b};
	z_stream stream = {.avail_in = (uInt)len};

	if (len < sizeof(magic) || memcmp(data, magic, sizeof(magic)) != 0)
		return (ssize_t)len;
	td_auto_free char *packed = malloc(len);
	if (!packed || inflateInit2(&stream, GZIP_ONLY) != Z_OK)
		return -ENOMEM;
	memcpy(packed, data, len);
	stream.next_in = (Bytef *)packed;
	stream.next_out = (Bytef *)data;
	stream.avail_out = (uInt)room;
	int rc = inflate(&stream, Z_FINISH);
	size_t out = room - stream.avail_out;
	inflateEnd(&stream);
	if (rc != Z_STREAM_END && stream.avail_out)
		return rc == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	return (ssize_t)out;
}
