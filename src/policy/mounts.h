/*
 * What the caller puts into a sandbox's tree of files beside its image: binds of his own files and
 * directories, tmpfs, copies of single files, and disk images; how they are written, kept in the spec and sent. A
 * list owns its texts. Parsing a relative source asks for the working directory, and one with `..` for
 * where it leads; nothing else here looks at files.
 */
#ifndef LXE_POLICY_MOUNTS_H
#define LXE_POLICY_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/wire.h"

#define LXE_MOUNTS_MAX 256
#define LXE_TMPFS_DEFAULT (UINT64_C(512) << 20)
#define LXE_TMPFS_MIN (UINT64_C(4) << 10)

enum lxe_mount_kind { LXE_MOUNT_BIND = 1, LXE_MOUNT_TMPFS, LXE_MOUNT_FILE, LXE_MOUNT_DISK };

struct lxe_mount {
	enum lxe_mount_kind kind;
	char *src; /* absolute, on the host; NULL for a tmpfs */
	char *dst; /* absolute, inside, without `.`, `..` or empty components; never "/" */
	bool ro;
	bool cow; /* what is written goes to a layer of the sandbox's own; not with `ro` */
	bool rw; /* of a disk: writing was asked for; with neither it is as its file system can be */
	bool unshifted; /* owners are shown as they are on the host, not as the sandbox's */
	uint64_t size;	/* of a tmpfs, bytes */
	uint32_t mode;	/* of a copied file; 0: the source's */
};

struct lxe_mounts {
	struct lxe_mount *v;
	size_t n;
};

/* "bind", "tmpfs", "file" or "disk", as the option is called. */
const char *lxe_mount_name(enum lxe_mount_kind kind);

/* SRC[:DST][:ro|rw|cow][:shift=off], DST[:size=SIZE], SRC:DST[:MODE],
 * IMAGE:DST[:ro|rw][:shift=off]; `\:` is a colon, `\\` a backslash. */
int lxe_mount_parse(
	struct lxe_mount *ret, enum lxe_mount_kind kind, const char *text, struct lxe_err *err);
void lxe_mount_release(struct lxe_mount *mount);

/* Add one (taken, also on failure). -EEXIST: there is one for this place already. */
int lxe_mounts_add(struct lxe_mounts *list, struct lxe_mount *mount, struct lxe_err *err);
void lxe_mounts_release(struct lxe_mounts *list);

/* How many of them are copy-on-write. */
size_t lxe_mounts_count_cow(const struct lxe_mounts *list);

/* One field of the spec for each; -EBADMSG for what lxe_mount_parse() would not have made. */
void lxe_mounts_encode(struct lxe_writer *w, uint8_t tag, const struct lxe_mounts *list);
int lxe_mounts_decode(struct lxe_mounts *list, const struct lxe_field *f);

/* Absolute, and in the one form that a destination has. */
bool lxe_mount_dst_is_valid(const char *dst);

#endif
