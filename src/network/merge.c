#include "network/merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

static const char *const tables[] = { "*filter\n", "*nat\n" };
#define TABLES (sizeof(tables) / sizeof(tables[0]))
#define COMMIT "COMMIT\n"

/* What is between the table's name and COMMIT, or NULL. */
static const char *body_of(const char *text, const char *table, size_t *len)
{
	const char *begin = strstr(text, table), *end;

	if (!begin || (begin != text && begin[-1] != '\n'))
		return NULL;
	begin += strlen(table);
	end = lxe_starts_with(begin, COMMIT) ? begin : strstr(begin, "\n" COMMIT);
	if (!end)
		return NULL;
	*len = (size_t)(end - begin) + (*end == '\n');
	return begin;
}

bool lxe_rules_are_whole(const char *text)
{
	size_t len = strlen(text);

	return len >= strlen(COMMIT) && strcmp(text + len - strlen(COMMIT), COMMIT) == 0;
}

int lxe_rules_merge(char **all, const char *text)
{
	const char *const parts[] = { *all ? *all : "", text };
	char *merged = NULL;
	size_t size = 0, len;
	FILE *out;

	if (!lxe_rules_are_whole(text))
		return -EBADMSG;
	out = open_memstream(&merged, &size);
	if (!out)
		return -ENOMEM;
	for (size_t t = 0; t < TABLES; t++) {
		bool any = false;

		for (size_t i = 0; i < 2; i++) {
			const char *body = body_of(parts[i], tables[t], &len);

			if (body)
				fprintf(out, "%s%.*s", any ? "" : tables[t], (int)len, body);
			any = any || body;
		}
		if (any)
			fputs(COMMIT, out);
	}
	if (fclose(out) != 0) {
		free(merged);
		return -ENOMEM;
	}
	free(*all);
	*all = merged;
	return 0;
}
