/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, numbers and links of a directory that stands for /sys. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sys/sysfs.h"

static char root[] = "/tmp/tandem-sysfs-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	assert_int_equal(td_sysfs_path(path, root, "/%s", name), 0);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static int remove_root(void **state)
{
	char path[PATH_MAX];

	(void)state;
	(void)td_sysfs_path(path, root, "/file");
	unlink(path);
	(void)td_sysfs_path(path, root, "/link");
	unlink(path);
	return rmdir(root);
}

static void test_text(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(td_sysfs_read(root, text, sizeof(text), "/%s", "file"), -ENOENT);
	assert_string_equal(text, "");
	put("file", "1234567\n"); /* the line's end takes no room */
	assert_int_equal(td_sysfs_read(root, text, sizeof(text), "/%s", "file"), 0);
	assert_string_equal(text, "1234567");
	put("file", "12345678\n"); /* never cut off */
	assert_int_equal(td_sysfs_read(root, text, sizeof(text), "/file"), -EOVERFLOW);
	assert_string_equal(text, "");
	assert_int_equal(td_sysfs_write(root, "one", "/file"), 0);
	assert_int_equal(td_sysfs_write(root, "one", "/no"), -ENOENT);
	assert_true(td_sysfs_exists(root, "/file"));
	assert_false(td_sysfs_exists(root, "/no"));
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		int rc;
		unsigned long number;
	} rows[] = {{"7\n", 0, 7}, {"0x10ca\n", 0, 0x10ca}, {"65535", 0, 65535}, {"65536", -EINVAL, 0}, {"", -EINVAL, 0},
		{"-1\n", -EINVAL, 0}, {"7 8\n", -EINVAL, 0}, {"99999999999999999999999\n", -EINVAL, 0}};

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(rows); i++) {
		unsigned long number = 0;

		put("file", rows[i].text);
		assert_int_equal(td_sysfs_read_number(root, UINT16_MAX, &number, "/file"), rows[i].rc);
		assert_int_equal(number, rows[i].number);
	}
}

static void test_link(void **state)
{
	char path[PATH_MAX], name[8];

	(void)state;
	assert_int_equal(td_sysfs_path(path, root, "/link"), 0);
	assert_false(td_sysfs_link(root, name, sizeof(name), "/link"));
	assert_string_equal(name, "");
	assert_int_equal(symlink("../drivers/igbvf", path), 0);
	assert_true(td_sysfs_link(root, name, sizeof(name), "/link"));
	assert_string_equal(name, "igbvf");
	assert_false(td_sysfs_link(root, name, 5, "/link"));
	assert_string_equal(name, "");
}

static void test_long_path(void **state)
{
	static char deep[PATH_MAX];
	char path[PATH_MAX];

	(void)state;
	memset(deep, 'x', sizeof(deep) - 1);
	assert_int_equal(td_sysfs_path(path, root, "/%s", deep), -ENAMETOOLONG);
	assert_int_equal(td_sysfs_read(root, path, sizeof(path), "/%s", deep), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_long_path),
	};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
