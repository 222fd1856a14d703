/* How what runs is ended where no cgroup can: by its namespaces. See keeper.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "keeper/delegation.h"
#include "keeper/keeper.h"
#include "keeper/members.h"
#include "store/rootless.h"
#include "sys/fd.h"
#include "sys/proc.h"

/* Four fork bombs at once have taken the kernel 6 s on two processors; a client's patience is 30 s. */
#define END_MS 20000
#define LOOK_MS 50 /* between two looks at what does not raise SIGCHLD here any more */
#define TREE_MAX 4096
#define TREE_LOOKS 64

bool lxe_keeper_lacks_cgroup(const struct lxe_keeper *k)
{
	return k->cgroups && lxe_cgroup_host_mode(k->cgroups) == LXE_CGROUP_NONE;
}

/*
 * A child of the monitor's that had not yet got as far as to ask for its death is ours when that is dead, and may
 * wait for it for ever. All our children are the sandbox's.
 */
static void kill_children(void)
{
	char path[64], text[4096], *rest = text, *word;
	int pid;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (sys_read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
		return;
	while ((word = strsep(&rest, " ")))
		if (lxe_parse_int(word, 1, INT_MAX, &pid) == 0)
			kill(pid, SIGKILL);
}

void lxe_keeper_kill_container(struct lxe_keeper *k)
{
	if (k->init_leaf && lxe_cgroup_leaf_kill(k->init_leaf) == 0)
		return;
	/* Not reaped yet, so nobody else has its number; pid 1 dies with it. */
	if (k->monitor > 0)
		kill(k->monitor, SIGKILL);
	else if (lxe_keeper_lacks_cgroup(k))
		kill_children();
}

static int note_init(struct lxe_keeper *k, struct lxe_err *err)
{
	char path[64];

	if (lxe_members_name(lxe_container_init(k->container), path, sizeof(path)) < 0)
		return lxe_fail_msg(err, -ESRCH, "find pid 1 of the container");
	return lxe_journal_add(&k->sandbox, &(struct lxe_entry){ LXE_ENTRY_INIT, path }, 1, err);
}

/* A one-shot is about its own command, which may want them, and whose end is the sandbox's. */
static bool closes_hiding_places(const struct lxe_keeper *k)
{
	return k->main->spec.keep;
}

/*
 * What finds a tree is its uts namespace, and whoever makes a user namespace may leave that: nobody below
 * ours makes one from now on, whatever filter he has. Ours is the keeper's own (store/rootless.h), not the host's.
 */
static int close_hiding_places(struct lxe_err *err)
{
	static const char most[] = "/proc/sys/user/max_user_namespaces";
	char text[16];
	int r;

	r = sys_write_file(AT_FDCWD, most, "0");
	if (r == 0 && sys_read_file(AT_FDCWD, most, text, sizeof(text)) < 0)
		r = -EIO;
	if (r == 0 && strcmp(text, "0\n") != 0)
		r = -ERANGE;
	return r < 0 ? lxe_fail(err, r, "keep user namespaces out of the sandbox") : 0;
}

int lxe_keeper_prepare_ending(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	if (!lxe_keeper_lacks_cgroup(k) || !lxe_rootless_is_inside())
		return 0;
	r = closes_hiding_places(k) ? close_hiding_places(err) : 0;
	return r < 0 ? r : note_init(k, err);
}

/* By a user namespace, where neither a limit nor the filter stands against it, or at once. */
static bool may_hide(const struct lxe_process *p)
{
	const struct lxe_spec *spec = &p->keeper->main->spec;

	if (p->spec.caps & 1ULL << CAP_SYS_ADMIN)
		return true;
	if (closes_hiding_places(p->keeper))
		return false;
	return spec->seccomp_log || (spec->seccomp && strcmp(spec->seccomp, "default") != 0 &&
					    strcmp(spec->seccomp, "strict") != 0);
}

int lxe_process_refuse_to_hide(const struct lxe_process *p, struct lxe_err *err)
{
	if (p == p->keeper->main || !lxe_keeper_lacks_cgroup(p->keeper) || !may_hide(p))
		return 0;
	lxe_delegation_hint("pids", err);
	return lxe_fail_msg(err, -EOPNOTSUPP,
		"exec in this sandbox, with its %s: nothing would find what it starts, because no "
		"cgroup is delegated to this user",
		p->spec.caps & 1ULL << CAP_SYS_ADMIN ? "capability SYS_ADMIN" : "--seccomp");
}

/* 0 when it has none, or none that we may look at. */
static ino_t uts_of(pid_t pid)
{
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/uts", pid);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

void lxe_process_know_tree(struct lxe_process *p)
{
	if (lxe_keeper_lacks_cgroup(p->keeper))
		p->tree = uts_of(p->pid);
}

/* Those that were killed: who has SIGKILL forks no more, so a look that finds nobody else is the last. */
struct killed {
	ino_t tree;
	pid_t pid[TREE_MAX];
	size_t n;
	int signal;
};

static bool is_known(const struct killed *k, pid_t pid)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->pid[i] == pid)
			return true;
	return false;
}

/* 1: killed. The number may pass to a stranger before the look, but not once its pidfd is open. */
static int kill_if_of(void *arg, pid_t pid)
{
	struct killed *k = arg;
	LXE_AUTOCLOSE int fd = -EBADF;

	if (uts_of(pid) != k->tree || is_known(k, pid))
		return 0;
	fd = sys_pidfd_open(pid);
	if (fd < 0 || uts_of(pid) != k->tree)
		return 0;
	if (k->n == TREE_MAX)
		return -E2BIG;
	k->pid[k->n++] = pid;
	return sys_pidfd_kill(fd, k->signal) == 0;
}

void lxe_process_kill_tree(struct lxe_process *p)
{
	struct killed killed = { .tree = p->tree, .signal = SIGKILL };
	int r = 1;

	if (p->pid > 0 && !p->reaped)
		kill(p->pid, SIGKILL);
	/* The sandbox's own command takes everything with it. */
	if (p == p->keeper->main) {
		lxe_keeper_kill_container(p->keeper);
		return;
	}
	if (!p->tree)
		return;
	for (int i = 0; i < TREE_LOOKS && r > 0; i++)
		r = sys_each_process(kill_if_of, &killed);
	/* It forks faster than we look: better without the sandbox than with that in it. */
	if (r != 0)
		lxe_keeper_kill_container(p->keeper);
}

void lxe_process_signal_tree(const struct lxe_process *p, int signal)
{
	struct killed told = { .tree = p->tree, .signal = signal };

	if (!p->tree || sys_each_process(kill_if_of, &told) < 0)
		kill(p->pid, signal);
}

/* Does anything that is our child, or has become it, still run? */
static bool anything_left(struct lxe_keeper *k)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = sys_reap(-1, &status, &usage)) > 0)
		lxe_keeper_reaped(k, pid, status, &usage);
	return pid == 0;
}

bool lxe_keeper_await_end(struct lxe_keeper *k)
{
	const struct timespec look = { .tv_nsec = LOOK_MS * 1000000L };
	uint64_t end = sys_now_ms() + END_MS;
	sigset_t child;

	if (!lxe_keeper_lacks_cgroup(k))
		return true;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	/* Not in the loop: nothing else may happen to the sandbox any more. */
	while (anything_left(k)) {
		if (sys_now_ms() >= end)
			return false;
		kill_children();
		sigtimedwait(&child, NULL, &look);
	}
	return true;
}
