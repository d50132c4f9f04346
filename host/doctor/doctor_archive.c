/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_archive.c - a doctor_store.h tree as a tar archive or as a directory. Nothing of an archive is ever unpacked to disk. libarchive
 * is opened where it is used: each VM's process would map it with the sixteen libraries that it needs.
 *
 * An archive is read in two steps, so that a hostile one is bounded: it is unpacked in memory as far as TD_DOCTOR_ARCHIVE_MAX, and the tar
 * archive in there is read then, whose entries have limits of their own.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/doctor/doctor_store.h"
#include "host/sys/host_library.h"

#define BLOCK_BYTES 512U
#define STEP_BYTES  (256U * 1024U)

#define CALLS(X)                                 \
	X(archive_read_new)                      \
	X(archive_read_free)                     \
	X(archive_read_support_format_raw)       \
	X(archive_read_support_format_tar)       \
	X(archive_read_support_filter_gzip)      \
	X(archive_read_support_filter_xz)        \
	X(archive_read_support_filter_zstd)      \
	X(archive_read_open_memory)              \
	X(archive_read_next_header)              \
	X(archive_read_header_position)          \
	X(archive_read_data)                     \
	X(archive_write_new)                     \
	X(archive_write_free)                    \
	X(archive_write_close)                   \
	X(archive_write_set_format_ustar)        \
	X(archive_write_set_bytes_in_last_block) \
	X(archive_write_open_memory)             \
	X(archive_write_header)                  \
	X(archive_write_data)                    \
	X(archive_entry_new)                     \
	X(archive_entry_free)                    \
	X(archive_entry_filetype)                \
	X(archive_entry_hardlink)                \
	X(archive_entry_pathname)                \
	X(archive_entry_size)                    \
	X(archive_entry_symlink)                 \
	X(archive_entry_set_filetype)            \
	X(archive_entry_set_pathname)            \
	X(archive_entry_set_perm)                \
	X(archive_entry_set_size)                \
	X(archive_entry_set_symlink)             \
	X(archive_errno)                         \
	X(archive_error_string)

struct calls {
	CALLS(TD_HOST_LIBRARY_MEMBER)
};

struct buffer {
	char *data;
	size_t len, room;
};

static int archive_open_library(struct calls *calls, void **ret_library, struct td_err *err)
{
	static const struct td_host_library_call names[] = {CALLS(TD_HOST_LIBRARY_CALL)};

	return td_host_library_open("libarchive.so.13", "libarchive13", TD_REASON_SYSTEM, names, TD_COUNT(names), calls, ret_library, err);
}

static int archive_fail(int rc, const char *why, struct td_err *err)
{
	switch (rc) {
	case -EFBIG:
		return td_err_set(err, EFBIG, TD_REASON_USAGE, "more or larger files than a recorded host has");
	case -ENOMEM:
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "no memory");
	default:
		return td_err_set(err, -rc, TD_REASON_USAGE,
			"neither a directory nor a whole tar archive, as it is or packed by gzip, xz or zstd%s%s", why ? ": " : "",
			why ? why : "");
	}
}

/* ---- loading ---- */

/* "./sys/class/" and "sys/class" are both /sys/class. -ENOENT: the root itself. */
static int archive_path(const char *name, char path[TD_DOCTOR_PATH_MAX])
{
	size_t len;

	while (!strncmp(name, "./", 2) || *name == '/')
		name += *name == '/' ? 1 : 2;
	len = strlen(name);
	while (len && name[len - 1] == '/')
		len--;
	if (!len || (len == 1 && *name == '.'))
		return -ENOENT;
	return snprintf(path, TD_DOCTOR_PATH_MAX, "/%.*s", (int)TD_MIN(len, TD_DOCTOR_PATH_MAX), name) < (int)TD_DOCTOR_PATH_MAX ? 0
																 : -EINVAL;
}

static int archive_load_file(const struct calls *lib, struct archive *archive, struct td_doctor_store *store, const char *path, size_t size)
{
	td_auto_free char *data = malloc(size + 1);

	if (!data)
		return -ENOMEM;
	if (lib->archive_read_data(archive, data, size) != (la_ssize_t)size)
		return -EBADMSG;
	return td_doctor_store_put(store, path, TD_DOCTOR_FILE, data, size);
}

/* Device nodes, hard links and other programs' extensions are left out. */
static int archive_load_entry(const struct calls *lib, struct archive *archive, struct archive_entry *entry, struct td_doctor_store *store)
{
	char path[TD_DOCTOR_PATH_MAX];
	const char *name = lib->archive_entry_pathname(entry), *target = lib->archive_entry_symlink(entry);
	la_int64_t size = lib->archive_entry_size(entry);
	int rc = name ? archive_path(name, path) : -EINVAL;

	if (size < 0)
		return -EBADMSG;
	if (size > TD_DOCTOR_FILE_MAX)
		return -EFBIG;
	if (rc || lib->archive_entry_hardlink(entry))
		return rc == -ENOENT ? 0 : rc;
	switch (lib->archive_entry_filetype(entry)) {
	case AE_IFREG:
		return archive_load_file(lib, archive, store, path, (size_t)size);
	case AE_IFLNK:
		return target ? td_doctor_store_put(store, path, TD_DOCTOR_LINK, target, strlen(target)) : -EINVAL;
	case AE_IFDIR:
		return td_doctor_store_put(store, path, TD_DOCTOR_SEEN, NULL, 0);
	default:
		return 0;
	}
}

/* Without the blocks of zeros that end it, an archive was cut off between two entries. */
static int archive_load_tar(const struct calls *lib, struct archive *archive, const void *data, size_t len, struct td_doctor_store *store)
{
	struct archive_entry *entry;
	unsigned count = 0;
	int rc = lib->archive_read_support_format_tar(archive);

	if (rc == ARCHIVE_OK)
		rc = lib->archive_read_open_memory(archive, data, len);
	if (rc != ARCHIVE_OK)
		return -EBADMSG;
	for (;; count++) {
		rc = lib->archive_read_next_header(archive, &entry);
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			break;
		rc = count < TD_DOCTOR_NODES_MAX ? archive_load_entry(lib, archive, entry, store) : -EFBIG;
		if (rc)
			return rc;
	}
	if (rc != ARCHIVE_EOF || !count || lib->archive_read_header_position(archive) + (la_int64_t)BLOCK_BYTES > (la_int64_t)len)
		return -EBADMSG;
	return 0;
}

/* Room for STEP_BYTES more. -EFBIG: there are more than TD_DOCTOR_ARCHIVE_MAX already. */
static int buffer_grow(struct buffer *buffer)
{
	size_t room = buffer->room * 2 + STEP_BYTES;
	char *more;

	if (buffer->len > TD_DOCTOR_ARCHIVE_MAX)
		return -EFBIG;
	if (buffer->room - buffer->len >= STEP_BYTES)
		return 0;
	more = realloc(buffer->data, room);
	if (!more)
		return -ENOMEM;
	buffer->data = more;
	buffer->room = room;
	return 0;
}

static int archive_unpack(const struct calls *lib, struct archive *archive, const struct buffer *packed, struct buffer *unpacked)
{
	struct archive_entry *entry;
	la_ssize_t done = 0;
	int rc;

	if (lib->archive_read_support_filter_gzip(archive) < ARCHIVE_WARN || lib->archive_read_support_filter_xz(archive) < ARCHIVE_WARN ||
		lib->archive_read_support_filter_zstd(archive) < ARCHIVE_WARN ||
		lib->archive_read_support_format_raw(archive) != ARCHIVE_OK ||
		lib->archive_read_open_memory(archive, packed->data, packed->len) != ARCHIVE_OK ||
		lib->archive_read_next_header(archive, &entry) != ARCHIVE_OK)
		return -EBADMSG;
	do {
		unpacked->len += (size_t)done;
		rc = buffer_grow(unpacked);
		if (!rc)
			done = lib->archive_read_data(archive, unpacked->data + unpacked->len, STEP_BYTES);
	} while (!rc && done > 0);
	return rc ? rc : done ? -EBADMSG : 0;
}

int td_doctor_store_parse(struct td_doctor_store *store, const void *data, size_t len_bytes, struct td_err *err)
{
	struct calls lib;
	void *library;
	const struct buffer given = {.data = (char *)(uintptr_t)data, .len = len_bytes};
	struct buffer unpacked = {.data = NULL};
	int rc = archive_open_library(&lib, &library, err);

	if (rc)
		return rc;
	struct archive *packed = lib.archive_read_new(), *tar = lib.archive_read_new(), *failed = packed;
	rc = packed && tar ? archive_unpack(&lib, packed, &given, &unpacked) : -ENOMEM;
	if (!rc) {
		failed = tar;
		rc = archive_load_tar(&lib, tar, unpacked.data, unpacked.len, store);
	}
	if (rc)
		(void)archive_fail(rc, failed ? lib.archive_error_string(failed) : NULL, err);
	lib.archive_read_free(packed);
	lib.archive_read_free(tar);
	free(unpacked.data);
	dlclose(library);
	return rc;
}

static int archive_read_whole(const char *file, struct buffer *buffer)
{
	td_auto_close int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t done = 0;
	int rc;

	if (fd < 0)
		return -errno;
	do {
		buffer->len += (size_t)done;
		rc = buffer_grow(buffer);
		if (!rc)
			done = read(fd, buffer->data + buffer->len, STEP_BYTES);
	} while (!rc && done > 0);
	return rc ? rc : done ? -errno : 0;
}

int td_doctor_store_load(struct td_doctor_store *store, const char *archive, struct td_err *err)
{
	struct buffer file = {.data = NULL};
	int rc = archive_read_whole(archive, &file);

	if (!rc)
		rc = td_doctor_store_parse(store, file.data, file.len, err);
	else if (rc == -EFBIG || rc == -ENOMEM)
		(void)archive_fail(rc, NULL, err);
	else
		(void)td_err_sys(err, -rc, TD_REASON_USAGE, "open");
	free(file.data);
	return rc ? td_err_prefix(err, "--root %s", archive) : 0;
}

/* ---- saving ---- */

static int archive_errno_of(const struct calls *lib, struct archive *archive)
{
	int errnum = lib->archive_errno(archive);

	return errnum > 0 ? -errnum : -EIO;
}

static int archive_save_entry(
	const struct calls *lib, struct archive *archive, struct archive_entry *entry, const struct td_doctor_node *node)
{
	static const __LA_MODE_T types[] = {[TD_DOCTOR_SEEN] = AE_IFDIR, [TD_DOCTOR_LINK] = AE_IFLNK, [TD_DOCTOR_FILE] = AE_IFREG};
	size_t len = node->kind == TD_DOCTOR_FILE ? node->len_bytes : 0;

	lib->archive_entry_set_pathname(entry, node->path + 1);
	lib->archive_entry_set_filetype(entry, types[node->kind]);
	lib->archive_entry_set_perm(entry, node->kind == TD_DOCTOR_SEEN ? 0755 : 0644);
	lib->archive_entry_set_size(entry, (la_int64_t)len);
	if (node->kind == TD_DOCTOR_LINK)
		lib->archive_entry_set_symlink(entry, node->data);
	if (lib->archive_write_header(archive, entry) < ARCHIVE_WARN ||
		(len && lib->archive_write_data(archive, node->data, len) != (la_ssize_t)len))
		return archive_errno_of(lib, archive);
	return 0;
}

/* Into memory, as libarchive 3.6 leaks where writing fails. *ret_data is the caller's to free, on failure too. */
static int archive_pack(
	const struct calls *lib, struct archive *archive, const struct td_doctor_store *store, char **ret_data, size_t *ret_len)
{
	size_t room = 2 * BLOCK_BYTES; /* the end */
	int rc = 0;

	for (size_t i = 0; i < store->count; i++)
		room += BLOCK_BYTES + td_align_up(store->node[i]->len_bytes, BLOCK_BYTES);
	*ret_data = malloc(room);
	if (!*ret_data)
		return -ENOMEM;
	if (lib->archive_write_set_format_ustar(archive) != ARCHIVE_OK ||
		lib->archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK ||
		lib->archive_write_open_memory(archive, *ret_data, room, ret_len) != ARCHIVE_OK)
		return archive_errno_of(lib, archive);
	for (size_t i = 0; !rc && i < store->count; i++) {
		struct archive_entry *entry = lib->archive_entry_new();

		rc = entry ? archive_save_entry(lib, archive, entry, store->node[i]) : -ENOMEM;
		lib->archive_entry_free(entry);
	}
	if (!rc && lib->archive_write_close(archive) != ARCHIVE_OK)
		rc = archive_errno_of(lib, archive);
	return rc;
}

static int save_file(const char *path, const char *mode, const char *data, size_t len)
{
	FILE *out = fopen(path, mode);
	int rc = 0;

	if (!out)
		return -errno;
	errno = 0;
	if (len && fwrite(data, len, 1, out) != 1)
		rc = errno ? -errno : -EIO;
	return fclose(out) && !rc ? -errno : rc;
}

static int save_archive(const struct td_doctor_store *store, const char *target, struct td_err *err)
{
	td_auto_free char *data = NULL;
	struct calls lib;
	struct stat st;
	void *library;
	size_t len = 0;
	int rc = archive_open_library(&lib, &library, err);

	if (rc)
		return td_err_prefix(err, "--record %s", target);
	struct archive *archive = lib.archive_write_new();
	rc = archive ? archive_pack(&lib, archive, store, &data, &len) : -ENOMEM;
	lib.archive_write_free(archive);
	dlclose(library);
	if (!rc) {
		rc = save_file(target, "we", data, len);
		if (rc && !stat(target, &st) && S_ISREG(st.st_mode))
			unlink(target);
	}
	return rc ? td_err_sys(err, -rc, TD_REASON_SYSTEM, "--record %s", target) : 0;
}

static int make_parents(char *path, size_t root_len)
{
	for (char *slash = path + root_len; (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		int r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*slash = '/';
		if (r)
			return r;
	}
	return 0;
}

static int save_node(const char *root, const struct td_doctor_node *node)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s%s", root, node->path) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	int r = make_parents(path, strlen(root));
	if (r)
		return r;
	if (node->kind == TD_DOCTOR_SEEN)
		return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	if (node->kind == TD_DOCTOR_LINK)
		return symlink(node->data, path) < 0 ? -errno : 0;
	return save_file(path, "wxe", node->data, node->len_bytes);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	remove(path);
	return 0;
}

static int save_directory(const struct td_doctor_store *store, const char *target, struct td_err *err)
{
	char root[PATH_MAX];
	int len = snprintf(root, sizeof(root), "%.*s", (int)(strlen(target) - 1), target), r = 0;
	if (len <= 0 || len >= (int)sizeof(root) || mkdir(root, 0755) < 0)
		return td_err_sys(err, len > 0 ? errno : EINVAL, TD_REASON_SYSTEM, "--record %s: a new directory is needed", target);
	for (size_t i = 0; !r && i < store->count; i++)
		r = save_node(root, store->node[i]);
	if (!r)
		return 0;
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return td_err_sys(err, -r, TD_REASON_SYSTEM, "--record %s", target);
}

int td_doctor_store_save(const struct td_doctor_store *store, const char *target, struct td_err *err)
{
	size_t len = strlen(target);
	if (!len)
		return td_err_set(err, EINVAL, TD_REASON_USAGE, "--record: needs a file's name");
	return target[len - 1] == '/' ? save_directory(store, target, err) : save_archive(store, target, err);
}
