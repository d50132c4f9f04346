/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_host_apply.c - tandem host plan, apply and status: three ways to look at one list of steps (host/provision/host_apply.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/host_load.h"
#include "cli/host_print.h"
#include "core/json.h"
#include "host/provision/host_able.h"
#include "host/provision/host_allow.h"

#define EXIT_DIFFERS 2 /* as terraform plan -detailed-exitcode has it; so no error may be 2 here */

/* Loads and looks: what plan and status begin with. */
static int host_begin(struct td_host_load *load, const struct td_cmd_options *options, struct td_host_look *look, struct td_err *err)
{
	int rc = td_host_load(load, options->word[0], err);

	if (rc)
		return rc;
	rc = td_host_look(&load->engine, look, err);
	if (rc)
		td_host_load_fini(load);
	return rc;
}

/* ---- plan */

static unsigned total_ms(const struct td_host_plan *plan)
{
	unsigned ms = 0;

	for (unsigned i = 0; i < plan->count; i++)
		ms += plan->step[i].estimate_ms;
	return ms;
}

static void cmd_host_apply_print_plan_json(const struct td_host_look *look, bool reboot, const struct td_err *refused, bool unfinished)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < look->plan.count; i++)
		if (look->plan.step[i].to)
			json_array_append_new(steps, td_host_print_step_json(&look->plan.step[i]));
	json_t *refusal = refused->code
				  ? json_pack("{s:s, s:o}", "reason", td_reason_name(refused->reason), "text", td_json_text(refused->text))
				  : json_null();
	json_t *answer = json_pack("{s:o, s:i, s:b, s:o, s:b, s:o}", "changes", steps, "estimate_ms", (int)total_ms(&look->plan), "reboot",
		(int)reboot, "refused", refusal, "unfinished", (int)unfinished, "strays", td_host_print_strays_json(look));
	td_client_print_json(answer);
	json_decref(answer);
}

static void cmd_host_apply_print_plan(const struct td_host_look *look, bool reboot, const struct td_err *refused, bool unfinished)
{
	unsigned count = td_host_diff_count(&look->plan), ms = total_ms(&look->plan);

	if (count)
		td_host_print_plan(look);
	if (unfinished)
		puts("An earlier apply was cut off: the next one finishes it, or undoes it when it fails.");
	if (!count)
		puts("Nothing to do: the host is as the file says.");
	else
		printf("%u changes, about %u.%u s.%s\n", count, ms / 1000, ms % 1000 / 100,
			reboot ? " A reboot is needed, with the IOMMU on: vfio-pci needs it (tandem host doctor)."
			       : " No reboot is needed.");
	if (refused->code)
		printf("apply would refuse: %s [%s]\n", refused->text, td_reason_name(refused->reason));
}

int td_cmd_host_plan(const struct td_cmd_options *options, struct td_err *err)
{
	struct td_host_load load;
	struct td_host_look look;
	struct td_err refused = {0};
	int rc = host_begin(&load, options, &look, err);

	if (rc)
		return rc;
	/* VFs for vfio-pci need an IOMMU, and that is switched on at boot. */
	bool reboot = td_host_able_lacks_iommu(&look.is, &look.want), unfinished = load.record.journal.count > 0;
	td_host_kernel_probe_groups(&look);
	(void)td_host_allow(&look.is, &look.want, &look.plan, false, false, &refused);
	(options->json ? cmd_host_apply_print_plan_json : cmd_host_apply_print_plan)(&look, reboot, &refused, unfinished);
	if (!options->json)
		td_host_print_strays(&look, load.run_dir);
	rc = td_host_diff_count(&look.plan) || unfinished ? EXIT_DIFFERS : 0;
	td_host_look_fini(&look);
	td_host_load_fini(&load);
	return rc;
}

/* ---- status */

/* NICs of running VMs whose emulated path does not work, or is not known to. New reference. */
static json_t *sick_paths(void)
{
	json_t *nics = json_array(), *sick = json_array(), *nic;
	size_t i;

	(void)td_client_nics(NULL, nics, NULL);
	json_array_foreach(nics, i, nic)
	{
		json_t *emulated = json_object_get(nic, "emulated");
		const char *health = json_string_value(json_object_get(emulated, "health"));

		if (!health && json_object_get(nic, "state") && strcmp(json_string_value(json_object_get(nic, "state")), "silent") == 0)
			json_array_append_new(sick, json_pack("{s:O, s:n, s:s, s:s}", "vm", json_object_get(nic, "vm"), "nic", "health",
							    "unknown", "text", "the VM does not answer"));
		if (health && strcmp(health, "ok") != 0)
			json_array_append_new(
				sick, json_pack("{s:O, s:O, s:O, s:O}", "vm", json_object_get(nic, "vm"), "nic", json_object_get(nic, "id"),
					      "health", json_object_get(emulated, "health"), "text", json_object_get(emulated, "text")));
	}
	json_decref(nics);
	return sick;
}

static void print_sick(const json_t *sick)
{
	size_t i;
	json_t *nic;

	json_array_foreach((json_t *)(uintptr_t)sick, i, nic)
	{
		char text[4][64];
		const char *why = json_string_value(json_object_get(nic, "text"));

		printf("vm %s, nic %s: emulated path: %s [%s]\n", td_client_cell(nic, "vm", text[0]), td_client_cell(nic, "nic", text[1]),
			why && *why ? why : "nothing is known of it", td_client_cell(nic, "health", text[2]));
	}
}

int td_cmd_host_status(const struct td_cmd_options *options, struct td_err *err)
{
	struct td_host_load load;
	struct td_host_look look;
	unsigned off = 0;
	int rc = host_begin(&load, options, &look, err);

	if (rc)
		return rc;
	json_t *sick = sick_paths();
	if (options->json) {
		json_t *objects = td_host_print_status_json(&look, &off);
		json_t *answer = json_pack("{s:b, s:b, s:o, s:o, s:O}", "in_sync", (int)(off == 0), "unfinished",
			(int)(load.record.journal.count > 0), "objects", objects, "strays", td_host_print_strays_json(&look), "paths",
			sick);

		td_client_print_json(answer);
		json_decref(answer);
	} else {
		off = td_host_print_status(&look);
		if (load.record.journal.count)
			puts("An earlier apply was cut off: tandem host apply finishes it.");
		if (off)
			printf("%u of the above differ from %s: tandem host plan says what apply would do.\n", off, load.engine.file_name);
		else
			printf("In sync with %s%s\n", load.engine.file_name, json_array_size(sick) ? "; but:" : ".");
		td_host_print_strays(&look, load.run_dir);
		print_sick(sick);
	}
	bool well = json_array_size(sick) == 0;
	json_decref(sick);
	td_host_look_fini(&look);
	bool unfinished = load.record.journal.count > 0;
	td_host_load_fini(&load);
	return off || unfinished || !well ? EXIT_DIFFERS : 0;
}

/* ---- apply */

struct progress {
	json_t *steps;	/* those that were done; NULL: lines of text */
	json_t *undone; /* last first */
	json_t *failed; /* or NULL */
	json_t *strays;
};

static void show_text(enum td_host_progress what, const struct td_host_step *step, unsigned index, unsigned count, uint64_t duration_ns)
{
	char text[160];

	td_host_diff_print(step, what == TD_HOST_STEP_UNDONE, text, sizeof(text));
	switch (what) {
	case TD_HOST_STEP_BEGINS:
		printf("[%*u/%u] %s: %s ... ", count > 99 ? 3 : 2, index, count, step->name, text);
		break;
	case TD_HOST_STEP_DONE:
		printf("%.0f ms\n", (double)duration_ns / 1e6);
		break;
	case TD_HOST_STEP_FAILED:
		puts("failed");
		break;
	case TD_HOST_STEP_UNDONE:
		printf("undone: %s: %s\n", step->name, text);
		break;
	}
	fflush(stdout);
}

static void cmd_host_apply_show(
	void *opaque, enum td_host_progress what, const struct td_host_step *step, unsigned index, unsigned count, uint64_t duration_ns)
{
	struct progress *progress = opaque;

	if (!progress->steps) {
		show_text(what, step, index, count, duration_ns);
		return;
	}
	if (what == TD_HOST_STEP_BEGINS)
		return;
	json_t *item = td_host_print_step_json(step);
	if (what == TD_HOST_STEP_FAILED) {
		progress->failed = item;
		return;
	}
	if (what == TD_HOST_STEP_DONE)
		json_object_set_new(item, "duration_ms", json_real((double)duration_ns / 1e6));
	json_array_append_new(what == TD_HOST_STEP_DONE ? progress->steps : progress->undone, item);
}

static int cmd_host_apply_apply(
	struct td_host_load *load, unsigned wait_s, struct progress *progress, unsigned *ret_changes, struct td_err *err)
{
	struct td_host_look look;
	td_auto_close int lock = -1;
	int rc = td_host_load_lock(load, &lock, err);

	/* The record may have changed until the lock was ours. */
	if (!rc) {
		td_host_record_fini(&load->record);
		rc = td_host_record_load(load->run_dir, &load->record, err);
	}
	if (!rc && wait_s)
		rc = td_host_load_wait(load, wait_s, err);
	if (!rc)
		rc = td_host_look(&load->engine, &look, err);
	if (rc)
		return rc;
	td_host_kernel_probe_groups(&look);
	if (progress->steps)
		progress->strays = td_host_print_strays_json(&look);
	else
		td_host_print_strays(&look, load->run_dir);
	*ret_changes = td_host_diff_count(&look.plan);
	rc = td_host_apply(&load->engine, &look, err);
	td_host_kernel_guard(&load->kernel, &look);
	td_host_look_fini(&look);
	return rc ? rc : td_host_load_check_unchanged(load, err);
}

static void cmd_host_apply_print_applied(const struct progress *progress, unsigned changes, uint64_t start_ns)
{
	double ms = (double)(td_now_ns() - start_ns) / 1e6;

	if (progress->steps) {
		json_t *answer = json_pack("{s:O, s:i, s:f, s:O}", "changes", progress->steps, "changed", (int)changes, "duration_ms", ms,
			"strays", progress->strays);

		td_client_print_json(answer);
		json_decref(answer);
	} else if (changes) {
		printf("%u changes in %.1f s.\n", changes, ms / 1e3);
	} else {
		puts("Nothing to do: the host is as the file says.");
	}
}

/* What was done, and undone, as the detail of a failure. */
static json_t *progress_detail(const struct progress *progress)
{
	return json_pack("{s:O, s:O?, s:O, s:O?}", "changes", progress->steps, "failed", progress->failed, "undone", progress->undone,
		"strays", progress->strays);
}

static int parse_wait(const char *text, unsigned *ret_wait_s, struct td_err *err)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || seconds > 3600)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "--wait: give seconds, 0 to 3600");
	*ret_wait_s = (unsigned)seconds;
	return 0;
}

int td_cmd_host_apply(const struct td_cmd_options *options, struct td_err *err)
{
	struct td_host_load load;
	struct progress progress = {0};
	unsigned changes = 0, wait_s = 0;
	uint64_t start_ns = td_now_ns();
	int rc = options->wait ? parse_wait(options->wait, &wait_s, err) : 0;

	if (!rc && geteuid())
		rc = td_err_set(err, EPERM, TD_REASON_NEEDS_ROOT, "host apply changes the host");
	if (!rc)
		rc = td_host_load(&load, options->word[0], err);
	if (rc)
		return rc;
	if (options->json) {
		progress.steps = json_array();
		progress.undone = json_array();
	}
	load.engine.force = options->force;
	load.engine.disconnect = options->disconnect;
	load.engine.progress = cmd_host_apply_show;
	load.engine.progress_opaque = &progress;
	rc = cmd_host_apply_apply(&load, wait_s, &progress, &changes, err);
	td_host_load_fini(&load);
	if (!rc)
		cmd_host_apply_print_applied(&progress, changes, start_ns);
	else if (progress.steps)
		*options->ret_detail = progress_detail(&progress);
	json_decref(progress.steps);
	json_decref(progress.undone);
	json_decref(progress.failed);
	json_decref(progress.strays);
	return rc;
}
