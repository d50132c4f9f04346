/* SPDX-License-Identifier: Apache-2.0 */
/* host_config.c - VFs of a PF as host.yaml spells them. */
#include "host/provision/host_config.h"

#include <ctype.h>
#include <limits.h>
#include <net/if.h>
#include <string.h>

#include "host/sys/names.h"

bool td_host_config_pf_range(const char *text, char ret_name[16], unsigned *ret_first, unsigned *ret_last)
{
	const char *hash = strchr(text, '#');
	size_t len = hash ? (size_t)(hash - text) : strlen(text);
	if (!len || len >= IF_NAMESIZE)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '/' || text[i] == ':' || text[i] == '%' || isspace((unsigned char)text[i]))
			return false;
	if ((len == 1 && text[0] == '.') || (len == 2 && text[0] == '.' && text[1] == '.'))
		return false;
	unsigned first = 0, last = UINT_MAX;
	if (hash && !td_names_parse_range(hash + 1, TD_HOST_VFS_MAX - 1, &first, &last))
		return false;
	memcpy(ret_name, text, len);
	ret_name[len] = '\0';
	*ret_first = first;
	*ret_last = last;
	return true;
}
