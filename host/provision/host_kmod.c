/* SPDX-License-Identifier: Apache-2.0 */
/* host_kmod.c - libkmod, opened where it is used (host/sys/host_library.h). */
#include "host/provision/host_kmod.h"

#include <dlfcn.h>
#include <errno.h>
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

bool td_host_kmod_loaded(const char *name)
{
	char path[96];
	struct kmod kmod;
	int state = -1;
	snprintf(path, sizeof(path), "/sys/module/%s", name);
	for (char *c = path + strlen("/sys/module/"); *c; c++)
		*c = *c == '-' ? '_' : *c;
	if (!access(path, F_OK))
		return true;
	/* Built-in ones without parameters are not in /sys. */
	if (open_kmod(&kmod, NULL))
		return false;
	struct kmod_list *list = look_up(&kmod, name);
	if (list) {
		struct kmod_module *module = kmod.calls.kmod_module_get_module(list);
		state = kmod.calls.kmod_module_get_initstate(module);
		kmod.calls.kmod_module_unref(module);
		kmod.calls.kmod_module_unref_list(list);
	}
	close_kmod(&kmod);
	return state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE;
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
		int problem =
			kmod.calls.kmod_module_probe_insert_module(
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
