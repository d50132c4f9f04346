/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_run.c - tandem run: one VM in the foreground, from its file or its flags to its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "config/schema.h"
#include "config/vm_schema.h"
#include "core/log.h"
#include "machine/machine.h"
#include "machine/rundir.h"

static int cmd_run_print_help(void)
{
	puts("usage: tandem run [VM.yaml] [FLAG VALUE]...\n"
	     "\n"
	     "Runs one VM in the foreground. Flags say the same as the file's keys and come after them: tandem.yaml(5).\n"
	     "Ctrl-A x ends a VM whose serial port is the terminal. The exit status is the guest's: tandem-run(1).\n"
	     "\n"
	     "  tandem run web1.yaml\n"
	     "  tandem run --kernel vmlinuz --initramfs initrd --cmdline console=ttyS0 --cpus boot=2 --memory size=1G \\\n"
	     "             --net id=net0,mode=failover,bridge=br0,pf=pf0\n"
	     "\n"
	     "flags:");
	td_schema_print_flags(td_vm_config_keys(), stdout);
	return 0;
}

static int cmd_run_run_machine(const struct td_vm_file_config *config, const char *run_dir, int *ret_status, struct td_err *err)
{
	struct td_machine *machine = calloc(1, sizeof(*machine));

	if (!machine)
		return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
	int rc = td_machine_init(machine, config, run_dir, err);
	if (!rc)
		rc = td_machine_run(machine, ret_status, err);
	td_machine_fini(machine);
	free(machine);
	return rc;
}

static int cmd_run_run(const struct td_vm_file_config *config, int *ret_status, struct td_err *err)
{
	struct td_rundir dir;
	char root[TD_RUNDIR_PATH_MAX];
	int rc = td_rundir_root(root, err);

	if (rc)
		return rc;
	if (td_rundir_recover(root, err))
		td_warn("%s [%s]", err->text, td_reason_name(err->reason)); /* what another VM left does not stop this one */
	rc = td_rundir_create(&dir, root, config->name, err);
	if (rc)
		return rc;
	rc = cmd_run_run_machine(config, dir.path, ret_status, err);
	td_rundir_remove(&dir);
	return rc;
}

int td_cmd_run(int argc, char **argv)
{
	struct td_vm_file_config config;
	struct td_err err = {0};
	int status = 0;

	if (td_vm_config_wants_help(argc, argv))
		return cmd_run_print_help();
	if (td_vm_config_from_args(&config, argc, argv, &err))
		return td_cmd_fail(&err);
	td_log_set_level(config.log_level);
	int rc = cmd_run_run(&config, &status, &err);
	td_vm_config_fini(&config);
	return rc ? td_cmd_fail(&err) : status;
}
