/* SPDX-License-Identifier: Apache-2.0 */
/* Names of PCI functions in a directory that stands for /sys, by the host's libpci. What is damaged there has no name, and ends nothing. */
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sys/pci_names.h"

#define DEVICES "bus/pci/devices/"

static char root[] = "/tmp/tandem-pci-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = strchr(path + sizeof(root), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void put_function(const char *bdf, const char *vendor, const char *device)
{
	static const char *const zero[] = {"class", "irq", "resource"};
	char name[96];

	snprintf(name, sizeof(name), DEVICES "%s/vendor", bdf);
	put(name, vendor);
	snprintf(name, sizeof(name), DEVICES "%s/device", bdf);
	put(name, device);
	for (unsigned i = 0; i < TD_COUNT(zero); i++) {
		snprintf(name, sizeof(name), DEVICES "%s/%s", bdf, zero[i]);
		put(name, "0x0\n");
	}
}

static int make_root(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	put_function("0000:01:10.0", "0x8086\n", "0x10ca\n");
	put_function("0000:01:10.2", "0xfffe\n", "0x0001\n");
	put_function("0000:01:10.4", "no number\n", "");
	put(DEVICES "0000:01:10.6/class", "0x0\n");
	return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
	(void)info, (void)type, (void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void test_names(void **state)
{
	char text[TD_PCI_NAME_BYTES];
	struct td_pci_names *names = td_pci_names_open(root);

	(void)state;
	if (!names || access("/usr/share/misc/pci.ids", R_OK) < 0) {
		td_pci_names_close(names);
		print_message("no libpci or no pci.ids here\n");
		skip();
	}
	assert_true(td_pci_names_find(names, 0x8086, 0x10ca, text));
	assert_string_equal(text, "Intel Corporation 82576 Virtual Function");
	assert_true(td_pci_names_at(names, "0000:01:10.0", text));
	assert_string_equal(text, "Intel Corporation 82576 Virtual Function");
	assert_false(td_pci_names_at(names, "0000:01:10.2", text));
	assert_string_equal(text, "fffe:0001");
	td_pci_names_close(names);
}

static void test_damaged(void **state)
{
	static const char *const bad[] = {"0000:01:10.4", "0000:01:10.6", "0000:05:00.0", "nonsense", ""};
	char text[TD_PCI_NAME_BYTES];
	struct td_pci_names *names = td_pci_names_open(root);

	(void)state;
	for (unsigned i = 0; i < TD_COUNT(bad); i++)
		assert_false(td_pci_names_at(names, bad[i], text));
	td_pci_names_close(names);
	names = td_pci_names_open("/no/such/tree");
	assert_false(td_pci_names_at(names, "0000:01:10.0", text));
	assert_false(td_pci_names_find(NULL, 0x8086, 0x10ca, text));
	assert_string_equal(text, "8086:10ca");
	td_pci_names_close(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, make_root, remove_root);
}
