#include "store/dirs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define FALLBACK "/tmp/lxc-exec-"

/*
 * Anybody can make directories in /tmp: this one has to be ours and nobody else's to look into. It is made
 * here, so that what is found afterwards is what was looked at.
 */
static int make_private(const char *path, struct lxe_err *err)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return lxe_fail(err, -errno, "make directory '%s'", path);
	if (lstat(path, &st) < 0)
		return lxe_fail(err, -errno, "look at '%s'", path);
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 077))
		return 0;
	lxe_hint(err, "set XDG_RUNTIME_DIR, or LXC_EXEC_RUN_DIR, to a directory of your own");
	return lxe_fail_msg(err, -EPERM, "'%s' is not a directory that is yours alone", path);
}

static bool is_fallback(const char *path)
{
	char fallback[32];

	snprintf(fallback, sizeof(fallback), FALLBACK "%u", (unsigned int)geteuid());
	return strcmp(path, fallback) == 0;
}

static int from_home(char *ret, size_t size, const char *xdg, const char *below_home)
{
	const char *dir = getenv(xdg), *home = getenv("HOME");

	if (dir && dir[0] == '/')
		return lxe_format(ret, size, "%s/lxc-exec", dir);
	if (below_home && home && home[0] == '/')
		return lxe_format(ret, size, "%s/%s/lxc-exec", home, below_home);
	return lxe_format(ret, size, FALLBACK "%u", (unsigned int)geteuid());
}

static int find_state(struct lxe_dirs *dirs)
{
	const char *dir = getenv("LXC_EXEC_STATE_DIR");

	if (dir && *dir)
		return lxe_format(dirs->state, sizeof(dirs->state), "%s", dir);
	if (geteuid() == 0)
		return lxe_format(dirs->state, sizeof(dirs->state), "/var/lib/lxc-exec");
	return from_home(dirs->state, sizeof(dirs->state), "XDG_DATA_HOME", ".local/share");
}

static int find_run(struct lxe_dirs *dirs)
{
	const char *dir = getenv("LXC_EXEC_RUN_DIR");

	if (dir && *dir)
		return lxe_format(dirs->run, sizeof(dirs->run), "%s", dir);
	if (geteuid() == 0)
		return lxe_format(dirs->run, sizeof(dirs->run), "/run/lxc-exec");
	return from_home(dirs->run, sizeof(dirs->run), "XDG_RUNTIME_DIR", NULL);
}

/* A program that has its keeper beside it runs from the tree; an installed one does not. */
static int find_installation(struct lxe_dirs *dirs)
{
	char exe[PATH_MAX / 2], keeper[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n > 0) {
		exe[n] = '\0';
		slash = strrchr(exe, '/');
		if (slash)
			*slash = '\0';
		snprintf(keeper, sizeof(keeper), "%s/lxc-exec-keeper", exe);
		if (access(keeper, X_OK) == 0) {
			snprintf(dirs->libexec, sizeof(dirs->libexec), "%s", exe);
			snprintf(dirs->data, sizeof(dirs->data), "%s", exe);
			return 0;
		}
	}
	snprintf(dirs->libexec, sizeof(dirs->libexec), "%s", LXE_LIBEXECDIR);
	snprintf(dirs->data, sizeof(dirs->data), "%s", LXE_DATADIR);
	return 0;
}

int lxe_dirs_find(struct lxe_dirs *ret, struct lxe_err *err)
{
	int r;

	r = find_state(ret);
	if (r < 0)
		return lxe_fail(err, r, "find the state directory");
	r = find_run(ret);
	if (r < 0)
		return lxe_fail(err, r, "find the run directory");
	if (ret->state[0] != '/' || ret->run[0] != '/') {
		lxe_fail_msg(err, -EINVAL, "the state and run directories must be absolute paths");
		lxe_hint(err,
			"set LXC_EXEC_STATE_DIR and LXC_EXEC_RUN_DIR to paths that begin with /");
		return -EINVAL;
	}
	r = is_fallback(ret->run) ? make_private(ret->run, err) : 0;
	if (r == 0 && is_fallback(ret->state))
		r = make_private(ret->state, err);
	return r < 0 ? r : find_installation(ret);
}

int lxe_dirs_make(const char *path, struct lxe_err *err)
{
	/* The root of another's namespace has to pass; that of the user's own does anyway. */
	mode_t mode = geteuid() == 0 ? 0711 : 0700;
	char part[PATH_MAX];
	size_t len = strlen(path);
	int r;

	/* As mostly. mkdir(2) would wait for whoever changes one of its parents. */
	if (access(path, F_OK) == 0)
		return 0;
	if (len >= sizeof(part))
		return lxe_fail(err, -ENAMETOOLONG, "make directory '%s'", path);
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, mode) == 0) {
			chmod(part, mode); /* whatever the umask says */
			continue;
		}
		if (errno == EEXIST)
			continue;
		r = lxe_fail(err, -errno, "make directory '%s'", part);
		lxe_hint(err,
			"make it writable, or point LXC_EXEC_STATE_DIR and LXC_EXEC_RUN_DIR elsewhere");
		return r;
	}
	return 0;
}
