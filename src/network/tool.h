/*
 * The host's own programs for its firewall, run to their end: by a fixed path and with a fixed
 * environment, whatever the caller's is, so that nobody chooses what runs as root. A tool is killed
 * when it has lived for LXE_TOOL_TIMEOUT_MS. They end with the caller.
 */
#ifndef LXE_NETWORK_TOOL_H
#define LXE_NETWORK_TOOL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "network/feed.h"

#define LXE_TOOL_TIMEOUT_MS 15000
#define LXE_TOOLS_MAX LXE_FEEDS_MAX

struct lxe_tool {
	const char *const *argv; /* the first one a program's name, without a directory */
	const char *text; /* its standard input, or NULL: those with one end together (feed.h) */
	/* Filled in. */
	pid_t pid;	    /* 0: it does not run */
	uint64_t end;	    /* when it is killed, sys_now_ms() */
	int output, errors; /* files that hold what it has put out */
	struct lxe_feed feed;
	int status; /* as of waitpid(2) */
	int r;	    /* -ENOENT: not installed; -EIO: it failed; or another reason */
};

/*
 * Run all of them, LXE_TOOLS_MAX at most, at the same time, to their end. The first failure's r; each
 * one's own is in it.
 */
int lxe_tools_run(struct lxe_tool *tools, size_t n);
void lxe_tools_release(struct lxe_tool *tools, size_t n);

/*
 * The same in steps, for tools that are told one text after the other. Tell those that have a text,
 * whose first one starts it: 0 when each has read what it was told, and waits for more. Negative: as
 * of lxe_tools_run(), and all have ended.
 */
void lxe_tool_init(struct lxe_tool *tool, const char *const *argv);
int lxe_tools_tell(struct lxe_tool *tools, size_t n);
int lxe_tools_end(struct lxe_tool *tools, size_t n);

/* What a tool that failed has to say, and the remedy: returns tool->r. */
int lxe_tool_fail(const struct lxe_tool *tool, struct lxe_err *err, const char *what);

/* Everything it has put out: allocated, free(*ret). */
int lxe_tool_output(const struct lxe_tool *tool, char **ret);

/* Where the program is, for a buffer of 64 bytes: 0 or -ENOENT. */
#define LXE_TOOL_PATH 64
int lxe_tool_find(char path[LXE_TOOL_PATH], const char *name);

#endif
