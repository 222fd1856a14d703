#include "changes/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* fs/overlayfs/overlayfs.h, struct ovl_fb: version, magic, length of all, flags, type, uuid, handle. */
#define FB_MAGIC 0xfb
#define FB_HEAD 21

int lxe_origin(struct lxe_handle *ret, int upper, bool userxattr)
{
	unsigned char fb[255];
	ssize_t n = lxe_overlay_xattr(upper, userxattr, "origin", fb, sizeof(fb));

	if (n == -ENODATA)
		return 0;
	if (n == 0 || n == -EOPNOTSUPP)
		return n == 0 ? -EOPNOTSUPP : 0;
	if (n < 0)
		return (int)n;
	if (n <= FB_HEAD || n - FB_HEAD > (ssize_t)sizeof(ret->bytes) || fb[1] != FB_MAGIC)
		return -EOPNOTSUPP;
	*ret = (struct lxe_handle){ .type = fb[4], .len = (size_t)n - FB_HEAD };
	memcpy(ret->bytes, fb + FB_HEAD, ret->len);
	return 1;
}

int lxe_handle_of(struct lxe_handle *ret, int fd)
{
	union {
		struct file_handle h;
		unsigned char room[sizeof(struct file_handle) + sizeof(ret->bytes)];
	} u = { .h.handle_bytes = sizeof(ret->bytes) };
	int mount_id;

	if (name_to_handle_at(fd, "", &u.h, &mount_id, AT_EMPTY_PATH) < 0)
		return errno == EOVERFLOW ? -EOPNOTSUPP : -errno;
	*ret = (struct lxe_handle){ .type = u.h.handle_type, .len = u.h.handle_bytes };
	memcpy(ret->bytes, u.room + offsetof(struct file_handle, f_handle), ret->len);
	return 0;
}

int lxe_handle_compare(const struct lxe_handle *a, const struct lxe_handle *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return memcmp(a->bytes, b->bytes, a->len);
}
