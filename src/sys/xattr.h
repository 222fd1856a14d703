/*
 * Which extended attributes belong to a file as its owner sees it: his own and access control lists, but nothing that is
 * overlayfs's, the kernel's or root's. A layer begins with these of the directory below, and a commit carries these over.
 */
#ifndef LXE_SYS_XATTR_H
#define LXE_SYS_XATTR_H

#include <stdbool.h>

#include "base/str.h"

#define SYS_XATTR_ACL "system.posix_acl_"

static inline bool sys_xattr_is_owners(const char *name)
{
	return lxe_starts_with(name, SYS_XATTR_ACL) ||
	       (lxe_starts_with(name, "user.") && !lxe_starts_with(name, "user.overlay."));
}

#endif
