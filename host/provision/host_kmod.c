/* SPDX-License-Identifier: Apache-2.0 */
/* host_kmod.c - libkmod, opened where it is used (host/sys/host_library.h). */
#include "host/provision/host_kmod.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libkmod.h>
#include <string.h>
#include <unistd.h>

#include "host/sys/host_library.h"

#define CALLS(X)                           \
	X(kmod_new)                        \
	X(kmod_unref)                      \
	X(kmod_module_new_from_lookup)     \
	X(kmod_module_get_module)          \
	X(kmod_module_get_initstate)       \
	X(kmod_module_get_path)            \
	X(kmod_module_probe_insert_module) \
	X(kmod_module_unref)               \
	X(kmod_module_unref_list)          \
	X(kmod_list_next)

struct calls {
	CALLS(TD_HOST_LIBRARY_MEMBER)
};

struct kmod {
	void *library;
	struct kmod_ctx *ctx;
	struct calls calls;
};

static void close_kmod(struct kmod *kmod)
{
	if (kmod->ctx)
		kmod->calls.kmod_unref(kmod->ctx);
	if (kmod->library)
		dlclose(kmod->library);
	*kmod = (struct kmod){0};
}

static int open_kmod(struct kmod *kmod, struct td_err *err)
{
	static const struct td_host_library_call names[] = {CALLS(TD_HOST_LIBRARY_CALL)};

	*kmod = (struct kmod){.library = NULL};
	int rc = td_host_library_open(
		"libkmod.so.2", "libkmod2", TD_REASON_MODULE, names, TD_COUNT(names), &kmod->calls, &kmod->library, err);
	if (rc)
		return rc;
	kmod->ctx = kmod->calls.kmod_new(NULL, NULL);
	if (kmod->ctx)
		return 0;
	close_kmod(kmod);
	return td_err_set(err, ENOMEM, TD_REASON_MODULE, "libkmod: out of memory");
}

static struct kmod_list *look_up(struct kmod *kmod, const char *name)
{
	struct kmod_list *list = NULL;
	return kmod->calls.kmod_module_new_from_lookup(kmod->ctx, name, &list) < 0 ? NULL : list;
}

static bool is_in_sysfs(const char *name)
{
	char path[96];
	snprintf(path, sizeof(path), "/sys/module/%s", name);
	for (char *c = path + strlen("/sys/module/"); *c; c++)
		*c = *c == '-' ? '_' : *c;
	return !access(path, F_OK);
}

static bool is_disabled(void)
{
	char text[4] = "";
	td_auto_close int fd = open("/proc/sys/kernel/modules_disabled", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && *text == '1';
}

static enum td_host_kmod_state state_of(struct kmod *kmod, struct kmod_module *module)
{
	int state = kmod->calls.kmod_module_get_initstate(module);
	const char *path = kmod->calls.kmod_module_get_path(module);
	if (state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE)
		return TD_HOST_KMOD_LOADED;
	if (path && access(path, F_OK)) /* modules.dep still names it */
		return TD_HOST_KMOD_NONE;
	return is_disabled() ? TD_HOST_KMOD_DISABLED : TD_HOST_KMOD_KNOWN;
}

enum td_host_kmod_state td_host_kmod_look(const char *name)
{
	struct kmod kmod;
	enum td_host_kmod_state state = TD_HOST_KMOD_NONE;
	if (is_in_sysfs(name))
		return TD_HOST_KMOD_LOADED;
	/* Built-in ones without parameters are not in /sys. */
	if (open_kmod(&kmod, NULL))
		return TD_HOST_KMOD_UNSURE;
	struct kmod_list *list = look_up(&kmod, name);
	if (list) {
		struct kmod_module *module = kmod.calls.kmod_module_get_module(list);
		state = state_of(&kmod, module);
		kmod.calls.kmod_module_unref(module);
		kmod.calls.kmod_module_unref_list(list);
	}
	close_kmod(&kmod);
	return state;
}

/* By default it makes a bond0 as it is loaded, which is nobody's; bonds are made by netlink. */
static const char *options_of(const char *name)
{
	return strcmp(name, "bonding") ? NULL : "max_bonds=0";
}

int td_host_kmod_load(const char *name, struct td_err *err)
{
	struct kmod kmod;
	int r = open_kmod(&kmod, err);
	if (r)
		return r;
	struct kmod_list *list = look_up(&kmod, name);
	if (!list)
		r = td_err_set(err, ENOENT, TD_REASON_MODULE, "module %s: this kernel has none of this name", name);
	for (struct kmod_list *item = list; item && !r; item = kmod.calls.kmod_list_next(list, item)) {
		struct kmod_module *module = kmod.calls.kmod_module_get_module(item);
		int problem = kmod.calls.kmod_module_probe_insert_module(
			module, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY, options_of(name), NULL, NULL, NULL);
		if (problem < 0 && problem != -EEXIST)
			r = td_err_sys(err, -problem, TD_REASON_MODULE, "module %s: load", name);
		kmod.calls.kmod_module_unref(module);
	}
	if (list)
		kmod.calls.kmod_module_unref_list(list);
	close_kmod(&kmod);
	return r;
}
