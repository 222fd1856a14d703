/* The default system call filter: compiled by libseccomp, cached as BPF. See confine.h. */
#include "confine/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "store/dirs.h"
#include "sys/fd.h"

#define CACHE_MAX (BPF_MAXINSNS * sizeof(struct sock_filter))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Calls that reach beyond a sandbox or have a long record of kernel bugs behind them. EPERM, so that
 * a program sees a refusal and not a kernel without the call.
 */
static const int refused[] = {
	SCMP_SYS(acct),
	SCMP_SYS(add_key),
	SCMP_SYS(bpf),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_settime64),
	SCMP_SYS(create_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fspick),
	SCMP_SYS(init_module),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(ioperm),
	SCMP_SYS(iopl),
	SCMP_SYS(kcmp),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(kexec_load),
	SCMP_SYS(keyctl),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(mount),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(move_mount),
	SCMP_SYS(move_pages),
	SCMP_SYS(nfsservctl),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(open_tree),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(pivot_root),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(quotactl),
	SCMP_SYS(quotactl_fd),
	SCMP_SYS(reboot),
	SCMP_SYS(request_key),
	SCMP_SYS(setdomainname),
	SCMP_SYS(sethostname),
	SCMP_SYS(setns),
	SCMP_SYS(settimeofday),
	SCMP_SYS(stime),
	SCMP_SYS(swapoff),
	SCMP_SYS(swapon),
	SCMP_SYS(syslog),
	SCMP_SYS(umount),
	SCMP_SYS(umount2),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(vhangup),
};

/* Flags of clone(2) and unshare(2) that make a namespace. */
static const unsigned int namespaces[] = {
	CLONE_NEWNS,
	CLONE_NEWCGROUP,
	CLONE_NEWUTS,
	CLONE_NEWIPC,
	CLONE_NEWUSER,
	CLONE_NEWPID,
	CLONE_NEWNET,
};

static int refuse(scmp_filter_ctx ctx, int call, struct scmp_arg_cmp condition)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 1, condition);
}

static int add_rules(scmp_filter_ctx ctx)
{
	static const uint64_t ioctls[] = { TIOCSTI, TIOCLINUX };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(namespaces); i++) {
		r = refuse(ctx, SCMP_SYS(clone),
			SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
		if (r == 0)
			r = refuse(ctx, SCMP_SYS(unshare),
				SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
	}
	/* Its flags are in memory, where a filter cannot look: libc falls back to clone. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* No network namespace separates it from the host's, and behind it is the hypervisor. */
	if (r == 0)
		r = refuse(
			ctx, SCMP_SYS(socket), SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, AF_VSOCK));
	/* The old way to all socket calls, whose arguments a filter cannot see; libc has no need of it. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(socketcall), 0);
	/*
	 * Only the lower half of the request counts for the kernel, so only that is compared
	 * (CVE-2019-10063).
	 */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(ioctls); i++)
		r = refuse(
			ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, ioctls[i]));
	return r;
}

static int add_architectures(scmp_filter_ctx ctx)
{
#if defined(__x86_64__)
	static const uint32_t others[] = { SCMP_ARCH_X86, SCMP_ARCH_X32 };
#elif defined(__aarch64__)
	static const uint32_t others[] = { SCMP_ARCH_ARM };
#else
	static const uint32_t others[] = { SCMP_ARCH_NATIVE };
#endif
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(others); i++) {
		r = seccomp_arch_add(ctx, others[i]);
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

/* Compile into a memfd. */
static int compile(void)
{
	LXE_AUTOCLOSE int fd = sys_memfd("lxe-filter", 0);
	scmp_filter_ctx ctx;
	int r;

	if (fd < 0)
		return fd;
	ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return -ENOMEM;
	r = add_architectures(ctx);
	if (r == 0)
		r = add_rules(ctx);
	if (r == 0)
		r = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	return r < 0 ? r : take_fd(&fd);
}

static int read_filter(struct lxe_filter *ret, int fd)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	int r;

	r = sys_read_whole(fd, CACHE_MAX, &text, &len);
	if (r < 0)
		return r;
	if (len == 0 || len % sizeof(struct sock_filter))
		return -EBADMSG;
	/* A file that lost its end or its blocks in a crash: the kernel would refuse every run. */
	const struct sock_filter *last = (struct sock_filter *)(text + len) - 1;
	if (BPF_CLASS(last->code) != BPF_RET)
		return -EBADMSG;
	ret->n = (unsigned short)(len / sizeof(struct sock_filter));
	ret->instructions = (struct sock_filter *)take_ptr(text);
	return 0;
}

/*
 * A filter is only as good as the rules it was compiled from: so its name tells the very program, and
 * the library, that compiled it. Another build compiles again.
 */
static int cache_path(char *path, size_t size, const char *state)
{
	const struct scmp_version *v = seccomp_version();
	struct stat exe;

	if (stat("/proc/self/exe", &exe) < 0)
		return -errno;
	return lxe_format(path, size, "%s/cache/seccomp-%llx.%lx-%llx-%u.%u.%u.bpf", state,
		(unsigned long long)exe.st_mtim.tv_sec, exe.st_mtim.tv_nsec,
		(unsigned long long)exe.st_size, v ? v->major : 0, v ? v->minor : 0,
		v ? v->micro : 0);
}

/* The file gets its name when it is whole: a reader sees all of it, a crash leaves nothing. */
static void write_cache(const struct lxe_filter *filter, const char *state)
{
	char path[PATH_MAX], dir[PATH_MAX], link[64];
	LXE_AUTOCLOSE int fd = -EBADF;

	if (lxe_format(dir, sizeof(dir), "%s/cache", state) < 0 ||
		cache_path(path, sizeof(path), state) < 0 || lxe_dirs_make(dir, NULL) < 0)
		return;
	fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (sys_write_all(fd, filter->instructions, filter->n * sizeof(*filter->instructions)) < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	/* Of several that compile at once one wins; the next run compiles again if none does. */
	if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0)
		return;
}

/*
 * Whoever wrote this file decides what commands may do: it counts only if it is ours. Anything else
 * at its place is taken away, or each run would compile again.
 */
static int read_cache(struct lxe_filter *ret, const char *state)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	char path[PATH_MAX];
	struct stat st;
	int r;

	r = cache_path(path, sizeof(path), state);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
		!(st.st_mode & (S_IWGRP | S_IWOTH)) && read_filter(ret, fd) == 0)
		return 0;
	unlink(path);
	return -EBADMSG;
}

int lxe_filter_load(struct lxe_filter *ret, const char *state, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	int r;

	if (read_cache(ret, state) == 0)
		return 0;
	fd = compile();
	r = fd < 0 ? fd : read_filter(ret, fd);
	if (r < 0)
		return lxe_fail(err, r, "compile the system call filter");
	write_cache(ret, state);
	return 0;
}

void lxe_filter_release(struct lxe_filter *filter)
{
	free(filter->instructions);
	*filter = (struct lxe_filter){ 0 };
}
