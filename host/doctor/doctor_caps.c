/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_caps.c - both chains of capabilities are walked once, for parsing and for blanking alike. */
#include "host/doctor/doctor_caps.h"

#include <linux/pci_regs.h>
#include <string.h>

#define CAPS_MAX     48U  /* 192 bytes hold no more */
#define EXT_CAPS_MAX 480U /* nor 3,840 bytes */
#define PCIE_BYTES   8U
#define ACS_BYTES    8U
#define SRIOV_BYTES  64U

typedef void (*visit_fn)(void *opaque, const uint8_t *config, unsigned id, bool extended, unsigned offset, unsigned len);

static unsigned get16(const uint8_t *at)
{
	return at[0] | (unsigned)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

/* How much of a capability we look at; the head alone of those we do not know. */
static unsigned wanted(unsigned id, bool extended)
{
	if (!extended)
		return id == PCI_CAP_ID_EXP ? PCIE_BYTES : 2;
	return id == PCI_EXT_CAP_ID_ACS ? ACS_BYTES : id == PCI_EXT_CAP_ID_SRIOV ? SRIOV_BYTES : 4;
}

/* Calls for each capability; the chain ends at one that does not lie within `len` as a whole. */
static void walk(const uint8_t *config, size_t len, visit_fn visit, void *opaque)
{
	unsigned at =
		len > PCI_CAPABILITY_LIST && (get16(config + PCI_STATUS) & PCI_STATUS_CAP_LIST) ? config[PCI_CAPABILITY_LIST] & ~3U : 0;
	for (unsigned n = 0; at >= PCI_STD_HEADER_SIZEOF && at + 2 <= TD_MIN(len, PCI_CFG_SPACE_SIZE) && n < CAPS_MAX; n++) {
		unsigned id = config[at], need = wanted(id, false);
		if (at + need > len)
			break;
		visit(opaque, config, id, false, at, need);
		at = config[at + 1] & ~3U;
	}
	at = PCI_CFG_SPACE_SIZE;
	for (unsigned n = 0; at >= PCI_CFG_SPACE_SIZE && at + 4 <= len && n < EXT_CAPS_MAX; n++) {
		uint32_t head = get32(config + at);
		unsigned id = PCI_EXT_CAP_ID(head), need = wanted(id, true);
		if (!head || head == UINT32_MAX || at + need > len)
			break;
		visit(opaque, config, id, true, at, need);
		at = PCI_EXT_CAP_NEXT(head);
	}
}

static void parse_sriov(struct td_doctor_caps *caps, const uint8_t *cap)
{
	caps->has_sriov = true;
	caps->sriov_total = (uint16_t)get16(cap + PCI_SRIOV_TOTAL_VF);
	caps->sriov_bars = 0;
	for (unsigned bar = 0; bar < PCI_SRIOV_NUM_BARS; bar++) {
		uint32_t value = get32(cap + PCI_SRIOV_BAR + 4 * bar);
		caps->sriov_bars += value != 0;
		if ((value & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64)
			bar++;
	}
}

static void parse_one(void *opaque, const uint8_t *config, unsigned id, bool extended, unsigned offset, unsigned len)
{
	struct td_doctor_caps *caps = opaque;
	const uint8_t *cap = config + offset;
	caps->has_extended = caps->has_extended || extended;
	if (!extended && id == PCI_CAP_ID_EXP && len == PCIE_BYTES) {
		caps->has_pcie = true;
		caps->flr = get32(cap + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR;
	} else if (extended && id == PCI_EXT_CAP_ID_ACS) {
		caps->has_acs = true;
		caps->acs_cap = (uint16_t)get16(cap + PCI_ACS_CAP);
		caps->acs_control = (uint16_t)get16(cap + PCI_ACS_CTRL);
	} else if (extended && id == PCI_EXT_CAP_ID_SRIOV) {
		parse_sriov(caps, cap);
	}
}

void td_doctor_caps_parse(const uint8_t *config, size_t len_bytes, struct td_doctor_caps *ret_caps)
{
	size_t len = TD_MIN(len_bytes, TD_DOCTOR_CONFIG_BYTES);
	*ret_caps = (struct td_doctor_caps){0};
	if (len < PCI_STD_HEADER_SIZEOF)
		return;
	ret_caps->bridge = (config[PCI_HEADER_TYPE] & 0x7fU) == PCI_HEADER_TYPE_BRIDGE;
	if (ret_caps->bridge) {
		ret_caps->secondary = config[PCI_SECONDARY_BUS];
		ret_caps->subordinate = config[PCI_SUBORDINATE_BUS];
	}
	walk(config, len, parse_one, ret_caps);
}

static void copy_one(void *opaque, const uint8_t *config, unsigned id, bool extended, unsigned offset, unsigned len)
{
	(void)id, (void)extended;
	memcpy((uint8_t *)opaque + offset, config + offset, len);
}

void td_doctor_caps_filter(uint8_t *config, size_t len_bytes)
{
	uint8_t kept[TD_DOCTOR_CONFIG_BYTES] = {0};
	size_t len = TD_MIN(len_bytes, sizeof(kept));
	memcpy(kept, config, TD_MIN(len, (size_t)PCI_STD_HEADER_SIZEOF));
	walk(config, len, copy_one, kept);
	memcpy(config, kept, len);
}
