/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_host_doctor.c - tandem host doctor: options, and the findings as text or JSON. What is checked is in host/doctor*.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "core/json.h"
#include "host/doctor/doctor.h"
#include "host/doctor/doctor_files.h"
#include "host/doctor/doctor_record.h"

/* ---- text ---- */

static void cmd_host_doctor_print_finding(const struct td_doctor_finding *finding)
{
	const struct td_doctor_reason_info *info = td_doctor_reason_info(finding->reason);
	const char *severity = td_doctor_severity_name(info->severity);

	if (finding->reason == TD_DOCTOR_OK) {
		bool whole = !strcmp(finding->object, "host");

		printf("%-6s %s: %s%s%s\n", severity, finding->check, whole ? "" : finding->object, whole ? "" : ": ", finding->seen);
		return;
	}
	printf("%-6s %s: %s [%s]\n       %s\n       try: %s\n", severity, finding->check, finding->seen, info->name, info->effect,
		finding->remedy);
}

static void cmd_host_doctor_print_text(const struct td_doctor_report *report)
{
	const unsigned *by = report->by_severity;

	for (unsigned severity = 0; severity <= TD_DOCTOR_FINE; severity++)
		for (unsigned i = 0; i < report->count; i++)
			if (td_doctor_reason_info(report->finding[i].reason)->severity == severity)
				cmd_host_doctor_print_finding(&report->finding[i]);
	if (!by[TD_DOCTOR_STOPS] && !by[TD_DOCTOR_SLOWS])
		printf("\nThis host is ready for VMs with VFs.\n");
	else
		printf("\n%u %s VMs or their VFs, %u %s speed, %u to know.\n", by[TD_DOCTOR_STOPS],
			by[TD_DOCTOR_STOPS] == 1 ? "stops" : "stop", by[TD_DOCTOR_SLOWS], by[TD_DOCTOR_SLOWS] == 1 ? "costs" : "cost",
			by[TD_DOCTOR_NOTE]);
}

/* ---- JSON ---- */

static json_t *finding_json(const struct td_doctor_finding *finding)
{
	const struct td_doctor_reason_info *info = td_doctor_reason_info(finding->reason);
	json_t *object = json_pack("{s:s, s:s, s:o, s:o, s:o}", "severity", td_doctor_severity_name(info->severity), "reason", info->name,
		"check", td_json_text(finding->check), "object", td_json_text(finding->object), "seen", td_json_text(finding->seen));

	if (finding->reason != TD_DOCTOR_OK) {
		json_object_set_new(object, "effect", json_string(info->effect));
		json_object_set_new(object, "try", td_json_text(finding->remedy));
	}
	return object;
}

static void cmd_host_doctor_print_json(const struct td_doctor_report *report)
{
	json_t *findings = json_array(), *counts = json_object();

	for (unsigned severity = 0; severity <= TD_DOCTOR_FINE; severity++)
		json_object_set_new(counts, td_doctor_severity_name(severity), json_integer(report->by_severity[severity]));
	for (unsigned i = 0; i < report->count; i++)
		json_array_append_new(findings, finding_json(&report->finding[i]));
	json_t *all = json_pack("{s:b, s:o, s:o}", "ready", !report->by_severity[TD_DOCTOR_STOPS], "counts", counts, "findings", findings);
	td_client_print_json(all);
	json_decref(all);
}

/* ---- the reference ---- */

/* In a cell of a Markdown table. */
static void cmd_host_doctor_print_cell(FILE *out, const char *text)
{
	for (fputc(' ', out); *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs(" |", out);
}

static void cmd_host_doctor_print_rows(FILE *out, enum td_doctor_severity severity, const char *title)
{
	fprintf(out, "\n### %s\n\n| reason | what it means | what to do | `tandem run` says |\n|---|---|---|---|\n", title);
	for (unsigned i = TD_DOCTOR_OK + 1; i < TD_DOCTOR_REASON_COUNT; i++) {
		const struct td_doctor_reason_info *info = td_doctor_reason_info((enum td_doctor_reason)i);

		if (info->severity != severity)
			continue;
		fprintf(out, "| `%s` |", info->name);
		cmd_host_doctor_print_cell(out, info->effect);
		cmd_host_doctor_print_cell(out, info->remedy);
		cmd_host_doctor_print_cell(out, info->run == TD_REASON_NONE ? "" : td_reason_name(info->run));
		fputc('\n', out);
	}
}

void td_host_doctor_print_reference(FILE *out)
{
	const struct td_doctor_check *check;
	const char *pattern;

	fputs("# What tandem host doctor checks\n\n"
	      "This file is printed by `tandem print doctor`, and a test keeps it so. The command itself: `man tandem-host-doctor`.\n\n"
	      "## Checks\n\nIn this order; each says one line where it found nothing wrong.\n\n| check | looks at |\n|---|---|\n",
		out);
	for (unsigned i = 0; (check = td_doctor_check(i)); i++)
		fprintf(out, "| `%s` | %s |\n", check->name, check->what);
	fputs("\n## Findings\n\n"
	      "Reasons are stable: scripts may match them (`reason` in `--json`). `{}` stands for the finding's object, an interface or a\n"
	      "device. Where a check sees more, it says more exactly what to do than stands here.\n",
		out);
	cmd_host_doctor_print_rows(out, TD_DOCTOR_STOPS, "stops: VMs, their VFs or their emulated NICs cannot work; exit status 1");
	cmd_host_doctor_print_rows(out, TD_DOCTOR_SLOWS, "slows: they work, slower or with losses");
	cmd_host_doctor_print_rows(out, TD_DOCTOR_NOTE, "note: good to know");
	fputs("\n## What is read\n\n"
	      "These files alone, of most of them certain lines only, and links and lists of names beside them. `--record` keeps just "
	      "that.\n\n",
		out);
	for (unsigned i = 0; (pattern = td_doctor_files_pattern(i)); i++)
		fprintf(out, "- `%s`\n", pattern);
}

/* ---- the command ---- */

static int cmd_host_doctor_examine(const struct td_cmd_options *options, int *ret_status, struct td_err *err)
{
	struct td_doctor_tree *tree = NULL;
	struct td_doctor_report report;
	int rc = td_doctor_tree_open(options->root, &tree, err);

	if (rc)
		return rc;
	rc = td_doctor_examine(tree, &report, err);
	if (!rc) {
		if (options->record)
			rc = td_doctor_record_save(td_doctor_tree_store(tree), options->record, err);
		if (!rc || !options->json) /* JSON has room for one answer */
			(options->json ? cmd_host_doctor_print_json : cmd_host_doctor_print_text)(&report);
		*ret_status = report.by_severity[TD_DOCTOR_STOPS] ? TD_EXIT_FAILED : 0;
		if (report.count && report.finding[0].reason == TD_DOCTOR_NO_HOST)
			*ret_status = TD_EXIT_USAGE; /* there was nothing to look at */
		if (!rc && options->record)
			fprintf(stderr, "tandem: the record is in %s\n", options->record);
		td_doctor_report_fini(&report);
	}
	td_doctor_tree_close(tree);
	return rc;
}

int td_cmd_host_doctor(const struct td_cmd_options *options, struct td_err *err)
{
	int status = 0, rc = cmd_host_doctor_examine(options, &status, err);

	return rc ? rc : status;
}
