/* SPDX-License-Identifier: Apache-2.0 */
/* rarp.c - see rarp.h. */
#include "nic/rarp.h"

#include <string.h>

#define TYPE_RARP 0x8035U
#define TYPE_VLAN 0x8100U
#define PAD_BYTES 60U

static uint8_t *put16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
	return p + 2;
}

static uint8_t *put_mac(uint8_t *p, const uint8_t mac[6])
{
	memcpy(p, mac, 6);
	return p + 6;
}

size_t td_rarp_build(uint8_t frame[TD_RARP_BYTES_MAX], const uint8_t mac[6], uint16_t vlan)
{
	uint8_t *p = frame;

	memset(frame, 0, TD_RARP_BYTES_MAX);
	memset(p, 0xff, 6);
	p = put_mac(p + 6, mac);
	if (vlan)
		p = put16(put16(p, TYPE_VLAN), vlan & 0xfffU);
	p = put16(p, TYPE_RARP);
	p = put16(p, 1);      /* hardware: Ethernet */
	p = put16(p, 0x0800); /* protocol: IPv4 */
	*p++ = 6;
	*p++ = 4;
	p = put16(p, 3); /* request reverse */
	p = put_mac(p, mac);
	p += 4; /* sender's IP: unknown */
	put_mac(p, mac);
	return PAD_BYTES + (vlan ? 4U : 0U);
}
