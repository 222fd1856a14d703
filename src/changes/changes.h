/*
 * What a sandbox has written over a directory of the host ("cow"): listed, shown, checked against what others
 * have done to the directory meanwhile, and carried over into it. Works on descriptors and never resolves a
 * path but below them, through no symlink and no mount. Everything here blocks on disks; the descriptors of a
 * layer are the caller's, and stay open as long as a list of its changes is used.
 *
 * The mount must be made with redirect_dir=nofollow,metacopy=off,index=off (and userxattr in a user
 * namespace): then a file in the upper layer is whole, and a renamed directory is a new one.
 *
 * After a commit the upper layer stays as it is: what is the same below is no change any more, and the
 * overlay can stay mounted. `since` and `record` stay too; both begin anew only with an empty upper layer.
 * What still runs in the sandbox should be frozen during a scan and a commit: a file that changes while it
 * is carried over makes the commit fail with -EBUSY, and nothing is done.
 */
#ifndef LXE_CHANGES_CHANGES_H
#define LXE_CHANGES_CHANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

#define LXE_STAGE_NAME_MAX 48

/* Owners from..from+count-1 in the upper layer are to.. in the lower one, as the caller sees both; count 0: the same. */
struct lxe_cow_ids {
	uint32_t from, to, count;
};

struct lxe_cow_layer {
	/*
	 * The directory itself as the caller sees it, not shifted, best as a clone of its mount without submounts
	 * (sys_mount_clone(dir, "", false)): what is mounted in it is not part of what the sandbox saw.
	 */
	int lower;
	int upper; /* the overlay's upper directory, which began with the lower one's mode, owner and attributes */
	/*
	 * A file of the caller's, open for reading and writing, that lives as long as the upper layer and longer
	 * than a process that is killed: what commits have made, and what they have to tidy up. -EBADF when there
	 * is none; only a scan works then.
	 */
	int record;
	struct lxe_cow_ids ids;
	uint32_t
		root; /* the owner whom the sandbox sees as its root, in the lower layer; only for what is shown */
	/* Of the lower one, what has changed from then on is a conflict: as the kernel stamps files, CLOCK_REALTIME_COARSE. */
	struct timespec since;
	bool fine; /* the lower file system counts parts of seconds: set by lxe_changes_scan(), from what it has met */
	bool userxattr; /* user.overlay.* instead of trusted.overlay.* */
	/* The directory that a commit makes in the source: lxe_changes_stage_name(). Empty: any name that is free. */
	char stage[LXE_STAGE_NAME_MAX];
	const char *
		where; /* the lower directory's path, for messages and paths shown; "" for relative ones */
};

enum lxe_change_kind {
	LXE_CHANGE_ADDED,
	LXE_CHANGE_DELETED, /* of a directory: the whole tree, in one entry */
	LXE_CHANGE_CONTENT, /* of a file or of a symlink */
	LXE_CHANGE_TYPE,    /* what was a directory is gone with all that was in it */
	LXE_CHANGE_META,    /* nothing but what `what` says */
	LXE_CHANGE_NONE,    /* not shown: a directory's time, a name of a hard link */
};

/* Parts of what has changed beside the content. Not said of what is added or deleted. */
enum lxe_change_what {
	LXE_CHANGED_MODE = 1,
	LXE_CHANGED_OWNER = 2,
	LXE_CHANGED_XATTR = 4, /* user.* and access control lists */
	LXE_CHANGED_TIME = 8,  /* of its content; of a directory only in LXE_CHANGE_NONE */
	LXE_CHANGED_LINK = 16, /* it is now another name of the file `link` */
};

enum lxe_conflict {
	LXE_CONFLICT_NONE,
	LXE_CONFLICT_CHANGED,  /* the source has it changed, or made */
	LXE_CONFLICT_GONE,     /* the source does not have it any more */
	LXE_CONFLICT_REPLACED, /* it, or a directory above it, is another one */
};

/* What one name is in one layer. Owners are those of the lower layer; what is unmapped is (uid_t)-1. */
struct lxe_change_side {
	mode_t mode; /* 0: it is not there */
	uid_t uid;
	gid_t gid;
	uint64_t ino, size;
	dev_t rdev;
	struct timespec modified, changed; /* st_mtim, st_ctim */
	nlink_t nlink;
};

struct lxe_change {
	char *path; /* relative to the layer, as bytes: escape it before it is shown */
	enum lxe_change_kind kind;
	unsigned int what;
	struct lxe_change_side before, after;
	const char *link; /* another path of the same file, or NULL */
	bool opaque;	  /* a directory that hides all of the lower one of its name */
	bool skipped;	  /* a device or a socket: shown, never carried over */
	bool selected;
	enum lxe_conflict conflict; /* after lxe_changes_check() */
	char *culprit;		    /* the path by which the conflict is known, if it is another */
};

/* Sorted by path, a directory before what is in it. All-zero is an empty list. */
struct lxe_changes {
	struct lxe_cow_layer layer;
	struct lxe_change *v;
	size_t n;
};

/*
 * Walk the upper layer and compare. -ELOOP, -ENAMETOOLONG: it is nested too deeply for us (250 directories,
 * 4,000 bytes). Everything is selected at first. lxe_changes_release() takes a half-made and an all-zero list.
 */
int lxe_changes_scan(
	struct lxe_changes *ret, const struct lxe_cow_layer *layer, struct lxe_err *err);
void lxe_changes_release(struct lxe_changes *c);

/* How many are shown. */
size_t lxe_changes_count(const struct lxe_changes *c);

/*
 * Select these paths (relative to the layer, "." is all) and what is below them, and nothing else. Directories that
 * they need and that are new come along, without the rest of them. -ENOENT: nothing has changed there.
 */
int lxe_changes_select(
	struct lxe_changes *c, const char *const *paths, size_t n, struct lxe_err *err);

enum lxe_changes_format {
	LXE_CHANGES_TEXT, /* a line each: "A path", M, D, T, and m where it is only the mode, the owner ... */
	LXE_CHANGES_JSON, /* {"source": ..., "changes": [...]}; the caller puts commas between layers */
	LXE_CHANGES_PATCH, /* as git and patch -p1 take it; runs diff(1) for each file that is changed */
};

/* Only what is selected. Blocks for as long as the reader of `out` does; -EPIPE and friends when he goes. */
int lxe_changes_write(const struct lxe_changes *c, enum lxe_changes_format format, FILE *out,
	struct lxe_err *err);

/*
 * Look whether somebody has changed the source since: sets `conflict` of what is selected and tells how many have
 * one. Errs on the side of a conflict where it cannot be known; see docs/adr/0016.
 */
int lxe_changes_check(struct lxe_changes *c, size_t *ret_conflicts, struct lxe_err *err);

/*
 * Carry over what is selected, of each of `n` layers: all of it, or, when anything fails, nothing. First everything new
 * is written into a directory `.lxe-commit-...` in the source that only its owner can enter, then it is exchanged with
 * what is there, one rename for each entry; a failure is undone by the same renames. A process that is killed leaves
 * each file old or new, and doing it again completes it. -ESTALE: there are conflicts (see lxe_changes_check(), which
 * this does first); nothing has been done.
 */
int lxe_changes_apply(struct lxe_changes *const *changes, size_t n, struct lxe_err *err);

/* Remove what a killed commit left in the source. lxe_changes_apply() does it first; so should a teardown. */
int lxe_changes_recover(const struct lxe_cow_layer *layer, struct lxe_err *err);

/* The same each time, so that whoever has journalled it can take it away: of the n-th mount of a sandbox. */
void lxe_changes_stage_name(char ret[LXE_STAGE_NAME_MAX], const char *id, size_t index);

/*
 * What lxe_changes_recover() does, by the path of such a directory and without the layer, which may be gone. What nobody but we
 * can have made is removed, by the rights of whoever calls; absent is success, also the source. -EBUSY: a commit that lives is at
 * work in it.
 */
int lxe_changes_sweep(const char *path);

#endif
