/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - tables of keys, and what reads text into structs through them: YAML files and command-line flags alike, so that both know the
 * same words, limits and messages. The man page's key list is printed from the same tables (td_schema_print_man).
 *
 * Messages: "WHERE: KEY: what is wrong: what is allowed"; WHERE is FILE:LINE:COLUMN (from 1) for YAML and absent for flags, whose KEY is
 * "--net mac".
 *
 * YAML comes through libyaml's events, which carry marks. libcyaml (1.3.1 in Debian 12) would give positions only as log text and no list
 * of what is allowed. Files are untrusted: anchors, aliases, tags, a second document, NULs, other encodings than UTF-8 and files above
 * TD_SCHEMA_YAML_MAX are refused; nesting cannot go deeper than the tables.
 */
#ifndef TD_CONFIG_SCHEMA_H
#define TD_CONFIG_SCHEMA_H

#include <stdio.h>

#include "config/args.h"
#include "core/base.h"
#include "core/err.h"

#define TD_SCHEMA_YAML_MAX (1U * 1024U * 1024U)

enum td_schema_kind {
	TD_SCHEMA_BOOL,	    /* bool: on off true false yes no */
	TD_SCHEMA_UINT,	    /* uint64_t: decimal or 0x; min..max */
	TD_SCHEMA_SIZE,	    /* uint64_t, bytes: 512M; min..max */
	TD_SCHEMA_DURATION, /* uint64_t, milliseconds: 2s, 500ms, 1m; min..max */
	TD_SCHEMA_WORD,	    /* int or bool: the index of the word */
	TD_SCHEMA_MAC,	    /* uint8_t[6]: unicast, not zero */
	/* These are char *, owned; NULL when not given. */
	TD_SCHEMA_STRING, /* may be empty; with `check`, what that takes */
	TD_SCHEMA_PATH,
	TD_SCHEMA_NAME,	  /* [A-Za-z0-9._-], not starting with . or -; at most `max` characters */
	TD_SCHEMA_IFNAME, /* a network interface's name */
	TD_SCHEMA_BDF,	  /* a PCI address; kept with its domain */
	/* These hold other keys. */
	TD_SCHEMA_TABLE, /* its keys stand in the same struct */
	TD_SCHEMA_LIST,	 /* an array of structs, and its count */
	TD_SCHEMA_TEXTS, /* an array of char *, owned, and its count; each is of item_kind. In a flag's value: with ':' between them */
};

struct td_schema_key {
	const char *name; /* in YAML; NULL ends a table */
	const char *flag; /* top level: the flag, where it is not the name (with - for _) */
	enum td_schema_kind kind;
	const char *help;     /* one line; for the man page */
	const char *fallback; /* the default, as text; NULL: zero */
	size_t offset, bytes; /* of the member */
	size_t given;	      /* 0, or the offset of a bool that is set when the key is read */
	bool required;	      /* for what is printed: td_host_check() and td_vm_config_check() refuse a file without it */
	uint64_t min, max;
	const char *const *words; /* WORD: ended by NULL */
	/* STRING: what more it must be; `allowed` is that in words, "a PCI vendor as in 8086" */
	bool (*check)(const char *text);
	const char *allowed;
	enum td_schema_kind item_kind; /* TEXTS: one of those kept as char * */
	/* TABLE and LIST */
	const struct td_schema_key *keys;
	const char *bare;  /* the key that a value without "key=" belongs to; or NULL */
	bool hoisted;	   /* TABLE: its keys are flags by themselves (--kernel), and it is none */
	size_t item_bytes; /* LIST: the array's member size, and where the unsigned count stands (TEXTS: that alone) */
	size_t count_offset;
	unsigned items_max;
	size_t mark_offset; /* LIST: 0, or where in an item two unsigned take its line and column, from 1; flags leave them 0 */
};

#define TD_SCHEMA_AT(type, member) .offset = offsetof(type, member), .bytes = sizeof(((type *)0)->member)

/* Sets every key to its default. *base is zeroed by the caller. */
int td_schema_defaults(const struct td_schema_key *keys, void *base, struct td_err *err);
/* Frees the strings. Harmless when done twice. */
void td_schema_fini(const struct td_schema_key *keys, void *base);

/* A whole file, or what a pipe gives; cut behind TD_SCHEMA_YAML_MAX + 1 bytes, which the reader refuses. Not ended by NUL. */
int td_schema_read_file(const char *path, char **ret_text, size_t *ret_len, struct td_err *err);

/* Where members' values stand in the file, for checks that come after the reading; a flag's value stands nowhere. */
#define TD_SCHEMA_MARKS_MAX 1024U
struct td_schema_marks {
	const char *file; /* NULL: there was none */
	unsigned count;
	struct {
		const void *member;
		unsigned line, column;
	} mark[TD_SCHEMA_MARKS_MAX];
};
/*
 * -EINVAL with a message. text need not end with NUL. What was read before the error stays in *base. *marks (may be NULL) is filled, and
 * stays true as long as *base stays where it is.
 */
int td_schema_read_yaml(const struct td_schema_key *keys, void *base, const char *file_name, const char *text, size_t len_bytes,
	struct td_schema_marks *marks, struct td_err *err);

/*
 * The flags of a table: its keys, and those of its hoisted tables, as options that take an argument (config/args.h); and --help.
 * "debug_exit" is --debug-exit.
 */
#define TD_SCHEMA_FLAG_BYTES 24
struct td_schema_flags {
	struct td_args_option option[TD_ARGS_MAX + 1];
	char name[TD_ARGS_MAX][TD_SCHEMA_FLAG_BYTES];
};
void td_schema_flags(const struct td_schema_key *keys, struct td_schema_flags *ret_flags);
const char *td_schema_flag_name(const struct td_schema_key *key, char ret_name[TD_SCHEMA_FLAG_BYTES]);

/*
 * One flag, without its dashes: "net" with "id=net0,bridge=br0" (a comma inside a value is written twice), "name" with "web1". A list's
 * flag appends an item. What it replaces loses its mark (marks may be NULL).
 */
int td_schema_read_flag(const struct td_schema_key *keys, void *base, const char *flag, const char *value, struct td_schema_marks *marks,
	struct td_err *err);
/* Is the flag one of a list, which may be given more than once? false for an unknown one too. */
bool td_schema_flag_repeats(const struct td_schema_key *keys, const char *flag);

/* The key list as mdoc(7), the flags as the lines of --help, and a JSON Schema (draft 2020-12) for editors. */
void td_schema_print_man(const struct td_schema_key *keys, FILE *out);
void td_schema_print_flags(const struct td_schema_key *keys, FILE *out);
void td_schema_print_json(const struct td_schema_key *keys, const char *title, FILE *out);

/* For the readers only. */

struct td_schema_place {
	const char *file; /* NULL: a flag */
	size_t line, column;
	const char *path; /* "net[0].mac" or "--net mac" */
	struct td_schema_marks *marks;
};

/* A member was read at the place. */
void td_schema_mark(const struct td_schema_place *place, const void *member);
/* The place of a member's value; false: it has none in a file. */
bool td_schema_marked(const struct td_schema_marks *marks, const void *member, struct td_schema_place *ret_place);

int td_schema_fail(const struct td_schema_place *place, enum td_reason reason, struct td_err *err, const char *fmt, ...) TD_PRINTF(4, 5);
int td_schema_unknown(const struct td_schema_key *keys, const char *name, const struct td_schema_place *place, struct td_err *err);
/* "unknown key, did you mean 'mac'? Known here: id, mac"; what: "key". */
void td_schema_suggest(const struct td_schema_key *keys, const char *name, const char *what, char *ret_text, size_t len_bytes);
/* A scalar's text (len bytes, ended by NUL) into its member. */
int td_schema_read_text(
	const struct td_schema_key *key, void *base, const char *text, size_t len, const struct td_schema_place *place, struct td_err *err);
const struct td_schema_key *td_schema_find(const struct td_schema_key *keys, const char *name);
/* A new item with its defaults at the list's end. */
int td_schema_append(
	const struct td_schema_key *list, void *base, void **ret_item, const struct td_schema_place *place, struct td_err *err);
/* A new text, of the list's item_kind, at the end of a TEXTS. */
int td_schema_append_text(const struct td_schema_key *list, void *base, const char *text, size_t len, const struct td_schema_place *place,
	struct td_err *err);
/* "failover, emulated or vf"; "a whole number from 1 to 8". */
void td_schema_allowed(const struct td_schema_key *key, char *ret_text, size_t len_bytes);
/* For messages: at most 48 bytes of text, control characters as '?'. */
const char *td_schema_quote(const char *text, size_t len, char ret_text[56]);

#endif
