/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_trees.h - hosts for tests of the doctor, written as text, one node a line:
 *
 *   /path = text with \n and \t          a file
 *   /path = config bridge=3b,3c pcie flr acs=1d/1d sriov=63   a file: PCI configuration space, with a serial number in it
 *   /path -> target                      a link
 *   /path/                               a directory
 *   - /path                              not this one of the base, nor what is below it
 *
 * Lines of a case come on top of a base.
 */
#ifndef TD_TESTS_DOCTOR_TREES_H
#define TD_TESTS_DOCTOR_TREES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ftw.h>
#include <linux/pci_regs.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/doctor/doctor.h"
#include "host/doctor/doctor_caps.h"

static inline void trees_put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

/* The extended capabilities stand at fixed places, each with the next one's. */
static inline void trees_config(uint8_t config[TD_DOCTOR_CONFIG_BYTES], const char *words)
{
	static const unsigned extended[] = {0x100, PCI_EXT_CAP_ID_DSN, 0x140, PCI_EXT_CAP_ID_ACS, 0x180, PCI_EXT_CAP_ID_SRIOV};
	unsigned first, last, cap, control, total;
	const char *word;
	memset(config, 0, TD_DOCTOR_CONFIG_BYTES);
	trees_put16(config, 0x8086);
	if ((word = strstr(words, "bridge=")) && sscanf(word, "bridge=%x,%x", &first, &last) == 2) {
		config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
		config[PCI_SECONDARY_BUS] = (uint8_t)first;
		config[PCI_SUBORDINATE_BUS] = (uint8_t)last;
	}
	if (strstr(words, "pcie")) {
		config[PCI_STATUS] = PCI_STATUS_CAP_LIST;
		config[PCI_CAPABILITY_LIST] = 0x40;
		config[0x40] = PCI_CAP_ID_EXP;
		config[0x40 + PCI_EXP_DEVCAP + 3] = strstr(words, "flr") ? PCI_EXP_DEVCAP_FLR >> 24 : 0;
	}
	for (unsigned i = 0; i < TD_COUNT(extended); i += 2) {
		unsigned next = i + 2 < TD_COUNT(extended) ? extended[i + 2] : 0;
		unsigned id = extended[i + 1];
		bool there = id == PCI_EXT_CAP_ID_DSN || strstr(words, id == PCI_EXT_CAP_ID_ACS ? "acs=" : "sriov=");
		trees_put16(config + extended[i], there ? id : 0x0b); /* a vendor's own */
		trees_put16(config + extended[i] + 2, next << 4 | 1);
	}
	memcpy(config + 0x104, "SERIALNO", 8);
	if ((word = strstr(words, "acs=")) && sscanf(word, "acs=%x/%x", &cap, &control) == 2) {
		trees_put16(config + 0x140 + PCI_ACS_CAP, cap);
		trees_put16(config + 0x140 + PCI_ACS_CTRL, control);
	}
	if ((word = strstr(words, "sriov=")) && sscanf(word, "sriov=%u", &total) == 1) {
		trees_put16(config + 0x180 + PCI_SRIOV_TOTAL_VF, total);
		config[0x180 + PCI_SRIOV_BAR] = 0xc;
	}
}

static inline size_t trees_unescape(char *text)
{
	char *out = text;
	for (char *in = text; *in; in++) {
		if (*in == '\\' && (in[1] == 'n' || in[1] == 't'))
			*out++ = *++in == 'n' ? '\n' : '\t';
		else
			*out++ = *in;
	}
	*out = '\0';
	return (size_t)(out - text);
}

static inline void trees_put(struct td_doctor_store *store, const char *path, enum td_doctor_kind kind, const void *data, size_t len)
{
	if (td_doctor_store_put(store, path, kind, data, len))
		fail_msg("%s: not a path that a store takes", path);
}

static inline void trees_add_line(struct td_doctor_store *store, char *line)
{
	char *arrow = strstr(line, " -> "), *equals = strstr(line, " =");
	if (arrow && (!equals || arrow < equals)) {
		*arrow = '\0';
		trees_put(store, line, TD_DOCTOR_LINK, arrow + 4, strlen(arrow + 4));
	} else if (equals) {
		char *text = equals + 2 + (equals[2] == ' ');
		uint8_t config[TD_DOCTOR_CONFIG_BYTES];
		*equals = '\0';
		size_t len = trees_unescape(text);
		if (!strncmp(text, "config ", 7)) {
			trees_config(config, text);
			trees_put(store, line, TD_DOCTOR_FILE, config, sizeof(config));
		} else {
			trees_put(store, line, TD_DOCTOR_FILE, text, len);
		}
	} else if (*line == '/' && line[strlen(line) - 1] == '/') {
		line[strlen(line) - 1] = '\0';
		trees_put(store, line, TD_DOCTOR_SEEN, NULL, 0);
	} else {
		fail_msg("no line of a tree: %s", line);
	}
}

/* Is `path` taken away by a "- " line of `changes`? */
static inline bool trees_removed(const char *changes, const char *path)
{
	for (const char *at = changes; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
		size_t len = strcspn(at, "\n");
		if (len > 2 && at[0] == '-' && !strncmp(path, at + 2, len - 2) && (!path[len - 2] || strchr("/ ", path[len - 2])))
			return true;
	}
	return false;
}

/* The lines of `text` that nothing in `changes` (may be NULL) takes away. */
static inline void trees_add(struct td_doctor_store *store, const char *text, const char *changes)
{
	char *copy = strdup(text), *rest = NULL;
	for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (*line != '#' && *line != '-' && !trees_removed(changes, line))
			trees_add_line(store, line);
	free(copy);
}

/* The good host of tests/unit/doctor, the caller's to free. */
static inline char *trees_base(void)
{
	char *text = NULL;
	size_t room = 0;
	static const char path[] = TESTS_CHECKOUT "/tests/unit/doctor/good-host.tree";
	FILE *file = fopen(path, "r");
	if (!file || getdelim(&text, &room, '\0', file) < 0)
		fail_msg("%s: cannot be read", path);
	fclose(file);
	return text;
}

/* The good host with changes, into an empty store. */
static inline void trees_host(struct td_doctor_store *store, const char *changes)
{
	char *base = trees_base();
	trees_add(store, base, changes);
	trees_add(store, changes, NULL);
	free(base);
}

/* As `tandem host doctor` would look at it. The store is taken over. */
static inline void trees_examine(struct td_doctor_store *store, struct td_doctor_report *report)
{
	struct td_doctor_tree *tree = td_doctor_tree_of_store(store);
	assert_non_null(tree);
	assert_int_equal(td_doctor_examine(tree, report, NULL), 0);
	td_doctor_tree_close(tree);
}

static inline void trees_assert_same(const struct td_doctor_report *a, const struct td_doctor_report *b)
{
	assert_int_equal(a->count, b->count);
	for (unsigned i = 0; i < a->count; i++) {
		assert_string_equal(td_doctor_reason_info(a->finding[i].reason)->name, td_doctor_reason_info(b->finding[i].reason)->name);
		assert_string_equal(a->finding[i].object, b->finding[i].object);
		assert_string_equal(a->finding[i].seen, b->finding[i].seen);
		assert_string_equal(a->finding[i].remedy, b->finding[i].remedy);
	}
}

/* ---- on disk ---- */

static inline int trees_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st, (void)type, (void)walk;
	return remove(path);
}

/* A new directory for a test, removed by trees_teardown. */
static inline int trees_setup(void **state)
{
	char dir[] = "/tmp/tandem-doctor-XXXXXX";
	*state = mkdtemp(dir) ? strdup(dir) : NULL;
	return *state ? 0 : -1;
}

static inline int trees_teardown(void **state)
{
	nftw(*state, trees_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static inline char *trees_in_dir(void **state, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", (const char *)*state, name);
	return path;
}

/* DIR/NAME with `text`, and the directories above it. */
static inline void trees_write_file(void **state, const char *name, const void *text, size_t len)
{
	char path[256];
	trees_in_dir(state, name, path);
	for (char *c = strchr(path + 1, '/'); c; c = strchr(c + 1, '/')) {
		*c = '\0';
		mkdir(path, 0755);
		*c = '/';
	}
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static inline void trees_write_text(void **state, const char *name, const char *text)
{
	trees_write_file(state, name, text, strlen(text));
}

static inline struct td_doctor_tree *trees_open_tree(const char *root)
{
	struct td_doctor_tree *tree = NULL;
	struct td_err err = {0};
	if (td_doctor_tree_open(root, &tree, &err))
		fail_msg("%s", err.text);
	return tree;
}

static inline void trees_examine_root(const char *root, struct td_doctor_report *report)
{
	struct td_doctor_tree *tree = trees_open_tree(root);
	assert_int_equal(td_doctor_examine(tree, report, NULL), 0);
	td_doctor_tree_close(tree);
}

#endif
