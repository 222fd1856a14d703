/* The journal of a sandbox: one line an entry, "kind path". See sandbox.h. */
#include "store/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/fd.h"

#define JOURNAL_MAX (1024 * 1024)

static const char *const kind_names[] = {
	[LXE_ENTRY_CGROUP] = "cgroup",
	[LXE_ENTRY_RESULT] = "result",
	[LXE_ENTRY_NAME] = "name",
	[LXE_ENTRY_INIT] = "init",
	[LXE_ENTRY_STAGE] = "stage",
	[LXE_ENTRY_VETH] = "veth",
	[LXE_ENTRY_RULES] = "rules",
	[LXE_ENTRY_ADDRESS] = "address",
	[LXE_ENTRY_NETNS] = "netns",
};

#define N_KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

static bool is_path(enum lxe_entry_kind kind)
{
	return kind < LXE_ENTRY_VETH;
}

/* The lines of the entries, one after the other: allocated, or NULL. */
static char *format_lines(const struct lxe_entry *entries, size_t n, size_t size, size_t *ret_len)
{
	char *text = malloc(size);
	size_t len = 0;

	for (size_t i = 0; text && i < n; i++)
		len += (size_t)snprintf(text + len, size - len, "%s %s\n",
			kind_names[entries[i].kind], entries[i].path);
	*ret_len = len;
	return text;
}

int lxe_journal_add(
	struct lxe_sandbox *s, const struct lxe_entry *entries, size_t n, struct lxe_err *err)
{
	size_t len, size = 1;
	char *text;
	int r;

	for (size_t i = 0; i < n; i++) {
		if (is_path(entries[i].kind) != (entries[i].path[0] == '/') ||
			strchr(entries[i].path, '\n'))
			return lxe_fail(err, -EINVAL, "journal the path '%s'", entries[i].path);
		size += strlen(kind_names[entries[i].kind]) + strlen(entries[i].path) + 2;
	}
	text = format_lines(entries, n, size, &len);
	if (!text)
		return lxe_fail(err, -ENOMEM, "write the journal");
	/*
	 * One write, to one O_APPEND file: the lines are there together. A short one (no space left)
	 * fails below, before anything that they name was made.
	 */
	r = sys_write_all(s->journal, text, len);
	free(text);
	if (r < 0) {
		lxe_fail(err, r, "write the journal of sandbox '%s'", s->id);
		lxe_hint(err, "free space in the run directory, or set LXC_EXEC_RUN_DIR");
	}
	return r;
}

int lxe_journal_renew(
	struct lxe_sandbox *s, const struct lxe_entry *entries, size_t n, struct lxe_err *err)
{
	int fresh = openat(s->dir, LXE_SANDBOX_JOURNAL_NEW,
		O_RDWR | O_APPEND | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct lxe_sandbox with = { .dir = s->dir, .parent = s->parent, .journal = fresh };
	int r;

	memcpy(with.id, s->id, sizeof(with.id));
	if (fresh < 0)
		return lxe_fail(err, -errno, "write the journal of sandbox '%s'", s->id);
	r = lxe_journal_add(&with, entries, n, err);
	if (r == 0 && renameat(s->dir, LXE_SANDBOX_JOURNAL_NEW, s->dir, LXE_SANDBOX_JOURNAL) < 0)
		r = lxe_fail(err, -errno, "write the journal of sandbox '%s'", s->id);
	if (r < 0) {
		lxe_close(fresh);
		return r;
	}
	lxe_close(s->journal);
	s->journal = fresh;
	return 0;
}

int lxe_journal_read(const struct lxe_sandbox *s, char **ret, size_t *ret_len)
{
	return sys_read_whole(s->journal, JOURNAL_MAX, ret, ret_len);
}

/* Split "kind path" (terminated in place); false when it is no entry of ours. */
static bool parse_line(char *line, struct lxe_entry *entry)
{
	char *space = strchr(line, ' ');

	if (!space || !space[1])
		return false;
	*space = '\0';
	for (size_t i = 0; i < N_KINDS; i++) {
		if (strcmp(line, kind_names[i]) == 0 &&
			is_path((enum lxe_entry_kind)i) == (space[1] == '/')) {
			*entry = (struct lxe_entry){ .kind = (enum lxe_entry_kind)i,
				.path = space + 1 };
			return true;
		}
	}
	return false;
}

int lxe_journal_replay(char *text, size_t len, lxe_journal_visit visit, void *arg)
{
	struct lxe_entry entry;
	int r = 0;

	while (len && text[len - 1] != '\n')
		len--;
	while (len) {
		size_t start = --len;

		text[len] = '\0';
		while (start && text[start - 1] != '\n')
			start--;
		/* A NUL inside would hide the rest of the line from parse_line(). */
		if (strlen(text + start) == len - start && parse_line(text + start, &entry))
			visit(arg, &entry);
		else
			r = -EBADMSG;
		len = start;
	}
	return r;
}
