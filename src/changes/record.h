/*
 * What commits have left behind, for those that come after: which files of the source are as a commit has made them, so
 * that they are nobody else's change, and where one that was killed may have left a directory of its own. A file
 * that only grows; a record that is incomplete was being written when its writer died. Private to src/changes.
 */
#ifndef LXE_CHANGES_RECORD_H
#define LXE_CHANGES_RECORD_H

#include "changes/layer.h"

enum lxe_record_kind {
	LXE_RECORD_DONE =
		1,	  /* the source has this since a commit: inode, and when it was changed */
	LXE_RECORD_TOUCH, /* a directory that a commit is about to change; nobody else had until then */
	LXE_RECORD_FILE,  /* likewise a file of several names, with the time of its content */
	LXE_RECORD_STAGE, /* a commit's own directory, about to be made */
	LXE_RECORD_STAGE_GONE,
};

struct lxe_record_entry {
	enum lxe_record_kind kind;
	char *path;
	uint64_t ino;
	struct timespec changed;
	size_t order;
};

/* Sorted by path, and by inode; in both by age after that. The caller's; all-zero is empty. */
struct lxe_record {
	struct lxe_record_entry *v, **by_inode;
	size_t n;
};

int lxe_commits_read(struct lxe_record *ret, int fd);
void lxe_commits_release(struct lxe_record *rec);

/*
 * Has nobody but a commit changed this inode since the overlay was mounted? Where it is does not matter: whoever
 * renames it changes it.
 */
bool lxe_record_untouched(const struct lxe_record *rec, const struct lxe_cow_layer *layer,
	const struct lxe_change_side *side);

/* The inode that a commit has left at this path; 0: none, or it has taken it away. */
uint64_t lxe_record_inode(const struct lxe_record *rec, const char *path);

/* Collect in memory, then append all of it at once, on disk when it returns. */
void lxe_record_put(FILE *memory, enum lxe_record_kind kind, const char *path,
	const struct lxe_change_side *side);
int lxe_record_append(int fd, const void *bytes, size_t len);

#endif
