#include "keeper/child.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "confine/watch.h"
#include "confine/apparmor.h"
#include "keeper/masks.h"
#include "keeper/learn.h"
#include "sys/caps.h"
#include "sys/fd.h"
#include "terminal/pty.h"

const char *lxe_child_step_name(enum lxe_child_step step)
{
	static const char *const names[] = {
		[LXE_CHILD_SIGNALS] = "reset the signals",
		[LXE_CHILD_LIMITS] = "set resource limits",
		[LXE_CHILD_MASKS] = "cover what of /proc and /sys is not for the sandbox",
		[LXE_CHILD_DENY] = "deny",
		[LXE_CHILD_MARK] = "make a uts namespace",
		[LXE_CHILD_BOUNDS] = "limit the capabilities",
		[LXE_CHILD_NO_NEW_PRIVS] = "set no_new_privs",
		[LXE_CHILD_USER] = "change the user",
		[LXE_CHILD_CAPABILITIES] = "drop capabilities",
		[LXE_CHILD_SECLUSION] = "keep others from looking into the process",
		[LXE_CHILD_STDIO] = "connect stdin, stdout and stderr",
		[LXE_CHILD_TERMINAL] = "make the pty the controlling terminal",
		[LXE_CHILD_DESCRIPTORS] = "close inherited descriptors",
		[LXE_CHILD_CWD] = "change to the working directory",
		[LXE_CHILD_DEVICES] = "find the devices in /dev",
		[LXE_CHILD_COVERED] = "find covered what of /proc and /sys is not for the sandbox",
		[LXE_CHILD_APPARMOR] = "enter the AppArmor profile",
		[LXE_CHILD_FILTER] = "install the system call filter",
		[LXE_CHILD_PARKED] = "park",
		[LXE_CHILD_EXEC] = "execute",
	};

	return names[step];
}

/*
 * Ignored and blocked signals would be inherited through execve (signal(7)). By the bare system
 * call: libc keeps the first two real-time signals to itself and would leave them as they are.
 */
static int default_signals(const struct lxe_child *c)
{
	const unsigned char action[64] = { 0 }; /* the kernel's struct sigaction, all default */
	const uint64_t none = 0;

	(void)c;
	for (int s = 1; s <= 64; s++)
		if (s != SIGKILL && s != SIGSTOP)
			syscall(SYS_rt_sigaction, s, action, NULL, sizeof(none));
	return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none)) < 0 ? -errno : 0;
}

/* Where the filter takes a capability later, the change from root must not take all of them. */
static int change_user(const struct lxe_child *c)
{
	const struct lxe_confinement *asked = &c->confinement;
	bool keep = !asked->root && lxe_caps_until_exec(asked);

	if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (setgroups(0, NULL) < 0 || setresgid(c->gid, c->gid, c->gid) < 0 ||
		setresuid(c->uid, c->uid, c->uid) < 0)
		return -errno;
	return 0;
}

static int connect_stdio(const struct lxe_child *c)
{
	for (int fd = 0; fd < 3; fd++)
		if (dup2(c->stdio[fd], fd) < 0)
			return -errno;
	return 0;
}

/* Before exec the process must lead a session: without a terminal, too, so that none is acquired. */
static int become_leader(const struct lxe_child *c)
{
	if (setsid() < 0)
		return -errno;
	if (!c->terminal)
		return 0;
	return lxe_pty_become_controlling(0);
}

static int close_others(const struct lxe_child *c)
{
	int keep[4] = { c->messenger, c->covered, c->report, c->release };
	const size_t n = sizeof(keep) / sizeof(keep[0]);
	size_t first = 0;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = i + 1; k < n; k++) {
			int lower = keep[k] < keep[i] ? keep[k] : keep[i];

			keep[k] = keep[k] < keep[i] ? keep[i] : keep[k];
			keep[i] = lower;
		}
		first += keep[i] < 0;
	}
	return sys_close_from(3, keep + first, n - first);
}

/* What the caller's shell is used to is not the sandbox's business: as after login(1). */
static int change_directory(const struct lxe_child *c)
{
	umask(022);
	if (chdir(c->cwd) == 0 || (c->cwd_optional && chdir("/") == 0))
		return 0;
	return -errno;
}

/*
 * liblxc only warns of a device that it could not put there and leaves an empty file in its place: a
 * /dev/urandom that gives nothing, a /dev/null that fills up.
 */
static int check_devices(const struct lxe_child *c)
{
	static const struct {
		const char *path;
		unsigned int major, minor;
	} devices[] = {
		{ "/dev/null", 1, 3 },
		{ "/dev/zero", 1, 5 },
		{ "/dev/full", 1, 7 },
		{ "/dev/random", 1, 8 },
		{ "/dev/urandom", 1, 9 },
		{ "/dev/tty", 5, 0 },
	};
	struct stat st;

	(void)c;
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		if (stat(devices[i].path, &st) < 0)
			return -errno;
		if (!S_ISCHR(st.st_mode) ||
			st.st_rdev != makedev(devices[i].major, devices[i].minor))
			return -ENODEV;
	}
	return 0;
}

/* What pid 1 covers it must not find denied: then it is waited for at once. */
static int await_masks(const struct lxe_child *c)
{
	return c->first && c->deny->n ? lxe_masks_await_child(c->covered) : 0;
}

static int deny(const struct lxe_child *c)
{
	return c->first ? lxe_deny_child(&c->covers, c->deny, c->at) : 0;
}

static int check_masks(const struct lxe_child *c)
{
	int r = c->first && !c->deny->n ? lxe_masks_await_child(c->covered) : 0;

	return r < 0 ? r : lxe_masks_check_child();
}

static int limit_capabilities(const struct lxe_child *c)
{
	return sys_caps_bound(c->confinement.caps);
}

static int drop_capabilities(const struct lxe_child *c)
{
	return lxe_capabilities_child(&c->confinement);
}

static int no_new_privs(const struct lxe_child *c)
{
	return c->confinement.new_privs ? 0 : lxe_no_new_privs_child();
}

/*
 * Until the execve our own program is mapped and our descriptors are open here, within reach of
 * whoever is in the sandbox already. A process that is not dumpable, and whose memory is the host's,
 * can be looked into by nobody inside (ptrace(2)). The starter was like that before; a change of
 * credentials makes of it what fs.suid_dumpable says.
 */
static int seclude(const struct lxe_child *c)
{
	(void)c;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : -EPERM;
}

static int set_limits(const struct lxe_child *c)
{
	struct rlimit processes = { c->processes, c->processes };

	if (c->processes && setrlimit(RLIMIT_NPROC, &processes) < 0)
		return -errno;
	return setrlimit(RLIMIT_NOFILE, &c->nofile) < 0 ? -errno : 0;
}

/*
 * Children inherit it, and to leave it or make another takes CAP_SYS_ADMIN: so it is where a process
 * belongs, whatever session, group and parent it has.
 */
static int mark_tree(const struct lxe_child *c)
{
	return c->mark && unshare(CLONE_NEWUTS) < 0 ? -errno : 0;
}

/* After every look at what is covered, which the profile may deny; before the filter, which need not allow it. */
static int enter_profile(const struct lxe_child *c)
{
	return c->confinement.apparmor ? lxe_apparmor_child(c->confinement.apparmor) : 0;
}

static int install_filter(const struct lxe_child *c)
{
	const struct lxe_filter *filter = c->confinement.filter;
	int r = c->confinement.watch ? lxe_watch_child(c->confinement.watch) : -ENOTSUP;

	/* A kernel, or a caller's filter, that lets nobody listen takes the explanations, and nothing else. */
	if (r >= 0) {
		*c->listener = r;
		return 0;
	}
	r = filter->n ? lxe_filter_child(filter) : 0;

	return r > 0 ? lxe_learner_tell_child(c->messenger, r) : r;
}

static bool report(const struct lxe_child *c, enum lxe_child_step step, int error)
{
	struct lxe_child_report r = {
		.step = step, .error = error, .at = (unsigned int)*c->at, .listener = *c->listener
	};

	return sys_write(c->report, &r, sizeof(r)) == (ssize_t)sizeof(r);
}

static void report_exec(const struct lxe_child *c, int error)
{
	struct lxe_child_report r = { .step = LXE_CHILD_EXEC, .error = -error };

	lxe_diagnose_exec(&r.trouble, c->argv[0], getenv("PATH"), error);
	sys_write(c->report, &r, sizeof(r));
}

int lxe_child_main(void *arg)
{
	/* The order matters: what needs a privilege comes before that privilege is dropped. */
	static int (*const steps[])(const struct lxe_child *) = {
		[LXE_CHILD_SIGNALS] = default_signals,
		[LXE_CHILD_LIMITS] = set_limits,
		[LXE_CHILD_MASKS] = await_masks,
		[LXE_CHILD_DENY] = deny,
		[LXE_CHILD_MARK] = mark_tree,
		[LXE_CHILD_BOUNDS] = limit_capabilities,
		[LXE_CHILD_NO_NEW_PRIVS] = no_new_privs,
		[LXE_CHILD_USER] = change_user,
		[LXE_CHILD_CAPABILITIES] = drop_capabilities,
		[LXE_CHILD_SECLUSION] = seclude,
		[LXE_CHILD_STDIO] = connect_stdio,
		[LXE_CHILD_TERMINAL] = become_leader,
		[LXE_CHILD_DESCRIPTORS] = close_others,
		[LXE_CHILD_CWD] = change_directory,
		[LXE_CHILD_DEVICES] = check_devices,
		[LXE_CHILD_COVERED] = check_masks,
		[LXE_CHILD_APPARMOR] = enter_profile,
		[LXE_CHILD_FILTER] = install_filter,
	};
	struct lxe_child *c = arg;
	int listener = -EBADF;
	size_t at = 0;
	ssize_t n;
	char go;

	c->at = &at;
	c->listener = &listener;
	for (enum lxe_child_step step = 0; step < LXE_CHILD_PARKED; step++) {
		int r = steps[step](c);

		if (r < 0) {
			report(c, step, r);
			_exit(125);
		}
	}
	/* A park that nobody hears of would be waited for in vain. */
	if (!report(c, LXE_CHILD_PARKED, 0))
		_exit(125);
	n = sys_read(c->release, &go, 1);
	if (n < 0)
		report(c, LXE_CHILD_PARKED, (int)n);
	/* Nobody left to release it: the park ends here, without having executed anything. */
	if (n != 1)
		_exit(125);
	/* execvp(3) looks the program up along the PATH of `environ`: the command's own. */
	environ = (char **)c->envp;
	execvp(c->argv[0], c->argv);
	report_exec(c, errno);
	_exit(125);
}
