/*
 * Users of the host by name or number. What nsswitch.conf(5) names is somebody else's code, and is loaded by
 * getent(1) instead of by us. Blocks for as long as that asks somebody else.
 */
#ifndef LXE_SYS_PASSWD_H
#define LXE_SYS_PASSWD_H

#include <sys/types.h>

#define SYS_USER_NAME_MAX 256 /* with its NUL; useradd(8) stops at 32 */

struct sys_user {
	char name[SYS_USER_NAME_MAX];
	uid_t uid;
};

/*
 * The user of that name, or with the number `uid` where name is NULL: from /etc/passwd, or else from what
 * getent(1) finds. -ENOENT: there is none.
 */
int sys_user_find(struct sys_user *ret, const char *name, uid_t uid);

#endif
