#include "keeper/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"
#include "sys/proc.h"

static int open_namespaces(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Two names of one namespace lead to one inode (namespaces(7)). */
static int is_same(int a, int b, const char *name)
{
	struct stat of_a, of_b;

	if (fstatat(a, name, &of_a, 0) < 0 || fstatat(b, name, &of_b, 0) < 0)
		return -errno;
	return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

int lxe_verify_namespaces(pid_t pid, struct lxe_err *err)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
	LXE_AUTOCLOSE int ours = open_namespaces(getpid()), its = open_namespaces(pid);

	if (ours < 0 || (its < 0 && its != -ENOENT))
		return lxe_fail(err, ours < 0 ? ours : its, "look at the command's namespaces");
	if (its < 0)
		return lxe_fail_msg(err, -ESRCH, "park the command: its process died");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = is_same(ours, its, names[i]);

		/* The links of a process end with it. */
		if (r == -ENOENT || r == -ESRCH)
			return lxe_fail_msg(err, -ESRCH, "park the command: its process died");
		if (r < 0)
			return lxe_fail(err, r, "look at the command's %s namespace", names[i]);
		if (r > 0)
			return lxe_fail_msg(err, -EPERM,
				"enter the container: its %s namespace is the host's", names[i]);
	}
	return 0;
}

int lxe_verify_status(const char *status, const struct lxe_confinement *asked, struct lxe_err *err)
{
	const uint64_t permitted = lxe_caps_until_exec(asked);
	const struct {
		const char *name, *what;
		uint64_t value;
	} wanted[] = {
		{ "\nCapInh:\t", "its inheritable capabilities", 0 },
		{ "\nCapPrm:\t", "its permitted capabilities", permitted },
		{ "\nCapEff:\t", "its effective capabilities", permitted },
		{ "\nCapBnd:\t", "its bounding set", asked->caps },
		{ "\nCapAmb:\t", "its ambient capabilities", 0 },
		{ "\nNoNewPrivs:\t", "no_new_privs", !asked->new_privs },
		{ "\nSeccomp:\t", "the system call filter", SECCOMP_MODE_FILTER },
	};
	/* Without a filter of ours there may be one of whatever has started us. */
	size_t n = sizeof(wanted) / sizeof(wanted[0]) - !asked->filter->n;

	for (size_t i = 0; i < n; i++) {
		uint64_t is = 0;

		if (!sys_status_mask(status, wanted[i].name, &is))
			return lxe_fail_msg(err, -EPERM,
				"confine the command: the kernel does not tell %s", wanted[i].what);
		if (is != wanted[i].value)
			return lxe_fail_msg(err, -EPERM,
				"confine the command: %s: asked for %" PRIx64 ", it is %" PRIx64,
				wanted[i].what, wanted[i].value, is);
	}
	return 0;
}

/* Kernels before 5.9 do not tell how many there are; then the mode has to do. */
static bool find_count(const char *status, unsigned int *ret)
{
	static const char name[] = "\nSeccomp_filters:\t";
	const char *at = strstr(status, name);

	*ret = 0;
	if (!at)
		return false;
	for (at += strlen(name); isdigit((unsigned char)*at); at++)
		*ret = 10 * *ret + (unsigned int)(*at - '0');
	return true;
}

int lxe_verify_filters(
	const char *status, const char *ours, unsigned int added, struct lxe_err *err)
{
	unsigned int its = 0, before = 0;

	if (!find_count(ours, &before))
		return 0;
	if (find_count(status, &its) && its == before + added)
		return 0;
	return lxe_fail_msg(err, -EPERM,
		"confine the command: the system call filter is not in force: %u of %u", its,
		before + added);
}

/* What has started us may have put filters on us, which the command inherits. */
static int verify_filters(const char *status, unsigned int added, struct lxe_err *err)
{
	char ours[8192];
	ssize_t n = sys_read_file(AT_FDCWD, "/proc/self/status", ours, sizeof(ours));

	if (n < 0)
		return lxe_fail(err, (int)n, "look at the keeper's own filters");
	return lxe_verify_filters(status, ours, added, err);
}

int lxe_verify_confinement(pid_t pid, const struct lxe_confinement *asked, struct lxe_err *err)
{
	char path[32], status[8192];
	ssize_t n;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	n = sys_read_file(AT_FDCWD, path, status, sizeof(status));
	if (n == -ENOENT || n == -ESRCH)
		return lxe_fail_msg(err, (int)n, "park the command: its process died");
	if (n < 0)
		return lxe_fail(err, (int)n, "look at the command's process");
	r = lxe_verify_status(status, asked, err);
	/* The two of one that is watched stand for the profile's; or one of them, and that. */
	return r < 0 || !asked->filter->n ? r : verify_filters(status, asked->watch ? 2 : 1, err);
}
