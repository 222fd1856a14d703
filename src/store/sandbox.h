/*
 * The directory of one sandbox, and its journal. Those that end with their command are in the run
 * directory, those that are kept in the state directory: `base` says which.
 *
 * The directory is the record; a flock(2) on the directory itself says that somebody owns it. The
 * lock belongs to an open file description, so it ends with the last process that holds one, however
 * that process ends. Whoever can take the lock owns what the record names.
 */
#ifndef LXE_STORE_SANDBOX_H
#define LXE_STORE_SANDBOX_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "store/outcome.h"

struct lxe_sandbox {
	char id[LXE_ID_LEN + 1];
	int parent;  /* the directory that holds all of them */
	int dir;     /* this one's directory, locked */
	int journal; /* append-only */
};

/* Empty: nothing to release. */
#define LXE_SANDBOX_NONE \
	((struct lxe_sandbox){ .parent = -EBADF, .dir = -EBADF, .journal = -EBADF })

/* Make a new directory below base/sandboxes with a fresh id, locked, with an empty journal. */
int lxe_sandbox_new(struct lxe_sandbox *ret, const char *base, struct lxe_err *err);

/*
 * Adopt a record whose descriptors were handed over (the keeper, from the client): the lock came
 * with `dir`. Takes both descriptors, also when it fails.
 */
int lxe_sandbox_adopt(
	struct lxe_sandbox *ret, int parent, int dir, const char *id, struct lxe_err *err);

/*
 * Take the lock of an existing record, waiting for at most timeout_ms: -EWOULDBLOCK when it is still
 * owned then, -ENOENT when it is gone.
 */
int lxe_sandbox_claim(struct lxe_sandbox *ret, const char *base, const char *id, int timeout_ms,
	struct lxe_err *err);

/* Does somebody own the record? 1, 0, or a negative errno. Changes nothing. */
int lxe_sandbox_is_owned(const char *base, const char *id);

/* Give the descriptors (and with the last of them the lock) back. Removes nothing. */
void lxe_sandbox_release(struct lxe_sandbox *s);

/* The ids of all records, owned or not. */
int lxe_sandbox_list(const char *base, struct lxe_strv *ids, struct lxe_err *err);

/*
 * Remove the directory: the mount points and files that we put there, then itself. Anything else in
 * it makes this fail with -ENOTEMPTY, and the journal stays. A directory that is gone already is
 * success.
 */
int lxe_sandbox_remove(struct lxe_sandbox *s);

#define LXE_SANDBOX_JOURNAL "journal"
#define LXE_SANDBOX_JOURNAL_NEW "journal.new"
/* Where its keeper listens; and where it notes what was wrong with who has called. */
#define LXE_SANDBOX_SOCKET "socket"
#define LXE_SANDBOX_LOG "log"
/* What it is (proto/record.h), and how it ended, once it has (an encoded outcome). */
#define LXE_SANDBOX_RECORD "record"
#define LXE_SANDBOX_RECORD_NEW "record.new"
#define LXE_SANDBOX_OUTCOME "outcome"
#define LXE_SANDBOX_OUTCOME_NEW "outcome.new"
/* What its terminal had shown: LXE_MODES_MAX bytes of modes, and then the output. */
#define LXE_SANDBOX_SCROLLBACK "scrollback"
#define LXE_SANDBOX_SCROLLBACK_NEW "scrollback.new"
/* Why its teardown has to wait (store/deferred.h). */
#define LXE_SANDBOX_DEFERRED "deferred"
#define LXE_SANDBOX_DEFERRED_NEW "deferred.new"
/* What it may not reach and wanted to, while it runs (store/blocked.h). */
#define LXE_SANDBOX_BLOCKED "blocked"
#define LXE_SANDBOX_BLOCKED_NEW "blocked.new"
/* What its files lie on, and what of that has a name (store/layers.h). */
#define LXE_SANDBOX_BASE "base"
#define LXE_SANDBOX_BASE_NEW "base.new"
#define LXE_SANDBOX_SNAPSHOTS "snapshots"
#define LXE_SANDBOX_SNAPSHOTS_NEW "snapshots.new"
/* While a commit of one that has ended is at work: left by one that was killed. */
#define LXE_SANDBOX_COMMIT "commit"
#define LXE_SANDBOX_DROPPED "rw.old" /* what it had written, on the way to nowhere */
#define LXE_SANDBOX_DISK "disk"	     /* what it writes, where that is limited: rootfs/disk.h */

bool lxe_id_valid(const char *id);
int lxe_id_new(char id[LXE_ID_LEN + 1]);

/* The directory of all of `base`, or of one, without its lock: a descriptor, or -ENOENT. */
int lxe_sandbox_open_parent(const char *base);
int lxe_sandbox_open(const char *base, const char *id);

/* Write one of the files above, whole or not at all; read it into allocated memory. */
int lxe_sandbox_put(int dir, const char *name, const void *bytes, size_t len);
int lxe_sandbox_drop(int dir, const char *name); /* absent is success */
int lxe_sandbox_get(int dir, const char *name, unsigned char **ret, size_t *len);

/* Append a line, with the time before it; a log that has grown to 64 KiB stays as it is. */
void lxe_sandbox_log(const struct lxe_sandbox *s, const char *line);

/* Everything that it names but `entries` has been undone: it begins anew with these. */
struct lxe_entry;
int lxe_journal_renew(
	struct lxe_sandbox *s, const struct lxe_entry *entries, size_t n, struct lxe_err *err);

/* The journal's text, terminated; the caller frees *ret. */
int lxe_journal_read(const struct lxe_sandbox *s, char **ret, size_t *ret_len);

/* What a journal entry names. */
enum lxe_entry_kind {
	LXE_ENTRY_CGROUP, /* absolute path of a cgroup directory, with all below it */
	LXE_ENTRY_RESULT, /* absolute path of the result record that must exist in the end */
	LXE_ENTRY_NAME,	  /* of the link that holds its name */
	LXE_ENTRY_INIT, /* /PID/BEGIN (sys_began()) of its pid 1, where no cgroup tells who is left */
	LXE_ENTRY_STAGE, /* of a directory that a commit makes in a source (changes/sweep.c) */
	/* Not paths, but what they are called after: */
	LXE_ENTRY_VETH,	   /* the sandbox's id */
	LXE_ENTRY_RULES,   /* the sandbox's id */
	LXE_ENTRY_ADDRESS, /* its IPv4 address */
	LXE_ENTRY_NETNS,   /* inode of the network namespace that all of this is in */
};

/*
 * Append entries in one write before the things they name are made: `entries` holds (kind, path)
 * pairs. A path with a newline, or not from the root, is refused.
 */
struct lxe_entry {
	enum lxe_entry_kind kind;
	const char *path;
};

int lxe_journal_add(
	struct lxe_sandbox *s, const struct lxe_entry *entries, size_t n, struct lxe_err *err);

/*
 * Parse a journal's text (pure): calls `visit` for each complete line from the last to the first.
 * A last line without newline was being written when its writer died: what it names was not made.
 * An unknown kind is -EBADMSG after everything else was visited.
 */
typedef void (*lxe_journal_visit)(void *arg, const struct lxe_entry *entry);
int lxe_journal_replay(char *text, size_t len, lxe_journal_visit visit, void *arg);

#endif
