/* SPDX-License-Identifier: Apache-2.0 */
/* igbvf_frame.c - see igbvf_frame.h. */
#include "emul/igbvf_frame.h"

#include <endian.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

#define TAG_BYTES	4U
#define IPV4_MIN_BYTES	20U
#define IPV4_FRAGMENT	0x3fffU /* more fragments, or an offset */
#define IPV6_BYTES	40U
#define TCP_MIN_BYTES	20U
#define UDP_BYTES	8U
#define SCTP_BYTES	12U
#define CRC32C_REVERSED 0x82f63b78U

static uint16_t frame_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void parse_l4(const uint8_t *head, size_t len, unsigned protocol, struct td_igbvf_frame *frame)
{
	size_t at = frame->header_bytes, bytes;

	switch (protocol) {
	case IPPROTO_TCP:
		if (at + TCP_MIN_BYTES > len)
			return;
		bytes = (size_t)(head[at + 12] >> 4) * 4;
		if (bytes < TCP_MIN_BYTES || at + bytes > len)
			return;
		frame->proto = TD_IGBVF_PROTO_TCP;
		break;
	case IPPROTO_UDP:
		bytes = UDP_BYTES;
		if (at + bytes > len)
			return;
		frame->proto = TD_IGBVF_PROTO_UDP;
		break;
	case IPPROTO_SCTP:
		bytes = SCTP_BYTES;
		if (at + bytes > len)
			return;
		frame->proto = TD_IGBVF_PROTO_SCTP;
		break;
	default:
		return;
	}
	frame->header_bytes = (uint16_t)(at + bytes);
}

static void parse_ipv4(const uint8_t *head, size_t len, struct td_igbvf_frame *frame)
{
	size_t at = frame->header_bytes, bytes;

	if (at + IPV4_MIN_BYTES > len || head[at] >> 4 != 4)
		return;
	bytes = (size_t)(head[at] & 15) * 4;
	if (bytes < IPV4_MIN_BYTES || at + bytes > len)
		return;
	struct iovec iov = {(uint8_t *)(uintptr_t)head, len};
	frame->ipv4 = true;
	frame->ip_sum_ok = td_igbvf_frame_fold(td_igbvf_frame_sum(&iov, 1, at, bytes, 0)) == 0xffff;
	frame->header_bytes = (uint16_t)(at + bytes);
	if (!(frame_get16(head + at + 6) & IPV4_FRAGMENT))
		parse_l4(head, len, head[at + 9], frame);
}

/* Extension headers end it: what stands behind them is not looked at. */
static void parse_ipv6(const uint8_t *head, size_t len, struct td_igbvf_frame *frame)
{
	size_t at = frame->header_bytes;

	if (at + IPV6_BYTES > len || head[at] >> 4 != 6)
		return;
	frame->ipv6 = true;
	frame->header_bytes = (uint16_t)(at + IPV6_BYTES);
	parse_l4(head, len, head[at + 6], frame);
}

void td_igbvf_frame_parse(const uint8_t *head, size_t len_bytes, struct td_igbvf_frame *ret_frame)
{
	struct td_igbvf_frame frame = {0};
	uint16_t type;

	*ret_frame = frame;
	if (len_bytes < ETH_HLEN)
		return;
	type = frame_get16(head + 2 * ETH_ALEN);
	frame.header_bytes = ETH_HLEN;
	if (type == ETH_P_8021Q && len_bytes >= ETH_HLEN + TAG_BYTES) {
		frame.tagged = true;
		frame.tci = frame_get16(head + ETH_HLEN);
		type = frame_get16(head + ETH_HLEN + 2);
		frame.header_bytes += TAG_BYTES;
	}
	if (type == ETH_P_IP)
		parse_ipv4(head, len_bytes, &frame);
	else if (type == ETH_P_IPV6)
		parse_ipv6(head, len_bytes, &frame);
	*ret_frame = frame;
}

uint16_t td_igbvf_frame_hash(const uint8_t address[6])
{
	return (uint16_t)((address[4] >> 4 | address[5] << 4) & 0xfff);
}

/* ---- pieces ---- */

/* The next stretch of [*skip, *skip + *len): NULL at the end. */
static uint8_t *next_stretch(const struct iovec **iov, unsigned *count, size_t *skip, size_t *len, size_t *ret_bytes)
{
	while (*count && *len) {
		const struct iovec *piece = *iov;

		if (*skip < piece->iov_len) {
			uint8_t *at = (uint8_t *)piece->iov_base + *skip;

			*ret_bytes = TD_MIN(piece->iov_len - *skip, *len);
			*len -= *ret_bytes;
			*skip = 0;
			++*iov;
			--*count;
			return at;
		}
		*skip -= piece->iov_len;
		++*iov;
		--*count;
	}
	return NULL;
}

/* Of an even number of bytes but for the end, as 32-bit words in memory order; folded to 16 bits by the caller. */
static uint64_t sum_bytes(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; len >= 4; at += 4, len -= 4) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (len >= 2) {
		memcpy(&half, at, sizeof(half));
		sum += half;
		at += 2;
		len -= 2;
	}
	return len ? sum + *at : sum; /* the last byte is a word's first */
}

uint16_t td_igbvf_frame_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t td_igbvf_frame_sum(const struct iovec *iov, unsigned count, size_t skip, size_t len_bytes, uint64_t sum)
{
	bool odd = false;
	const uint8_t *at;
	size_t bytes;

	while ((at = next_stretch(&iov, &count, &skip, &len_bytes, &bytes))) {
		uint16_t part = td_igbvf_frame_fold(sum_bytes(at, bytes));

		part = be16toh(part);
		sum += odd ? __builtin_bswap16(part) : part;
		odd ^= bytes & 1;
	}
	return sum;
}

uint32_t td_igbvf_frame_crc32c(const struct iovec *iov, unsigned count, size_t skip, size_t len_bytes, uint32_t crc)
{
	const uint8_t *at;
	size_t bytes;

	while ((at = next_stretch(&iov, &count, &skip, &len_bytes, &bytes)))
		for (size_t i = 0; i < bytes; i++) {
			crc ^= at[i];
			for (unsigned bit = 0; bit < 8; bit++)
				crc = crc & 1 ? crc >> 1 ^ CRC32C_REVERSED : crc >> 1;
		}
	return crc;
}

size_t td_igbvf_frame_copy_out(const struct iovec *iov, unsigned count, size_t skip, void *to, size_t len_bytes)
{
	size_t done = 0, bytes;
	const uint8_t *at;

	while ((at = next_stretch(&iov, &count, &skip, &len_bytes, &bytes))) {
		memcpy((uint8_t *)to + done, at, bytes);
		done += bytes;
	}
	return done;
}

size_t td_igbvf_frame_copy_in(const struct iovec *iov, unsigned count, size_t skip, const void *from, size_t len_bytes)
{
	size_t done = 0, bytes;
	uint8_t *at;

	while ((at = next_stretch(&iov, &count, &skip, &len_bytes, &bytes))) {
		memcpy(at, (const uint8_t *)from + done, bytes);
		done += bytes;
	}
	return done;
}

unsigned td_igbvf_frame_slice(const struct iovec *iov, unsigned count, size_t skip, size_t len_bytes, struct iovec *ret_iov)
{
	unsigned pieces = 0;
	size_t bytes;
	uint8_t *at;

	while ((at = next_stretch(&iov, &count, &skip, &len_bytes, &bytes)))
		ret_iov[pieces++] = (struct iovec){at, bytes};
	return pieces;
}

bool td_igbvf_frame_complete(const struct iovec *iov, unsigned count, size_t len_bytes, size_t start, size_t offset)
{
	uint16_t sum;

	if (!td_range_ok(start, offset + sizeof(sum), len_bytes))
		return false;
	/* The field holds the pseudo header's sum, so it is part of what is summed. */
	sum = (uint16_t)~td_igbvf_frame_fold(td_igbvf_frame_sum(iov, count, start, len_bytes - start, 0));
	sum = htobe16(sum ? sum : 0xffff); /* zero would mean: none */
	return td_igbvf_frame_copy_in(iov, count, start + offset, &sum, sizeof(sum)) == sizeof(sum);
}
