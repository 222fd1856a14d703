/* What is left of a plan, taken back by what iptables-save says is there. See plan.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network/plan.h"

struct sweep {
	char mark[LXE_NET_ID_LEN + 8]; /* what all chains of the sandbox begin with */
	FILE *out;
	const char *table, *end; /* its lines */
	bool any;
};

static bool is_marked(const struct sweep *s, const char *line, size_t len)
{
	return memmem(line, len, s->mark, strlen(s->mark)) != NULL;
}

static void begin_table(struct sweep *s, bool *open)
{
	size_t len = strcspn(s->table, "\n");

	if (!*open)
		fprintf(s->out, "%.*s\n", (int)len, s->table);
	*open = s->any = true;
}

/* A rule in a chain of somebody else's that leads into one of ours. */
static bool is_jump(const struct sweep *s, const char *line, size_t len)
{
	return len > 3 && memcmp(line, "-A ", 3) == 0 && is_marked(s, line, len) &&
	       strncmp(line + 3, s->mark, strlen(s->mark)) != 0;
}

static bool is_chain(const struct sweep *s, const char *line, size_t len)
{
	return len > 1 && line[0] == ':' && is_marked(s, line, len);
}

static void sweep_table(struct sweep *s)
{
	/* Jumps first, then all chains are emptied, so that none is referred to when it goes. */
	static const char *const passes[] = { "-D", "-F", "-X" };
	bool open = false;

	for (size_t pass = 0; pass < 3; pass++) {
		for (const char *line = s->table; line < s->end; line += strcspn(line, "\n") + 1) {
			size_t len = strcspn(line, "\n");

			if (pass == 0 ? !is_jump(s, line, len) : !is_chain(s, line, len))
				continue;
			begin_table(s, &open);
			if (pass == 0)
				fprintf(s->out, "-D%.*s\n", (int)len - 2, line + 2);
			else
				fprintf(s->out, "%s %.*s\n", passes[pass],
					(int)strcspn(line + 1, " \n"), line + 1);
		}
	}
	if (open)
		fputs("COMMIT\n", s->out);
}

int lxe_net_plan_sweep(char **ret, const char *saved, const char *id8, struct lxe_err *err)
{
	struct sweep s = { .table = saved };
	char *text = NULL;
	size_t len = 0;
	int r = lxe_format(s.mark, sizeof(s.mark), "LXE-%.8s-", id8);

	*ret = NULL;
	if (r == 0)
		s.out = open_memstream(&text, &len);
	if (!s.out)
		return lxe_fail(err, r < 0 ? r : -ENOMEM, "sweep the firewall of '%.8s'", id8);
	while (*s.table) {
		const char *next = s.table[0] == '*' ? strstr(s.table, "\n*") : NULL;

		s.end = next ? next + 1 : s.table + strlen(s.table);
		if (s.table[0] == '*')
			sweep_table(&s);
		else
			s.end = s.table + strcspn(s.table, "\n") + (strchr(s.table, '\n') != NULL);
		s.table = s.end;
	}
	r = ferror(s.out) ? -ENOMEM : 0;
	if (fclose(s.out) != 0)
		r = -ENOMEM;
	if (r == 0 && s.any)
		*ret = text;
	else
		free(text);
	return r < 0 ? lxe_fail(err, r, "sweep the firewall of '%.8s'", id8) : 0;
}
