/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests that docs/ says what the program's tables say: keys, reason codes, commands with their verbs and options, flags; and that each
 * example loads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "cli/cmd_verbs.h"
#include "config/host_schema.h"
#include "config/policy_schema.h"
#include "config/schema.h"
#include "config/vm_schema.h"

static void docs_path(char path[512], const char *rest)
{
	snprintf(path, 512, TESTS_CHECKOUT "/docs/%s", rest);
}

static char *read_docs(const char *rest)
{
	char path[512], *text = NULL;
	size_t room = 0;
	docs_path(path, rest);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("%s: not there", path);
	ssize_t len = getdelim(&text, &room, '\0', file);
	fclose(file);
	assert_true(len > 0);
	return text;
}

static void the_manuals_list_the_keys(void **state)
{
	static const char *const pages[] = {"man/tandem.yaml.5", "man/host.yaml.5", "man/policy.yaml.5", "man/policy.yaml.5"};
	const struct td_schema_key *const tables[] = {
		td_vm_config_keys(), td_host_schema_keys(), td_policy_schema_keys(), td_policy_schema_simulation_keys()};
	(void)state;
	for (unsigned i = 0; i < TD_COUNT(pages); i++) {
		char *page = read_docs(pages[i]), *keys = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&keys, &len);
		td_schema_print_man(tables[i], out);
		fclose(out);
		if (!strstr(page, keys))
			fail_msg("docs/%s is not what the table says: run docs/update", pages[i]);
		free(keys);
		free(page);
	}
}

static void the_manual_lists_the_facts(void **state)
{
	char *page = read_docs("man/policy.yaml.5"), *facts = NULL, row[100];
	size_t len = 0;
	FILE *out = open_memstream(&facts, &len);
	(void)state;
	td_policy_facts_print_man(out);
	fclose(out);
	if (!strstr(page, facts))
		fail_msg("docs/man/policy.yaml.5 is not what the table of facts says: run docs/update");
	for (enum td_policy_why why = TD_POLICY_WHY_RULE; why <= TD_POLICY_WHY_RETRY; why++) {
		snprintf(row, sizeof(row), "\n.It Cm %s\n", td_policy_why_name(why));
		assert_non_null(strstr(page, row));
	}
	free(facts);
	free(page);
}

static void check_schema(const char *name, const struct td_schema_key *keys, const char *title)
{
	char *file = read_docs(name), *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	td_schema_print_json(keys, title, out);
	fclose(out);
	if (strcmp(file, text) != 0)
		fail_msg("docs/%s is not what the table says: run docs/update", name);
	free(text);
	free(file);
}

static void the_schemas_for_editors_are_the_tables(void **state)
{
	(void)state;
	check_schema("host.schema.json", td_host_schema_keys(), TD_HOST_SCHEMA_TITLE);
	check_schema("policy.schema.json", td_policy_schema_keys(), TD_POLICY_SCHEMA_TITLE);
}

static void reason_codes_are_listed(void **state)
{
	char *text = read_docs("reason-codes.md"), row[256];
	unsigned rows = 0;
	(void)state;
	for (const char *c = text; (c = strstr(c, "\n| `")); c++)
		rows++;
	assert_int_equal(rows, TD_REASON_COUNT - 1);
	for (unsigned i = TD_REASON_NONE + 1; i < TD_REASON_COUNT; i++) {
		snprintf(row, sizeof(row), "\n| `%s` | %s |\n", td_reason_name((enum td_reason)i), td_reason_hint((enum td_reason)i));
		if (!strstr(text, row))
			fail_msg("docs/reason-codes.md lacks %s: run docs/update", td_reason_name((enum td_reason)i));
	}
	free(text);
}

static void the_completion_knows_every_flag_and_key(void **state)
{
	char *completion = read_docs("completion/tandem"), word[64], name[TD_SCHEMA_FLAG_BYTES];
	(void)state;
	for (const struct td_schema_key *key = td_vm_config_keys(); key->name; key++) {
		for (const struct td_schema_key *k = key->keys; k && k->name; k++) {
			snprintf(word, sizeof(word), key->hoisted ? "--%s" : k->name == key->bare ? "%s" : "%s=", k->name);
			/* The serial port's mode is completed by its words. */
			if (strcmp(key->name, "serial") != 0 && !strstr(completion, word))
				fail_msg("docs/completion/tandem lacks %s", word);
		}
		if (key->hoisted)
			continue;
		snprintf(word, sizeof(word), "--%s", td_schema_flag_name(key, name));
		if (!strstr(completion, word))
			fail_msg("docs/completion/tandem lacks %s", word);
	}
	free(completion);
}

static void the_manual_lists_the_flags(void **state)
{
	char *page = read_docs("man/tandem-run.1"), word[64];
	struct td_schema_flags flags;

	(void)state;
	td_schema_flags(td_vm_config_keys(), &flags);
	for (const struct td_args_option *option = flags.option; option->name; option++) {
		snprintf(word, sizeof(word), ".Op Fl -%s ", option->name);
		if (option->argument && !strstr(page, word))
			fail_msg("docs/man/tandem-run.1 lacks '%s'", word);
	}
	free(page);
}

/* ---- commands ---- */

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || c == '-';
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	for (const char *at = text; (at = strstr(at, word)); at += len)
		if ((at == text || !is_name(at[-1])) && !is_name(at[len]))
			return true;
	return false;
}

/* What the completion has for one command: from the test for its name to the next one. The caller's to free. */
static char *completion_of(const char *completion, const char *command)
{
	char head[64];
	snprintf(head, sizeof(head), "COMP_WORDS[1]} == %s ]]", command);
	const char *begin = strstr(completion, head);
	if (!begin)
		fail_msg("docs/completion/tandem does not know the command %s", command);
	const char *end = strstr(begin + strlen(head), "COMP_WORDS[1]} == ");
	return strndup(begin, end ? (size_t)(end - begin) : strlen(begin));
}

static bool is_verb(const struct td_cmd_verbs *verbs, const char *name, size_t len)
{
	for (unsigned i = 0; i < verbs->count; i++)
		if (strlen(verbs->verb[i].name) == len && !strncmp(verbs->verb[i].name, name, len))
			return true;
	return false;
}

static void check_completion(const struct td_cmd_verbs *verbs, const char *completion)
{
	char *part = completion_of(completion, verbs->command), text[40];
	char *list = strstr(part, "words='");
	assert_non_null(list);
	list = strndup(list + 7, strcspn(list + 7, "'")); /* the first: verbs */
	for (const char *word = list; *word; word += strspn(word, " ")) {
		size_t len = strcspn(word, " ");
		if (*word != '-' && !is_verb(verbs, word, len))
			fail_msg("docs/completion/tandem: tandem %s has no verb %.*s", verbs->command, (int)len, word);
		word += len;
	}
	for (unsigned i = 0; i < verbs->count; i++) {
		if (!has_word(list, verbs->verb[i].name))
			fail_msg("docs/completion/tandem lacks tandem %s %s", verbs->command, verbs->verb[i].name);
		for (const struct td_args_option *option = verbs->verb[i].options; option->name; option++) {
			snprintf(text, sizeof(text), "--%s", option->name);
			if (!has_word(part, text))
				fail_msg("docs/completion/tandem lacks %s of tandem %s %s", text, verbs->command, verbs->verb[i].name);
		}
	}
	free(list);
	free(part);
}

/* Options that a page names, and no verb has. */
static void check_options_exist(const struct td_cmd_verbs *verbs, const char *file, const char *page)
{
	for (const char *at = page; (at = strstr(at, "Fl -")); at++) {
		size_t len = strspn(at + 4, "abcdefghijklmnopqrstuvwxyz-");
		bool known = false;

		for (unsigned i = 0; i < verbs->count; i++)
			for (const struct td_args_option *option = verbs->verb[i].options; option->name; option++)
				known = known || (strlen(option->name) == len && !strncmp(option->name, at + 4, len));
		if (!known)
			fail_msg("docs/%s: no verb of tandem %s has --%.*s", file, verbs->command, (int)len, at + 4);
	}
}

static void check_manual(const struct td_cmd_verbs *verbs)
{
	char file[64], text[64];
	snprintf(file, sizeof(file), "man/tandem-%s.1", verbs->command);
	char *page = read_docs(file), *doctor = read_docs("man/tandem-host-doctor.1");
	for (unsigned i = 0; i < verbs->count; i++) {
		const struct td_cmd_verb *verb = &verbs->verb[i];
		bool own_page = !strcmp(verb->name, "doctor");
		snprintf(text, sizeof(text), "\n.It Cm %s\n", verb->name);
		if (!strstr(page, text))
			fail_msg("docs/%s does not say what %s does", file, verb->name);
		for (const struct td_args_option *option = verb->options; option->name; option++) {
			snprintf(text, sizeof(text), "Fl -%s", option->name);
			if (strcmp(option->name, "help") != 0 && !strstr(own_page ? doctor : page, text))
				fail_msg("docs/%s lacks --%s of tandem %s %s", file, option->name, verbs->command, verb->name);
		}
		if (own_page)
			check_options_exist(verbs, "man/tandem-host-doctor.1", doctor);
	}
	check_options_exist(verbs, file, page);
	free(doctor);
	free(page);
}

static void commands_are_documented(void **state)
{
	char *completion = read_docs("completion/tandem");
	(void)state;
	check_completion(&td_cmd_vm_verbs, completion);
	check_completion(&td_cmd_nic_verbs, completion);
	check_manual(&td_cmd_vm_verbs);
	check_manual(&td_cmd_nic_verbs);
	check_completion(&td_cmd_host_verbs, completion);
	check_manual(&td_cmd_host_verbs);
	check_completion(&td_cmd_policy_verbs, completion);
	check_manual(&td_cmd_policy_verbs);
	free(completion);
}

static void load_host_example(const char *name)
{
	char rest[300];
	struct td_host_config config;
	struct td_err err = {0};
	snprintf(rest, sizeof(rest), "examples/%s", name);
	char *text = read_docs(rest);
	if (td_host_schema_read(&config, name, text, strlen(text), &err))
		fail_msg("%s", err.text);
	assert_true(config.pool_count && config.network_count);
	td_host_schema_fini(&config);
	free(text);
}

/* Its expectations hold, too. */
static void load_simulation(const char *path)
{
	struct td_policy_simulation_config *config = NULL;
	struct td_policy *policy;
	struct td_err err = {0};
	char *text, policy_file[900];
	size_t len;
	FILE *out = fopen("/dev/null", "w");
	if (td_schema_read_file(path, &text, &len, &err) || td_policy_schema_read_simulation(&config, path, text, len, &err))
		fail_msg("%s", err.text);
	snprintf(policy_file, sizeof(policy_file), TESTS_CHECKOUT "/docs/examples/%s", config->policy);
	if (td_policy_schema_load(&policy, policy_file, &err))
		fail_msg("%s", err.text);
	assert_int_equal(td_policy_simulate(config, path, policy, out, &err), 0);
	fclose(out);
	td_policy_schema_simulation_free(config);
	free(policy);
	free(text);
}

static void each_example_loads(void **state)
{
	char path[512];
	unsigned count = 0, host_count = 0, policy_count = 0;
	(void)state;
	docs_path(path, "examples");
	DIR *dir = opendir(path);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct td_vm_file_config config;
		struct td_err err = {0};
		char file[800];
		if (!strstr(entry->d_name, ".yaml"))
			continue;
		if (!strncmp(entry->d_name, "host-", 5)) {
			load_host_example(entry->d_name);
			host_count++;
			continue;
		}
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		if (!strncmp(entry->d_name, "policy-", 7)) {
			struct td_policy *policy;

			if (td_policy_schema_load(&policy, file, &err))
				fail_msg("%s", err.text);
			free(policy);
			policy_count++;
			continue;
		}
		if (!strncmp(entry->d_name, "simulation-", 11)) {
			load_simulation(file);
			continue;
		}
		char *argv[] = {file};
		if (td_vm_config_from_args(&config, 1, argv, &err))
			fail_msg("%s", err.text);
		td_vm_config_fini(&config);
		count++;
	}
	closedir(dir);
	assert_true(count >= 4 && host_count >= 3 && policy_count >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manuals_list_the_keys),
		cmocka_unit_test(the_manual_lists_the_facts),
		cmocka_unit_test(the_schemas_for_editors_are_the_tables),
		cmocka_unit_test(reason_codes_are_listed),
		cmocka_unit_test(the_completion_knows_every_flag_and_key),
		cmocka_unit_test(the_manual_lists_the_flags),
		cmocka_unit_test(commands_are_documented),
		cmocka_unit_test(each_example_loads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
