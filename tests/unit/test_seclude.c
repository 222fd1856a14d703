#include <criterion/criterion.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper/keeper.h"

static long find_key(void)
{
	return syscall(
		SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", "lxe-test-key", 0);
}

/* In a fork: what it does cannot be taken back. */
static int secluded(void)
{
	struct lxe_err err = { 0 };
	pid_t pid;
	int status;

	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
		return 1;
	if (syscall(SYS_add_key, "user", "lxe-test-key", "x", 1, KEY_SPEC_SESSION_KEYRING) < 0)
		return 2;
	if (find_key() < 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1)
		return 3;
	if (lxe_keeper_seclude(&err) < 0)
		return 4;
	if (find_key() >= 0)
		return 5;
	/* As the monitor is one. */
	pid = fork();
	if (pid == 0)
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	waitpid(pid, &status, 0);
	return status == 0 ? 0 : 6;
}

Test(seclude, no_core_dump_and_not_the_callers_keys)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(secluded());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}
