/* SPDX-License-Identifier: Apache-2.0 */
/* core_err_test.c - td_err: codes, texts, and that every reason has a name of its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"

static void fills_code_reason_and_text(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_err_set(&err, EBUSY, TD_REASON_VF_BUSY, "vf %s: held", "0000:3b:02.1"), -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	assert_int_equal(err.reason, TD_REASON_VF_BUSY);
	assert_string_equal(err.text, "vf 0000:3b:02.1: held");
}

static void never_reports_success(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_err_set(&err, 0, TD_REASON_SYSTEM, "x"), -EIO);
	assert_int_equal(td_err_set(&err, -ENOENT, TD_REASON_SYSTEM, "x"), -ENOENT);
	assert_int_equal(td_err_set(NULL, EPERM, TD_REASON_SYSTEM, "x"), -EPERM);
	assert_int_equal(td_err_sys(NULL, EPERM, TD_REASON_SYSTEM, "x"), -EPERM);
}

static void sys_appends_the_system_error(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_err_sys(&err, ENOENT, TD_REASON_DISK, "disk %s", "a.img"), -ENOENT);
	assert_string_equal(err.text, "disk a.img: No such file or directory");
}

static void prefix_goes_before_a_set_error_only(void **state)
{
	struct td_err err = {0};

	(void)state;
	assert_int_equal(td_err_prefix(&err, "nic net0"), 0);
	assert_string_equal(err.text, "");
	td_err_set(&err, EIO, TD_REASON_VFIO, "reset failed");
	assert_int_equal(td_err_prefix(&err, "nic %s", "net0"), -EIO);
	assert_string_equal(err.text, "nic net0: reset failed");
}

static void long_texts_are_cut_and_terminated(void **state)
{
	struct td_err err = {0};
	char text[2000];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	td_err_sys(&err, EIO, TD_REASON_SYSTEM, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	td_err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void reasons_have_names_of_their_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < TD_REASON_COUNT; i++) {
		const char *name = td_reason_name((enum td_reason)i);

		assert_true(strlen(name) > 0);
		if (i != TD_REASON_NONE)
			assert_true(strlen(td_reason_hint((enum td_reason)i)) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(name, td_reason_name((enum td_reason)j));
	}
	assert_string_equal(td_reason_name(TD_REASON_COUNT), "unknown");
	assert_string_equal(td_reason_hint(TD_REASON_COUNT), "");
}

static void prints_text_reason_and_hint(void **state)
{
	struct td_err err = {0};
	char *out = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&out, &len);

	(void)state;
	td_err_set(&err, EPERM, TD_REASON_VFIO_DRIVER, "no driver");
	td_err_print(file, &err);
	fclose(file);
	assert_string_equal(out, "tandem: no driver [vfio-driver]\n  try: modprobe vfio-pci\n");
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_code_reason_and_text),
		cmocka_unit_test(never_reports_success),
		cmocka_unit_test(sys_appends_the_system_error),
		cmocka_unit_test(prefix_goes_before_a_set_error_only),
		cmocka_unit_test(long_texts_are_cut_and_terminated),
		cmocka_unit_test(reasons_have_names_of_their_own),
		cmocka_unit_test(prints_text_reason_and_hint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
