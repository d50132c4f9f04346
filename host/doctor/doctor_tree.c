/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_tree.c - reading below a root by openat2(2) with RESOLVE_IN_ROOT, into a doctor_store.h tree. */
#include "host/doctor/doctor_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/doctor/doctor_files.h"
#include "host/doctor/doctor_gzip.h"

#define UNREADABLE_DIR TD_DOCTOR_EXTRA "/unreadable"

struct td_doctor_tree {
	struct td_doctor_store store;
	int root_fd; /* -1: all there is stands in the store */
	bool live;   /* the root is the running host */
	bool record; /* the root is a record: device nodes are files of TD_DOCTOR_EXTRA */
	unsigned unreadable;
	char example[TD_DOCTOR_PATH_MAX];
};

/* A record says itself what could not be read; its names are those of the files, with '!' for '/'. */
static void read_unreadable(struct td_doctor_tree *tree)
{
	td_auto_names struct td_doctor_names names;
	td_doctor_tree_list(tree, &names, UNREADABLE_DIR);
	tree->unreadable = names.count;
	if (names.count)
		snprintf(tree->example, sizeof(tree->example), "%s", names.name[0]);
	for (char *c = tree->example; *c; c++)
		*c = *c == '!' ? '/' : *c;
}

/*
 * Files that came as a whole tree were written by anybody: they pass the same filters as those of a host. What comes out is never longer,
 * so it fits where the node was.
 */
static int filter_store(struct td_doctor_store *store)
{
	for (size_t i = 0; i < store->count; i++) {
		struct td_doctor_node *node = store->node[i];
		const struct td_doctor_rule *rule = td_doctor_files_rule(node->path);
		if (node->kind != TD_DOCTOR_FILE)
			continue;
		size_t len = TD_MIN(node->len_bytes, rule ? td_doctor_files_limit(rule) : SIZE_MAX);
		char *kept = malloc(len + 2);
		if (!kept)
			return -ENOMEM;
		len = rule ? td_doctor_files_filter(rule, node->data, len, len < node->len_bytes, kept)
			   : td_doctor_files_printable(memcpy(kept, node->data, len), len);
		store->bytes -= node->len_bytes - len;
		free(node->data);
		node->data = kept;
		node->len_bytes = len;
	}
	return 0;
}

struct td_doctor_tree *td_doctor_tree_of_store(struct td_doctor_store *store)
{
	struct td_doctor_tree *tree = filter_store(store) ? NULL : calloc(1, sizeof(*tree));
	if (!tree)
		return NULL;
	tree->root_fd = -1;
	tree->store = *store;
	*store = (struct td_doctor_store){0};
	tree->record = td_doctor_store_has(&tree->store, TD_DOCTOR_EXTRA);
	read_unreadable(tree);
	return tree;
}

static int open_root(const char *root, struct td_doctor_tree *tree, struct td_err *err)
{
	struct stat st, host;
	if (stat(root, &st) < 0)
		return td_err_sys(err, errno, TD_REASON_USAGE, "--root %s", root);
	if (S_ISREG(st.st_mode)) {
		int r = td_doctor_store_load(&tree->store, root, err);
		if (!r && filter_store(&tree->store))
			r = td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "no memory");
		return r;
	}
	if (!S_ISDIR(st.st_mode))
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "--root %s: neither a directory nor a tar archive", root);
	tree->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree->root_fd < 0)
		return td_err_sys(err, errno, TD_REASON_USAGE, "--root %s", root);
	tree->live = !stat("/", &host) && host.st_dev == st.st_dev && host.st_ino == st.st_ino;
	return 0;
}

int td_doctor_tree_open(const char *root, struct td_doctor_tree **ret_tree, struct td_err *err)
{
	struct td_doctor_tree *tree = calloc(1, sizeof(*tree));
	if (!tree)
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "no memory");
	tree->root_fd = -1;
	int r = open_root(root ? root : "/", tree, err);
	if (r) {
		td_doctor_tree_close(tree);
		return r;
	}
	tree->record = !tree->live && td_doctor_tree_exists(tree, TD_DOCTOR_EXTRA);
	if (tree->record)
		read_unreadable(tree);
	*ret_tree = tree;
	return 0;
}

void td_doctor_tree_close(struct td_doctor_tree *tree)
{
	if (!tree)
		return;
	td_doctor_store_fini(&tree->store);
	td_cleanup_close(&tree->root_fd);
	free(tree);
}

bool td_doctor_tree_live(const struct td_doctor_tree *tree)
{
	return tree->live;
}

const struct td_doctor_store *td_doctor_tree_store(const struct td_doctor_tree *tree)
{
	return &tree->store;
}

unsigned td_doctor_tree_unreadable(const struct td_doctor_tree *tree, const char **ret_example)
{
	*ret_example = tree->example;
	return tree->unreadable;
}

/* ---- reading ---- */

static void note_unreadable(struct td_doctor_tree *tree, const char *path, int errnum)
{
	char name[TD_DOCTOR_PATH_MAX], number[16];
	if (tree->record || (errnum != EACCES && errnum != EPERM && errnum != ELOOP && errnum != EISDIR))
		return;
	snprintf(name, sizeof(name), UNREADABLE_DIR "/%.*s", (int)(sizeof(name) - sizeof(UNREADABLE_DIR) - 1), path);
	for (char *c = name + sizeof(UNREADABLE_DIR); *c; c++)
		*c = *c == '/' ? '!' : *c;
	if (td_doctor_store_find(&tree->store, name))
		return;
	int len = snprintf(number, sizeof(number), "%d", errnum);
	td_doctor_store_put(&tree->store, name, TD_DOCTOR_FILE, number, (size_t)len);
	if (!tree->unreadable++)
		snprintf(tree->example, sizeof(tree->example), "%s", path);
}

static int open_below(const struct td_doctor_tree *tree, const char *path, uint64_t flags)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	long fd = syscall(SYS_openat2, tree->root_fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : (int)fd;
}

/* A regular file, looked at before it is opened: to open a device or a FIFO could do something, or wait for ever. */
static int open_file(const struct td_doctor_tree *tree, const char *path)
{
	char again[32];
	struct stat st;
	td_auto_close int seen = open_below(tree, path, O_PATH);
	if (seen < 0)
		return seen;
	if (fstat(seen, &st) < 0 || !S_ISREG(st.st_mode))
		return -EISDIR;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", seen);
	int fd = open(again, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Fills `data` from the file's start; -errno, or how many bytes. */
static ssize_t read_some(const struct td_doctor_tree *tree, const char *path, char *data, size_t room)
{
	size_t len = 0;
	td_auto_close int fd = open_file(tree, path);
	if (fd < 0)
		return fd;
	while (len < room) {
		ssize_t n = read(fd, data + len, room - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static const struct td_doctor_node *read_file(struct td_doctor_tree *tree, const char *path)
{
	const struct td_doctor_rule *rule = td_doctor_files_rule(path);
	size_t limit = rule ? td_doctor_files_limit(rule) : TD_DOCTOR_FILE_MAX;
	if (!rule && strncmp(path, TD_DOCTOR_EXTRA "/", sizeof(TD_DOCTOR_EXTRA)) != 0)
		return NULL;
	td_auto_free char *data = malloc(limit + 1), *kept = malloc(limit + 2);
	ssize_t len = data && kept ? read_some(tree, path, data, limit + 1) : -ENOMEM;
	if (len > 0)
		len = td_doctor_gzip_unpack(data, (size_t)len, limit + 1);
	if (len < 0) {
		note_unreadable(tree, path, (int)-len);
		return NULL;
	}
	bool truncated = (size_t)len > limit;
	size_t in_len = TD_MIN((size_t)len, limit);
	size_t kept_len = rule ? td_doctor_files_filter(rule, data, in_len, truncated, kept)
			       : td_doctor_files_printable(memcpy(kept, data, in_len), in_len);
	if (td_doctor_store_put(&tree->store, path, TD_DOCTOR_FILE, kept, kept_len))
		return NULL;
	return td_doctor_store_find(&tree->store, path);
}

static bool format_path(char path[TD_DOCTOR_PATH_MAX], const char *fmt, va_list args)
{
	int len = vsnprintf(path, TD_DOCTOR_PATH_MAX, fmt, args);
	return len > 0 && len < (int)TD_DOCTOR_PATH_MAX;
}

static const struct td_doctor_node *get_file(struct td_doctor_tree *tree, const char *fmt, va_list args)
{
	char path[TD_DOCTOR_PATH_MAX];
	if (!format_path(path, fmt, args))
		return NULL;
	const struct td_doctor_node *node = td_doctor_store_find(&tree->store, path);
	if ((!node || node->kind == TD_DOCTOR_SEEN) && tree->root_fd >= 0)
		node = read_file(tree, path);
	return node && node->kind == TD_DOCTOR_FILE ? node : NULL;
}

const char *td_doctor_tree_text(struct td_doctor_tree *tree, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const struct td_doctor_node *node = get_file(tree, fmt, args);
	va_end(args);
	return node ? node->data : NULL;
}

const uint8_t *td_doctor_tree_bytes(struct td_doctor_tree *tree, size_t *ret_len, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	const struct td_doctor_node *node = get_file(tree, fmt, args);
	va_end(args);
	*ret_len = node ? node->len_bytes : 0;
	return node ? (const uint8_t *)node->data : NULL;
}

bool td_doctor_tree_number(struct td_doctor_tree *tree, uint64_t *ret_number, const char *fmt, ...)
{
	char *end;
	va_list args;
	va_start(args, fmt);
	const struct td_doctor_node *node = get_file(tree, fmt, args);
	va_end(args);
	if (!node || *node->data < '0' || *node->data > '9')
		return false;
	errno = 0;
	unsigned long long number = strtoull(node->data, &end, strncmp(node->data, "0x", 2) ? 10 : 16);
	if (errno || end == node->data || *end)
		return false;
	*ret_number = number;
	return true;
}

/* ---- links, directories ---- */

static const struct td_doctor_node *read_link(struct td_doctor_tree *tree, const char *path)
{
	char target[TD_DOCTOR_PATH_MAX];
	td_auto_close int fd = open_below(tree, path, O_PATH | O_NOFOLLOW);
	ssize_t len = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof(target) - 1);
	if (len <= 0)
		return NULL;
	target[len] = '\0';
	for (char *c = target; *c; c++)
		*c = *c < 0x20 || *c == 0x7f ? '?' : *c;
	const char *slash = strrchr(target, '/'), *last = slash ? slash + 1 : target;
	if (!*last || td_doctor_store_put(&tree->store, path, TD_DOCTOR_LINK, last, strlen(last)))
		return NULL;
	return td_doctor_store_find(&tree->store, path);
}

const char *td_doctor_tree_link(struct td_doctor_tree *tree, const char *fmt, ...)
{
	char path[TD_DOCTOR_PATH_MAX];
	va_list args;
	va_start(args, fmt);
	bool ok = format_path(path, fmt, args);
	va_end(args);
	const struct td_doctor_node *node = ok ? td_doctor_store_find(&tree->store, path) : NULL;
	if (ok && (!node || node->kind == TD_DOCTOR_SEEN) && tree->root_fd >= 0)
		node = read_link(tree, path);
	if (!node || node->kind != TD_DOCTOR_LINK)
		return NULL;
	const char *slash = strrchr(node->data, '/');
	return slash ? slash + 1 : node->data;
}

bool td_doctor_tree_exists(struct td_doctor_tree *tree, const char *fmt, ...)
{
	char path[TD_DOCTOR_PATH_MAX];
	va_list args;
	va_start(args, fmt);
	bool ok = format_path(path, fmt, args);
	va_end(args);
	if (!ok || td_doctor_store_has(&tree->store, path) || tree->root_fd < 0)
		return ok && td_doctor_store_has(&tree->store, path);
	td_auto_close int fd = open_below(tree, path, O_PATH);
	return fd >= 0 && !td_doctor_store_put(&tree->store, path, TD_DOCTOR_SEEN, NULL, 0);
}

void td_doctor_names_fini(struct td_doctor_names *names)
{
	for (unsigned i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct td_doctor_names){0};
}

static void add_name(void *opaque, const char *name)
{
	struct td_doctor_names *names = opaque;
	char **more = names->count % 64 ? names->name : reallocarray(names->name, names->count + 64, sizeof(*more));
	if (!more)
		return;
	names->name = more;
	names->name[names->count] = strdup(name);
	names->count += names->name[names->count] != NULL;
}

static bool name_ok(const char *name)
{
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name <= 0x20 || *name == 0x7f)
			return false;
	return true;
}

/* Each entry becomes a node, so that a record lists the same. */
static void read_directory(struct td_doctor_tree *tree, const char *path)
{
	char child[TD_DOCTOR_PATH_MAX];
	td_auto_close int fd = open_below(tree, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
	if (fd < 0) {
		note_unreadable(tree, path, -fd);
		return;
	}
	DIR *dir = fdopendir(fd);
	if (!dir)
		return;
	td_take_fd(&fd);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!name_ok(entry->d_name) || snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) >= (int)sizeof(child))
			continue;
		if (td_doctor_store_put(&tree->store, child, TD_DOCTOR_SEEN, NULL, 0))
			break;
	}
	closedir(dir);
}

void td_doctor_tree_list(struct td_doctor_tree *tree, struct td_doctor_names *ret_names, const char *fmt, ...)
{
	char path[TD_DOCTOR_PATH_MAX];
	va_list args;
	va_start(args, fmt);
	bool ok = format_path(path, fmt, args);
	va_end(args);
	*ret_names = (struct td_doctor_names){0};
	if (!ok)
		return;
	if (tree->root_fd >= 0)
		read_directory(tree, path);
	td_doctor_store_children(&tree->store, path, add_name, ret_names);
}

/* ---- what no file says ---- */

void td_doctor_tree_keep(struct td_doctor_tree *tree, const char *name, const char *text)
{
	char path[TD_DOCTOR_PATH_MAX];
	if (snprintf(path, sizeof(path), TD_DOCTOR_EXTRA "/%s", name) < (int)sizeof(path))
		td_doctor_store_put(&tree->store, path, TD_DOCTOR_FILE, text, strlen(text));
}

const char *td_doctor_tree_extra(struct td_doctor_tree *tree, const char *fmt, ...)
{
	char name[TD_DOCTOR_PATH_MAX];
	va_list args;
	va_start(args, fmt);
	bool ok = format_path(name, fmt, args);
	va_end(args);
	return ok ? td_doctor_tree_text(tree, TD_DOCTOR_EXTRA "/%s", name) : NULL;
}

static void ask_device(struct td_doctor_tree *tree, const char *path)
{
	char name[TD_DOCTOR_PATH_MAX], text[64];
	struct stat st;
	if (stat(path, &st) < 0 || !S_ISCHR(st.st_mode))
		return;
	snprintf(name, sizeof(name), "device%s", path);
	snprintf(text, sizeof(text), "%04o %u %u %s", st.st_mode & 07777, st.st_uid, st.st_gid,
		faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) ? "refused" : "usable");
	td_doctor_tree_keep(tree, name, text);
}

bool td_doctor_tree_device(struct td_doctor_tree *tree, const char *path, struct td_doctor_device *ret_device)
{
	char word[16];
	*ret_device = (struct td_doctor_device){.mode = 0666, .usable = true};
	if (tree->live)
		ask_device(tree, path);
	else if (!tree->record) /* a copy says no more than that it is there */
		return td_doctor_tree_exists(tree, "%s", path);
	const char *text = td_doctor_tree_extra(tree, "device%s", path);
	if (!text || sscanf(text, "%o %u %u %15s", &ret_device->mode, &ret_device->uid, &ret_device->gid, word) != 4)
		return false;
	ret_device->usable = !strcmp(word, "usable");
	return true;
}
