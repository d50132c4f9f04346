/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of machine/rundir.c: names are unique while their process lives, whatever way it ends; the dead are swept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine/rundir.h"

static int make_root(void **state)
{
	char *root = strdup("/tmp/td-rundir-XXXXXX");
	assert_non_null(mkdtemp(root));
	*state = root;
	return 0;
}

static int remove_root(void **state)
{
	assert_int_equal(rmdir(*state), 0); /* so nothing is left in it */
	free(*state);
	return 0;
}

/* A process that holds ROOT/NAME until it is killed. */
static pid_t spawn_holder(const char *root, const char *name)
{
	int ready[2];
	char byte = 0;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct td_rundir dir;
		if (td_rundir_create(&dir, root, name, NULL) || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void touch(const char *root, const char *rest)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", root, rest);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static unsigned list_one(const char *root, struct td_rundir_entry *ret_entry)
{
	struct td_rundir_entry *entries = NULL;
	unsigned count = 0;
	struct td_err err;
	assert_int_equal(td_rundir_list(root, &entries, &count, &err), 0);
	if (count)
		*ret_entry = entries[0];
	free(entries);
	return count;
}

static void a_name_is_taken_once(void **state)
{
	const char *root = *state;
	struct td_rundir dir, second;
	struct td_rundir_entry entry;
	struct td_err err = {0};
	pid_t pid = spawn_holder(root, "web1");
	assert_int_equal(td_rundir_create(&second, root, "web1", &err), -EADDRINUSE);
	assert_int_equal(err.reason, TD_REASON_CONTROL_IN_USE);
	assert_int_equal(list_one(root, &entry), 1);
	assert_true(entry.alive);
	assert_int_equal(entry.pid, pid);
	td_rundir_recover(root, NULL); /* leaves the living alone */
	assert_int_equal(list_one(root, &entry), 1);

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(list_one(root, &entry), 1);
	assert_false(entry.alive);
	assert_int_equal(td_rundir_create(&dir, root, "web1", &err), 0);
	td_rundir_remove(&dir);
	td_rundir_remove(&dir);
	assert_int_equal(list_one(root, &entry), 0);
}

static void kill_ends_the_holder_and_nobody_else(void **state)
{
	const char *root = *state;
	struct td_err err = {0};
	int status;
	pid_t pid = spawn_holder(root, "a"), other = spawn_holder(root, "b");
	kill(pid, SIGSTOP); /* does not answer */
	assert_int_equal(td_rundir_wait(root, "a", 40), -ETIMEDOUT);
	assert_int_equal(td_rundir_kill(root, "a", &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(td_rundir_wait(root, "a", 40), 0);
	assert_int_equal(td_rundir_kill(root, "a", &err), -ESRCH);
	assert_int_equal(td_rundir_kill(root, "c", &err), -ESRCH);
	assert_int_equal(kill(other, 0), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	td_rundir_recover(root, NULL);
}

static void a_pid_in_a_free_lock_is_never_killed(void **state)
{
	const char *root = *state;
	struct td_err err = {0};
	char path[200];
	snprintf(path, sizeof(path), "%s/x", root);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/x/lock", root);
	FILE *lock = fopen(path, "w");
	fprintf(lock, "%d\n", (int)getpid());
	fclose(lock);
	assert_int_equal(td_rundir_kill(root, "x", &err), -ESRCH);
	td_rundir_recover(root, NULL);
}

static void make_dir(const char *root, const char *rest)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", root, rest);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void drop(const char *root, const char *rest)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", root, rest);
	if (remove(path))
		fail_msg("%s: is not there any more", path);
}

static void what_the_dead_left_is_swept(void **state)
{
	const char *root = *state;
	struct td_rundir dir;
	struct td_rundir_entry entry;
	make_dir(root, "dead");
	touch(root, "dead/lock");
	touch(root, "dead/control.sock");
	touch(root, "dead/undo-0000:02:10.0.json.new");
	make_dir(root, "empty"); /* died between mkdir and lock */
	touch(root, "vf-0000:02:10.0.lock");
	td_rundir_recover(root, NULL);
	assert_int_equal(list_one(root, &entry), 0);
	assert_int_equal(td_rundir_create(&dir, root, "empty", NULL), 0);
	td_rundir_remove(&dir);
	drop(root, "vf-0000:02:10.0.lock");
}

/* TANDEM_RUN_DIR may be a directory full of other things. */
static void what_is_not_tandem_s_stays(void **state)
{
	static const char *const dirs[] = {"photos", "cache", "fifo", "mail", "vm"};
	static const char *const files[] = {"photos/a.jpg", "photos/control.sock", "fifo/undo-0000:02:10.0.json", "cache/lock",
		"cache/control.sock", "mail/control.sock", "vm/lock", "vm/notes"};
	const char *root = *state;
	struct td_rundir dir;
	struct td_rundir_entry entry;
	struct td_err err = {0};
	char path[200], lock[200];
	for (unsigned i = 0; i < TD_COUNT(dirs); i++)
		make_dir(root, dirs[i]);
	for (unsigned i = 0; i < TD_COUNT(files); i++)
		touch(root, files[i]);
	snprintf(lock, sizeof(lock), "%s/cache/lock", root);
	assert_int_equal(truncate(lock, 4096), 0); /* a lock file, of another program */
	snprintf(path, sizeof(path), "%s/fifo/lock", root);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/mail/lock", root);
	assert_int_equal(symlink(lock, path), 0);
	snprintf(path, sizeof(path), "%s/link", root);
	assert_int_equal(symlink("vm", path), 0);

	assert_int_equal(list_one(root, &entry), 1);
	assert_string_equal(entry.name, "vm");
	td_rundir_recover(root, NULL);
	assert_int_equal(td_rundir_create(&dir, root, "cache", &err), -EEXIST);
	assert_int_equal(err.reason, TD_REASON_RUN_DIR);
	assert_int_equal(td_rundir_create(&dir, root, "photos", NULL), 0);
	td_rundir_remove(&dir);
	assert_int_equal(list_one(root, &entry), 0);

	snprintf(path, sizeof(path), "%s/vm/lock", root);
	assert_int_not_equal(access(path, F_OK), 0); /* that was a VM's */
	static const char *const left[] = {"link", "fifo/lock", "mail/lock", "photos/a.jpg", "fifo/undo-0000:02:10.0.json", "cache/lock",
		"cache/control.sock", "mail/control.sock", "vm/notes"};
	for (unsigned i = 0; i < TD_COUNT(left); i++)
		drop(root, left[i]);
	for (unsigned i = 0; i < TD_COUNT(dirs); i++)
		drop(root, dirs[i]);
}

static void a_journal_that_cannot_be_undone_stays(void **state)
{
	const char *root = *state;
	struct td_rundir_entry entry;
	char path[200];
	snprintf(path, sizeof(path), "%s/dead", root);
	assert_int_equal(mkdir(path, 0700), 0);
	touch(root, "dead/lock");
	touch(root, "dead/undo-0000:02:10.0.json"); /* empty: damaged */
	touch(root, "dead/undo-0000:02:10.2.json");
	touch(root, "dead/undo-0000:02:10.2.json.new"); /* never became one */
	for (unsigned i = 0; i < 2; i++) {
		td_rundir_recover(root, NULL);
		assert_int_equal(list_one(root, &entry), 1);
		snprintf(path, sizeof(path), "%s/dead/undo-0000:02:10.2.json.new", root);
		assert_int_not_equal(access(path, F_OK), 0);
		snprintf(path, sizeof(path), "%s/dead/undo-0000:02:10.%u.json", root, i * 2);
		assert_int_equal(unlink(path), 0); /* the other keeps the directory */
		snprintf(path, sizeof(path), "%s/vf-0000:02:10.%u.lock", root, i * 2);
		assert_int_equal(unlink(path), 0);
	}
	td_rundir_recover(root, NULL);
	assert_int_equal(list_one(root, &entry), 0);
}

static void roots(void **state)
{
	char root[TD_RUNDIR_PATH_MAX], long_root[200];
	struct td_err err = {0};
	(void)state;
	setenv("TANDEM_RUN_DIR", "/a/b", 1);
	assert_int_equal(td_rundir_root(root, &err), 0);
	assert_string_equal(root, "/a/b");
	setenv("TANDEM_RUN_DIR", "relative", 1);
	assert_int_equal(td_rundir_root(root, &err), -ENOENT);
	memset(long_root, 'r', sizeof(long_root));
	long_root[0] = '/';
	long_root[sizeof(long_root) - 1] = '\0';
	setenv("TANDEM_RUN_DIR", long_root, 1);
	assert_int_equal(td_rundir_root(root, &err), -ENAMETOOLONG);
	unsetenv("TANDEM_RUN_DIR");
	if (geteuid() == 0) {
		assert_int_equal(td_rundir_root(root, &err), 0);
		assert_string_equal(root, "/run/tandem");
	}
	struct td_rundir dir;
	char name[TD_VM_NAME_MAX + 1];
	memset(name, 'n', sizeof(name));
	name[TD_VM_NAME_MAX] = '\0';
	assert_int_equal(td_rundir_create(&dir, "/tmp/a-root-that-is-quite-long-already/yes", name, &err), -ENAMETOOLONG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_taken_once),
		TEST(kill_ends_the_holder_and_nobody_else),
		TEST(a_pid_in_a_free_lock_is_never_killed),
		TEST(what_the_dead_left_is_swept),
		TEST(what_is_not_tandem_s_stays),
		TEST(a_journal_that_cannot_be_undone_stays),
		cmocka_unit_test(roots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
