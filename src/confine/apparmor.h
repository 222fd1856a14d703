/*
 * The AppArmor profile of a command's process: liblxc's for containers, which Debian and Ubuntu load
 * with it. The process enters it by itself, because that profile denies the mounts by which pid 1
 * and the first command cover /proc and /sys; from then on it is what everything below inherits.
 */
#ifndef LXE_CONFINE_APPARMOR_H
#define LXE_CONFINE_APPARMOR_H

#include <stdbool.h>

#include "base/err.h"

/*
 * What lxe_apparmor_child() is to be given for what was asked (default, unconfined, a profile's name, or
 * NULL for default): NULL for nothing. That AppArmor is off takes one system call to know, and is an error
 * only where a profile was named.
 */
int lxe_apparmor_choose(const char **ret, const char *asked, struct lxe_err *err);

/* Is it on? And which of liblxc's own profiles "default" would be: *ret is static, or NULL when none is loaded. */
bool lxe_apparmor_is_on(void);
int lxe_apparmor_find_default(const char *list, const char **ret);

/*
 * Enter `profile`, and read back that it took. "default" is the first of liblxc's own that is loaded, or
 * none; nothing is entered when the process is confined already. Between fork and exec: negative errno,
 * -ENOENT for a profile that is not loaded, -ESRCH for a /proc that is not the kernel's.
 */
int lxe_apparmor_child(const char *profile);

#endif
