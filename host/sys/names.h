/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names.h - what the host calls things: PCI functions ("0000:3b:02.1"), network interfaces, MAC addresses, ranges ("20-29"), and the mark
 * of links that tandem made. Pure: any thread, no allocation.
 */
#ifndef TD_HOST_SYS_NAMES_H
#define TD_HOST_SYS_NAMES_H

#include <net/if.h>

#include "core/base.h"

#define TD_BDF_BYTES	  13 /* "0000:3b:02.1" and NUL */
#define TD_MAC_TEXT_BYTES 18 /* "52:54:00:12:34:56" and NUL */

/* An interface whose alias is this, or this and "isolated" or "making", is tandem's: it may be changed and removed. */
#define TD_HOST_MARK "tandem"
bool td_names_is_mark(const char *alias);

/*
 * So is one in this group (IFLA_GROUP, "tdem"): it is being made. The kernel takes a group in the request that makes an interface, and an
 * alias only afterwards: at no moment is there one of tandem's that could be anybody's.
 */
#define TD_HOST_MAKING_GROUP 0x7464656d

/* "0000:3b:02.1", or "3b:02.1" for one in domain 0, in upper or lower case. ret_bdf: in full and in lower case. */
bool td_names_parse_bdf(const char *text, char ret_bdf[TD_BDF_BYTES]);
/* In full and in lower case, as sysfs writes it, and nothing else. */
bool td_names_is_bdf(const char *text);

/* One that the kernel takes: 1 to 15 bytes, no '/', ':', '%' or white space, not "." or "..". */
bool td_names_is_interface(const char *text);

/* Six pairs of hexadecimal digits with colons between them, and nothing else. Any address: zero and multicast, too. */
bool td_names_parse_mac(const char *text, uint8_t ret_mac[6]);
/* Returns `text`. */
const char *td_names_format_mac(const uint8_t mac[6], char text[TD_MAC_TEXT_BYTES]);

/* "7" or "3-7", each at most max, first <= last. */
bool td_names_parse_range(const char *text, unsigned max, unsigned *ret_first, unsigned *ret_last);
/* So too, of VLANs: 1..4094. */
bool td_names_parse_vlans(const char *text, unsigned *ret_first, unsigned *ret_last);
bool td_names_is_vlans(const char *text);

#endif
