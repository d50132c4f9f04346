/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.c - the table of checks, running them, and how findings are filled. */
#include "host/doctor/doctor.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/doctor/doctor_host.h"

#define FINDINGS_MAX 1000U /* a hostile tree could yield any number */

static const struct td_doctor_reason_info reasons[] = {
#define REASON_ROW(symbol, name, severity, run, effect, remedy) \
	[TD_DOCTOR_##symbol] = {name, TD_DOCTOR_##severity, TD_REASON_##run, effect, remedy},
	TD_DOCTOR_FINDINGS(REASON_ROW)
#undef REASON_ROW
};

static_assert(TD_COUNT(reasons) == TD_DOCTOR_REASON_COUNT, "one row for each reason");

static const struct {
	struct td_doctor_check about;
	void (*run)(struct td_doctor *doctor);
} checks[] = {
	{{"host", "is there a host to look at"}, td_doctor_check_root},
	{{"kernel", "options and modules that VMs need, lockdown"}, td_doctor_check_kernel},
	{{"kvm", "firmware switches, /dev/kvm and access to it, what this kernel's KVM is slow at"}, td_doctor_check_kvm},
	{{"paging", "nested paging, posted interrupts, VMs inside VMs"}, td_doctor_check_paging},
	{{"clock", "the host's clock source"}, td_doctor_check_clock},
	{{"iommu", "there, on, and how the host's own DMA goes through it"}, td_doctor_check_iommu},
	{{"interrupts", "interrupt remapping"}, td_doctor_check_interrupts},
	{{"groups", "who shares an IOMMU group with a PF or a VF"}, td_doctor_check_groups},
	{{"acs", "bridges above a PF that do not keep devices apart"}, td_doctor_check_acs},
	{{"vfio", "vfio-pci, /dev/vfio and access to it"}, td_doctor_check_vfio},
	{{"sriov", "cards that can have VFs, how many, addresses for their BARs"}, td_doctor_check_sriov},
	{{"vfs", "VFs made: who has them, reset, MACs, drivers that grab them"}, td_doctor_check_vfs},
	{{"links", "PFs that are down or without carrier"}, td_doctor_check_links},
	{{"memory", "huge pages"}, td_doctor_check_memory},
	{{"limits", "locked memory, privileges, the cgroup's limits"}, td_doctor_check_limits},
	{{"emulated", "what emulated NICs need: tun, vhost-net"}, td_doctor_check_emulated},
	{{"bridges", "uplinks that are PFs with VFs, firewalls on bridges"}, td_doctor_check_bridges},
	{{"managers", "NetworkManager, systemd-networkd, ifupdown at VFs or bridges"}, td_doctor_check_managers},
	{{"reading", "what this user may not read, so that it was not checked"}, td_doctor_check_reading},
};

const struct td_doctor_reason_info *td_doctor_reason_info(enum td_doctor_reason reason)
{
	return &reasons[(unsigned)reason < TD_DOCTOR_REASON_COUNT ? reason : TD_DOCTOR_OK];
}

const struct td_doctor_check *td_doctor_check(unsigned index)
{
	return index < TD_COUNT(checks) ? &checks[index].about : NULL;
}

const char *td_doctor_severity_name(enum td_doctor_severity severity)
{
	static const char *const names[] = {"stops", "slows", "note", "ok"};
	return names[(unsigned)severity < TD_COUNT(names) ? severity : TD_DOCTOR_FINE];
}

/* ---- findings ---- */

/* Names of files and what stood in them came from anywhere. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* "{}" becomes the object. */
static void fill_remedy(struct td_doctor_finding *finding, const char *remedy)
{
	size_t used = 0;
	for (const char *hole; (hole = strstr(remedy, "{}")) && used < sizeof(finding->remedy); remedy = hole + 2)
		used += (size_t)snprintf(
			finding->remedy + used, sizeof(finding->remedy) - used, "%.*s%s", (int)(hole - remedy), remedy, finding->object);
	if (used < sizeof(finding->remedy))
		snprintf(finding->remedy + used, sizeof(finding->remedy) - used, "%s", remedy);
}

static struct td_doctor_finding *new_finding(struct td_doctor_report *report)
{
	if (report->count % 32 == 0) {
		struct td_doctor_finding *more = reallocarray(report->finding, report->count + 32, sizeof(*more));
		if (!more)
			return NULL;
		report->finding = more;
	}
	return &report->finding[report->count++];
}

static struct td_doctor_finding *find_args(
	struct td_doctor *doctor, enum td_doctor_reason reason, const char *object, const char *fmt, va_list args)
{
	if (doctor->report->count >= FINDINGS_MAX)
		return NULL;
	struct td_doctor_finding *finding = new_finding(doctor->report);
	if (!finding) {
		doctor->failed = true;
		return NULL;
	}
	*finding = (struct td_doctor_finding){.reason = reason, .check = doctor->check};
	snprintf(finding->object, sizeof(finding->object), "%s", object);
	vsnprintf(finding->seen, sizeof(finding->seen), fmt, args);
	make_printable(finding->object);
	make_printable(finding->seen);
	fill_remedy(finding, reasons[reason].remedy);
	doctor->report->by_severity[reasons[reason].severity]++;
	return finding;
}

struct td_doctor_finding *td_doctor_find(struct td_doctor *doctor, enum td_doctor_reason reason, const char *object, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	struct td_doctor_finding *finding = find_args(doctor, reason, object, fmt, args);
	va_end(args);
	return finding;
}

void td_doctor_fine(struct td_doctor *doctor, const char *object, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	find_args(doctor, TD_DOCTOR_OK, object, fmt, args);
	va_end(args);
}

void td_doctor_advise(struct td_doctor_finding *finding, const char *fmt, ...)
{
	va_list args;
	if (!finding)
		return;
	va_start(args, fmt);
	vsnprintf(finding->remedy, sizeof(finding->remedy), fmt, args);
	va_end(args);
	make_printable(finding->remedy);
}

void td_doctor_words_add(struct td_doctor_words *words, const char *fmt, ...)
{
	char word[96];
	size_t used = strlen(words->text);
	va_list args;
	va_start(args, fmt);
	vsnprintf(word, sizeof(word), fmt, args);
	va_end(args);
	words->count++;
	if (words->shown + 1 != words->count || used + strlen(word) + 24 > sizeof(words->text))
		return; /* the rest is counted only */
	snprintf(words->text + used, sizeof(words->text) - used, "%s%s", used ? ", " : "", word);
	words->shown++;
}

const char *td_doctor_words_text(struct td_doctor_words *words)
{
	size_t used = strlen(words->text);
	if (words->count > words->shown)
		snprintf(words->text + used, sizeof(words->text) - used, " and %u more", words->count - words->shown);
	words->shown = words->count;
	return words->text;
}

/* ---- the whole ---- */

void td_doctor_check_root(struct td_doctor *doctor)
{
	if (!*doctor->host.release && !td_doctor_tree_exists(doctor->tree, "/sys/bus/pci")) {
		td_doctor_find(doctor, TD_DOCTOR_NO_HOST, "host", "neither /proc nor /sys of a host is below this root");
		return;
	}
	td_doctor_fine(doctor, "host", "Linux %s", *doctor->host.release ? doctor->host.release : "of unknown release");
}

void td_doctor_check_reading(struct td_doctor *doctor)
{
	const char *example;
	unsigned before = doctor->report->count;
	unsigned unreadable = td_doctor_tree_unreadable(doctor->tree, &example);
	if (doctor->host.user_known && doctor->host.uid)
		td_doctor_find(
			doctor, TD_DOCTOR_NOT_ROOT, "host", "asked by user %u, who may not read all that root may", doctor->host.uid);
	if (unreadable)
		td_doctor_find(doctor, TD_DOCTOR_UNREADABLE, "host", "%u %s could not be read: %s%s", unreadable,
			unreadable == 1 ? "file" : "files", example, unreadable > 1 ? ", ..." : "");
	if (doctor->report->count == before)
		td_doctor_fine(doctor, "host", "all that the checks asked for could be read");
}

int td_doctor_examine(struct td_doctor_tree *tree, struct td_doctor_report *ret_report, struct td_err *err)
{
	struct td_doctor doctor = {.tree = tree, .report = ret_report};
	*ret_report = (struct td_doctor_report){0};
	td_doctor_host_read(tree, &doctor.host);
	td_doctor_probe(tree, &doctor.host);
	for (unsigned i = 0; i < TD_COUNT(checks); i++) {
		doctor.check = checks[i].about.name;
		checks[i].run(&doctor);
		if (i == 0 && ret_report->by_severity[TD_DOCTOR_STOPS])
			break; /* nothing to look at: each check would find that, too */
	}
	td_doctor_host_fini(&doctor.host);
	if (!doctor.failed)
		return 0;
	td_doctor_report_fini(ret_report);
	return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "no memory");
}

void td_doctor_report_fini(struct td_doctor_report *report)
{
	free(report->finding);
	*report = (struct td_doctor_report){0};
}
