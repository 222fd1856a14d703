#include "client/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "keeper/members.h"
#include "sys/apart.h"

#define FIRST_FD 3
#define MAX_FDS 8

/* Clear of the numbers that they are about to be moved to. */
static int move_up(int *high, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST_FD + MAX_FDS);
		if (high[i] < 0)
			return -errno;
	}
	return 0;
}

static int plan_files(posix_spawn_file_actions_t *actions, const int *high, size_t n)
{
	int r = 0;

	for (int fd = 0; r == 0 && fd < 3; fd++)
		r = posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = posix_spawn_file_actions_adddup2(actions, high[i], FIRST_FD + (int)i);
	/* What our caller left open would be held open by a process that outlives us. */
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FD + (int)n);
	return -r;
}

static int plan_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes,
			POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return -r;
}

static pid_t spawn_planned(
	const char *path, const char *argument, char *const *envp, const int *high, size_t n)
{
	char *const argv[] = { LXE_KEEPER_NAME, (char *)argument, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid = -1;
	int r;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -ENOMEM;
	}
	r = plan_files(&actions, high, n);
	if (r == 0)
		r = plan_attributes(&attributes);
	if (r == 0)
		r = -posix_spawn(&pid, path, &actions, &attributes, argv, envp);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return r < 0 ? r : pid;
}

pid_t lxe_spawn_keeper(const struct lxe_dirs *dirs, const char *argument, const int *fds,
	size_t n_fds, struct lxe_err *err)
{
	int high[MAX_FDS] = { -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF };
	char path[PATH_MAX], run[PATH_MAX + 32], state[PATH_MAX + 32];
	/* Without a PATH liblxc finds no newuidmap and writes the maps itself. */
	char *const envp[] = { run, state, NULL };
	pid_t r;

	r = lxe_format(run, sizeof(run), "LXC_EXEC_RUN_DIR=%s", dirs->run);
	if (r == 0)
		r = lxe_format(state, sizeof(state), "LXC_EXEC_STATE_DIR=%s", dirs->state);
	if (r == 0)
		r = lxe_format(path, sizeof(path), "%s/lxc-exec-keeper", dirs->libexec);
	if (r == 0)
		r = move_up(high, fds, n_fds);
	if (r == 0)
		r = spawn_planned(path, argument, envp, high, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		lxe_close(high[i]);
	if (r < 0) {
		lxe_fail(err, r, "start '%s/lxc-exec-keeper'", dirs->libexec);
		lxe_hint(err, "the installation is incomplete: run make install again");
	}
	return r;
}

struct apart {
	const struct lxe_dirs *dirs;
	int control;
	struct lxe_err *err;
	pid_t keeper;
};

static int spawn_apart(void *arg)
{
	struct apart *a = arg;

	a->keeper = lxe_spawn_keeper(a->dirs, LXE_KEEPER_RUN, &a->control, 1, a->err);
	return 0;
}

int lxe_spawn_keeper_apart(const struct lxe_dirs *dirs, int control, struct lxe_err *err)
{
	struct apart a = { .dirs = dirs, .control = control, .err = err };
	int r = sys_call_apart(spawn_apart, &a);

	if (r < 0)
		return lxe_fail(err, r, "start the keeper");
	return a.keeper < 0 ? a.keeper : 0;
}
