#include "keeper/reason.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/stat.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "confine/calls.h"
#include "container/init/masks.h"
#include "keeper/denied.h"
#include "keeper/deny.h"
#include "keeper/keeper.h"
#include "policy/caps.h"
#include "sys/fd.h"
#include "sys/mount.h"
#include "sys/mountinfo.h"

static void tell(struct lxe_reason *ret, const char *option, const char *hint)
{
	ret->option = option;
	snprintf(ret->hint, sizeof(ret->hint), "%s", hint);
}

bool lxe_reason_is_cover(const struct lxe_keeper *k, const struct stat *st)
{
	struct stat cover;

	return k->main->spec.deny.n &&
	       stat(S_ISDIR(st->st_mode) ? LXE_COVER_DIRECTORY : LXE_COVER_FILE, &cover) == 0 &&
	       cover.st_dev == st->st_dev && cover.st_ino == st->st_ino;
}

static bool tell_denied(struct lxe_reason *ret, const struct lxe_keeper *k, const char *path)
{
	const char *deny = lxe_denied_by(k, path);

	if (!deny)
		return false;
	snprintf(ret->rule, sizeof(ret->rule), "--deny %.200s", deny);
	tell(ret, "--deny", "without that --deny, or with a narrower one, it would be in reach");
	return true;
}

/* Of /proc and /sys, which every sandbox has the same. */
static bool tell_mask(struct lxe_reason *ret, const char *path)
{
	const char *found = sys_path_below(path, "/sys") ? "/sys" : NULL;
	bool hidden = false;

	for (size_t i = 0; i < LXE_MASKS; i++) {
		if (!sys_path_below(path, lxe_masks[i].path))
			continue;
		found = lxe_masks[i].path;
		hidden = lxe_masks[i].kind != LXE_READ_ONLY;
	}
	if (!found)
		return false;
	snprintf(ret->rule, sizeof(ret->rule), "'%s' is %s in every sandbox", found,
		hidden ? "hidden" : "read-only");
	tell(ret, "", "no option lifts it");
	return true;
}

static uint64_t mount_of(int root, const char *path)
{
	LXE_AUTOCLOSE int fd = sys_find_in_root(root, path, false);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0)
		return 0;
	return st.stx_mnt_id;
}

/* From a path of a mount to that of its root. */
static void climb(int root, char *path)
{
	uint64_t mount = mount_of(root, path);

	for (int i = 0; mount && i < PATH_MAX / 2; i++) {
		char *slash = strrchr(path, '/'), saved;

		if (!slash || !path[1])
			return;
		saved = slash[slash == path];
		slash[slash == path] = '\0';
		if (mount_of(root, path) != mount) {
			slash[slash == path] = saved;
			return;
		}
	}
}

/* Of the caller's own mounts the innermost that the path is in; NULL: in none. */
static const struct lxe_mount *find_mount(const struct lxe_keeper *k, const char *path)
{
	const struct lxe_mounts *list = &k->main->spec.mounts;
	const struct lxe_mount *found = NULL;

	for (size_t i = 0; i < list->n; i++)
		if (sys_path_below(path, list->v[i].dst) &&
			(!found || sys_path_below(list->v[i].dst, found->dst)))
			found = &list->v[i];
	return found;
}

static bool tell_bind(struct lxe_reason *ret, const struct lxe_keeper *k, const char *path)
{
	const struct lxe_mount *m = find_mount(k, path);

	if (m && m->kind == LXE_MOUNT_DISK) {
		snprintf(ret->rule, sizeof(ret->rule), "--disk: '%.160s' is read-only", m->dst);
		tell(ret, "--disk", "--disk IMAGE:DST:rw lets an ext4 be written");
		return true;
	}
	if (!m || m->kind != LXE_MOUNT_BIND)
		return false;
	snprintf(ret->rule, sizeof(ret->rule), "--bind: '%.160s' is read-only%s", m->dst,
		m->ro ? "" : " on the host");
	if (m->ro)
		tell(ret, "--bind", "--bind SRC:DST:rw lets it be written");
	else
		tell(ret, "", "no option lifts it: it is how the host has mounted it");
	return true;
}

static void tell_mount(struct lxe_reason *ret, const struct lxe_keeper *k, int root, char *path)
{
	if (tell_bind(ret, k, path))
		return;
	climb(root, path);
	if (sys_path_below(path, "/run/secrets")) {
		snprintf(ret->rule, sizeof(ret->rule), "secrets are read-only");
		tell(ret, "", "no option lifts it: a copy elsewhere can be written");
		return;
	}
	snprintf(ret->rule, sizeof(ret->rule), "'%.120s' is read-only in image '%.80s'", path,
		k->main->spec.image);
	tell(ret, "--image",
		"write elsewhere, as in /tmp, or take an image of its own files, as --image busybox");
}

bool lxe_reason_of(struct lxe_reason *ret, const struct lxe_keeper *k, int root, int at)
{
	char path[PATH_MAX];

	if (sys_fd_path(at, path, sizeof(path)) < 0 || path[0] != '/')
		return false;
	if (!tell_denied(ret, k, path) && !tell_mask(ret, path))
		tell_mount(ret, k, root, path);
	return true;
}

/* The capabilities that bring the call, of which the first is named. */
static const char *lifted_by(const char *call)
{
	char word[72];

	snprintf(word, sizeof(word), " %.64s ", call);
	for (const struct lxe_calls *c = lxe_calls(); c->names; c++)
		if (c->lifted_by && strstr(c->names, word))
			for (unsigned int cap = 0; cap < 64; cap++)
				if (c->lifted_by & UINT64_C(1) << cap)
					return lxe_cap_name(cap);
	return NULL;
}

void lxe_reason_of_profile(struct lxe_reason *ret, const struct lxe_keeper *k, const char *call)
{
	const struct lxe_spec *spec = &k->main->spec;
	const char *profile = spec->seccomp ? spec->seccomp : "default";
	const char *cap =
		spec->seccomp_text || strcmp(profile, "default") != 0 ? NULL : lifted_by(call);

	snprintf(ret->rule, sizeof(ret->rule), "seccomp %.120s: %.64s", profile, call);
	ret->option = cap ? "--cap-add" : "--seccomp";
	if (cap)
		snprintf(ret->hint, sizeof(ret->hint),
			"--cap-add %s lets the call pass, as does a profile with it (--seccomp "
			"FILE)",
			cap);
	else
		snprintf(ret->hint, sizeof(ret->hint),
			"a profile that permits the call lets it pass (--seccomp FILE, which --learn "
			"makes); --seccomp-log lets all pass");
}
