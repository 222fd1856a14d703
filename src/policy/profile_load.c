#include "policy/profile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "policy/ini.h"
#include "sys/fd.h"

/* Where a user keeps profiles; empty when there is no such place. */
static void user_dir(char *ret, size_t size)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int r = -ENOENT;

	/* A relative path here is to be ignored (XDG base directory specification). */
	if (xdg && xdg[0] == '/')
		r = lxe_format(ret, size, "%s/lxc-exec", xdg);
	else if (home && home[0] == '/')
		r = lxe_format(ret, size, "%s/.config/lxc-exec", home);
	if (r < 0)
		ret[0] = '\0';
}

/* A profile and what it builds on: each file is named by the key `profile` of the one before. */
struct chain {
	struct lxe_request *req;
	const struct lxe_dirs *dirs;
	struct file {
		char path[PATH_MAX];
		dev_t dev;
		ino_t ino;
		char *text;
		size_t len;
	} file[LXE_PROFILE_DEPTH_MAX];
	size_t n;
};

/* Without O_NONBLOCK the open of a FIFO would wait for its writer. */
static int open_profile(struct file *f, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return lxe_fail(err, -errno, "read profile '%s'", f->path);
	if (fstat(fd, &st) < 0)
		return lxe_fail(err, -errno, "read profile '%s'", f->path);
	if (S_ISDIR(st.st_mode))
		return lxe_fail(err, -EISDIR, "read profile '%s'", f->path);
	if (!S_ISREG(st.st_mode))
		return lxe_fail_msg(err, -EINVAL, "read profile '%s': not a regular file", f->path);
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return take_fd(&fd);
}

static int refuse_loop(const struct chain *c, const struct file *f, struct lxe_err *err)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->file[i].dev != f->dev || c->file[i].ino != f->ino)
			continue;
		lxe_fail_msg(err, -ELOOP, "profile '%s' would build on itself", f->path);
		lxe_hint(err, "one of the same name in another directory is named by its path");
		return -ELOOP;
	}
	return 0;
}

/* Read the file whose path is in the chain's next place. The chain does not grow on a failure. */
static int add_file(struct chain *c, struct lxe_err *err)
{
	struct file *f = &c->file[c->n];
	LXE_AUTOCLOSE int fd = open_profile(f, err);
	int r;

	if (fd < 0)
		return fd;
	r = refuse_loop(c, f, err);
	if (r < 0)
		return r;
	r = sys_read_whole(fd, LXE_INI_SIZE_MAX, &f->text, &f->len);
	if (r == -E2BIG)
		return lxe_fail_msg(err, r, "read profile '%s': larger than 1 MiB", f->path);
	if (r < 0)
		return lxe_fail(err, r, "read profile '%s'", f->path);
	c->n++;
	return 0;
}

/* 1: read; 0: there is no such file. */
static int add_if_there(struct chain *c, const char *dir, const char *name, struct lxe_err *err)
{
	struct lxe_err why = { 0 };
	int r;

	if (!*dir)
		return 0;
	r = lxe_format(c->file[c->n].path, PATH_MAX, "%s/%s.conf", dir, name);
	if (r < 0)
		return lxe_fail(err, r, "read profile '%s'", name);
	r = add_file(c, &why);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0 && err)
		*err = why;
	return r < 0 ? r : 1;
}

/* Add " NAME" for each NAME.conf of a directory, as far as there is room. */
static void list_dir(char *buf, size_t size, const char *path)
{
	DIR *dir = *path ? opendir(path) : NULL;
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name), used = strlen(buf);

		if (len > 5 && strcmp(entry->d_name + len - 5, ".conf") == 0 &&
			len - 5 + 2 < size - used)
			snprintf(buf + used, size - used, " %.*s", (int)len - 5, entry->d_name);
	}
	if (dir)
		closedir(dir);
}

struct places {
	char user[PATH_MAX];
	char shipped[PATH_MAX + 8];
	const char *dirs[3];
};

static void find_places(struct places *p, const struct lxe_dirs *dirs)
{
	user_dir(p->user, sizeof(p->user));
	snprintf(p->shipped, sizeof(p->shipped), "%s/conf", dirs->data);
	p->dirs[0] = p->user;
	p->dirs[1] = LXE_SYSCONFDIR "/lxc-exec";
	p->dirs[2] = p->shipped;
}

static int not_found(const struct places *p, const char *name, struct lxe_err *err)
{
	char names[160] = "";

	for (size_t i = 0; i < 3; i++)
		list_dir(names, sizeof(names), p->dirs[i]);
	lxe_fail_msg(err, -ENOENT, "there is no profile '%s'", name);
	if (names[0])
		lxe_hint(err, "there are:%s; a file is named with a '/': ./my.conf", names);
	else
		lxe_hint(err, "a file is named with a '/': ./my.conf");
	return -ENOENT;
}

static int add_by_name(struct chain *c, const char *name, struct lxe_err *err)
{
	struct places places;
	int r = lxe_name_validate(name, err);

	if (r < 0)
		return lxe_fail(err, r, c->n ? "profile" : "--profile");
	find_places(&places, c->dirs);
	for (size_t i = 0; i < 3; i++) {
		r = add_if_there(c, places.dirs[i], name, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return not_found(&places, name, err);
}

/* A relative path begins at the directory of the file that says it, or at the current one. */
static int add_by_path(struct chain *c, const char *path, struct lxe_err *err)
{
	const char *by = c->n && path[0] != '/' ? c->file[c->n - 1].path : "";
	const char *slash = strrchr(by, '/');
	int len = slash ? (int)(slash - by) + 1 : 0;
	int r = lxe_format(c->file[c->n].path, PATH_MAX, "%.*s%s", len, by, path);

	return r < 0 ? lxe_fail(err, r, "read profile '%s'", path) : add_file(c, err);
}

static int add(struct chain *c, const char *profile, struct lxe_err *err)
{
	if (c->n == LXE_PROFILE_DEPTH_MAX)
		return lxe_fail_msg(err, -ELOOP, "more than %d profiles build on one another",
			LXE_PROFILE_DEPTH_MAX);
	return strchr(profile, '/') ? add_by_path(c, profile, err) : add_by_name(c, profile, err);
}

/* Read what the last file builds on. 1: one more; 0: nothing. */
static int follow(struct chain *c, struct lxe_err *err)
{
	const struct file *last = &c->file[c->n - 1];
	LXE_AUTOFREE char *base = NULL;
	unsigned int line;
	int r;

	r = lxe_profile_base(last->path, last->text, last->len, &base, &line, err);
	if (r <= 0)
		return r;
	r = add(c, base, err);
	return r < 0 ? lxe_fail(err, r, "%s:%u", last->path, line) : 1;
}

/* With one file in the chain: read the others, and set what they say, the last of them first. */
static int finish(struct chain *c, struct lxe_err *err)
{
	int r;

	do
		r = follow(c, err);
	while (r > 0);
	for (size_t i = c->n; r == 0 && i-- > 0;)
		r = lxe_profile_parse(
			c->req, c->file[i].path, c->file[i].text, c->file[i].len, err);
	return r;
}

static void release(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->file[i].text);
	c->n = 0;
}

int lxe_profile_load_defaults(
	struct lxe_request *req, const struct lxe_dirs *dirs, struct lxe_err *err)
{
	struct chain c = { .req = req, .dirs = dirs };
	char user[PATH_MAX];
	int r = 0;

	user_dir(user, sizeof(user));
	for (int i = 0; r >= 0 && i < 2; i++) {
		r = add_if_there(&c, i ? user : LXE_SYSCONFDIR "/lxc-exec", "default", err);
		if (r > 0)
			r = finish(&c, err);
		release(&c);
	}
	return r < 0 ? r : 0;
}

int lxe_profile_load(struct lxe_request *req, const struct lxe_dirs *dirs, const char *profile,
	struct lxe_err *err)
{
	struct chain c = { .req = req, .dirs = dirs };
	int r = add(&c, profile, err);

	if (r == 0)
		r = finish(&c, err);
	release(&c);
	return r;
}
