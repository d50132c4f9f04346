/* SPDX-License-Identifier: Apache-2.0 */
/* schema_print.c - a table of keys as text: the key list of tandem.yaml(5) in mdoc(7), and the lines of --help. */
#include <string.h>

#include "config/schema.h"

/* mdoc wants each sentence on a line of its own. */
static void schema_print_print_sentences(const char *text, FILE *out)
{
	for (const char *c = text; *c; c++) {
		fputc(*c, out);
		if (c[0] == '.' && c[1] == ' ') {
			fputc('\n', out);
			c++;
		}
	}
	fputs(".\n", out);
}

static void schema_print_print_man_key(const struct td_schema_key *key, FILE *out)
{
	char allowed[256];

	td_schema_allowed(key, allowed, sizeof(allowed));
	fprintf(out, ".It Cm %s\n", key->name);
	schema_print_print_sentences(key->help, out);
	if (key->required)
		fputs("Required.\n", out);
	if (key->bare)
		fprintf(out, "A value without a key is %s%s.\n", key->kind == TD_SCHEMA_LIST ? "an item's " : "", key->bare);
	if (key->kind != TD_SCHEMA_TABLE && key->kind != TD_SCHEMA_LIST)
		fprintf(out, "Allowed: %s.\n", allowed);
	if (key->fallback)
		fprintf(out, "Default: %s.\n", *key->fallback ? key->fallback : "empty");
}

void td_schema_print_man(const struct td_schema_key *keys, FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (const struct td_schema_key *key = keys; key->name; key++) {
		schema_print_print_man_key(key, out);
		if (key->keys)
			td_schema_print_man(key->keys, out);
	}
	fputs(".El\n", out);
}

static void schema_print_print_flag(const struct td_schema_key *key, FILE *out)
{
	char flag[TD_SCHEMA_FLAG_BYTES], values[256] = "";

	td_schema_flag_name(key, flag);
	for (const struct td_schema_key *k = key->keys; k && k->name; k++) {
		size_t used = strlen(values);

		snprintf(values + used, sizeof(values) - used, "%s%s=", used ? "," : "", k->name);
	}
	fprintf(out, "  --%-11s %s%s\n", flag, key->help, key->required ? ". Required" : "");
	if (key->keys)
		fprintf(out, "  %-13s   %s\n", "", values);
	else if (key->kind == TD_SCHEMA_WORD) {
		td_schema_allowed(key, values, sizeof(values));
		fprintf(out, "  %-13s   %s\n", "", values);
	}
}

void td_schema_print_flags(const struct td_schema_key *keys, FILE *out)
{
	for (const struct td_schema_key *key = keys; key->name; key++) {
		if (key->hoisted)
			td_schema_print_flags(key->keys, out);
		else
			schema_print_print_flag(key, out);
	}
}
