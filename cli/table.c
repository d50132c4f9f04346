/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - tables on standard output, by libsmartcols: as wide as the terminal, plain in a pipe. */
#include <libsmartcols.h>
#include <stdlib.h>

#include "cli/client.h"

struct td_table {
	struct libscols_table *table;
	unsigned columns;
};

struct td_table *td_table_create(const char *const *columns)
{
	struct td_table *table = calloc(1, sizeof(*table));

	if (table)
		table->table = scols_new_table();
	if (!table || !table->table) {
		free(table);
		return NULL;
	}
	for (; columns[table->columns]; table->columns++)
		scols_table_new_column(table->table, columns[table->columns], 0, 0);
	return table;
}

void td_table_add(struct td_table *table, const char *const *cells)
{
	struct libscols_line *line = table ? scols_table_new_line(table->table, NULL) : NULL;

	for (unsigned i = 0; line && i < table->columns; i++)
		scols_line_set_data(line, i, cells[i]);
}

void td_table_print(struct td_table *table)
{
	if (!table)
		return;
	scols_print_table(table->table);
	scols_unref_table(table->table);
	free(table);
}
