/* SPDX-License-Identifier: Apache-2.0 */
/* host_library.c - see host_library.h. */
#include "host/sys/host_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int td_host_library_open(const char *soname, const char *package, enum td_reason reason, const struct td_host_library_call *calls,
	unsigned count, void *table, void **ret_library, struct td_err *err)
{
	void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
	bool all = library != NULL;

	for (unsigned i = 0; all && i < count; i++) {
		void *address = dlsym(library, calls[i].name);

		memcpy((char *)table + calls[i].offset, &address, sizeof(address)); /* ISO C knows no cast from object to function */
		all = address != NULL;
	}
	if (!all) {
		if (library)
			dlclose(library);
		return td_err_set(err, ENOENT, reason, "%s: not there: apt-get install %s", soname, package);
	}
	*ret_library = library;
	return 0;
}
