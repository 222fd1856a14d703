/* What of the caller and of the keeper must not be within reach of a sandbox. See keeper.h. */
#include <errno.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper/keeper.h"

/*
 * Our memory holds the command's environment and the sandbox's nonce, so it goes into no core dump; nor
 * does the monitor's, which is a fork of us. A process that is not dumpable belongs to root in /proc,
 * where newuidmap(1) looks for its caller: so for root alone. A core dump of somebody else is his.
 */
static int forbid_core_dumps(struct lxe_err *err)
{
	if (geteuid() == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return lxe_fail(err, -errno, "forbid core dumps");
	return 0;
}

/*
 * A new session keyring instead of the caller's, for us and all commands: one for each of them would
 * exhaust a user's quota (keyrings(7)). A kernel without keys has none to leave behind; and a filter around
 * us that refuses the call altogether refuses it to the commands as well.
 */
static int leave_keyring(struct lxe_err *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS)
		return 0;
	if (errno == EPERM &&
		syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) < 0 &&
		errno == EPERM)
		return 0;
	return lxe_fail(err, -errno, "make a session keyring");
}

int lxe_keeper_seclude(struct lxe_err *err)
{
	int r = forbid_core_dumps(err);

	return r < 0 ? r : leave_keyring(err);
}
