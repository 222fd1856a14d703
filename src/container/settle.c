#include "container/settle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/rootless.h"
#include "sys/dir.h"
#include "sys/tree.h"

#define IDS LXE_ROOTLESS_COUNT

struct settling {
	const struct lxe_settle *how;
	bool foreign; /* somebody owns a file who is nobody in a sandbox */
	uint32_t id;
	char name[128];
};

static int note_foreign(struct settling *s, const char *name, uint32_t id)
{
	if (!s->foreign) {
		s->foreign = true;
		s->id = id;
		lxe_excerpt(s->name, sizeof(s->name), name, strlen(name));
	}
	return -EINVAL;
}

/* chown(2) takes the bits for setuid and setgid, and what a program may do beyond its user. */
static int give_to_root(int at, const char *name, const struct stat *st)
{
	uid_t uid = st->st_uid == IDS ? 0 : st->st_uid;
	gid_t gid = st->st_gid == IDS ? 0 : st->st_gid;

	if (fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISLNK(st->st_mode) || !(st->st_mode & (S_ISUID | S_ISGID)))
		return 0;
	return fchmodat(at, name, st->st_mode & 07777, 0) < 0 ? -errno : 0;
}

static int settle_entry(void *arg, int at, const char *name, const struct stat *st)
{
	struct settling *s = arg;
	bool is_own = st->st_uid == IDS || st->st_gid == IDS;

	if (is_own && s->how->own && st->st_uid <= IDS && st->st_gid <= IDS)
		return give_to_root(at, name, st);
	if (st->st_uid >= IDS)
		return note_foreign(s, name, st->st_uid);
	return st->st_gid >= IDS ? note_foreign(s, name, st->st_gid) : 0;
}

static int settle_owners(const char *path, const struct lxe_settle *how, struct lxe_err *err)
{
	struct settling s = { .how = how };
	int r = sys_tree_walk(AT_FDCWD, path, settle_entry, &s);

	if (s.foreign) {
		lxe_hint(err, "the users of a sandbox are 0 to %u", IDS - 1);
		return lxe_fail_msg(err, -EINVAL, "'%s' belongs to %u", s.name, s.id);
	}
	if (r == -ELOOP)
		return lxe_fail_msg(
			err, r, "directories are nested deeper than %d levels", SYS_TREE_DEPTH_MAX);
	return r < 0 ? lxe_fail(err, r, "look at the files") : 0;
}

static bool is_directory(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool exists(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int is_shown(const struct dirent *e)
{
	return !sys_is_dots(e->d_name);
}

/* The only thing that is in there; false when it is not alone. */
static bool only_entry(int dir, char *buf, size_t size)
{
	struct dirent **found;
	int n = scandirat(dir, ".", &found, is_shown, alphasort);

	for (int i = 0; i < n; i++) {
		lxe_excerpt(buf, size, found[i]->d_name, strlen(found[i]->d_name));
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	return n == 1;
}

static bool is_filled(int dir, const char *name)
{
	LXE_AUTOCLOSE int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct dirent **found;
	int n = fd < 0 ? -1 : scandirat(fd, ".", &found, is_shown, NULL);

	for (int i = 0; i < n; i++)
		free(found[i]);
	if (n >= 0)
		free(found);
	return n > 0;
}

static int refuse(int dir, struct lxe_err *err)
{
	char name[128];

	if (exists(dir, "oci-layout"))
		lxe_hint(err, "it is an OCI layout: import it as oci:DIR, unpacked");
	else if (exists(dir, "manifest.json"))
		lxe_hint(err,
			"it is an archive of an image: skopeo copy docker-archive:FILE oci:DIR, then import oci:DIR");
	else if (only_entry(dir, name, sizeof(name)) && is_directory(dir, name))
		lxe_hint(err, "all of it is in '%s': import what is in that directory", name);
	else
		lxe_hint(err, "what is wanted is a directory with bin, etc, usr and so on in it");
	return lxe_fail_msg(err, -EINVAL, "it is no root filesystem");
}

static int check(int dir, const struct lxe_settle *how, struct lxe_err *err)
{
	static const char *const wanted[] = { "bin", "sbin", "usr" };

	if (how->anything)
		return 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (exists(dir, wanted[i]))
			return 0;
	return refuse(dir, err);
}

static int furnish(int dir, struct lxe_err *err)
{
	static const struct {
		const char *name;
		mode_t mode;
	} wanted[] = {
		{ "dev", 0755 },
		{ "proc", 0755 },
		{ "sys", 0755 },
		{ "run", 0755 },
		{ "etc", 0755 },
		{ "root", 0700 },
		{ "tmp", 01777 },
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		const char *name = wanted[i].name;

		if (mkdirat(dir, name, 0700) == 0) {
			if (fchmodat(dir, name, wanted[i].mode, 0) < 0)
				return lxe_fail(err, -errno, "make directory '%s'", name);
			continue;
		}
		if (errno != EEXIST)
			return lxe_fail(err, -errno, "make directory '%s'", name);
		/* What is mounted on, or written to, is no way out of the tree. */
		if (i < 5 && !is_directory(dir, name))
			return lxe_fail_msg(err, -ENOTDIR, "'/%s' in it is no directory", name);
	}
	return 0;
}

int lxe_settle(const char *path, const struct lxe_settle *how, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct timespec times[2];
	struct stat st;
	int r;

	if (dir < 0 || fstat(dir, &st) < 0)
		return lxe_fail(err, -errno, "open what was unpacked");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	r = check(dir, how, err);
	if (r < 0)
		return r;
	/* A sandbox has a /dev of its own; a device in an image would be the host's. */
	r = is_filled(dir, "dev") ? sys_tree_remove(dir, "dev") : 0;
	if (r < 0)
		return lxe_fail(err, r, "empty '/dev'");
	r = furnish(dir, err);
	if (r < 0)
		return r;
	/* What we have added there is no change that anybody has made. */
	if (futimens(dir, times) < 0)
		return lxe_fail(err, -errno, "set the time of '/'");
	return settle_owners(path, how, err);
}
