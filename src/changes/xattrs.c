#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "changes/layer.h"
#include "sys/xattr.h"

/* linux/posix_acl_xattr.h: a version, then entries of little-endian numbers. */
struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
#define ACL_USER 0x02
#define ACL_GROUP 0x08

static int map_acl(struct lxe_xattr *x, const struct lxe_cow_ids *ids)
{
	unsigned char *value = x->value;

	for (size_t at = 4; at + sizeof(struct acl_entry) <= x->size;
		at += sizeof(struct acl_entry)) {
		struct acl_entry e;
		uint16_t tag;

		memcpy(&e, value + at, sizeof(e));
		tag = le16toh(e.tag);
		if (tag == ACL_USER || tag == ACL_GROUP)
			e.id = htole32(lxe_ids_down(ids, le32toh(e.id)));
		memcpy(value + at, &e, sizeof(e));
	}
	return 0;
}

static int read_value(int fd, struct lxe_xattr *x)
{
	ssize_t n = fgetxattr(fd, x->name, NULL, 0);

	if (n < 0)
		return -errno;
	x->value = malloc((size_t)n + 1);
	if (!x->value)
		return -ENOMEM;
	n = fgetxattr(fd, x->name, x->value, (size_t)n + 1);
	if (n < 0)
		return -errno;
	x->size = (size_t)n;
	return 0;
}

static int add(struct lxe_xattrs *all, int fd, const char *name, const struct lxe_cow_ids *ids)
{
	struct lxe_xattr *grown = realloc(all->v, (all->n + 1) * sizeof(*grown)), *x;
	int r;

	if (!grown)
		return -ENOMEM;
	all->v = grown;
	x = &grown[all->n++];
	*x = (struct lxe_xattr){ .name = strdup(name) };
	if (!x->name)
		return -ENOMEM;
	r = read_value(fd, x);
	if (r == 0 && ids && lxe_starts_with(name, SYS_XATTR_ACL))
		r = map_acl(x, ids);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct lxe_xattr *)a)->name, ((const struct lxe_xattr *)b)->name);
}

int lxe_xattrs_read(struct lxe_xattrs *ret, int fd, const struct lxe_cow_ids *ids)
{
	char names[XATTR_LIST_MAX];
	struct lxe_xattrs all = { 0 };
	ssize_t n = flistxattr(fd, names, sizeof(names));
	int r = n < 0 && errno != ENOTSUP && errno != ENOSYS ? -errno : 0;

	for (ssize_t at = 0; r == 0 && at < n; at += (ssize_t)strlen(names + at) + 1)
		if (sys_xattr_is_owners(names + at))
			r = add(&all, fd, names + at, ids);
	if (r < 0) {
		lxe_xattrs_release(&all);
		return r;
	}
	if (all.n > 1)
		qsort(all.v, all.n, sizeof(*all.v), by_name);
	*ret = all;
	return 0;
}

void lxe_xattrs_release(struct lxe_xattrs *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->v[i].name);
		free(x->v[i].value);
	}
	free(x->v);
	*x = (struct lxe_xattrs){ 0 };
}

bool lxe_xattrs_equal(const struct lxe_xattrs *a, const struct lxe_xattrs *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct lxe_xattr *x = &a->v[i], *y = &b->v[i];

		if (strcmp(x->name, y->name) != 0 || x->size != y->size ||
			memcmp(x->value, y->value, x->size) != 0)
			return false;
	}
	return true;
}

static bool has(const struct lxe_xattrs *x, const char *name)
{
	for (size_t i = 0; i < x->n; i++)
		if (strcmp(x->v[i].name, name) == 0)
			return true;
	return false;
}

int lxe_xattrs_write(int fd, const struct lxe_xattrs *x)
{
	struct lxe_xattrs old = { 0 };
	int r = lxe_xattrs_read(&old, fd, NULL);

	for (size_t i = 0; r == 0 && i < old.n; i++)
		if (!has(x, old.v[i].name) && fremovexattr(fd, old.v[i].name) < 0)
			r = -errno;
	for (size_t i = 0; r == 0 && i < x->n; i++)
		if (fsetxattr(fd, x->v[i].name, x->v[i].value, x->v[i].size, 0) < 0)
			r = -errno;
	lxe_xattrs_release(&old);
	return r;
}

ssize_t lxe_overlay_xattr(int fd, bool userxattr, const char *name, void *buf, size_t size)
{
	char full[64], link[32];
	ssize_t n;

	lxe_format(full, sizeof(full), "%s.overlay.%s", userxattr ? "user" : "trusted", name);
	n = fgetxattr(fd, full, buf, size);
	/* A symlink can only be opened with O_PATH. */
	if (n < 0 && errno == EBADF && lxe_format(link, sizeof(link), "/proc/self/fd/%d", fd) == 0)
		n = getxattr(link, full, buf, size);
	return n < 0 ? -errno : n;
}
