#include "confine/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/caps.h"

#define BIT(cap) (1ULL << (cap))

uint64_t lxe_caps_until_exec(const struct lxe_confinement *c)
{
	return (c->root ? c->caps : 0) | (c->new_privs && c->filter->n ? BIT(CAP_SYS_ADMIN) : 0);
}

int lxe_capabilities_child(const struct lxe_confinement *c)
{
	return sys_caps_set(lxe_caps_until_exec(c));
}

int lxe_no_new_privs_child(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : -EPERM;
}

/*
 * WAIT_KILLABLE_RECV: a call that is being asked for is not interrupted by signals that it would not
 * have been interrupted by. Linux 5.19 knows it.
 */
static int install(const struct sock_fprog *program, bool listens)
{
	long r;

	if (!listens)
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0 ? -errno : 0;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);
	if (r < 0 && errno == EINVAL)
		r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			program);
	return r < 0 ? -errno : (int)r;
}

int lxe_filter_child(const struct lxe_filter *filter)
{
	struct sock_fprog program = { .len = filter->n, .filter = filter->instructions };

	return install(&program, filter->listens);
}
