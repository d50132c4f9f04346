/* SPDX-License-Identifier: Apache-2.0 */
/* host_fake_expect.h - what tests of the engine expect of the kernel of paper. To be included after cmocka.h. */
#ifndef TD_TESTS_HOST_FAKE_EXPECT_H
#define TD_TESTS_HOST_FAKE_EXPECT_H

#include "host_fake.h"

static inline void expect_apply(struct fake *fake, const char *yaml)
{
	struct td_err err;
	if (fake_apply(fake, yaml, &err))
		fail_msg("%s\nfile:\n%s", err.text, yaml);
}

/* The lines of one text that the other lacks. */
static inline void print_missing(FILE *out, const char *text, const char *in, const char *what)
{
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		char one[256];
		snprintf(one, sizeof(one), "%.*s\n", (int)strcspn(line, "\n"), line);
		if (!strstr(in, one))
			fprintf(out, "%s %s", what, one);
	}
}

static inline void expect_dump(struct fake *fake, const char *expected, const char *what)
{
	td_auto_free char *dump = fake_dump(fake);
	if (!strcmp(dump, expected))
		return;
	print_missing(stderr, dump, expected, "is      ");
	print_missing(stderr, expected, dump, "expected");
	fprintf(stderr, "%s\n", what);
	fail();
}

#define EMPTY_RECORD "{\"version\":1,\"before\":[],\"journal\":[]}\n"

/* No file is an empty one. */
static inline const char *fake_record(const struct fake *fake)
{
	return fake->saved ? fake->saved : EMPTY_RECORD;
}

static inline void expect_record(const struct fake *fake, const char *expected, const char *what)
{
	if (strcmp(fake_record(fake), expected) != 0)
		fail_msg("%s\nis: %s\nnot: %s", what, fake_record(fake), expected);
}

struct counts {
	unsigned calls, saves, looks;
};

/* Of the second file, applied on a host that has the first. */
static inline struct counts count_calls(void (*init)(struct fake *), const char *first, const char *second)
{
	struct fake fake;
	init(&fake);
	expect_apply(&fake, first);
	const struct counts before = {fake.calls, fake.saves, fake.looks};
	expect_apply(&fake, second);
	const struct counts counts = {fake.calls - before.calls, fake.saves - before.saves, fake.looks - before.looks};
	fake_fini(&fake);
	return counts;
}

#endif
