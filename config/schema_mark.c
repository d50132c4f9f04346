/* SPDX-License-Identifier: Apache-2.0 */
/* schema_mark.c - where values stand in their file, by the address of the member they went to. */
#include "config/schema.h"

static unsigned schema_mark_find(const struct td_schema_marks *marks, const void *member)
{
	unsigned i = 0;

	while (i < marks->count && marks->mark[i].member != member)
		i++;
	return i;
}

void td_schema_mark(const struct td_schema_place *place, const void *member)
{
	struct td_schema_marks *marks = place->marks;

	if (!marks)
		return;
	unsigned at = schema_mark_find(marks, member);
	if (!place->file) {
		if (at < marks->count)
			marks->mark[at] = marks->mark[--marks->count];
		return;
	}
	if (at == TD_SCHEMA_MARKS_MAX)
		return; /* a message without its place is still a message */
	marks->mark[at].member = member;
	marks->mark[at].line = (unsigned)place->line;
	marks->mark[at].column = (unsigned)place->column;
	marks->count += at == marks->count;
}

bool td_schema_marked(const struct td_schema_marks *marks, const void *member, struct td_schema_place *ret_place)
{
	unsigned at = marks ? schema_mark_find(marks, member) : 0;

	if (!marks || at == marks->count)
		return false;
	*ret_place = (struct td_schema_place){.file = marks->file, .line = marks->mark[at].line, .column = marks->mark[at].column};
	return true;
}
