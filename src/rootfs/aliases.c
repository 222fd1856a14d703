#include "rootfs/aliases.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"

static int add_alias(struct lxe_strv *ret, const char *path, const char *rootfs, uint64_t mount)
{
	LXE_AUTOCLOSE int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	const char *inside = sys_path_below(path, rootfs);
	uint64_t id;

	/* Not to be seen there: what covers it is looked at for itself. */
	if (fd < 0 || sys_mount_id(fd, &id) < 0 || id != mount)
		return 0;
	for (size_t i = 0; i < ret->n; i++)
		if (strcmp(ret->v[i], inside) == 0)
			return 0;
	return lxe_strv_add(ret, inside);
}

int lxe_aliases_find(struct lxe_strv *ret, const struct sys_mounts *mounts, const char *rootfs,
	const struct sys_object *object)
{
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < mounts->n; i++) {
		const struct sys_mount_row *row = &mounts->v[i];
		const char *rest = sys_path_below(object->path, row->root);
		const char *below = sys_path_below(row->point, rootfs);

		if (row->dev != object->dev || !below || !*below)
			continue;
		if (!rest && !sys_path_below(row->root, object->path))
			continue;
		r = lxe_format(path, sizeof(path), "%s%s", row->point, rest ? rest : "");
		/* Nothing that long can be opened by its path, in there either. */
		r = r < 0 ? 0 : add_alias(ret, path, rootfs, row->id);
	}
	return r;
}
