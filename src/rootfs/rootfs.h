/*
 * Images and the root filesystem that is made from one: the image as a read-only, idmapped lower
 * layer, a tmpfs for what the sandbox writes, an overlay over both, and for `host` images the
 * host's own trees, read-only. Everything is mounted in the caller's own mount namespace (the
 * keeper's), below the sandbox's directory, and vanishes with that namespace.
 */
#ifndef LXE_ROOTFS_ROOTFS_H
#define LXE_ROOTFS_ROOTFS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* An image below STATE/images/NAME: rootfs/ and, written last, image.json. */
struct lxe_image {
	char *name;
	int lock;	 /* flock(2), shared: it cannot be removed while this is open */
	int files;	 /* a detached mount of its rootfs/, once lxe_image_take() has made it */
	bool host_trees; /* the host's /usr and friends belong into it */
	struct lxe_stack *stack; /* layers over its files (stack.h), NULL: none */
};

/*
 * Open and lock an image; one that is just being removed or exchanged is waited for. -ENOENT: there is none of that name (hint: how to build it, and which
 * there are); -EUCLEAN: half-built (hint: how to rebuild it).
 */
int lxe_image_open(struct lxe_image *ret, const char *state, const char *name, struct lxe_err *err);
void lxe_image_release(struct lxe_image *image);

/* Take its files along into a mount namespace that is made after this, wherever they lie on the host. */
int lxe_image_take(struct lxe_image *image, struct lxe_err *err);

struct lxe_idmap {
	uint32_t host_start; /* uid and gid of root inside, as the calling process has them */
	uint32_t count;
	bool stored; /* files on disk have these owners already: nothing is shifted */
	/*
	 * With `stored`: root inside is the calling user himself, not 0, and `count` inside is 0. The last of the
	 * range is nobody inside.
	 */
	bool owner;
};

/* The id, as the calling process has it, of one inside. */
uint32_t lxe_idmap_host(const struct lxe_idmap *map, uint32_t inside);

/* An id of the calling process's that is nobody's inside: what belongs to it is no more root's there than anybody's. */
uint32_t lxe_idmap_nobody(const struct lxe_idmap *map);

/*
 * The range for one sandbox: a 65536-wide slot, chosen by `id`, of root's line in subuid_path
 * (/etc/subuid) when it has one of at least that width, else of 1879048192..2147483647, which
 * Debian and systemd leave unused.
 */
int lxe_idmap_pick(
	struct lxe_idmap *ret, const char *subuid_path, const char *id, struct lxe_err *err);

/*
 * In the namespace of an ordinary user (store/rootless.h): he has one range for all, and his images
 * are built with its owners, because only a filesystem's own root may shift them.
 */
void lxe_idmap_nested(struct lxe_idmap *ret);

/* The same, but root inside is the user himself: what it makes in a bind is his. Nothing else can shift there. */
void lxe_idmap_of_owner(struct lxe_idmap *ret);

/*
 * The whole range that slots are picked from; *from_file says whether subuid_path has it. What doctor
 * tells is what a run does.
 */
int lxe_idmap_range(struct lxe_idmap *ret, const char *subuid_path, bool *from_file);

/*
 * Mount everything below `dir`, a directory of the caller's: l, rw, m. The root filesystem is dir/m
 * afterwards. The caller is in a mount namespace of its own whose propagation is slave or private; the
 * image's files were taken before, and are used up. What is written goes to a tmpfs, or to kept/rw, where `kept` is
 * a directory on disk (NULL: none). `disk` bytes (0: no limit) is all that may be written: what is kept
 * is then in a file of that directory (disk.h). Paths are absolute.
 */
int lxe_rootfs_mount(struct lxe_image *image, const char *dir, const struct lxe_idmap *map,
	const char *kept, uint64_t disk, struct lxe_err *err);

/* Give a new mount namespace to the calling process and make its propagation slave. */
int lxe_rootfs_unshare(struct lxe_err *err);

#endif
