/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rundir.c - run directories: made, locked, listed, swept.
 *
 * A lock file may be removed between its opening and its locking, so whoever has locked it looks whether it still has a name; only the
 * holder of the lock removes it.
 *
 * TANDEM_RUN_DIR may name any directory, so what stands in it may be anybody's: a directory is a VM's only when it holds a lock file as
 * tandem writes it, only its owner sweeps it, and of its files only those with names of tandem's go. One without a lock file, which a
 * process leaves that dies right after mkdir, stands in nobody's way: the next VM of its name takes it.
 */
#include "machine/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "host/sriov/lease.h"

#define CONTROL_NAME "control.sock"
#define PID_TEXT_MAX 15	 /* bytes of a lock file at most */
#define LOCK_TRIES   100 /* of 20 ms: a sweeper holds a lock for a short while */
#define RETRY_MS     20
#define KILL_WAIT_MS 5000

static void rundir_sleep_ms(unsigned ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};

	nanosleep(&time, NULL);
}

int td_rundir_root(char ret_root[TD_RUNDIR_PATH_MAX], struct td_err *err)
{
	const char *root = getenv("TANDEM_RUN_DIR"), *below = "";

	if (!root || !*root) {
		root = geteuid() == 0 ? "/run" : getenv("XDG_RUNTIME_DIR");
		below = "/tandem";
	}
	if (!root || *root != '/')
		return td_err_set(err, ENOENT, TD_REASON_RUN_DIR,
			"run directory: XDG_RUNTIME_DIR or TANDEM_RUN_DIR must name one, with its full path");
	/* A name and "/control.sock" must fit behind it: a socket's path has 107 bytes, a journal's directory 95. */
	size_t len = strlen(root) + strlen(below);
	if (len >= TD_RUNDIR_PATH_MAX - 16)
		return td_err_set(err, ENAMETOOLONG, TD_REASON_RUN_DIR,
			"run directory %s: the path has %zu bytes, at most %u are possible: set "
			"TANDEM_RUN_DIR to a shorter one",
			root, len, (unsigned)TD_RUNDIR_PATH_MAX - 17);
	snprintf(ret_root, TD_RUNDIR_PATH_MAX, "%s%s", root, below);
	return 0;
}

/* ROOT/NAME/FILE; false when it does not fit. */
static bool path_of(char *path, size_t room, const char *root, const char *name, const char *file)
{
	return snprintf(path, room, "%s/%s%s%s", root, name, *file ? "/" : "", file) < (int)room;
}

static pid_t rundir_read_pid(int lock_fd)
{
	char text[PID_TEXT_MAX + 1] = "";
	ssize_t n = pread(lock_fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	return pid > 1 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/*
 * 0 with the lock in *ret_fd; -EWOULDBLOCK with the holder's pid; -ENOENT: no directory, or its lock file vanished; -EEXIST: a file of this
 * name is there that tandem did not write.
 */
static int try_lock(const char *path, int flags, int *ret_fd, pid_t *ret_pid)
{
	char lock[TD_RUNDIR_PATH_MAX + 8];

	snprintf(lock, sizeof(lock), "%s/lock", path);
	td_auto_close int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > PID_TEXT_MAX)
		return -EEXIST;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		*ret_pid = rundir_read_pid(fd);
		return -errno;
	}
	if (fstat(fd, &st) || st.st_nlink == 0)
		return -ENOENT;
	*ret_fd = td_take_fd(&fd);
	return 0;
}

static int write_pid(int fd)
{
	char text[PID_TEXT_MAX + 1];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len ? -errno : 0;
}

static int make_and_lock(struct td_rundir *dir, pid_t *ret_pid)
{
	for (int i = 0;; i++) {
		bool made = !mkdir(dir->path, 0700);

		if (!made && errno != EEXIST)
			return -errno;
		int rc = try_lock(dir->path, O_CREAT, &dir->lock_fd, ret_pid);
		bool passing = rc == -ENOENT || (rc == -EWOULDBLOCK && (!*ret_pid || kill(*ret_pid, 0)));
		if (rc && made)
			rmdir(dir->path); /* refused when it is another's by now: then it holds that one's lock file */
		if (!passing || i == LOCK_TRIES)
			return rc;
		rundir_sleep_ms(RETRY_MS);
	}
}

int td_rundir_create(struct td_rundir *dir, const char *root, const char *name, struct td_err *err)
{
	pid_t pid = 0;

	dir->lock_fd = -1;
	if (!path_of(dir->path, sizeof(dir->path), root, name, ""))
		return td_err_set(err, ENAMETOOLONG, TD_REASON_RUN_DIR, "run directory %s/%s: the path is too long: shorten the VM's name",
			root, name);
	if (mkdir(root, 0755) && errno != EEXIST)
		return td_err_sys(err, errno, TD_REASON_RUN_DIR, "run directory %s: mkdir", root);
	int rc = make_and_lock(dir, &pid);
	if (rc == -EWOULDBLOCK)
		return td_err_set(err, EADDRINUSE, TD_REASON_CONTROL_IN_USE, "vm %s: runs already, as process %d", name, (int)pid);
	if (rc == -EEXIST)
		return td_err_set(err, EEXIST, TD_REASON_RUN_DIR,
			"run directory %s: its file 'lock' is not tandem's: give the VM another name", dir->path);
	if (!rc)
		rc = write_pid(dir->lock_fd);
	if (rc) {
		td_rundir_remove(dir);
		return td_err_sys(err, -rc, TD_REASON_RUN_DIR, "run directory %s: lock", dir->path);
	}
	return 0;
}

static bool rundir_is_ours(const char *file_name)
{
	return !strcmp(file_name, CONTROL_NAME) || td_lease_is_unfinished(file_name);
}

/* The lock is the caller's. A journal that could not be undone keeps its directory and its lock file, what is not tandem's keeps both. */
static void remove_locked(const char *path)
{
	DIR *stream = opendir(path);
	bool keep = false;

	if (!stream)
		return;
	for (struct dirent *entry; (entry = readdir(stream));) {
		keep = keep || td_lease_is_journal(entry->d_name);
		if (rundir_is_ours(entry->d_name))
			unlinkat(dirfd(stream), entry->d_name, 0);
	}
	if (!keep) {
		unlinkat(dirfd(stream), "lock", 0);
		rmdir(path); /* refused when something is left in it */
	}
	closedir(stream);
}

void td_rundir_remove(struct td_rundir *dir)
{
	if (dir->lock_fd < 0)
		return;
	remove_locked(dir->path);
	close(dir->lock_fd);
	dir->lock_fd = -1;
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct td_rundir_entry *)a)->name, ((const struct td_rundir_entry *)b)->name);
}

/* The lock of a dead process's directory, if it is this user's to sweep. */
static bool lock_dead(const char *path, int *ret_fd)
{
	td_auto_close int fd = -1;
	struct stat st;
	pid_t pid;

	if (try_lock(path, 0, &fd, &pid) || fstat(fd, &st) || st.st_uid != geteuid())
		return false;
	*ret_fd = td_take_fd(&fd);
	return true;
}

static bool rundir_look(const char *root, const struct dirent *entry, struct td_rundir_entry *ret_entry)
{
	char path[TD_RUNDIR_PATH_MAX];
	struct stat st;
	int fd = -1;

	if (entry->d_name[0] == '.' || strlen(entry->d_name) > TD_VM_NAME_MAX || !path_of(path, sizeof(path), root, entry->d_name, "") ||
		lstat(path, &st) || !S_ISDIR(st.st_mode))
		return false;
	*ret_entry = (struct td_rundir_entry){0};
	memcpy(ret_entry->name, entry->d_name, strlen(entry->d_name));
	int rc = try_lock(path, 0, &fd, &ret_entry->pid);
	ret_entry->alive = rc == -EWOULDBLOCK;
	td_cleanup_close(&fd);
	return !rc || ret_entry->alive;
}

int td_rundir_list(const char *root, struct td_rundir_entry **ret_entries, unsigned *ret_count, struct td_err *err)
{
	td_auto_free struct td_rundir_entry *entries = NULL;
	unsigned count = 0;
	DIR *stream = opendir(root);

	if (!stream && errno != ENOENT)
		return td_err_sys(err, errno, TD_REASON_RUN_DIR, "run directory %s", root);
	for (struct dirent *entry; stream && (entry = readdir(stream));) {
		struct td_rundir_entry *more = realloc(entries, (count + 1) * sizeof(*entries));

		if (!more) {
			closedir(stream);
			return td_err_set(err, ENOMEM, TD_REASON_SYSTEM, "out of memory");
		}
		entries = more;
		count += rundir_look(root, entry, &entries[count]);
	}
	if (stream)
		closedir(stream);
	if (count)
		qsort(entries, count, sizeof(*entries), compare_entries);
	*ret_entries = td_take_ptr(entries);
	*ret_count = count;
	return 0;
}

int td_rundir_recover(const char *root, struct td_err *err)
{
	unsigned returned = 0, count = 0;
	td_auto_free struct td_rundir_entry *entries = NULL;
	int rc = td_lease_recover(root, &returned, err);

	if (returned)
		td_warn("run directory %s: gave back %u VF(s) that dead processes held", root, returned);
	if (td_rundir_list(root, &entries, &count, NULL))
		return rc; /* nothing to sweep there; who wants a directory in it hears why not */
	for (unsigned i = 0; i < count; i++) {
		struct td_rundir dead = {.lock_fd = -1};

		if (!entries[i].alive && path_of(dead.path, sizeof(dead.path), root, entries[i].name, "") &&
			lock_dead(dead.path, &dead.lock_fd))
			td_rundir_remove(&dead);
	}
	return rc;
}

bool td_rundir_exists(const char *root, const char *name)
{
	char path[TD_RUNDIR_PATH_MAX + 8];
	struct stat st;

	return snprintf(path, sizeof(path), "%s/%s/lock", root, name) < (int)sizeof(path) && !lstat(path, &st);
}

int td_rundir_wait(const char *root, const char *name, unsigned timeout_ms)
{
	char path[TD_RUNDIR_PATH_MAX];

	if (!path_of(path, sizeof(path), root, name, ""))
		return 0;
	for (unsigned waited = 0;; waited += RETRY_MS) {
		int fd = -1;
		pid_t pid;
		int rc = try_lock(path, 0, &fd, &pid);

		td_cleanup_close(&fd);
		if (rc != -EWOULDBLOCK)
			return 0;
		if (waited >= timeout_ms)
			return -ETIMEDOUT;
		rundir_sleep_ms(RETRY_MS);
	}
}

int td_rundir_kill(const char *root, const char *name, struct td_err *err)
{
	char path[TD_RUNDIR_PATH_MAX];
	int fd = -1;
	pid_t pid = 0, again = 0;

	if (!path_of(path, sizeof(path), root, name, "") || try_lock(path, 0, &fd, &pid) != -EWOULDBLOCK) {
		td_cleanup_close(&fd);
		return td_err_set(err, ESRCH, TD_REASON_VM_NOT_FOUND, "vm %s: no process of it runs", name);
	}
	td_auto_close int pid_fd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (pid_fd < 0)
		return td_err_sys(err, pid ? errno : ESRCH, TD_REASON_SYSTEM, "vm %s: process %d", name, (int)pid);
	/* Still locked, by the same: so the pidfd is that process, and cannot become another. */
	int rc = try_lock(path, 0, &fd, &again);
	td_cleanup_close(&fd);
	if (rc == -EWOULDBLOCK && again == pid && syscall(SYS_pidfd_send_signal, pid_fd, SIGKILL, NULL, 0))
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "vm %s: kill process %d", name, (int)pid);
	if (td_rundir_wait(root, name, KILL_WAIT_MS))
		return td_err_set(err, ETIMEDOUT, TD_REASON_SYSTEM, "vm %s: process %d was killed and does not end", name, (int)pid);
	return 0;
}
