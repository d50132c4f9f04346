/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of tandem host doctor as a command: options, exit statuses, JSON, records; and that docs/doctor.md says what its tables say. */
#include "doctor_trees.h"

#include <jansson.h>
#include <unistd.h>

#include "cli/cmd_verbs.h"
#include "cli/commands.h"

static const char bad_host[] = "/proc/cmdline = quiet\n- /sys/class/iommu\n/sys/module/kvm_intel/parameters/ept = N\n";

struct place {
	char good[64], bad[64], out[64], dir[32];
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct td_doctor_store store = {0};
	snprintf(place->dir, sizeof(place->dir), "/tmp/tandem-doctor-XXXXXX");
	if (!mkdtemp(place->dir))
		return -1;
	snprintf(place->good, sizeof(place->good), "%s/good", place->dir);
	snprintf(place->bad, sizeof(place->bad), "%s/bad", place->dir);
	snprintf(place->out, sizeof(place->out), "%s/out", place->dir);
	trees_host(&store, "");
	assert_int_equal(td_doctor_store_save(&store, place->good, NULL), 0);
	td_doctor_store_fini(&store);
	trees_host(&store, bad_host);
	assert_int_equal(td_doctor_store_save(&store, place->bad, NULL), 0);
	td_doctor_store_fini(&store);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;
	unlink(place->good);
	unlink(place->bad);
	unlink(place->out);
	rmdir(place->dir);
	free(place);
	return 0;
}

/* Runs the command; its standard output is *ret_text (may be NULL), the caller's to free. */
static int run(char **ret_text, const char *a, const char *b, const char *c, const char *d, const char *e)
{
	char *argv[] = {(char *)(uintptr_t) "doctor", (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)c,
		(char *)(uintptr_t)d, (char *)(uintptr_t)e, NULL};
	int argc = 0, status;
	while (argv[argc])
		argc++;
	FILE *caught = tmpfile();
	fflush(stdout);
	int before = dup(STDOUT_FILENO);
	dup2(fileno(caught), STDOUT_FILENO);
	status = td_cmd_host(argc, argv);
	fflush(stdout);
	dup2(before, STDOUT_FILENO);
	close(before);
	rewind(caught);
	char *text = NULL;
	size_t room = 0;
	if (getdelim(&text, &room, '\0', caught) < 0)
		*(text = realloc(text, 1)) = '\0';
	fclose(caught);
	if (ret_text)
		*ret_text = text;
	else
		free(text);
	return status;
}

static void exit_statuses(void **state)
{
	const struct place *place = *state;
	assert_int_equal(run(NULL, "--root", place->good, NULL, NULL, NULL), 0);
	assert_int_equal(run(NULL, "--root", place->bad, NULL, NULL, NULL), 1);
	assert_int_equal(run(NULL, "--root", "/nowhere", NULL, NULL, NULL), 2);
	assert_int_equal(run(NULL, "--root", NULL, NULL, NULL, NULL), 2);
	assert_int_equal(run(NULL, "--root=", NULL, NULL, NULL, NULL), 2);
	assert_int_equal(run(NULL, "--rooty", place->good, NULL, NULL, NULL), 2);
	assert_int_equal(run(NULL, "host", NULL, NULL, NULL, NULL), 2);
	assert_int_equal(run(NULL, "--root", place->good, "--record", "/nowhere/x", NULL), 2);
	assert_int_equal(run(NULL, "--help", NULL, NULL, NULL, NULL), 0);
}

static void text_says_what_stops_first(void **state)
{
	const struct place *place = *state;
	char *text;
	assert_int_equal(run(&text, "--root", place->bad, NULL, NULL, NULL), 1);
	char *stops = strstr(text, "stops  iommu: the firmware has an IOMMU (ACPI table DMAR), the kernel does not use it");
	char *slows = strstr(text, "slows  paging: kvm_intel has ept=N [no-nested-paging]\n"),
	     *fine = strstr(text, "\nok     host: Linux ");
	assert_non_null(stops);
	assert_ptr_equal(stops, text);
	assert_non_null(strstr(stops, " [iommu-not-on]\n       No VM can have a VF: "));
	assert_non_null(strstr(stops, "\n       try: Add intel_iommu=on iommu=pt "));
	assert_true(slows && fine && stops < slows && slows < fine);
	assert_non_null(strstr(text, "\n1 stops VMs or their VFs, 1 costs speed, 0 to know.\n"));
	free(text);
	assert_int_equal(run(&text, "--root", place->good, NULL, NULL, NULL), 0);
	assert_non_null(strstr(text, "\nThis host is ready for VMs with VFs.\n"));
	free(text);
}

static void json_says_the_same(void **state)
{
	const struct place *place = *state;
	char *text;
	assert_int_equal(run(&text, "--json", "--root", place->bad, NULL, NULL), 1);
	json_t *all = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(all);
	assert_true(json_is_false(json_object_get(all, "ready")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "counts"), "stops")), 1);
	unsigned found = 0;
	size_t i;
	json_t *finding;
	json_array_foreach(json_object_get(all, "findings"), i, finding)
	{
		const char *severity = json_string_value(json_object_get(finding, "severity"));
		if (strcmp(json_string_value(json_object_get(finding, "reason")), "iommu-not-on") != 0)
			continue;
		found++;
		assert_string_equal(severity, "stops");
		assert_string_equal(json_string_value(json_object_get(finding, "check")), "iommu");
		assert_string_equal(json_string_value(json_object_get(finding, "object")), "host");
		assert_non_null(strstr(json_string_value(json_object_get(finding, "try")), "intel_iommu=on"));
	}
	assert_int_equal(found, 1);
	json_decref(all);
}

static void a_record_is_made_and_yields_the_same(void **state)
{
	const struct place *place = *state;
	char *first, *second;
	char record[96];
	snprintf(record, sizeof(record), "--record=%s", place->out);
	assert_int_equal(run(&first, "--root", place->bad, record, NULL, NULL), 1);
	assert_int_equal(run(&second, "--root", place->out, NULL, NULL, NULL), 1);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

static void the_reference_is_what_the_tables_say(void **state)
{
	char *printed = NULL, *written = NULL;
	size_t len = 0, room = 0;
	FILE *out = open_memstream(&printed, &len);
	(void)state;
	td_host_doctor_print_reference(out);
	fclose(out);
	FILE *file = fopen(TESTS_CHECKOUT "/docs/doctor.md", "r");
	assert_non_null(file);
	assert_true(getdelim(&written, &room, '\0', file) > 0);
	fclose(file);
	if (strcmp(printed, written) != 0)
		fail_msg("docs/doctor.md is not what the tables say: run docs/update");
	free(printed);
	free(written);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_statuses),
		cmocka_unit_test(text_says_what_stops_first),
		cmocka_unit_test(json_says_the_same),
		cmocka_unit_test(a_record_is_made_and_yields_the_same),
		cmocka_unit_test(the_reference_is_what_the_tables_say),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
