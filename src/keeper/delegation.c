#include "keeper/delegation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define NO_SCOPE "LXC_EXEC_NO_SCOPE" /* in the environment of the program that is begun anew: why */

/* Beside the keeper, wherever that is. */
static int helper_path(char *buf, size_t size)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n < 0)
		return -errno;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash)
		*slash = '\0';
	return lxe_format(buf, size, "%s/lxc-exec-scope", exe);
}

static bool has_manager(void)
{
	char bus[48];

	snprintf(bus, sizeof(bus), "/run/user/%u/bus", getuid());
	return access(bus, F_OK) == 0;
}

static int spawn_helper(struct lxe_scope *scope, int output)
{
	char path[PATH_MAX], pid[16];
	char *const argv[] = { path, pid, NULL }, *const envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	int r = helper_path(path, sizeof(path));

	if (r < 0)
		return r;
	snprintf(pid, sizeof(pid), "%d", getpid());
	r = -posix_spawn_file_actions_init(&actions);
	if (r < 0)
		return r;
	r = -posix_spawn_file_actions_adddup2(&actions, output, 2);
	if (r == 0)
		r = -posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (r == 0)
		r = -posix_spawn(&scope->helper, path, &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

void lxe_scope_ask(struct lxe_scope *scope)
{
	int ends[2];

	*scope = (struct lxe_scope){ .said = -EBADF };
	if (!has_manager() || sys_pipe(ends) < 0)
		return;
	scope->said = ends[0];
	if (spawn_helper(scope, ends[1]) < 0)
		scope->helper = 0;
	lxe_close(ends[1]);
}

void lxe_scope_await(struct lxe_scope *scope)
{
	char text[200];
	int status = 0;
	ssize_t n;

	if (scope->helper > 0 && sys_wait(scope->helper, &status) == 0 && status != 0) {
		n = sys_read(scope->said, text, sizeof(text) - 1);
		text[n > 0 ? n : 0] = '\0';
		text[strcspn(text, "\n")] = '\0';
		setenv(NO_SCOPE, text, 1);
	}
	lxe_drop_fd(&scope->said);
}

void lxe_delegation_hint(const char *controller, struct lxe_err *err)
{
	if (access("/run/systemd/system", F_OK) == 0)
		lxe_hint(err, "as root: lxc-exec doctor --fix USER, then log in anew; 'lxc-exec "
			      "doctor' tells what is delegated");
	else
		lxe_hint(err,
			"have root give you a cgroup with the '%s' controller and run in it, or "
			"run as root",
			controller);
}

static int refuse(const char *option, const char *controller, struct lxe_err *err)
{
	const char *why = getenv(NO_SCOPE);

	lxe_delegation_hint(controller, err);
	return lxe_fail_msg(err, -EOPNOTSUPP,
		"%s cannot be enforced: the cgroup controller '%s' is not delegated to this "
		"user%s%s%s",
		option, controller, why ? " (" : "", why ? why : "", why ? ")" : "");
}

static int check(
	const struct lxe_cgroup_host *host, const struct lxe_spec *spec, struct lxe_err *err)
{
	if (spec->memory && !lxe_cgroup_can_limit(host, LXE_CGROUP_MEMORY))
		return refuse("--memory", "memory", err);
	if (spec->pids && spec->pids_asked && !lxe_cgroup_can_limit(host, LXE_CGROUP_PIDS))
		return refuse("--pids", "pids", err);
	return 0;
}

int lxe_delegation_open(
	struct lxe_cgroup_host **ret, const struct lxe_spec *spec, struct lxe_err *err)
{
	struct lxe_cgroup_host *host = NULL;
	int r;

	r = lxe_cgroup_host_open_delegated(&host, "/proc/self/mountinfo", "/proc/self/cgroup", err);
	if (r < 0)
		return r;
	r = check(host, spec, err);
	if (r < 0) {
		lxe_cgroup_host_free(host);
		return r;
	}
	*ret = take_ptr(host);
	return 0;
}

uint64_t lxe_delegation_pids(const struct lxe_cgroup_host *host, const struct lxe_spec *spec)
{
	return lxe_cgroup_can_limit(host, LXE_CGROUP_PIDS) ? 0 : spec->pids;
}
