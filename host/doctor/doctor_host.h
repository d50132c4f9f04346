/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_host.h - the host as the doctor's checks see it: processor, kernel, who asks, network cards with their PFs and VFs; read once from
 * a doctor_tree.h. And what checks share: saying what they found. Private to host/doctor*.c and its tests. One thread.
 */
#ifndef TD_HOST_DOCTOR_DOCTOR_HOST_H
#define TD_HOST_DOCTOR_DOCTOR_HOST_H

#include <net/if.h>

#include "core/base.h"
#include "host/doctor/doctor.h"
#include "host/doctor/doctor_caps.h"
#include "host/sys/pci_names.h"

#define TD_DOCTOR_BDF_LEN 13 /* "0000:3b:02.1" and NUL */

enum td_doctor_vendor { TD_DOCTOR_OTHER, TD_DOCTOR_INTEL, TD_DOCTOR_AMD };

/* A network card's function, or a bridge. */
struct td_doctor_function {
	char bdf[TD_DOCTOR_BDF_LEN];
	char pf_bdf[TD_DOCTOR_BDF_LEN]; /* "": this is no VF */
	char driver[32];		/* "": none */
	char netdev[IF_NAMESIZE];	/* "": none */
	uint16_t vendor, device;
	char model[TD_PCI_NAME_BYTES]; /* by name; "": it has none, or is a VF */
	int group;		       /* -1: none */
	bool bridge;
	bool has_sriov; /* the kernel knows how many VFs it can have */
	uint64_t vfs_total, vfs;
	struct td_doctor_caps caps;
};

struct td_doctor_host {
	struct td_doctor_function *function; /* ascending by address; VFs come after their PF */
	unsigned function_count;
	enum td_doctor_vendor vendor;
	bool has_virtualisation; /* vmx or svm among the processor's flags */
	bool in_vm;		 /* the host is a VM itself */
	char release[64];	 /* of the kernel; "": unknown */
	unsigned kernel;	 /* 612 for 6.12; 0: unknown */
	bool user_known;
	unsigned uid;
	uint64_t capabilities;
};

struct td_doctor {
	struct td_doctor_tree *tree;
	struct td_doctor_host host;
	struct td_doctor_report *report;
	const char *check; /* the one that runs */
	bool failed;	   /* no memory */
};

void td_doctor_host_read(struct td_doctor_tree *tree, struct td_doctor_host *ret_host);
void td_doctor_host_fini(struct td_doctor_host *host);

/* The next PF or VF of a PF from *index on, or NULL; *index goes behind it. "for (unsigned i = 0; (f = next(host, &i));)" */
const struct td_doctor_function *td_doctor_host_next_pf(const struct td_doctor_host *host, unsigned *index);
const struct td_doctor_function *td_doctor_host_next_vf(
	const struct td_doctor_host *host, const struct td_doctor_function *pf, unsigned *index);
/* The bridge above a function or bridge; NULL: it hangs at a root. */
const struct td_doctor_function *td_doctor_host_bridge_of(const struct td_doctor_host *host, const char *bdf);
/* "pf0", or the address where it has no interface. */
const char *td_doctor_host_name(const struct td_doctor_function *function);
/* Does the kernel's command line hold this, as a whole word or followed by ','? */
bool td_doctor_host_booted_with(struct td_doctor_tree *tree, const char *word);

/* doctor_probe.c: asks the running host what no file says, and keeps the answers in the tree. Nothing where it does not run. */
void td_doctor_probe(struct td_doctor_tree *tree, const struct td_doctor_host *host);
/* Does a process of this name run? (NetworkManager, systemd-networkd) */
bool td_doctor_probe_runs(struct td_doctor_tree *tree, const char *name);

/* What was found, about `object`; `fmt` is what was seen. The effect and what to do are the reason's. */
struct td_doctor_finding *td_doctor_find(struct td_doctor *doctor, enum td_doctor_reason reason, const char *object, const char *fmt, ...)
	TD_PRINTF(4, 5);
/* More exact words for what to do. A NULL finding (no memory, too many) is passed over. */
void td_doctor_advise(struct td_doctor_finding *finding, const char *fmt, ...) TD_PRINTF(2, 3);
/* The check found nothing wrong; one line says what it saw. */
void td_doctor_fine(struct td_doctor *doctor, const char *object, const char *fmt, ...) TD_PRINTF(3, 4);

/* A list of names as text, "a, b, c and 4 more": as many as fit well on a line. */
struct td_doctor_words {
	char text[160];
	unsigned count, shown;
};
void td_doctor_words_add(struct td_doctor_words *words, const char *fmt, ...) TD_PRINTF(2, 3);
const char *td_doctor_words_text(struct td_doctor_words *words); /* "" for none */

/* The checks; each file holds those of one subject. */
void td_doctor_check_root(struct td_doctor *doctor);	/* doctor.c */
void td_doctor_check_reading(struct td_doctor *doctor); /* the last: it counts what the others met */
void td_doctor_check_kernel(struct td_doctor *doctor);	/* doctor_kernel.c */
void td_doctor_check_clock(struct td_doctor *doctor);
void td_doctor_check_kvm(struct td_doctor *doctor); /* doctor_kvm.c */
void td_doctor_check_paging(struct td_doctor *doctor);
void td_doctor_check_iommu(struct td_doctor *doctor); /* doctor_iommu.c */
void td_doctor_check_interrupts(struct td_doctor *doctor);
void td_doctor_check_groups(struct td_doctor *doctor);
void td_doctor_check_acs(struct td_doctor *doctor);
void td_doctor_check_vfio(struct td_doctor *doctor);  /* doctor_vfio.c */
void td_doctor_check_sriov(struct td_doctor *doctor); /* doctor_sriov.c */
void td_doctor_check_vfs(struct td_doctor *doctor);
void td_doctor_check_links(struct td_doctor *doctor);
void td_doctor_check_memory(struct td_doctor *doctor); /* doctor_memory.c */
void td_doctor_check_limits(struct td_doctor *doctor);
void td_doctor_check_emulated(struct td_doctor *doctor); /* doctor_network.c */
void td_doctor_check_bridges(struct td_doctor *doctor);
void td_doctor_check_managers(struct td_doctor *doctor);

#endif
