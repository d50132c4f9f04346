/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_files.h - which files of a host the doctor may read, how much of each, and what of it is kept: one table. What is not kept is seen
 * neither by a check nor by a record, so a record holds no secrets because none was let in. Pure: bytes in, bytes out.
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_FILES_H
#define TD_HOST_DOCTOR_DOCTOR_FILES_H

#include "core/base.h"

/*
 * Kernel options: X(option, module or NULL where the option makes none, need, what for).
 * Both the filter of the kernel's configuration and the check go by this table.
 */
enum td_doctor_need {
	TD_DOCTOR_NEED_PASSTHROUGH,
	TD_DOCTOR_NEED_INTEL, /* for passthrough, on Intel's processors */
	TD_DOCTOR_NEED_AMD,   /* on AMD's */
	TD_DOCTOR_NEED_SPEED,
	TD_DOCTOR_NEED_NETWORK,
};

#define TD_DOCTOR_OPTIONS(X)                                                                 \
	X("KVM", "kvm", PASSTHROUGH, "virtual machines")                                     \
	X("VFIO", "vfio", PASSTHROUGH, "devices of user programs")                           \
	X("VFIO_IOMMU_TYPE1", "vfio_iommu_type1", PASSTHROUGH, "guest memory in the IOMMU")  \
	X("VFIO_PCI", "vfio-pci", PASSTHROUGH, "the driver that gives a VF to a VM")         \
	X("PCI_IOV", NULL, PASSTHROUGH, "VFs")                                               \
	X("IRQ_REMAP", NULL, PASSTHROUGH, "interrupt remapping")                             \
	X("INTEL_IOMMU", NULL, INTEL, "the IOMMU")                                           \
	X("AMD_IOMMU", NULL, AMD, "the IOMMU")                                               \
	X("TUN", "tun", PASSTHROUGH, "the emulated path of every hybrid NIC")                \
	X("VHOST_NET", "vhost_net", SPEED, "packets of emulated NICs carried by the kernel") \
	X("TRANSPARENT_HUGEPAGE", NULL, SPEED, "guest memory in 2 MiB pages")                \
	X("BRIDGE", "bridge", NETWORK, "virtual networks")                                   \
	X("BRIDGE_VLAN_FILTERING", NULL, NETWORK, "VLANs of virtual networks")               \
	X("BONDING", "bonding", NETWORK, "teams")                                            \
	X("NET_CLS_FLOWER", "cls_flower", NETWORK, "frames of VMs that come back by an uplink")

struct td_doctor_option {
	const char *name, *module;
	enum td_doctor_need need;
	const char *what_for;
};

extern const struct td_doctor_option td_doctor_options[];
extern const unsigned td_doctor_option_count;

struct td_doctor_rule;

/* NULL: this file is not read, whatever a check wants. */
const struct td_doctor_rule *td_doctor_files_rule(const char *path);
/* At most this much is read. */
size_t td_doctor_files_limit(const struct td_doctor_rule *rule);
/*
 * What is kept of `in` goes to `out`, which has room for in_len + 1 bytes; returns its length. Text is printable ASCII, tabs and newlines,
 * without blanks at its end. `truncated`: the file had more; half a line at its end is not kept.
 */
size_t td_doctor_files_filter(const struct td_doctor_rule *rule, const char *in, size_t in_len, bool truncated, char *out);

/* Control characters, which could do something to a terminal, and what is not ASCII become '?'; blanks at the end go. `text` has room for
 * a NUL behind. Returns the new length. */
size_t td_doctor_files_printable(char *text, size_t len);

/* The table's patterns, one after the other, for the documentation; NULL at the end. */
const char *td_doctor_files_pattern(unsigned index);

#endif
