#include "network/together.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/chains.h"
#include "network/merge.h"
#include "sys/fd.h"

#define TEXT_MAX (1024 * 1024) /* of one, and about so much of a turn */
#define NEXT_FAMILY "\f\n"     /* between the two */
/* What has ended is taken back in the next turn after so many, however many begin. */
#define SETS_MAX 3
#define LINGER_MS 10

static int file_of(const char *const texts[LXE_FAMILIES])
{
	LXE_AUTOCLOSE int fd = sys_memfd("lxe-texts", 0);
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; r == 0 && i < LXE_FAMILIES; i++) {
		if (i > 0)
			r = sys_write_all(fd, NEXT_FAMILY, strlen(NEXT_FAMILY));
		if (r == 0 && texts[i])
			r = sys_write_all(fd, texts[i], strlen(texts[i]));
	}
	return r < 0 ? r : take_fd(&fd);
}

static void close_later(struct lxe_together *t, int fd)
{
	if (fd >= 0 && t->n_later < LXE_TOGETHER_MAX)
		t->later[t->n_later++] = fd;
	else
		lxe_close(fd);
}

int lxe_together_begin(struct lxe_together *ret, const char *run, const char *id8,
	enum lxe_together_kind kind, const char *const texts[LXE_FAMILIES], int later)
{
	struct lxe_lead_request request = { .kind = kind };
	LXE_AUTOCLOSE int file = file_of(texts);
	const struct lxe_lead_files files = { .texts = file, .later = later };
	int r;

	*ret = (struct lxe_together){ .lead = LXE_LEAD_NONE,
		.self = { .file = -EBADF, .socket = -EBADF },
		.own_kind = kind };
	r = file < 0 ? file : lxe_format(request.id, sizeof(request.id), "%s", id8);
	if (r == 0)
		r = lxe_lead_get(&ret->lead, run, &request, &files);
	if (r == 0) {
		memcpy(ret->self.id, request.id, sizeof(request.id));
		ret->self.file = take_fd(&file);
		close_later(ret, later);
	} else {
		lxe_close(later);
	}
	return r;
}

/* All of it or nothing. In which tables are there chains then? */
static int merge(
	struct lxe_together *t, const char *const texts[LXE_FAMILIES], unsigned int *chains)
{
	char *next[LXE_FAMILIES] = { NULL };
	int r = 0;

	*chains = 0;
	for (size_t i = 0; r == 0 && i < LXE_FAMILIES; i++) {
		if (!*texts[i])
			continue;
		r = lxe_rules_merge(&next[i], t->texts[i], texts[i]);
		*chains |= lxe_rules_chains(texts[i]) * LXE_CHAINS_IN(i, 0);
	}
	for (size_t i = 0; i < LXE_FAMILIES; i++) {
		if (r < 0 || !next[i]) {
			free(next[i]);
			continue;
		}
		free(t->texts[i]);
		t->texts[i] = next[i];
	}
	return r;
}

static int merge_file(struct lxe_together *t, struct lxe_together_member *member)
{
	LXE_AUTOFREE char *text = NULL;
	char *second;
	size_t len;
	int r = sys_read_whole(member->file, TEXT_MAX, &text, &len);

	if (r < 0)
		return r;
	second = strstr(text, NEXT_FAMILY);
	if (!second)
		return -EBADMSG;
	*second = '\0';
	second += strlen(NEXT_FAMILY);
	return merge(t, (const char *const[]){ text, second }, &member->chains);
}

static void end_turn(struct lxe_together *t)
{
	while (t->n) {
		t->n--;
		lxe_close(t->members[t->n].file);
		lxe_close(t->members[t->n].socket);
	}
	for (size_t i = 0; i < LXE_FAMILIES; i++)
		free(take_ptr(t->texts[i]));
}

/*
 * In a crowd another one comes soon, and whoever ends tools that have deleted something waits as
 * long anyway.
 */
static bool lingers(const struct lxe_together *t)
{
	return (t->crowd || t->lead.nth > 0) && t->own_kind == LXE_TOGETHER_UNDO;
}

/* Those that are set go first, but not for ever. */
static enum lxe_together_kind choose(struct lxe_together *t, unsigned int waiting)
{
	const unsigned int set = 1U << LXE_TOGETHER_SET;

	if (waiting == set || (waiting & set && t->sets < SETS_MAX)) {
		t->sets++;
		return LXE_TOGETHER_SET;
	}
	t->sets = 0;
	return LXE_TOGETHER_UNDO;
}

static void take_others(struct lxe_together *t)
{
	struct lxe_lead_request request;
	struct lxe_lead_files files;
	struct stat st;
	size_t bytes = 0;
	int socket;

	while (t->n < LXE_TOGETHER_MAX - 1 && bytes < TEXT_MAX &&
		(socket = lxe_lead_accept(&t->lead, t->kind, &request, &files)) >= 0) {
		bytes += fstat(files.texts, &st) == 0 ? (size_t)st.st_size : 0;
		close_later(t, files.later);
		t->members[t->n] =
			(struct lxe_together_member){ .file = files.texts, .socket = socket };
		memcpy(t->members[t->n++].id, request.id, sizeof(request.id));
	}
}

/* One that cannot be read is its owner's matter. */
static void merge_all(struct lxe_together *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct lxe_together_member *member = &t->members[i];

		member->merged = merge_file(t, member) == 0;
		if (member->socket < 0)
			t->own = member->merged ? LXE_OWN_TOLD : LXE_OWN_REFUSED;
	}
}

bool lxe_together_turn(struct lxe_together *t)
{
	unsigned int waiting;

	end_turn(t);
	waiting = t->own == LXE_OWN_WAITS ? 1U << t->own_kind : 0;
	waiting |= lxe_lead_look(&t->lead, !waiting && lingers(t) ? LINGER_MS : 0);
	if (!waiting)
		return false;
	t->kind = choose(t, waiting);
	take_others(t);
	/* Also when those who were there have gone. */
	if (t->own == LXE_OWN_WAITS && (t->own_kind == t->kind || t->n == 0)) {
		t->kind = t->own_kind;
		t->members[t->n++] = t->self;
		t->self.file = -EBADF;
	}
	t->crowd = t->crowd || t->n > 1;
	merge_all(t);
	return t->n > 0;
}

void lxe_together_done(struct lxe_together *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (!t->members[i].merged)
			continue;
		if (t->members[i].socket >= 0)
			lxe_lead_answer(t->members[i].socket);
		else
			t->own = LXE_OWN_DONE;
	}
}

void lxe_together_end(struct lxe_together *t)
{
	end_turn(t);
	lxe_drop_fd(&t->self.file);
	/* Before the next one's tools delete something. */
	while (t->n_later)
		lxe_close(t->later[--t->n_later]);
	lxe_lead_end(&t->lead);
}

int lxe_together_forget(const char *run, const char *id8)
{
	const char *const nothing[LXE_FAMILIES] = { NULL };
	struct lxe_together t;
	/* What it had sent was there before, and is taken no later. */
	int r = lxe_together_begin(&t, run, id8, LXE_TOGETHER_SET, nothing, -EBADF);

	lxe_together_end(&t);
	return r < 0 ? r : 0;
}
