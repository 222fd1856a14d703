#include "network/together.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/netns.h"
#include "store/dirs.h"
#include "sys/fd.h"

#define TEXT_MAX (1024 * 1024)
#define NEXT_FAMILY "\f\n" /* between the two in a file of the queue */

static const char *const kinds[LXE_TOGETHER_KINDS] = { "set.", "undo." };
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

static bool is_whole(const char *text)
{
	size_t len = strlen(text);

	return len >= strlen(COMMIT) && strcmp(text + len - strlen(COMMIT), COMMIT) == 0;
}

int lxe_together_merge(char **all, const char *text)
{
	const char *const parts[] = { *all ? *all : "", text };
	char *merged = NULL;
	size_t size = 0, len;
	FILE *out;

	if (!is_whole(text))
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

static int open_queue(const char *run)
{
	char path[PATH_MAX];
	int r = lxe_format(path, sizeof(path), "%s/network", run), fd;

	if (r == 0)
		r = lxe_dirs_make(path, NULL);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Of this network namespace: others' rules are elsewhere. */
static int name_prefix(char *buf, size_t size, const char *what)
{
	return lxe_format(buf, size, "%llu.%s", (unsigned long long)lxe_netns_inode(), what);
}

static int name_own(char *buf, size_t size, const char *what, const char *id8)
{
	int r = name_prefix(buf, size, what);

	return r < 0 ? r : lxe_format(buf + strlen(buf), size - strlen(buf), "%s", id8);
}

static int write_texts(int dir, const char *const texts[LXE_TOGETHER_FAMILIES], const char *name)
{
	LXE_AUTOCLOSE int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : sys_write_all(fd, texts[0], strlen(texts[0]));

	if (r == 0)
		r = sys_write_all(fd, NEXT_FAMILY, strlen(NEXT_FAMILY));
	if (r == 0 && texts[1])
		r = sys_write_all(fd, texts[1], strlen(texts[1]));
	return r;
}

/* A leader never sees half of it. */
static int queue_own(struct lxe_together *t, const char *id8, enum lxe_together_kind kind,
	const char *const texts[])
{
	char making[sizeof(t->own)];
	int r = name_own(t->own, sizeof(t->own), kinds[kind], id8);

	if (r == 0)
		r = name_own(making, sizeof(making), "making.", id8);
	if (r < 0)
		return r;
	r = write_texts(t->dir, texts, making);
	if (r == 0 && renameat(t->dir, making, t->dir, t->own) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(t->dir, making, 0);
	return r;
}

static int open_lock(int dir)
{
	char name[48];
	int r = name_prefix(name, sizeof(name), "lock");

	if (r < 0)
		return r;
	/* Inherited by the tools: a leader's death does not end what they are doing. */
	r = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	return r < 0 ? -errno : r;
}

static int lock(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

static void add_member(struct lxe_together *t, enum lxe_together_kind kind, const char *id8)
{
	t->members[t->n].kind = kind;
	lxe_format(t->members[t->n].id, LXE_TOGETHER_ID, "%s", id8);
	t->n++;
}

static int take_own(struct lxe_together *t, const char *id8, enum lxe_together_kind kind,
	const char *const texts[])
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < LXE_TOGETHER_FAMILIES; i++)
		if (texts[i])
			r = lxe_together_merge(&t->texts[i], texts[i]);
	if (r == 0)
		add_member(t, kind, id8);
	return r;
}

static int take_texts(struct lxe_together *t, char *text)
{
	char *second = strstr(text, NEXT_FAMILY);
	int r;

	if (!second)
		return -EBADMSG;
	*second = '\0';
	second += strlen(NEXT_FAMILY);
	r = lxe_together_merge(&t->texts[0], text);
	return r == 0 && *second ? lxe_together_merge(&t->texts[1], second) : r;
}

/* One that cannot be read is its owner's matter. */
static void take(
	struct lxe_together *t, const char *name, const char *id8, enum lxe_together_kind kind)
{
	LXE_AUTOCLOSE int fd = openat(t->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	LXE_AUTOFREE char *text = NULL;
	size_t len;

	if (fd >= 0 && sys_read_whole(fd, TEXT_MAX, &text, &len) == 0 && take_texts(t, text) == 0)
		add_member(t, kind, id8);
}

static void take_if_queued(struct lxe_together *t, const char *name, const char *prefix)
{
	const char *what, *id8;

	if (!lxe_starts_with(name, prefix) || strcmp(name, t->own) == 0)
		return;
	what = name + strlen(prefix);
	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++) {
		if (!lxe_starts_with(what, kinds[kind]))
			continue;
		id8 = what + strlen(kinds[kind]);
		if (strlen(id8) == LXE_TOGETHER_ID - 1)
			take(t, name, id8, kind);
	}
}

static void take_others(struct lxe_together *t)
{
	int fd = fcntl(t->dir, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	char prefix[sizeof(t->own)];

	if (!dir) {
		lxe_close(fd);
		return;
	}
	rewinddir(dir);
	name_prefix(prefix, sizeof(prefix), ""); /* it has room for a longer one */
	while (t->n < LXE_TOGETHER_MAX && (entry = readdir(dir)))
		take_if_queued(t, entry->d_name, prefix);
	closedir(dir);
}

int lxe_together_begin(struct lxe_together *ret, const char *run, const char *id8,
	enum lxe_together_kind kind, const char *const texts[LXE_TOGETHER_FAMILIES])
{
	int r;

	*ret = (struct lxe_together){ .dir = open_queue(run), .lock = -EBADF };
	r = ret->dir < 0 ? ret->dir : (ret->lock = open_lock(ret->dir));
	if (r >= 0)
		r = lock(ret->lock, LOCK_EX | LOCK_NB);
	if (r == -EWOULDBLOCK) {
		r = queue_own(ret, id8, kind, texts);
		if (r == 0)
			r = lock(ret->lock, LOCK_EX);
		if (r == 0 && faccessat(ret->dir, ret->own, F_OK, 0) < 0)
			return errno == ENOENT ? 1 : -errno;
	}
	if (r == 0)
		r = take_own(ret, id8, kind, texts);
	if (r == 0)
		take_others(ret);
	return r;
}

static void unqueue(int dir, const char *what, const char *id8)
{
	char name[48];

	if (name_own(name, sizeof(name), what, id8) == 0)
		unlinkat(dir, name, 0);
}

void lxe_together_done(const struct lxe_together *t, enum lxe_together_kind kind)
{
	for (size_t i = 1; i < t->n; i++)
		if (t->members[i].kind == kind)
			unqueue(t->dir, kinds[kind], t->members[i].id);
}

void lxe_together_end(struct lxe_together *t)
{
	if (t->dir >= 0 && t->own[0])
		unlinkat(t->dir, t->own, 0);
	lxe_drop_fd(&t->lock);
	lxe_drop_fd(&t->dir);
	for (size_t i = 0; i < LXE_TOGETHER_FAMILIES; i++)
		free(take_ptr(t->texts[i]));
}

void lxe_together_forget(const char *run, const char *id8)
{
	LXE_AUTOCLOSE int dir = open_queue(run);
	LXE_AUTOCLOSE int fd = dir < 0 ? -EBADF : open_lock(dir);

	if (dir < 0)
		return;
	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++)
		unqueue(dir, kinds[kind], id8);
	unqueue(dir, "making.", id8);
	/* A leader may have taken it before. */
	if (fd >= 0)
		lock(fd, LOCK_EX);
}
