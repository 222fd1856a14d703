/*
 * Whatever bytes are in a journal: what is visited is an absolute path on one line, no more often
 * than there are lines, and written again in that order it is visited in the opposite one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sandbox.h"
#include "sys/fd.h"

struct seen {
	size_t n, room;
	struct lxe_entry *entries; /* into the text */
};

static void visit(void *arg, const struct lxe_entry *entry)
{
	struct seen *seen = arg;

	/* What is no path, as the name of a device, must not look like one. */
	if (!entry->path[0] || (entry->path[0] == '/') != (entry->kind < LXE_ENTRY_VETH) ||
		strchr(entry->path, '\n') || seen->n == seen->room)
		abort();
	seen->entries[seen->n++] = *entry;
}

static struct seen replay(char *text, size_t len, int *result)
{
	struct seen seen = { 0 };

	for (size_t i = 0; i < len; i++)
		seen.room += text[i] == '\n';
	seen.entries = calloc(seen.room + 1, sizeof(*seen.entries));
	if (!seen.entries)
		abort();
	*result = lxe_journal_replay(text, len, visit, &seen);
	return seen;
}

static void check_written_again(const struct seen *seen)
{
	struct lxe_sandbox s = LXE_SANDBOX_NONE;
	struct seen again;
	char *text = NULL;
	size_t len;
	int r;

	s.journal = sys_memfd("lxe-fuzz", 0);
	if (s.journal < 0 || lxe_journal_add(&s, seen->entries, seen->n, NULL) < 0)
		abort();
	if (lxe_journal_read(&s, &text, &len) < 0)
		abort();
	again = replay(text, len, &r);
	if (r < 0 || again.n != seen->n)
		abort();
	for (size_t i = 0; i < again.n; i++) {
		const struct lxe_entry *was = &seen->entries[seen->n - 1 - i];

		if (again.entries[i].kind != was->kind ||
			strcmp(again.entries[i].path, was->path) != 0)
			abort();
	}
	free(again.entries);
	free(text);
	lxe_sandbox_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of its own size: the journal's reader gives an end that replay must not rely on. */
	char *text = malloc(size ? size : 1);
	struct seen seen;
	int r;

	if (!text)
		return 0;
	memcpy(text, data, size);
	seen = replay(text, size, &r);
	if (r == 0)
		check_written_again(&seen);
	free(seen.entries);
	free(text);
	return 0;
}
