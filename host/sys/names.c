/* SPDX-License-Identifier: Apache-2.0 */
/* names.c - see names.h. */
#include "host/sys/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VLAN_MAX 4094U /* 4095 is reserved: IEEE 802.1Q */

/* text has the form: 'x' is a hexadecimal digit, all else itself. */
static bool has_form(const char *text, const char *form)
{
	if (strlen(text) != strlen(form))
		return false;
	for (; *form; form++, text++)
		if (*form == 'x' ? !isxdigit((unsigned char)*text) : *text != *form)
			return false;
	return true;
}

bool td_names_parse_bdf(const char *text, char ret_bdf[TD_BDF_BYTES])
{
	bool is_short = has_form(text, "xx:xx.x");

	if (!is_short && !has_form(text, "xxxx:xx:xx.x"))
		return false;
	snprintf(ret_bdf, TD_BDF_BYTES, "%s%s", is_short ? "0000:" : "", text);
	for (char *at = ret_bdf; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return ret_bdf[8] <= '1' && ret_bdf[11] <= '7'; /* a device is at most 0x1f, a function 7 */
}

bool td_names_is_bdf(const char *text)
{
	char bdf[TD_BDF_BYTES];

	return td_names_parse_bdf(text, bdf) && strcmp(text, bdf) == 0;
}

bool td_names_is_interface(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= IF_NAMESIZE || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	return strcspn(text, "/:% \t\r\n\v\f") == len;
}

bool td_names_is_mark(const char *alias)
{
	return strcmp(alias, TD_HOST_MARK) == 0 || strcmp(alias, TD_HOST_MARK " isolated") == 0 ||
	       strcmp(alias, TD_HOST_MARK " making") == 0;
}

bool td_names_parse_mac(const char *text, uint8_t ret_mac[6])
{
	unsigned byte[6];

	if (!has_form(text, "xx:xx:xx:xx:xx:xx"))
		return false;
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4], &byte[5]) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		ret_mac[i] = (uint8_t)byte[i];
	return true;
}

const char *td_names_format_mac(const uint8_t mac[6], char text[TD_MAC_TEXT_BYTES])
{
	snprintf(text, TD_MAC_TEXT_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

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

bool td_names_parse_range(const char *text, unsigned max, unsigned *ret_first, unsigned *ret_last)
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

bool td_names_parse_vlans(const char *text, unsigned *ret_first, unsigned *ret_last)
{
	unsigned first, last;

	if (!td_names_parse_range(text, VLAN_MAX, &first, &last) || !first)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

bool td_names_is_vlans(const char *text)
{
	unsigned first, last;

	return td_names_parse_vlans(text, &first, &last);
}
