/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_archive.c - a doctor_store.h tree as a tar archive or as a directory. The archive is POSIX ustar, nothing of it is ever unpacked
 * to disk. Not libarchive: each VM's process would map it with the sixteen libraries it needs, for a header of 512 bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/doctor/doctor_store.h"

#define BLOCK_BYTES 512U

/* POSIX.1-1988 ustar; numbers are octal text. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK_BYTES, "one block");

#define TYPE_FILE      '0'
#define TYPE_LINK      '2'
#define TYPE_DIRECTORY '5'

static void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define AUTO_FILE __attribute__((cleanup(cleanup_file)))

/* ---- loading ---- */

/* Octal digits, ended by a blank, a NUL or the field; -1: something else, or more than any file here has. */
static long octal(const char *field, size_t len)
{
	long number = 0;
	size_t i = 0;
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
		number = number * 8 + (field[i] - '0');
		if (number > INT_MAX)
			return -1;
	}
	return i == len || field[i] == ' ' || field[i] == '\0' ? number : -1;
}

/* The sum of the header's bytes, its own field taken as blanks. */
static long checksum(const struct header *header)
{
	const unsigned char *byte = (const unsigned char *)header;
	size_t start = offsetof(struct header, checksum);
	long sum = 0;
	for (size_t i = 0; i < sizeof(*header); i++)
		sum += i >= start && i < start + sizeof(header->checksum) ? ' ' : byte[i];
	return sum;
}

/* "./sys/class/" and "sys/class" are both /sys/class. -ENOENT: the root itself. */
static int entry_path(const struct header *header, char path[TD_DOCTOR_PATH_MAX])
{
	char whole[sizeof(header->prefix) + sizeof(header->name) + 2];
	bool ustar = !memcmp(header->magic, "ustar", sizeof(header->magic)); /* with its NUL; GNU's own format has a blank there */
	snprintf(whole, sizeof(whole), "%.*s%s%.*s", ustar ? (int)sizeof(header->prefix) : 0, header->prefix,
		ustar && *header->prefix ? "/" : "", (int)sizeof(header->name), header->name);
	const char *name = whole;
	while (!strncmp(name, "./", 2) || *name == '/')
		name += *name == '/' ? 1 : 2;
	size_t len = strlen(name);
	while (len && name[len - 1] == '/')
		len--;
	if (!len || (len == 1 && *name == '.'))
		return -ENOENT;
	snprintf(path, TD_DOCTOR_PATH_MAX, "/%.*s", (int)len, name);
	return 0;
}

static int skip(FILE *in, size_t len)
{
	char block[BLOCK_BYTES];
	for (size_t done = 0; done < len; done += sizeof(block))
		if (fread(block, sizeof(block), 1, in) != 1)
			return -EBADMSG;
	return 0;
}

static int load_file(struct td_doctor_store *store, FILE *in, const char *path, size_t size)
{
	size_t padded = (size_t)td_align_up(size, BLOCK_BYTES);
	if (size > TD_DOCTOR_FILE_MAX)
		return -EFBIG;
	td_auto_free char *data = malloc(padded + 1);
	if (!data)
		return -ENOMEM;
	if (padded && fread(data, padded, 1, in) != 1)
		return -EBADMSG;
	return td_doctor_store_put(store, path, TD_DOCTOR_FILE, data, size);
}

static int load_entry(struct td_doctor_store *store, FILE *in, const struct header *header)
{
	char path[TD_DOCTOR_PATH_MAX];
	long size = octal(header->size, sizeof(header->size));
	if (size < 0 || octal(header->checksum, sizeof(header->checksum)) != checksum(header))
		return -EBADMSG;
	int r = entry_path(header, path);
	if (r == -ENOENT)
		return skip(in, (size_t)size);
	switch (header->type) {
	case TYPE_FILE:
	case '\0':
		return load_file(store, in, path, (size_t)size);
	case TYPE_LINK:
		r = td_doctor_store_put(store, path, TD_DOCTOR_LINK, header->link, strnlen(header->link, sizeof(header->link)));
		break;
	case TYPE_DIRECTORY:
		r = td_doctor_store_put(store, path, TD_DOCTOR_SEEN, NULL, 0);
		break;
	default: /* device nodes, other programs' extensions */
		break;
	}
	return r ? r : skip(in, (size_t)size);
}

int td_doctor_store_parse(struct td_doctor_store *store, FILE *in)
{
	static const struct header end;
	struct header header;
	for (unsigned n = 0;; n++) {
		if (fread(&header, sizeof(header), 1, in) != 1)
			return -EBADMSG;
		if (!memcmp(&header, &end, sizeof(header)))
			return n ? 0 : -EBADMSG;
		int r = n < TD_DOCTOR_NODES_MAX ? load_entry(store, in, &header) : -EFBIG;
		if (r)
			return r;
	}
}

int td_doctor_store_load(struct td_doctor_store *store, const char *archive, struct td_err *err)
{
	AUTO_FILE FILE *in = fopen(archive, "re");
	if (!in)
		return td_err_sys(err, errno, TD_REASON_USAGE, "--root %s", archive);
	switch (td_doctor_store_parse(store, in)) {
	case 0:
		return 0;
	case -EFBIG:
		return td_err_set(err, EFBIG, TD_REASON_USAGE, "--root %s: more or larger files than a recorded host has", archive);
	case -ENOMEM:
		return td_err_set(err, ENOMEM, TD_REASON_NO_MEMORY, "--root %s: no memory", archive);
	default:
		return td_err_set(
			err, EINVAL, TD_REASON_USAGE, "--root %s: neither a directory nor a whole, uncompressed tar archive", archive);
	}
}

/* ---- saving ---- */

/* A path longer than the name's field is cut in two at a '/'. */
static int set_path(struct header *header, const char *path)
{
	size_t len = strlen(path);
	const char *cut = path;
	if (len > sizeof(header->name)) {
		cut = strchr(path + len - sizeof(header->name) - 1, '/');
		if (!cut || (size_t)(cut - path) > sizeof(header->prefix))
			return -ENAMETOOLONG;
		memcpy(header->prefix, path, (size_t)(cut - path));
		cut++;
	}
	memcpy(header->name, cut, strlen(cut));
	return 0;
}

static int put(FILE *out, const void *data, size_t len)
{
	errno = 0;
	if (!len || fwrite(data, len, 1, out) == 1)
		return 0;
	return errno ? -errno : -EIO;
}

static int save_entry(FILE *out, const struct td_doctor_node *node)
{
	static const char types[] = {[TD_DOCTOR_SEEN] = TYPE_DIRECTORY, [TD_DOCTOR_LINK] = TYPE_LINK, [TD_DOCTOR_FILE] = TYPE_FILE};
	static const char zero[BLOCK_BYTES];
	struct header header = {.magic = "ustar", .version = {'0', '0'}, .type = types[node->kind]};
	size_t len = node->kind == TD_DOCTOR_FILE ? node->len_bytes : 0;
	int r = set_path(&header, node->path + 1);
	if (r)
		return r;
	if (node->kind == TD_DOCTOR_LINK && node->len_bytes > sizeof(header.link))
		return -ENAMETOOLONG;
	if (node->kind == TD_DOCTOR_LINK)
		memcpy(header.link, node->data, node->len_bytes);
	snprintf(header.mode, sizeof(header.mode), "%07o", node->kind == TD_DOCTOR_SEEN ? 0755 : 0644);
	snprintf(header.uid, sizeof(header.uid), "%07o", 0);
	snprintf(header.gid, sizeof(header.gid), "%07o", 0);
	snprintf(header.size, sizeof(header.size), "%011zo", len);
	snprintf(header.mtime, sizeof(header.mtime), "%011o", 0);
	snprintf(header.checksum, sizeof(header.checksum), "%06lo",
		(unsigned long)checksum(&header) & 0777777UL); /* 512 bytes sum up to less */
	header.checksum[7] = ' ';
	size_t pad = (size_t)td_align_up(len, BLOCK_BYTES) - len;
	r = put(out, &header, sizeof(header));
	if (!r)
		r = put(out, node->data, len);
	return r ? r : put(out, zero, pad);
}

static int save_archive(const struct td_doctor_store *store, const char *target, struct td_err *err)
{
	static const char end[2 * BLOCK_BYTES];
	struct stat st;
	AUTO_FILE FILE *out = fopen(target, "we");
	int r = 0;
	if (!out)
		return td_err_sys(err, errno, TD_REASON_SYSTEM, "--record %s", target);
	for (size_t i = 0; !r && i < store->count; i++)
		r = save_entry(out, store->node[i]);
	if (!r)
		r = put(out, end, sizeof(end));
	if (!r && fflush(out))
		r = -errno;
	if (!r)
		return 0;
	if (!fstat(fileno(out), &st) && S_ISREG(st.st_mode))
		unlink(target);
	return td_err_sys(err, -r, TD_REASON_SYSTEM, "--record %s", target);
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
	AUTO_FILE FILE *out = fopen(path, "wxe");
	if (!out)
		return -errno;
	r = put(out, node->data, node->len_bytes);
	return !r && fflush(out) ? -errno : r;
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
