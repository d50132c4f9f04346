/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_host_apply.c - tandem host plan, apply and status: three ways to look at one list of steps (host/provision/host_apply.h). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmd_verbs.h"
#include "cli/commands.h"
#include "cli/host_fault.h"
#include "cli/host_load.h"
#include "cli/host_print.h"
#include "core/json.h"
#include "host/provision/host_allow.h"

#define EXIT_DIFFERS 2 /* as terraform plan -detailed-exitcode has it; so no error may be 2 here */

/* `detail`, an object or NULL: what JSON says beside the error. */
static int fail(const struct td_err *err, bool json, const json_t *detail)
{
	if (json)
		td_client_print_failure(err, detail);
	td_err_print(stderr, err);
	return TD_EXIT_FAILED;
}

static int print_help(const char *verb, const char *more)
{
	printf("usage: tandem host %s [FILE] %s[--json]\n\nFILE: host.yaml, %s when not given.\n\n", verb, more, TD_HOST_LOAD_FILE);
	if (*more)
		puts("  --force             take VFs and networks away from running VMs (they go to their emulated paths)\n"
		     "  --allow-disconnect  change links that this host is reached by\n"
		     "  --wait SECONDS      wait for the NICs that the file names");
	puts("  --json              the answer as JSON\n\n"
	     "Exit status of plan and status: 0 nothing to do, 2 there is, 1 failed. man tandem-host says more.");
	return 0;
}

/* Parses, loads and looks. *ret_exit is set, and false returned, where there is nothing more to do. */
static bool begin(struct td_host_load *load, struct td_host_load_options *options, struct td_host_look *look, const char *verb, int argc,
	char **argv, int *ret_exit)
{
	struct td_err err = {0};
	bool json = td_cmd_wants_json(argc, argv);
	int r = td_host_load_parse(options, argc, argv, "", &err);
	if (!r && options->help) {
		*ret_exit = print_help(verb, "");
		return false;
	}
	if (!r)
		r = td_host_load(load, options, &err);
	if (r) {
		*ret_exit = fail(&err, json, NULL);
		return false;
	}
	r = td_host_look(&load->engine, look, &err);
	if (r) {
		*ret_exit = fail(&err, json, NULL);
		td_host_load_fini(load);
		return false;
	}
	return true;
}

/* ---- plan */

/* VFs for vfio-pci need an IOMMU, and that is switched on at boot. */
static bool needs_reboot(const struct td_host_config *config)
{
	bool vfio = false, groups = false;
	for (unsigned i = 0; i < config->pool_count; i++)
		vfio = vfio || config->pool[i].device_type == TD_HOST_VFIO_PCI;
	DIR *dir = vfio ? opendir("/sys/kernel/iommu_groups") : NULL;
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		groups = groups || entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return vfio && !groups;
}

static unsigned total_ms(const struct td_host_plan *plan)
{
	unsigned ms = 0;
	for (unsigned i = 0; i < plan->count; i++)
		ms += plan->step[i].estimate_ms;
	return ms;
}

static void print_plan_json(const struct td_host_look *look, bool reboot, const struct td_err *refused, bool unfinished)
{
	json_t *steps = json_array();
	for (unsigned i = 0; i < look->plan.count; i++)
		if (look->plan.step[i].to)
			json_array_append_new(steps, td_host_print_step_json(&look->plan.step[i]));
	json_t *refusal = refused->code
				  ? json_pack("{s:s, s:o}", "reason", td_reason_name(refused->reason), "text", td_json_text(refused->text))
				  : json_null();
	json_t *answer = json_pack("{s:o, s:i, s:b, s:o, s:b}", "changes", steps, "estimate_ms", (int)total_ms(&look->plan), "reboot",
		(int)reboot, "refused", refusal, "unfinished", (int)unfinished);
	td_client_print_json(answer);
	json_decref(answer);
}

static void print_plan(const struct td_host_look *look, bool reboot, const struct td_err *refused, bool unfinished)
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

int td_cmd_host_plan(int argc, char **argv)
{
	struct td_host_load_options options;
	struct td_host_load load;
	struct td_host_look look;
	struct td_err refused = {0};
	int status = 0;
	if (!begin(&load, &options, &look, "plan", argc, argv, &status))
		return status;
	bool reboot = needs_reboot(&load.config), unfinished = load.record.journal.count > 0;
	td_host_kernel_probe_groups(&look);
	(void)td_host_allow(&look.is, &look.want, &look.plan, false, false, &refused);
	(options.json ? print_plan_json : print_plan)(&look, reboot, &refused, unfinished);
	status = td_host_diff_count(&look.plan) || unfinished ? EXIT_DIFFERS : 0;
	td_host_look_fini(&look);
	td_host_load_fini(&load);
	return status;
}

/* ---- status */

int td_cmd_host_status(int argc, char **argv)
{
	struct td_host_load_options options;
	struct td_host_load load;
	struct td_host_look look;
	unsigned off = 0;
	int status = 0;
	if (!begin(&load, &options, &look, "status", argc, argv, &status))
		return status;
	if (options.json) {
		json_t *objects = td_host_print_status_json(&look, &off);
		json_t *answer = json_pack("{s:b, s:b, s:o}", "in_sync", (int)(off == 0), "unfinished",
			(int)(load.record.journal.count > 0), "objects", objects);
		td_client_print_json(answer);
		json_decref(answer);
	} else {
		off = td_host_print_status(&look);
		if (load.record.journal.count)
			puts("An earlier apply was cut off: tandem host apply finishes it.");
		if (off)
			printf("%u of the above differ from %s: tandem host plan says what apply would do.\n", off, options.file);
		else
			printf("In sync with %s.\n", options.file);
	}
	td_host_look_fini(&look);
	bool unfinished = load.record.journal.count > 0;
	td_host_load_fini(&load);
	return off || unfinished ? EXIT_DIFFERS : 0;
}

/* ---- apply */

struct progress {
	json_t *steps;	/* those that were done; NULL: lines of text */
	json_t *undone; /* last first */
	json_t *failed; /* or NULL */
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

static void show(
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

static int apply(struct td_host_load *load, const struct td_host_load_options *options, unsigned *ret_changes, struct td_err *err)
{
	struct td_host_look look;
	td_auto_close int lock = -1;
	int r = td_host_load_lock(load, &lock, err);
	/* The record may have changed until the lock was ours. */
	if (!r) {
		td_host_record_fini(&load->record);
		r = td_host_record_load(load->run_dir, &load->record, err);
	}
	if (!r && options->wait_s)
		r = td_host_load_wait(load, options->wait_s, err);
	if (!r)
		r = td_host_look(&load->engine, &look, err);
	if (r)
		return r;
	td_host_kernel_probe_groups(&look);
	*ret_changes = td_host_diff_count(&look.plan);
	r = td_host_apply(&load->engine, &look, err);
	td_host_kernel_guard(&load->kernel, &look);
	td_host_look_fini(&look);
	return r ? r : td_host_load_check_unchanged(load, options->file, err);
}

static void print_applied(const struct progress *progress, unsigned changes, uint64_t start_ns)
{
	double ms = (double)(td_now_ns() - start_ns) / 1e6;
	if (progress->steps) {
		json_t *answer = json_pack("{s:O, s:i, s:f}", "changes", progress->steps, "changed", (int)changes, "duration_ms", ms);
		td_client_print_json(answer);
		json_decref(answer);
	} else if (changes) {
		printf("%u changes in %.1f s.\n", changes, ms / 1e3);
	} else {
		puts("Nothing to do: the host is as the file says.");
	}
}

static int fail_apply(const struct progress *progress, const struct td_err *err)
{
	json_t *detail = progress->steps ? json_pack("{s:O, s:O?, s:O}", "changes", progress->steps, "failed", progress->failed, "undone",
						   progress->undone)
					 : NULL;
	int status = fail(err, progress->steps, detail);
	json_decref(detail);
	return status;
}

int td_cmd_host_apply(int argc, char **argv)
{
	struct td_host_load_options options;
	struct td_host_load load;
	struct td_err err = {0};
	struct progress progress = {0};
	struct td_host_fault fault;
	unsigned changes = 0;
	uint64_t start_ns = td_now_ns();
	int r = td_host_load_parse(&options, argc, argv, "force allow-disconnect wait", &err);
	if (!r && options.help)
		return print_help("apply", "[--force] [--allow-disconnect] [--wait SECONDS] ");
	if (!r && geteuid())
		r = td_err_set(&err, EPERM, TD_REASON_NEEDS_ROOT, "host apply changes the host");
	if (!r)
		r = td_host_load(&load, &options, &err);
	if (r)
		return fail(&err, td_cmd_wants_json(argc, argv), NULL);
	if (options.json) {
		progress.steps = json_array();
		progress.undone = json_array();
	}
	load.engine.progress = show;
	load.engine.progress_opaque = &progress;
	td_host_fault_install(&fault, &load.engine);
	r = apply(&load, &options, &changes, &err);
	td_host_load_fini(&load);
	if (!r)
		print_applied(&progress, changes, start_ns);
	else
		r = fail_apply(&progress, &err);
	json_decref(progress.steps);
	json_decref(progress.undone);
	json_decref(progress.failed);
	return r;
}
