/* SPDX-License-Identifier: Apache-2.0 */
/* host_load.c - the file, the running VMs, the lock. */
#include "cli/host_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "config/host_schema.h"
#include "host/provision/host_hold.h"
#include "host/provision/host_want.h"

#define RELEASE_MS	5000 /* a VF's reset, driver and settings */
#define RELEASE_LOOK_MS 20
#define PARENTS_MAX	16

static int host_load_read_file(const char *file, char **ret_text, size_t *ret_len, struct td_err *err)
{
	struct stat st;
	td_auto_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || fstat(fd, &st))
		return td_err_sys(err, errno, TD_REASON_CONFIG_FILE, "%s: open", file);
	if (!S_ISREG(st.st_mode) || st.st_size > TD_SCHEMA_YAML_MAX)
		return td_err_set(err, EINVAL, TD_REASON_CONFIG_FILE, "%s: not a file of at most %u bytes", file, TD_SCHEMA_YAML_MAX);
	td_auto_free char *text = malloc((size_t)st.st_size + 1);
	ssize_t len = text ? pread(fd, text, (size_t)st.st_size, 0) : -1;
	if (len < 0)
		return td_err_sys(err, text ? errno : ENOMEM, TD_REASON_CONFIG_FILE, "%s: read", file);
	text[len] = '\0';
	*ret_text = td_take_ptr(text);
	*ret_len = (size_t)len;
	return 0;
}

/* A file that was cut off, or is all comments, must not mean to take everything away. */
static int host_load_check_not_empty(const char *file, const char *text, struct td_err *err)
{
	for (const char *at = text; *at; at += strcspn(at, "\n")) {
		at += strspn(at, " \t\r\n");
		if (*at && *at != '#')
			return 0;
	}
	return td_err_set(err, EINVAL, TD_REASON_CONFIG_SYNTAX, "%s: is empty; {} says that nothing is wanted, and takes all away", file);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* Taps of one VM. One that does not answer is starting or ending: its taps are seen as ports, without a name. */
static void collect_vm(struct td_host_load *load, const char *vm)
{
	json_t *nics = NULL, *nic;
	size_t index;

	if (td_client_call(vm, "nic-list", NULL, TD_CLIENT_WAIT_MS, &nics, NULL))
		return;
	json_array_foreach(nics, index, nic)
	{
		const char *tap = text_of(nic, "tap");
		struct td_host_user *more = realloc(load->users, (load->user_count + 1) * sizeof(*more));

		if (!*tap || strlen(tap) >= sizeof(more->tap) || !more)
			continue;
		load->users = more;
		struct td_host_user *user = &load->users[load->user_count++];
		snprintf(user->tap, sizeof(user->tap), "%s", tap);
		snprintf(user->who, sizeof(user->who), "%.63s/%.15s%s", vm, text_of(nic, "id"),
			strcmp(text_of(nic, "path"), "vf") ? "" : " (on its VF)");
	}
	json_decref(nics);
}

static void collect_users(struct td_host_load *load)
{
	td_auto_free struct td_rundir_entry *entries = NULL;
	unsigned count = 0;

	if (td_rundir_list(load->run_dir, &entries, &count, NULL))
		return;
	for (unsigned i = 0; i < count; i++)
		if (entries[i].alive)
			collect_vm(load, entries[i].name);
}

/* ---- a VF taken away by --force */

static void host_load_sleep_ms(unsigned ms)
{
	struct timespec time = {.tv_nsec = (long)ms * 1000000L};

	nanosleep(&time, NULL);
}

static int switch_off_vf(const char *vm, const char *nic, struct td_err *err)
{
	json_t *flip = NULL;
	int rc = td_client_switch(vm, nic, "emulated", true, false, &flip, err);

	json_decref(flip);
	return rc;
}

/* The lock goes when all that the VM changed on the VF is as it was. */
static int wait_for_release(const char *bdf, const char *vm, struct td_err *err)
{
	char root[TD_RUNDIR_PATH_MAX], path[TD_RUNDIR_PATH_MAX + 32];
	int rc = td_rundir_root(root, err);

	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/vf-%s.lock", root, bdf);
	for (unsigned waited = 0; td_host_hold_locked(path); waited += RELEASE_LOOK_MS) {
		if (waited >= RELEASE_MS)
			return td_err_set(err, ETIMEDOUT, TD_REASON_VF_BUSY, "vf %s: VM %s does not give it back", bdf, vm);
		host_load_sleep_ms(RELEASE_LOOK_MS);
	}
	return 0;
}

/* "VM web1" gives its VF back by going to its emulated path, cold. Another program's VF is not ours to take. */
static int host_load_free_vf(const char *bdf, const char *holder, struct td_err *err)
{
	const char *vm = !strncmp(holder, "VM ", 3) ? holder + 3 : NULL;
	json_t *nics = NULL, *nic;
	size_t index;
	int rc = -ENOENT;

	if (!vm)
		return td_err_set(err, EBUSY, TD_REASON_VF_BUSY, "vf %s: %s has it: end that first", bdf, holder);
	if (td_client_call(vm, "nic-list", NULL, TD_CLIENT_WAIT_MS, &nics, err))
		return td_err_prefix(err, "vf %s", bdf);
	json_array_foreach(nics, index, nic)
	{
		if (rc == -ENOENT && !strcmp(text_of(json_object_get(nic, "vf"), "bdf"), bdf))
			rc = switch_off_vf(vm, text_of(nic, "id"), err);
	}
	json_decref(nics);
	if (rc == -ENOENT)
		return td_err_set(err, EBUSY, TD_REASON_VF_BUSY, "vf %s: VM %s has it: shut it down first", bdf, vm);
	return rc ? td_err_prefix(err, "vf %s: VM %s", bdf, vm) : wait_for_release(bdf, vm, err);
}

/* ---- all of it */

/* "192.0.2.7 50000 192.0.2.1 22"; the client is the caller's to free(). */
static char *client_of(const char *connection)
{
	return connection && *connection && *connection != ' ' ? strndup(connection, strcspn(connection, " ")) : NULL;
}

static unsigned parent_of(unsigned pid)
{
	char path[32], text[512];
	unsigned parent = 0;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	td_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[len > 0 ? len : 0] = '\0';
	const char *end = strrchr(text, ')'); /* the name before it may hold anything */
	return end && sscanf(end, ") %*c %u", &parent) == 1 ? parent : 0;
}

static char *client_of_process(unsigned pid)
{
	char path[32], *line = NULL, *client = NULL;
	size_t room = 0;

	snprintf(path, sizeof(path), "/proc/%u/environ", pid);
	FILE *file = fopen(path, "re");
	while (file && !client && getdelim(&line, &room, '\0', file) > 0)
		if (!strncmp(line, "SSH_CONNECTION=", 15))
			client = client_of(line + 15);
	if (file)
		fclose(file);
	free(line);
	return client;
}

/* sudo takes SSH_CONNECTION away; the shell that it was called from still has it. */
static char *ssh_client(void)
{
	char *client = client_of(getenv("SSH_CONNECTION"));
	unsigned pid = (unsigned)getppid();

	for (unsigned depth = 0; !client && pid > 1 && depth < PARENTS_MAX; depth++, pid = parent_of(pid))
		client = client_of_process(pid);
	return client;
}

static int load_all(struct td_host_load *load, const char *file, struct td_err *err)
{
	int rc = host_load_read_file(file, &load->text, &load->len_bytes, err);

	if (!rc)
		rc = host_load_check_not_empty(file, load->text, err);
	if (!rc)
		rc = td_host_schema_read(&load->config, file, load->text, load->len_bytes, err);
	if (rc)
		return rc;
	load->has_config = true;
	rc = td_rundir_root(load->run_dir, err);
	if (!rc && mkdir(load->run_dir, 0755) && errno != EEXIST && geteuid() == 0)
		rc = td_err_sys(err, errno, TD_REASON_RUN_DIR, "run directory %s", load->run_dir);
	if (!rc)
		rc = td_host_netlink_open(&load->kernel.netlink, err);
	if (!rc)
		rc = td_host_record_load(load->run_dir, &load->record, err);
	load->has_record = !rc;
	return rc;
}

int td_host_load(struct td_host_load *load, const char *file, struct td_err *err)
{
	*load = (struct td_host_load){.len_bytes = 0};
	if (!file)
		file = TD_HOST_LOAD_FILE;
	int rc = load_all(load, file, err);
	if (rc) {
		td_host_load_fini(load);
		return rc;
	}
	collect_users(load);
	load->kernel.run_dir = load->run_dir;
	load->kernel.free_vf = host_load_free_vf;
	load->kernel.observe = (struct td_host_observe){.run_dir = load->run_dir,
		.ssh_client = ssh_client(),
		.modules = (const char *const *)load->config.modules,
		.module_count = load->config.module_count,
		.users = load->users,
		.user_count = load->user_count};
	load->engine = (struct td_host_engine){.config = &load->config,
		.file_name = file,
		.ops = &td_host_kernel_ops,
		.opaque = &load->kernel,
		.record = &load->record,
		.settle_ms = TD_HOST_SETTLE_MS};
	return 0;
}

void td_host_load_fini(struct td_host_load *load)
{
	if (load->has_config)
		td_host_schema_fini(&load->config);
	if (load->has_record)
		td_host_record_fini(&load->record);
	td_host_kernel_unlock(&load->kernel);
	if (load->kernel.netlink.sock)
		td_host_netlink_close(&load->kernel.netlink);
	free((char *)(uintptr_t)load->kernel.observe.ssh_client);
	free(load->users);
	free(load->text);
	*load = (struct td_host_load){.len_bytes = 0};
}

int td_host_load_check_unchanged(const struct td_host_load *load, struct td_err *err)
{
	const char *file = load->engine.file_name;
	td_auto_free char *text = NULL;
	size_t len = 0;

	if (!host_load_read_file(file, &text, &len, NULL) && len == load->len_bytes && !memcmp(text, load->text, len))
		return 0;
	return td_err_set(err, EAGAIN, TD_REASON_FILE_CHANGED, "%s: changed meanwhile: what was applied is what it said before", file);
}

int td_host_load_wait(struct td_host_load *load, unsigned wait_s, struct td_err *err)
{
	char name[TD_HOST_NAME_BYTES];

	for (unsigned waited = 0;; waited += 100) {
		struct td_host_state is;
		int rc = td_host_observe(&load->kernel.observe, &load->kernel.netlink, &is, err);
		unsigned missing = rc ? 0 : td_host_want_missing(&load->config, &is, name);

		td_host_state_fini(&is);
		if (rc || !missing)
			return rc;
		if (waited >= wait_s * 1000)
			return td_err_set(err, ENODEV, TD_REASON_LINK_MISSING, "%s: %s: no such network interface after %u s",
				load->engine.file_name, name, wait_s);
		host_load_sleep_ms(100);
	}
}

int td_host_load_lock(const struct td_host_load *load, int *ret_fd, struct td_err *err)
{
	char path[TD_RUNDIR_PATH_MAX + 16], pid[16] = "";

	snprintf(path, sizeof(path), "%s/host.lock", load->run_dir);
	td_auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return td_err_sys(err, errno, TD_REASON_RUN_DIR, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		ssize_t len = pread(fd, pid, sizeof(pid) - 1, 0);

		pid[len > 0 ? len : 0] = '\0';
		return td_err_set(err, EBUSY, TD_REASON_HOST_BUSY, "another tandem host apply runs, as process %s", *pid ? pid : "?");
	}
	int len = snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (ftruncate(fd, 0) || pwrite(fd, pid, (size_t)len, 0) != len)
		return td_err_sys(err, errno, TD_REASON_RUN_DIR, "%s", path);
	*ret_fd = td_take_fd(&fd);
	return 0;
}
