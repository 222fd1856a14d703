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

/* Without O_NONBLOCK the open of a FIFO would wait for its writer. */
static int open_profile(const char *path, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return lxe_fail(err, -errno, "read profile '%s'", path);
	if (fstat(fd, &st) < 0)
		return lxe_fail(err, -errno, "read profile '%s'", path);
	if (S_ISDIR(st.st_mode))
		return lxe_fail(err, -EISDIR, "read profile '%s'", path);
	if (!S_ISREG(st.st_mode))
		return lxe_fail_msg(err, -EINVAL, "read profile '%s': not a regular file", path);
	return take_fd(&fd);
}

static int load_file(struct lxe_request *req, const char *path, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open_profile(path, err);
	LXE_AUTOFREE char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return fd;
	r = sys_read_whole(fd, LXE_INI_SIZE_MAX, &text, &len);
	if (r == -E2BIG)
		return lxe_fail_msg(err, r, "read profile '%s': larger than 1 MiB", path);
	if (r < 0)
		return lxe_fail(err, r, "read profile '%s'", path);
	return lxe_profile_parse(req, path, text, len, err);
}

/* 1: read; 0: there is no such file. */
static int load_if_there(
	struct lxe_request *req, const char *dir, const char *name, struct lxe_err *err)
{
	struct lxe_err why = { 0 };
	char path[PATH_MAX];
	int r;

	if (!*dir)
		return 0;
	r = lxe_format(path, sizeof(path), "%s/%s.conf", dir, name);
	if (r < 0)
		return lxe_fail(err, r, "read profile '%s'", name);
	r = load_file(req, path, &why);
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	if (r < 0 && err)
		*err = why;
	return r < 0 ? r : 1;
}

int lxe_profile_load_defaults(struct lxe_request *req, struct lxe_err *err)
{
	char user[PATH_MAX];
	int r;

	user_dir(user, sizeof(user));
	r = load_if_there(req, LXE_SYSCONFDIR "/lxc-exec", "default", err);
	if (r >= 0)
		r = load_if_there(req, user, "default", err);
	return r < 0 ? r : 0;
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

int lxe_profile_load(struct lxe_request *req, const struct lxe_dirs *dirs, const char *profile,
	struct lxe_err *err)
{
	struct places places;
	int r;

	if (strchr(profile, '/'))
		return load_file(req, profile, err);
	r = lxe_name_validate(profile, err);
	if (r < 0)
		return lxe_fail(err, r, "--profile");
	find_places(&places, dirs);
	for (size_t i = 0; i < 3; i++) {
		r = load_if_there(req, places.dirs[i], profile, err);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return not_found(&places, profile, err);
}
