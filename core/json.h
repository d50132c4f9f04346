/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - text from outside (sysfs, netlink, files, the command line, a peer) as JSON strings. Such text may hold any byte; JSON holds
 * UTF-8 only, and jansson refuses an object with any other string in it. Text that the program itself writes down needs none of this.
 */
#ifndef TD_CORE_JSON_H
#define TD_CORE_JSON_H

#include <jansson.h>

/*
 * For people and programs that read: each byte that is not part of valid UTF-8 (RFC 3629) becomes U+FFFD. NULL becomes null. A new
 * reference; NULL without memory.
 */
json_t *td_json_text(const char *text);

/* For files that tandem reads again: a byte above 0x7f becomes the character of its number, U+0080 to U+00FF. Otherwise the same. */
json_t *td_json_bytes(const char *text);
/*
 * What td_json_bytes() was given, decoded within *value, so once for each value. NULL: it is no string, or one that td_json_bytes() does
 * not write. Valid as long as *value.
 */
const char *td_json_bytes_value(json_t *value);

#endif
