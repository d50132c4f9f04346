/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_kernel.c - checks of the running kernel: how it was built, whether its modules are still there, lockdown, clock source. */
#include <ctype.h>
#include <string.h>

#include "host/doctor/doctor_files.h"
#include "host/doctor/doctor_host.h"

enum answer { UNKNOWN, YES, NO };

/* "CONFIG_VFIO=m" or "# CONFIG_VFIO is not set" in the kernel's configuration; what is not named there is not set either. */
static enum answer ask_config(const char *config, const char *option)
{
	char line[64];
	if (!config)
		return UNKNOWN;
	int len = snprintf(line, sizeof(line), "CONFIG_%s=", option);
	for (const char *at = config; (at = strstr(at, line)); at += len)
		if (at == config || at[-1] == '\n')
			return at[len] == 'y' || at[len] == 'm' ? YES : NO;
	return NO;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);
	for (const char *at = text; at && (at = strstr(at, line)); at += len)
		if ((at == text || at[-1] == '\n') && (!at[len] || at[len] == '\n'))
			return true;
	return false;
}

struct kernel_files {
	const char *config, *builtin, *modules;
};

/* Loaded, or there to be loaded, or built in. Without the kernel's files a module that is not loaded may be there all the same. */
static enum answer ask_modules(struct td_doctor *doctor, const struct kernel_files *files, const char *module)
{
	char name[32];
	snprintf(name, sizeof(name), "%s", module);
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : *c;
	if (td_doctor_tree_exists(doctor->tree, "/sys/module/%s", name))
		return YES;
	if (has_line(files->builtin, module) || has_line(files->modules, module))
		return YES;
	return files->builtin && files->modules ? NO : UNKNOWN;
}

static void check_option(struct td_doctor *doctor, const struct kernel_files *files, const struct td_doctor_option *option)
{
	static const enum td_doctor_reason reasons[] = {[TD_DOCTOR_NEED_PASSTHROUGH] = TD_DOCTOR_KERNEL_OPTION,
		[TD_DOCTOR_NEED_INTEL] = TD_DOCTOR_KERNEL_OPTION,
		[TD_DOCTOR_NEED_AMD] = TD_DOCTOR_KERNEL_OPTION,
		[TD_DOCTOR_NEED_SPEED] = TD_DOCTOR_KERNEL_OPTION_SPEED,
		[TD_DOCTOR_NEED_NETWORK] = TD_DOCTOR_KERNEL_OPTION_NETWORK};
	char object[64];
	enum td_doctor_vendor vendor = doctor->host.vendor;
	if ((option->need == TD_DOCTOR_NEED_INTEL && vendor != TD_DOCTOR_INTEL) ||
		(option->need == TD_DOCTOR_NEED_AMD && vendor != TD_DOCTOR_AMD))
		return;
	enum answer answer = ask_config(files->config, option->name);
	if (answer == UNKNOWN && option->module)
		answer = ask_modules(doctor, files, option->module);
	if (answer != NO)
		return;
	snprintf(object, sizeof(object), "CONFIG_%s", option->name);
	td_doctor_find(doctor, reasons[option->need], object, "Linux %s has no %s (%s)", doctor->host.release, object, option->what_for);
}

static void read_files(struct td_doctor *doctor, struct kernel_files *files)
{
	const char *release = doctor->host.release;
	files->config = td_doctor_tree_text(doctor->tree, "/boot/config-%s", release);
	if (!files->config)
		files->config = td_doctor_tree_text(doctor->tree, "/lib/modules/%s/config", release);
	if (!files->config)
		files->config = td_doctor_tree_text(doctor->tree, "/proc/config.gz");
	files->builtin = td_doctor_tree_text(doctor->tree, "/lib/modules/%s/modules.builtin", release);
	files->modules = td_doctor_tree_text(doctor->tree, "/lib/modules/%s/modules.dep", release);
}

static void check_lockdown(struct td_doctor *doctor)
{
	const char *text = td_doctor_tree_text(doctor->tree, "/sys/kernel/security/lockdown");
	const char *mode = text ? strchr(text, '[') : NULL;
	if (mode && strncmp(mode, "[none]", 6) != 0)
		td_doctor_find(doctor, TD_DOCTOR_KERNEL_LOCKDOWN, "host", "the kernel is locked down: %.*s (Secure Boot does that)",
			(int)strcspn(mode, "]") - 1, mode + 1);
}

void td_doctor_check_kernel(struct td_doctor *doctor)
{
	struct kernel_files files;
	unsigned before = doctor->report->count;
	if (!*doctor->host.release)
		return;
	read_files(doctor, &files);
	if (!files.config && !files.modules) {
		struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_KERNEL_OPTIONS_UNKNOWN, "host",
			"neither /boot/config-%s nor /lib/modules/%s nor /proc/config.gz says how it was built", doctor->host.release,
			doctor->host.release);
		td_doctor_advise(finding, "Install the kernel's configuration as /boot/config-%s", doctor->host.release);
	}
	if (!td_doctor_tree_exists(doctor->tree, "/lib/modules/%s", doctor->host.release) &&
		td_doctor_tree_exists(doctor->tree, "/lib/modules"))
		td_doctor_find(doctor, TD_DOCTOR_KERNEL_MODULES_GONE, "host", "Linux %s runs, but /lib/modules/%s is not there",
			doctor->host.release, doctor->host.release);
	for (unsigned i = 0; i < td_doctor_option_count; i++)
		check_option(doctor, &files, &td_doctor_options[i]);
	check_lockdown(doctor);
	if (doctor->report->count == before)
		td_doctor_fine(
			doctor, "host", "%s", files.config ? "all options that VMs need are on" : "all modules that VMs need are there");
}

void td_doctor_check_clock(struct td_doctor *doctor)
{
	const char *dir = "/sys/devices/system/clocksource/clocksource0";
	const char *now = td_doctor_tree_text(doctor->tree, "%s/current_clocksource", dir);
	const char *could = td_doctor_tree_text(doctor->tree, "%s/available_clocksource", dir);
	if (!now)
		return;
	if (!strcmp(now, "tsc") || !strcmp(now, "kvm-clock") || !strncmp(now, "hyperv", 6)) {
		td_doctor_fine(doctor, "host", "clock source %s", now);
		return;
	}
	struct td_doctor_finding *finding = td_doctor_find(doctor, TD_DOCTOR_CLOCK_NOT_TSC, "host",
		"the clock source is %.32s, not tsc (to be had: %.80s)", now, could ? could : "unknown");
	if (could && strstr(could, "tsc"))
		td_doctor_advise(finding, "echo tsc >%s/current_clocksource; for good: clocksource=tsc on the kernel's command line", dir);
}
