/*
 * Whom a command runs as: ids inside the sandbox, looked up in its own /etc/passwd (passwd(5)),
 * which is the guest's to write and therefore read with care and never trusted for anything else.
 */
#ifndef LXE_KEEPER_USER_H
#define LXE_KEEPER_USER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct lxe_user {
	uint32_t uid, gid; /* inside */
	char name[64];	   /* empty: it has none there */
	char home[256];
};

/*
 * `text`: "UID[:GID]", a name, or NULL for root. Ids must be below `count`. A number that is not in
 * the file is taken as it is, with a group of the same number and / as home.
 */
int lxe_user_find(struct lxe_user *ret, const char *text, const char *rootfs, uint32_t count,
	struct lxe_err *err);

/* The same from the text of a passwd file. Pure. */
int lxe_user_parse(struct lxe_user *ret, const char *text, const char *passwd, uint32_t count,
	struct lxe_err *err);

#endif
