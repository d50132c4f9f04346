/* SPDX-License-Identifier: Apache-2.0 */
/* host_words.h - numbers of the kernel's bonding (uapi/linux/if_bonding.h) as words of host.yaml, for who reads and who writes them. */
#ifndef TD_HOST_PROVISION_HOST_WORDS_H
#define TD_HOST_PROVISION_HOST_WORDS_H

#include <string.h>

#include "core/base.h"

static const char *const td_host_words_mode[] = {
	"balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"};
static const char *const td_host_words_hash[] = {"layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac"};
static const char *const td_host_words_lacp_rate[] = {"slow", "fast"};
static const char *const td_host_words_link_state[] = {"auto", "enable", "disable"}; /* IFLA_VF_LINK_STATE_* */

/* The word's number; -1: none. */
static inline int td_host_words_find(const char *const *words, unsigned count, const char *word)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(words[i], word))
			return (int)i;
	return -1;
}

#define TD_HOST_WORDS_FIND(words, word) td_host_words_find(words, TD_COUNT(words), word)

#endif
