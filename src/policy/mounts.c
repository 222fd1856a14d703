#include "policy/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"

#define PARTS_MAX 6

static const char *const forms[] = {
	[LXE_MOUNT_BIND] = "SRC[:DST][:ro|rw|cow][:shift=off]",
	[LXE_MOUNT_TMPFS] = "DST[:size=SIZE]",
	[LXE_MOUNT_FILE] = "SRC:DST[:MODE]",
	[LXE_MOUNT_DISK] = "IMAGE:DST[:ro|rw][:shift=off]",
};

const char *lxe_mount_name(enum lxe_mount_kind kind)
{
	static const char *const names[] = {
		[LXE_MOUNT_BIND] = "bind",
		[LXE_MOUNT_TMPFS] = "tmpfs",
		[LXE_MOUNT_FILE] = "file",
		[LXE_MOUNT_DISK] = "disk",
	};

	return names[kind];
}

void lxe_mount_release(struct lxe_mount *mount)
{
	free(mount->src);
	free(mount->dst);
	*mount = (struct lxe_mount){ 0 };
}

void lxe_mounts_release(struct lxe_mounts *list)
{
	for (size_t i = 0; i < list->n; i++)
		lxe_mount_release(&list->v[i]);
	free(list->v);
	*list = (struct lxe_mounts){ 0 };
}

size_t lxe_mounts_count_cow(const struct lxe_mounts *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		n += list->v[i].cow;
	return n;
}

int lxe_mounts_add(struct lxe_mounts *list, struct lxe_mount *mount, struct lxe_err *err)
{
	struct lxe_mount *more;
	int r = 0;

	for (size_t i = 0; i < list->n && r == 0; i++)
		if (strcmp(list->v[i].dst, mount->dst) == 0)
			r = -EEXIST;
	if (r < 0) {
		lxe_hint(err, "one place inside shows one thing: leave one of the two out");
		lxe_fail_msg(err, r, "'%s' is to be the place of two things", mount->dst);
	} else if (list->n == LXE_MOUNTS_MAX) {
		lxe_hint(err, "a bind of the directory above shows all that is in it");
		r = lxe_fail_msg(err, -E2BIG, "more than %d of them", LXE_MOUNTS_MAX);
	} else {
		more = reallocarray(list->v, list->n + 1, sizeof(*more));
		if (!more)
			r = lxe_fail(err, -ENOMEM, "remember '%s'", mount->dst);
		else
			list->v = more;
	}
	if (r == 0)
		list->v[list->n++] = *mount;
	else
		lxe_mount_release(mount);
	*mount = (struct lxe_mount){ 0 };
	return r;
}

/* Cut at each colon that no backslash stands before. The parts lie in `text`, which is rewritten. */
static int split(char *text, char *parts[PARTS_MAX])
{
	int n = 0;
	char *to = text;

	parts[n++] = text;
	for (const char *from = text; *from; from++) {
		if (*from == '\\' && (from[1] == ':' || from[1] == '\\')) {
			*to++ = *++from;
		} else if (*from == ':') {
			if (n == PARTS_MAX)
				return -E2BIG;
			*to++ = '\0';
			parts[n++] = to;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return n;
}

static bool has_dotdot(const char *path)
{
	for (const char *at = path; (at = strstr(at, "..")); at += 2)
		if ((at == path || at[-1] == '/') && (!at[2] || at[2] == '/'))
			return true;
	return false;
}

bool lxe_mount_dst_is_valid(const char *dst)
{
	char copy[PATH_MAX];

	if (dst[0] != '/' || !dst[1] || has_dotdot(dst) ||
		lxe_format(copy, sizeof(copy), "%s", dst) < 0)
		return false;
	lxe_path_normalize(copy);
	return strcmp(copy, dst) == 0;
}

static int refuse(struct lxe_err *err, const char *text, const char *what)
{
	char shown[256];

	lxe_excerpt(shown, sizeof(shown), text, strlen(text));
	return lxe_fail_msg(err, -EINVAL, "'%s' %s", shown, what);
}

/* As the caller's own programs would find it; what is there is looked at when it is used. */
static int set_source(struct lxe_mount *m, const char *text, struct lxe_err *err)
{
	LXE_AUTOFREE char *cwd = text[0] == '/' ? NULL : getcwd(NULL, 0);
	int r;

	if (!*text) {
		lxe_hint(err, "%s", forms[m->kind]);
		return lxe_fail_msg(err, -EINVAL, "it has no source");
	}
	if (text[0] != '/' && !cwd)
		return lxe_fail(err, -errno, "find the working directory");
	if (asprintf(&m->src, "%s%s%s", cwd ? cwd : "", cwd ? "/" : "", text) < 0) {
		m->src = NULL;
		return lxe_fail(err, -ENOMEM, "remember '%s'", text);
	}
	if (has_dotdot(m->src)) {
		char *real = realpath(m->src, NULL);

		if (!real) {
			r = lxe_fail(err, -errno, "find '%s'", m->src);
			lxe_hint(err, "the source is a path of the host");
			return r;
		}
		free(m->src);
		m->src = real;
	}
	lxe_path_normalize(m->src);
	return strlen(m->src) < PATH_MAX ? 0 : refuse(err, m->src, "is too long");
}

static int set_destination(struct lxe_mount *m, const char *given, struct lxe_err *err)
{
	bool below = m->kind == LXE_MOUNT_FILE && given[0] && given[strlen(given) - 1] == '/';
	LXE_AUTOFREE char *joined = NULL;
	const char *text = given, *wrong = NULL;

	/* As cp(1) has it: the file is to be in there, under its own name. */
	if (below && asprintf(&joined, "%s%s", given, strrchr(m->src, '/') + 1) < 0) {
		joined = NULL;
		return lxe_fail(err, -ENOMEM, "remember '%s'", given);
	}
	if (joined)
		text = joined;
	if (!*text)
		wrong = "is no path inside";
	else if (text[0] != '/')
		wrong = "is not an absolute path";
	else if (has_dotdot(text))
		wrong = "holds a '..'";
	else if (strlen(text) >= PATH_MAX)
		wrong = "is too long";
	else if (text[strspn(text, "/.")] == '\0' && !strstr(text, "..."))
		wrong = "would be all of the sandbox's files";
	if (wrong) {
		lxe_hint(err, "%s; DST is a path inside the container", forms[m->kind]);
		return refuse(err, text, wrong);
	}
	if (lxe_str_set(&m->dst, text) < 0)
		return lxe_fail(err, -ENOMEM, "remember '%s'", text);
	lxe_path_normalize(m->dst);
	return 0;
}

static int refuse_word(const struct lxe_mount *m, const char *word, struct lxe_err *err)
{
	lxe_hint(err, "%s; a backslash before it makes a colon part of a path", forms[m->kind]);
	return refuse(err, word, "is not known here");
}

static int set_bind_word(struct lxe_mount *m, const char *word, bool *access, struct lxe_err *err)
{
	if (strcmp(word, "ro") == 0 || strcmp(word, "rw") == 0 ||
		(m->kind == LXE_MOUNT_BIND && strcmp(word, "cow") == 0)) {
		if (*access)
			return refuse(err, word, "says for a second time what may be done");
		*access = true;
		m->ro = strcmp(word, "ro") == 0;
		m->cow = word[0] == 'c';
		m->rw = m->kind == LXE_MOUNT_DISK && !m->ro;
		return 0;
	}
	if (strcmp(word, "shift=off") != 0 && strcmp(word, "shift=on") != 0)
		return refuse_word(m, word, err);
	m->unshifted = strcmp(word, "shift=off") == 0;
	return 0;
}

static int set_size(struct lxe_mount *m, const char *word, struct lxe_err *err)
{
	if (!lxe_starts_with(word, "size="))
		return refuse_word(m, word, err);
	if (lxe_parse_size(word + 5, &m->size) == 0 && m->size >= LXE_TMPFS_MIN &&
		m->size <= UINT64_C(1) << 50)
		return 0;
	lxe_hint(err, "a size is a whole number with K, M, G or T, from 4K on: size=64M");
	return refuse(err, word, "is no size");
}

static int set_mode(struct lxe_mount *m, const char *word, struct lxe_err *err)
{
	uint32_t mode = 0;

	for (const char *at = word; *at >= '0' && *at <= '7' && at - word < 5; at++)
		mode = mode * 8 + (uint32_t)(*at - '0');
	if (*word && word[strspn(word, "01234567")] == '\0' && strlen(word) <= 4 && mode &&
		mode <= 0777) {
		m->mode = mode;
		return 0;
	}
	lxe_hint(err, "a mode is octal, from 1 to 777: 640");
	return refuse(err, word, "is no mode");
}

static int parse(struct lxe_mount *m, char *parts[], int n, struct lxe_err *err)
{
	bool access = false;
	int at = 0, r = 0;

	if (m->kind != LXE_MOUNT_TMPFS)
		r = set_source(m, parts[at++], err);
	if (r == 0 && (m->kind != LXE_MOUNT_BIND || (at < n && parts[at][0] == '/')))
		r = set_destination(m, at < n && parts[at] ? parts[at] : "", err), at++;
	else if (r == 0)
		r = set_destination(m, m->src ? m->src : "", err);
	for (; r == 0 && at < n; at++) {
		switch (m->kind) {
		case LXE_MOUNT_BIND:
		case LXE_MOUNT_DISK:
			r = set_bind_word(m, parts[at], &access, err);
			break;
		case LXE_MOUNT_TMPFS:
			r = set_size(m, parts[at], err);
			break;
		case LXE_MOUNT_FILE:
			r = set_mode(m, parts[at], err);
			break;
		}
	}
	return r;
}

int lxe_mount_parse(
	struct lxe_mount *ret, enum lxe_mount_kind kind, const char *text, struct lxe_err *err)
{
	char *copy = strdup(text), *parts[PARTS_MAX] = { NULL };
	struct lxe_mount m = { .kind = kind };
	int n, r;

	if (!copy)
		return lxe_fail(err, -ENOMEM, "remember '%s'", text);
	if (kind == LXE_MOUNT_TMPFS)
		m.size = LXE_TMPFS_DEFAULT;
	n = split(copy, parts);
	if (n < 0) {
		lxe_hint(
			err, "%s; a backslash before it makes a colon part of a path", forms[kind]);
		r = refuse(err, text, "has too many parts");
	} else {
		r = parse(&m, parts, n, err);
	}
	if (r < 0)
		lxe_mount_release(&m);
	else
		*ret = m;
	free(copy);
	return r;
}
