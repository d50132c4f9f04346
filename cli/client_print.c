/* SPDX-License-Identifier: Apache-2.0 */
/* client_print.c - what VMs answered, for people: cells and lines; and as JSON for programs. */
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "core/control.h"

void td_client_print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
	putchar('\n');
}

void td_client_print_failure(const struct td_err *err, const json_t *detail)
{
	json_t *object = json_pack("{s:b, s:o}", "ok", 0, "error", td_control_error_json(err));

	json_object_update(object, (json_t *)(uintptr_t)detail); /* of NULL: refused, and nothing is lost */
	td_client_print_json(object);
	json_decref(object);
}

static const char *scalar_text(const json_t *value, char text[64])
{
	if (json_is_string(value))
		return *json_string_value(value) ? json_string_value(value) : "-";
	if (json_is_integer(value))
		snprintf(text, 64, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		snprintf(text, 64, "%.1f", json_real_value(value));
	else if (json_is_boolean(value))
		return json_is_true(value) ? "on" : "off";
	else
		return "-";
	return text;
}

const char *td_client_cell(const json_t *object, const char *path, char ret_text[64])
{
	char name[32];

	for (const char *dot; (dot = strchr(path, '.')); path = dot + 1) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		object = json_object_get(object, name);
	}
	return scalar_text(json_object_get(object, path), ret_text);
}

static void client_print_print_lines(const json_t *object, const char *prefix)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		char path[96], text[64];

		snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", key);
		if (json_is_object(value))
			client_print_print_lines(value, path);
		else if (!json_is_array(value))
			printf("%s: %s\n", path, scalar_text(value, text));
	}
}

void td_client_print_lines(const json_t *object)
{
	client_print_print_lines(object, "");
}
