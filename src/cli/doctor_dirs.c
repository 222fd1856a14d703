#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/doctor.h"
#include "cli/doctor_probe.h"
#include "store/sandbox.h"

#define LITTLE_SPACE (64ull << 20)

/* Cut the path back to what exists of it. */
static void existing_part(char *path)
{
	struct stat st;
	char *slash;

	while (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		slash = strrchr(path, '/');
		if (!slash || slash == path) {
			path[slash ? 1 : 0] = '\0';
			return;
		}
		*slash = '\0';
	}
}

static void add_space(
	struct lxe_doctor *d, const char *name, const char *dir, bool exists, const char *there)
{
	const char *when = exists ? "" : ", made when it is first used";
	struct lxe_check *c;
	struct statvfs vfs;
	char type[64];

	lxe_probe_filesystem(there, type, sizeof(type));
	if (statvfs(there, &vfs) < 0)
		return;
	if (vfs.f_bavail * vfs.f_frsize >= LITTLE_SPACE) {
		lxe_doctor_add(d, name, LXE_HEALTH_OK, "%s (%s, %llu MiB free%s)", dir, type,
			(unsigned long long)(vfs.f_bavail * vfs.f_frsize >> 20), when);
		return;
	}
	c = lxe_doctor_add(d, name, LXE_HEALTH_WARN, "%s (%s, only %llu KiB free%s)", dir, type,
		(unsigned long long)(vfs.f_bavail * vfs.f_frsize >> 10), when);
	lxe_check_remedy(c, "free space on the filesystem of %s", there);
}

static void check_directory(
	struct lxe_doctor *d, const char *name, const char *dir, const char *variable)
{
	struct lxe_check *c;
	char there[PATH_MAX], why[64];
	int r;

	snprintf(there, sizeof(there), "%s", dir);
	existing_part(there);
	r = access(there, W_OK | X_OK) < 0 ? -errno : 0;
	if (r == 0) {
		add_space(d, name, dir, strcmp(there, dir) == 0, there);
		return;
	}
	if (!d->root && r == -EACCES) {
		lxe_doctor_add(d, name, LXE_HEALTH_UNKNOWN, "%s: '%s' needs root to write there",
			dir, there);
		return;
	}
	c = lxe_doctor_add(d, name, LXE_HEALTH_FAIL, "%s: '%s': %s", dir, there,
		lxe_reason(r, why, sizeof(why)));
	lxe_check_remedy(c, "export %s=/some/writable/directory", variable);
}

/* The images' files are mounted with shifted owners; an overlay or NFS cannot be. */
static void check_state_idmap(struct lxe_doctor *d)
{
	struct lxe_check *c;
	char there[PATH_MAX], type[64];

	snprintf(there, sizeof(there), "%s", d->dirs->state);
	existing_part(there);
	if (!d->root || !lxe_probe_blames_filesystem(lxe_probe_idmap(there)))
		return;
	lxe_probe_filesystem(there, type, sizeof(type));
	c = lxe_doctor_add(d, "state filesystem", LXE_HEALTH_FAIL,
		"'%s' (%s) cannot be mounted with shifted owners", there, type);
	lxe_check_remedy(c, "export LXC_EXEC_STATE_DIR=/a/directory/on/ext4,xfs,btrfs/or/tmpfs");
}

/* Nobody holds the lock of what a killed pair has left. A shared one disturbs no gc beside us. */
static bool is_left(int sandboxes, const char *id)
{
	LXE_AUTOCLOSE int dir = openat(sandboxes, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir >= 0 && flock(dir, LOCK_SH | LOCK_NB) == 0;
}

static int count_left(const char *run, size_t *n, struct lxe_err *err)
{
	LXE_AUTOCLOSE int sandboxes = -EBADF;
	struct lxe_strv ids = { 0 };
	char path[PATH_MAX];
	int r;

	r = lxe_sandbox_list(run, &ids, err);
	if (r == 0)
		r = lxe_format(path, sizeof(path), "%s/sandboxes", run);
	if (r == 0 && ids.n)
		sandboxes = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; r == 0 && i < ids.n; i++)
		*n += is_left(sandboxes, ids.v[i]);
	lxe_strv_release(&ids);
	return r;
}

static void check_leftovers(struct lxe_doctor *d)
{
	struct lxe_err err = { 0 };
	struct lxe_check *c;
	size_t n = 0;
	int r = count_left(d->dirs->run, &n, &err);

	if (r < 0 && !d->root) {
		lxe_doctor_add(d, "leftovers", LXE_HEALTH_UNKNOWN, "needs root to look");
	} else if (r < 0) {
		lxe_doctor_add(d, "leftovers", LXE_HEALTH_WARN, "%s", err.msg);
	} else if (n == 0) {
		lxe_doctor_add(d, "leftovers", LXE_HEALTH_OK, "none");
	} else {
		c = lxe_doctor_add(d, "leftovers", LXE_HEALTH_WARN,
			"%zu sandbox%s that nobody owns any more", n, n == 1 ? "" : "es");
		lxe_check_remedy(c, "lxc-exec gc");
	}
}

void lxe_doctor_directories(struct lxe_doctor *d)
{
	check_directory(d, "state directory", d->dirs->state, "LXC_EXEC_STATE_DIR");
	check_state_idmap(d);
	check_directory(d, "run directory", d->dirs->run, "LXC_EXEC_RUN_DIR");
	check_leftovers(d);
}
