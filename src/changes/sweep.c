/* What commits that were killed have left in sources: see commit.h, and changes.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/commit.h"
#include "store/rootless.h"

#define STAGE ".lxe-commit-"

void lxe_changes_stage_name(char ret[LXE_STAGE_NAME_MAX], const char *id, size_t index)
{
	snprintf(ret, LXE_STAGE_NAME_MAX, STAGE "%s-%zu", id, index);
}

/* Others may have put something in its place: what could be theirs stays. */
static bool is_stage(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0777) == 0700;
}

int lxe_stage_remove(int lower, const char *name)
{
	LXE_AUTOCLOSE int fd = openat(lower, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES
			       ? 0
			       : -errno;
	if (!is_stage(fd))
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return -EBUSY;
	return lxe_tree_remove(lower, name);
}

void lxe_stage_keep(struct lxe_commit *k)
{
	char kept[LXE_STAGE_NAME_MAX];
	uint32_t id = 0;

	if (getrandom(&id, sizeof(id), 0) == (ssize_t)sizeof(id) &&
		lxe_format(kept, sizeof(kept), ".lxe-kept-%08" PRIx32, id) == 0 &&
		renameat2(k->c->layer.lower, k->stage, k->c->layer.lower, kept, RENAME_NOREPLACE) ==
			0)
		memcpy(k->stage, kept, sizeof(kept));
	else
		fchmod(k->stage_fd, 0500);
}

int lxe_changes_sweep(const char *path)
{
	const char *slash = strrchr(path, '/');
	LXE_AUTOCLOSE int lower = -EBADF;
	char dir[PATH_MAX];

	if (!slash || !lxe_starts_with(slash + 1, STAGE) ||
		lxe_format(dir, sizeof(dir), "%.*s", (int)(slash - path), path) < 0)
		return -EINVAL;
	lower = open(*dir ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return lower < 0 ? 0 : lxe_stage_remove(lower, slash + 1);
}
