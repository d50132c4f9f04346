/* SPDX-License-Identifier: Apache-2.0 */
/*
 * igbvf_packet_fuzz.c - packets to be sent by the software 82576 VF, with any context at all and cut into pieces anywhere; and frames to be
 * parsed. Input: flags, the context's three words, where to cut, then the packet. No device, no ring: fast.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emul/igbvf_frame.h"
#include "emul/igbvf_packet.h"

#define PREFIX_BYTES 20U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each piece in memory of its own length, so that a step beyond is seen. */
static void cut(struct td_igbvf_packet *packet, const uint8_t *from, size_t len, const uint8_t cuts[4])
{
	for (unsigned i = 0; len && i < 5; i++) {
		size_t bytes = i < 4 ? TD_MIN(len, (size_t)cuts[i] + 1) : len;
		void *piece = malloc(bytes);

		memcpy(piece, from, bytes);
		packet->segment[packet->segments++] = (struct iovec){piece, bytes};
		packet->len += bytes;
		from += bytes;
		len -= bytes;
	}
}

static void parse(const uint8_t *data, size_t len)
{
	size_t bytes = TD_MIN(len, TD_IGBVF_HEADERS_BYTES);
	uint8_t *head = malloc(bytes ? bytes : 1);
	struct td_igbvf_frame frame;

	memcpy(head, data, bytes);
	td_igbvf_frame_parse(head, bytes, &frame);
	if (frame.header_bytes > bytes)
		abort();
	free(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int sink = -1;
	struct td_igbvf_packet packet = {0};

	if (sink < 0)
		sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (size < PREFIX_BYTES)
		return 0;
	memcpy(&packet.context, data + 1, sizeof(packet.context));
	packet.insert_tag = data[0] & 1;
	packet.segment_tcp = data[0] & 2;
	packet.sum_ip = data[0] & 4;
	packet.sum_l4 = data[0] & 8;
	cut(&packet, data + PREFIX_BYTES, size - PREFIX_BYTES, data + 13);
	parse(data + PREFIX_BYTES, size - PREFIX_BYTES);
	td_igbvf_frame_complete(packet.segment, packet.segments, packet.len, data[17], data[18]);
	td_igbvf_packet_send(&packet, sink);
	if (packet.wire_frames > 65536)
		abort();
	for (unsigned i = 0; i < packet.segments; i++)
		free(packet.segment[i].iov_base);
	return 0;
}
