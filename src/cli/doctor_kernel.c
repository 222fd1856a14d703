#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/doctor.h"
#include "cli/doctor_probe.h"
#include "confine/apparmor.h"
#include "sys/fd.h"
#include "sys/proc.h"

/* An overlay takes an idmapped lower layer since then; everything else that we use is older. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 19

static void check_version(struct lxe_doctor *d, const char *release)
{
	struct lxe_check *c;

	if (lxe_release_at_least(release, KERNEL_MAJOR, KERNEL_MINOR)) {
		lxe_doctor_add(d, "kernel", LXE_HEALTH_OK, "Linux %s", release);
		return;
	}
	c = lxe_doctor_add(d, "kernel", LXE_HEALTH_FAIL, "Linux %s is older than %d.%d", release,
		KERNEL_MAJOR, KERNEL_MINOR);
	lxe_check_remedy(c, LXE_REMEDY_KERNEL);
}

static bool may_administer(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN);
}

static void check_privilege(struct lxe_doctor *d)
{
	struct lxe_check *c;

	if (!d->root) {
		lxe_doctor_add(d, "privilege", LXE_HEALTH_OK,
			"an ordinary user, whose sandboxes are in a user namespace of his own");
	} else if (may_administer()) {
		lxe_doctor_add(d, "privilege", LXE_HEALTH_OK, "root");
	} else {
		c = lxe_doctor_add(d, "privilege", LXE_HEALTH_FAIL,
			"root, but without the capability CAP_SYS_ADMIN");
		lxe_check_remedy(
			c, "run it outside of this container, or give that one CAP_SYS_ADMIN");
	}
}

/* Arguments that are refused before anything happens: only ENOSYS says that a call is missing. */
static const struct {
	const char *name;
	long number, args[5];
} calls[] = {
	{ "clone3", SYS_clone3, { 0, 0 } },
	{ "pidfd_open", SYS_pidfd_open, { -1, 0 } },
	{ "pidfd_send_signal", SYS_pidfd_send_signal, { -1, 0, 0, 0 } },
	{ "openat2", SYS_openat2, { -1, 0, 0, 0 } },
	{ "close_range", SYS_close_range, { 1, 0, 0 } },
	{ "open_tree", SYS_open_tree, { -1, 0, -1 } },
	{ "move_mount", SYS_move_mount, { -1, 0, -1, 0, -1 } },
	{ "mount_setattr", SYS_mount_setattr, { -1, 0, 0, 0, 0 } },
};

static void check_calls(struct lxe_doctor *d)
{
	char missing[256] = "";
	size_t used = 0;
	struct lxe_check *c;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const long *a = calls[i].args;

		if (syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4]) < 0 && errno == ENOSYS)
			used += (size_t)snprintf(
				missing + used, sizeof(missing) - used, " %s", calls[i].name);
	}
	if (!used) {
		lxe_doctor_add(d, "system calls", LXE_HEALTH_OK,
			"clone3, pidfd, openat2, close_range and the mount calls");
		return;
	}
	c = lxe_doctor_add(d, "system calls", LXE_HEALTH_FAIL, "missing:%s", missing);
	lxe_check_remedy(c, "a newer kernel, or no system call filter around lxc-exec");
}

/*
 * A descriptor that cannot be open: EBADF from a kernel that knows the flag, and then nothing was
 * started. One without cgroups would ignore it.
 */
static int probe_into_cgroup(void)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = INT_MAX,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	if (pid < 0)
		return errno == EBADF ? 0 : -errno;
	waitpid((pid_t)pid, NULL, 0);
	return -ENOSYS;
}

static void check_into_cgroup(struct lxe_doctor *d)
{
	struct lxe_check *c;
	char why[64];
	int r = probe_into_cgroup();

	if (r == 0) {
		lxe_doctor_add(d, "clone into cgroup", LXE_HEALTH_OK,
			"a process is born in its cgroup (CLONE_INTO_CGROUP)");
		return;
	}
	c = lxe_doctor_add(d, "clone into cgroup", LXE_HEALTH_FAIL, "clone3 refuses it: %s",
		lxe_reason(r, why, sizeof(why)));
	lxe_check_remedy(c, "Linux 5.7 or later, and no system call filter around lxc-exec");
}

static void check_pidfd(struct lxe_doctor *d)
{
	LXE_AUTOCLOSE int fd = sys_pidfd_open(getpid());
	struct lxe_check *c;
	char why[64];

	if (fd >= 0) {
		lxe_doctor_add(d, "pidfd", LXE_HEALTH_OK, "processes are waited for by pidfd");
		return;
	}
	c = lxe_doctor_add(
		d, "pidfd", LXE_HEALTH_FAIL, "pidfd_open: %s", lxe_reason(fd, why, sizeof(why)));
	lxe_check_remedy(c, "Linux 5.3 or later, and no system call filter around lxc-exec");
}

/* See seccomp(2): EFAULT for the missing program means that the mode is there. */
static void check_seccomp(struct lxe_doctor *d)
{
	struct lxe_check *c;

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) < 0 && errno == EFAULT) {
		lxe_doctor_add(d, "seccomp", LXE_HEALTH_OK, "filters can be loaded");
		return;
	}
	c = lxe_doctor_add(d, "seccomp", LXE_HEALTH_FAIL, "filters cannot be loaded");
	lxe_check_remedy(c, "boot a kernel with CONFIG_SECCOMP_FILTER=y");
}

/* In a child: whoever is in a new user namespace cannot come back. */
static int try_user_namespace(void)
{
	pid_t pid = fork();
	int status, r;

	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0 ? errno : 0);
	r = sys_wait(pid, &status);
	if (r < 0)
		return r;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static void explain_user_namespace(struct lxe_doctor *d, int r)
{
	struct lxe_check *c;
	char why[64];

	if (r == -ENOSPC) {
		c = lxe_doctor_add(d, "user namespaces", LXE_HEALTH_FAIL,
			"the limit of their number is reached");
		lxe_check_remedy(c, "sysctl -w user.max_user_namespaces=15000");
	} else if (r == -EINVAL || r == -ENOSYS) {
		c = lxe_doctor_add(d, "user namespaces", LXE_HEALTH_FAIL, "this kernel has none");
		lxe_check_remedy(c, "boot a kernel with CONFIG_USER_NS=y");
	} else if (!d->root) {
		lxe_doctor_add(d, "user namespaces", LXE_HEALTH_UNKNOWN,
			"an ordinary user may not make one here; needs root to look");
	} else {
		c = lxe_doctor_add(d, "user namespaces", LXE_HEALTH_FAIL,
			"root may not make one: %s", lxe_reason(r, why, sizeof(why)));
		lxe_check_remedy(c, "run it outside of this container or chroot");
	}
}

static void check_user_namespaces(struct lxe_doctor *d)
{
	char text[32] = "";
	ssize_t n =
		sys_read_file(AT_FDCWD, "/proc/sys/user/max_user_namespaces", text, sizeof(text));
	int r;

	if (n > 0)
		text[strcspn(text, "\n")] = '\0';
	if (n > 0 && strcmp(text, "0") == 0) {
		explain_user_namespace(d, -ENOSPC);
		return;
	}
	r = try_user_namespace();
	if (r < 0)
		explain_user_namespace(d, r);
	else
		lxe_doctor_add(d, "user namespaces", LXE_HEALTH_OK, "at most %s",
			n > 0 ? text : "as many as memory allows");
}

/* proc(5): whoever changes his credentials would be dumped, and looked into, like anybody. */
static void check_core_dumps(struct lxe_doctor *d)
{
	char text[32] = "";
	struct lxe_check *c;

	if (sys_read_file(AT_FDCWD, "/proc/sys/fs/suid_dumpable", text, sizeof(text)) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "1") != 0) {
		lxe_doctor_add(d, "core dumps", LXE_HEALTH_OK,
			"not of processes that change who they are (fs.suid_dumpable %s)", text);
		return;
	}
	c = lxe_doctor_add(d, "core dumps", LXE_HEALTH_WARN,
		"fs.suid_dumpable is 1: processes that change who they are can be dumped and traced");
	lxe_check_remedy(c, "sysctl fs.suid_dumpable=0");
}

/* proc(5) and securityfs: what "--apparmor default" comes to here. */
static void check_apparmor(struct lxe_doctor *d)
{
	const char *profile = NULL;
	struct lxe_check *c;
	char why[64];
	int r;

	if (!lxe_apparmor_is_on()) {
		lxe_doctor_add(d, "AppArmor", LXE_HEALTH_OK,
			"off: commands are confined by everything else, and --apparmor has no profile");
		return;
	}
	r = lxe_apparmor_find_default("/sys/kernel/security/apparmor/profiles", &profile);
	if (r < 0) {
		lxe_doctor_add(d, "AppArmor", LXE_HEALTH_UNKNOWN,
			"on; whether a profile for containers is loaded cannot be seen: %s",
			lxe_reason(r, why, sizeof(why)));
	} else if (profile) {
		lxe_doctor_add(d, "AppArmor", LXE_HEALTH_OK, "on: commands are in the profile '%s'",
			profile);
	} else {
		c = lxe_doctor_add(d, "AppArmor", LXE_HEALTH_WARN,
			"on, but liblxc's profile for containers is not loaded: commands are in none");
		lxe_check_remedy(c, "apparmor_parser -r /etc/apparmor.d/lxc-containers");
	}
}

void lxe_doctor_kernel(struct lxe_doctor *d)
{
	struct utsname name;

	check_privilege(d);
	if (uname(&name) == 0)
		check_version(d, name.release);
	check_calls(d);
	check_into_cgroup(d);
	check_pidfd(d);
	check_seccomp(d);
	check_apparmor(d);
	check_user_namespaces(d);
	check_core_dumps(d);
}
