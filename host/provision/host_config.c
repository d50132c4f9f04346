/* SPDX-License-Identifier: Apache-2.0 */
/* host_config.c - the two spellings of ranges in host.yaml. */
#include "host/provision/host_config.h"

#include <ctype.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

static bool read_number(const char **text, unsigned max, unsigned *ret_number)
{
	char *end;
	if (!isdigit((unsigned char)**text))
		return false;
	unsigned long number = strtoul(*text, &end, 10);
	if (number > max)
		return false;
	*text = end;
	*ret_number = (unsigned)number;
	return true;
}

/* "7" or "3-7", to the text's end. */
static bool read_range(const char *text, unsigned max, unsigned *ret_first, unsigned *ret_last)
{
	unsigned first, last;
	if (!read_number(&text, max, &first))
		return false;
	last = first;
	if (*text == '-') {
		text++;
		if (!read_number(&text, max, &last))
			return false;
	}
	if (*text || last < first)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

bool td_host_config_vlan_range(const char *text, unsigned *ret_first, unsigned *ret_last)
{
	return read_range(text, 4094, ret_first, ret_last) && *ret_first >= 1;
}

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
	if (hash && !read_range(hash + 1, TD_HOST_VFS_MAX - 1, &first, &last))
		return false;
	memcpy(ret_name, text, len);
	ret_name[len] = '\0';
	*ret_first = first;
	*ret_last = last;
	return true;
}
