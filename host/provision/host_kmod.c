/* SPDX-License-Identifier: Apache-2.0 */
/* host_kmod.c - libkmod's calls through a table that is filled by dlsym(3); their types are the header's own. */
#include "host/provision/host_kmod.h"

#include <dlfcn.h>
#include <errno.h>
#include <libkmod.h>
#include <string.h>
#include <unistd.h>

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

struct kmod {
	void *library;
	struct kmod_ctx *ctx;
#define CALL_MEMBER(name) __typeof__(name) *name;
	CALLS(CALL_MEMBER)
#undef CALL_MEMBER
};

static bool find_call(void *library, const char *name, void *member)
{
	void *address = dlsym(library, name);
	memcpy(member, &address, sizeof(address)); /* ISO C knows no cast from object to function */
	return address;
}

static void close_kmod(struct kmod *kmod)
{
	if (kmod->ctx)
		kmod->kmod_unref(kmod->ctx);
	if (kmod->library)
		dlclose(kmod->library);
	*kmod = (struct kmod){0};
}

static int open_kmod(struct kmod *kmod, struct td_err *err)
{
	*kmod = (struct kmod){.library = dlopen("libkmod.so.2", RTLD_NOW | RTLD_LOCAL)};
	bool all = kmod->library != NULL;
#define CALL_FIND(name) all = all && find_call(kmod->library, #name, &kmod->name);
	CALLS(CALL_FIND)
#undef CALL_FIND
	if (all)
		kmod->ctx = kmod->kmod_new(NULL, NULL);
	if (kmod->ctx)
		return 0;
	close_kmod(kmod);
	(void)td_err_set(err, ENOENT, TD_REASON_MODULE, "libkmod.so.2: not there: apt-get install libkmod2");
	return -ENOENT;
}

static struct kmod_list *look_up(struct kmod *kmod, const char *name)
{
	struct kmod_list *list = NULL;
	return kmod->kmod_module_new_from_lookup(kmod->ctx, name, &list) < 0 ? NULL : list;
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
		struct kmod_module *module = kmod.kmod_module_get_module(list);
		state = kmod.kmod_module_get_initstate(module);
		kmod.kmod_module_unref(module);
		kmod.kmod_module_unref_list(list);
	}
	close_kmod(&kmod);
	return state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE;
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
	for (struct kmod_list *item = list; item && !r; item = kmod.kmod_list_next(list, item)) {
		struct kmod_module *module = kmod.kmod_module_get_module(item);
		int problem = kmod.kmod_module_probe_insert_module(module, KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY, NULL, NULL, NULL, NULL);
		if (problem < 0 && problem != -EEXIST)
			r = td_err_sys(err, -problem, TD_REASON_MODULE, "module %s: load", name);
		kmod.kmod_module_unref(module);
	}
	if (list)
		kmod.kmod_module_unref_list(list);
	close_kmod(&kmod);
	return r;
}
