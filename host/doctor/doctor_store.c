/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_store.c - the tree in memory: an array that is kept sorted. It holds some thousand nodes, so nothing cleverer pays. */
#include "host/doctor/doctor_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void node_free(struct td_doctor_node *node)
{
	if (!node)
		return;
	free(node->data);
	free(node);
}

void td_doctor_store_fini(struct td_doctor_store *store)
{
	for (size_t i = 0; i < store->count; i++)
		node_free(store->node[i]);
	free(store->node);
	*store = (struct td_doctor_store){0};
}

/* Absolute, not the root itself, each part a name. */
static bool path_ok(const char *path)
{
	if (*path != '/' || strlen(path) >= TD_DOCTOR_PATH_MAX)
		return false;
	for (const char *part = path; part; part = strchr(part, '/')) {
		size_t len = strcspn(++part, "/");
		if (!len || (len <= 2 && !strncmp(part, "..", len)))
			return false;
	}
	return true;
}

/* The place of the first node whose path is not below `path` in order. */
static size_t place_of(const struct td_doctor_store *store, const char *path)
{
	size_t low = 0, high = store->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(store->node[middle]->path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct td_doctor_node *node_create(const char *path, enum td_doctor_kind kind, const void *data, size_t len)
{
	size_t path_len = strlen(path) + 1;
	struct td_doctor_node *node = calloc(1, sizeof(*node) + path_len);
	if (!node)
		return NULL;
	node->kind = kind;
	memcpy(node->path, path, path_len);
	if (kind == TD_DOCTOR_SEEN)
		return node;
	node->data = malloc(len + 1);
	if (!node->data) {
		free(node);
		return NULL;
	}
	if (len)
		memcpy(node->data, data, len);
	node->data[len] = '\0';
	node->len_bytes = len;
	return node;
}

static int insert(struct td_doctor_store *store, size_t place, struct td_doctor_node *node)
{
	if (store->count == store->room) {
		size_t room = store->room ? store->room * 2 : 256;
		struct td_doctor_node **more = realloc(store->node, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		store->node = more;
		store->room = room;
	}
	memmove(store->node + place + 1, store->node + place, (store->count - place) * sizeof(*store->node));
	store->node[place] = node;
	store->count++;
	return 0;
}

int td_doctor_store_put(struct td_doctor_store *store, const char *path, enum td_doctor_kind kind, const void *data, size_t len_bytes)
{
	size_t len = kind == TD_DOCTOR_SEEN ? 0 : len_bytes;
	if (!path_ok(path))
		return -EINVAL;
	size_t place = place_of(store, path);
	bool there = place < store->count && !strcmp(store->node[place]->path, path);
	if (there && kind == TD_DOCTOR_SEEN)
		return 0;
	if (len > TD_DOCTOR_FILE_MAX || store->bytes + len > TD_DOCTOR_BYTES_MAX || (!there && store->count >= TD_DOCTOR_NODES_MAX))
		return -EFBIG;
	struct td_doctor_node *node = node_create(path, kind, data, len);
	if (!node)
		return -ENOMEM;
	if (there) {
		store->bytes -= store->node[place]->len_bytes;
		node_free(store->node[place]);
		store->node[place] = node;
	} else if (insert(store, place, node)) {
		node_free(node);
		return -ENOMEM;
	}
	store->bytes += len;
	return 0;
}

const struct td_doctor_node *td_doctor_store_find(const struct td_doctor_store *store, const char *path)
{
	size_t place = place_of(store, path);
	return place < store->count && !strcmp(store->node[place]->path, path) ? store->node[place] : NULL;
}

/* The place of the first node below `dir`; its path begins with `prefix`, which is "dir/". */
static size_t first_below(const struct td_doctor_store *store, const char *dir, char prefix[TD_DOCTOR_PATH_MAX + 1])
{
	snprintf(prefix, TD_DOCTOR_PATH_MAX + 1, "%s/", strcmp(dir, "/") ? dir : "");
	return place_of(store, prefix);
}

bool td_doctor_store_has(const struct td_doctor_store *store, const char *path)
{
	char prefix[TD_DOCTOR_PATH_MAX + 1];
	size_t below = first_below(store, path, prefix);
	return td_doctor_store_find(store, path) || (below < store->count && !strncmp(store->node[below]->path, prefix, strlen(prefix)));
}

void td_doctor_store_children(
	const struct td_doctor_store *store, const char *dir, void (*call)(void *opaque, const char *name), void *opaque)
{
	char prefix[TD_DOCTOR_PATH_MAX + 1], last[TD_DOCTOR_PATH_MAX] = "";
	size_t skip = (first_below(store, dir, prefix), strlen(prefix));
	for (size_t i = place_of(store, prefix); i < store->count && !strncmp(store->node[i]->path, prefix, skip); i++) {
		char name[TD_DOCTOR_PATH_MAX];
		const char *rest = store->node[i]->path + skip;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(rest, "/"), rest);
		/* "a", "a-b", "a/x": what is below a name need not follow it at once, but then the name itself came before. */
		char whole[TD_DOCTOR_PATH_MAX * 2];
		snprintf(whole, sizeof(whole), "%s%s", prefix, name);
		bool again = !strcmp(name, last) || (rest[strlen(name)] && td_doctor_store_find(store, whole));
		if (!again)
			call(opaque, name);
		memcpy(last, name, strlen(name) + 1);
	}
}
