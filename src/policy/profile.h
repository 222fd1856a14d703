/*
 * Profiles: options kept in INI files. Section [run] holds options by their long names; an option
 * that may be repeated (env) has a section of its own with one key per item.
 *
 * A profile NAME is looked for as NAME.conf in $XDG_CONFIG_HOME/lxc-exec (or ~/.config/lxc-exec),
 * then in /etc/lxc-exec, then among those that are shipped. The defaults, default.conf, are read
 * from /etc/lxc-exec and then from the user's directory; the shipped one only documents them.
 * Later settings win: built-in, /etc, the user's, --profile, the command line.
 *
 * A profile may build on another one, which its key `profile` names as --profile would; a relative
 * path begins at its own directory. That one is read first, and so on, eight files at most.
 */
#ifndef LXE_POLICY_PROFILE_H
#define LXE_POLICY_PROFILE_H

#include <stddef.h>

#include "base/err.h"
#include "policy/request.h"
#include "store/dirs.h"

#define LXE_PROFILE_DEPTH_MAX 8

/*
 * Which profile does this text build on? 1: that of the given line, allocated in *ret, which is NULL
 * beforehand; 0: none. `path` names the text in messages. No file is read.
 */
int lxe_profile_base(const char *path, const char *text, size_t len, char **ret, unsigned int *line,
	struct lxe_err *err);

/* Set in the request what a profile's own text says; what it builds on is not looked at. */
int lxe_profile_parse(struct lxe_request *req, const char *path, const char *text, size_t len,
	struct lxe_err *err);

/* Read the defaults where there are any; that there are none costs two failed open(2)s. */
int lxe_profile_load_defaults(
	struct lxe_request *req, const struct lxe_dirs *dirs, struct lxe_err *err);

/* Read a profile by name, or by path when there is a '/' in it. */
int lxe_profile_load(struct lxe_request *req, const struct lxe_dirs *dirs, const char *profile,
	struct lxe_err *err);

#endif
