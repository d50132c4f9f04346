/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: a VM's YAML file. What is refused says why, in text that a terminal can take; what is taken holds the limits. */
#include <stdlib.h>
#include <string.h>

#include "config/vm_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	if (td_vm_config_from_yaml(&config, "f", (const char *)data, size, &err)) {
		require(err.code < 0 && err.reason != TD_REASON_NONE && *err.text);
		for (const char *c = err.text; *c; c++)
			require((unsigned char)*c >= 0x20 && *c != 0x7f);
		return 0;
	}
	require(config.cpus >= 1 && config.memory_bytes % 4096 == 0 && config.kernel && config.name);
	require(strlen(config.name) <= TD_VM_NAME_MAX && !strchr(config.name, '/'));
	require(config.net_count <= TD_VM_NETS_MAX && config.disk_count <= TD_VM_DISKS_MAX);
	for (unsigned i = 0; i < config.net_count; i++)
		require(config.net[i].id && !(config.net[i].mac[0] & 1));
	td_vm_config_fini(&config);
	return 0;
}
