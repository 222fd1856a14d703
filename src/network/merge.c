#include "network/merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define COMMIT "COMMIT\n"

const char *const lxe_table_names[LXE_TABLES] = { "filter", "nat" };

/* What is between the table's name and COMMIT, or NULL. */
static const char *body_of(const char *text, enum lxe_table table, size_t *len)
{
	char head[16];
	const char *begin, *end;

	snprintf(head, sizeof(head), "*%s\n", lxe_table_names[table]);
	begin = strstr(text, head);
	if (!begin || (begin != text && begin[-1] != '\n'))
		return NULL;
	begin += strlen(head);
	end = lxe_starts_with(begin, COMMIT) ? begin : strstr(begin, "\n" COMMIT);
	if (!end)
		return NULL;
	*len = (size_t)(end - begin) + (*end == '\n');
	return begin;
}

static size_t count_lines(const char *text, const char *begin)
{
	size_t n = 0;

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		n += lxe_starts_with(line, begin);
	return n;
}

bool lxe_rules_are_whole(const char *text)
{
	size_t len = strlen(text), known = 0, body;

	for (enum lxe_table t = 0; t < LXE_TABLES; t++)
		known += body_of(text, t, &body) != NULL;
	return known > 0 && count_lines(text, "*") == known && count_lines(text, COMMIT) == known &&
	       strcmp(text + len - strlen(COMMIT), COMMIT) == 0;
}

unsigned int lxe_rules_chains(const char *text)
{
	unsigned int in = 0;
	const char *body;
	size_t len;

	for (enum lxe_table t = 0; t < LXE_TABLES; t++) {
		body = body_of(text, t, &len);
		if (body && (*body == ':' || memmem(body, len, "\n:", 2)))
			in |= 1U << t;
	}
	return in;
}

int lxe_rules_merge(char **ret, const char *all, const char *text)
{
	const char *const parts[] = { all ? all : "", text };
	char *merged = NULL;
	size_t size = 0, len;
	FILE *out;

	if (!lxe_rules_are_whole(text))
		return -EBADMSG;
	out = open_memstream(&merged, &size);
	if (!out)
		return -ENOMEM;
	for (enum lxe_table t = 0; t < LXE_TABLES; t++) {
		bool any = false;

		for (size_t i = 0; i < 2; i++) {
			const char *body = body_of(parts[i], t, &len);

			if (body && !any)
				fprintf(out, "*%s\n", lxe_table_names[t]);
			if (body)
				fprintf(out, "%.*s", (int)len, body);
			any = any || body;
		}
		if (any)
			fputs(COMMIT, out);
	}
	if (fclose(out) != 0) {
		free(merged);
		return -ENOMEM;
	}
	*ret = merged;
	return 0;
}
