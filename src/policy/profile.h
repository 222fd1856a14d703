/*
 * Profiles: options kept in INI files. Section [run] holds options by their long names; an option
 * that may be repeated (env) has a section of its own with one key per item.
 *
 * A profile NAME is looked for as NAME.conf in $XDG_CONFIG_HOME/lxc-exec (or ~/.config/lxc-exec),
 * then in /etc/lxc-exec, then among those that are shipped. The defaults, default.conf, are read
 * from /etc/lxc-exec and then from the user's directory; the shipped one only documents them.
 * Later settings win: built-in, /etc, the user's, --profile, the command line.
 */
#ifndef LXE_POLICY_PROFILE_H
#define LXE_POLICY_PROFILE_H

#include <stddef.h>

#include "base/err.h"
#include "policy/request.h"
#include "store/dirs.h"

/* Set in the request what a profile's text says; `path` names it in messages. No file is read. */
int lxe_profile_parse(struct lxe_request *req, const char *path, const char *text, size_t len,
	struct lxe_err *err);

/* Read the defaults where there are any; that there are none costs two failed open(2)s. */
int lxe_profile_load_defaults(struct lxe_request *req, struct lxe_err *err);

/* Read a profile by name, or by path when there is a '/' in it. */
int lxe_profile_load(struct lxe_request *req, const struct lxe_dirs *dirs, const char *profile,
	struct lxe_err *err);

#endif
