/*
 * lxc-exec-init: pid 1 of a sandbox. It brings the loopback interface up, says that it is up itself
 * by one byte on descriptor 101, covers what of /proc and /sys is not for the sandbox and says so by another
 * (0, or the errno that it failed with), and then reaps whatever is left to it. Static, without a C library and a few kilobytes long: it is run from
 * an open descriptor (100), so that nothing of it is in the root filesystem.
 *
 * It ends by SIGKILL from outside; with it the kernel ends everything in the pid namespace.
 */
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/errno.h>
#include <linux/filter.h>
#include <linux/in.h>
#include <linux/seccomp.h>
#include <linux/socket.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <linux/mount.h>
#include <linux/wait.h>

#include "container/init/masks.h"

/* What mounts of /proc have. */
#define ALWAYS_THERE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

enum { SELF_FD = 100, READY_FD = 101, LOG_FD = 102 };

#if defined(__x86_64__)
static long call5(long number, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static long call5(long number, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#else
#error "add the system call convention of this architecture"
#endif

static long call(long number, long a, long b, long c, long d)
{
	return call5(number, a, b, c, d, 0);
}

/* A network namespace begins with `lo` down (network_namespaces(7)). */
static void bring_up_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	long fd = call(__NR_socket, 2 /* AF_INET */, 2 /* SOCK_DGRAM */, 0, 0);

	if (fd < 0)
		return;
	call(__NR_ioctl, fd, SIOCSIFFLAGS, (long)&request, 0);
	call(__NR_close, fd, 0, 0, 0);
}

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define ALLOWED(number, distance) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, distance, 0)

/*
 * It has all capabilities of the container and not the filter of the commands: whoever may trace it
 * (CAP_SYS_PTRACE) would have both. So it can do nothing but what it does anyway.
 */
static long confine(void)
{
	static const struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4 /* arch */),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 7),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0 /* nr */),
		ALLOWED(__NR_rt_sigtimedwait, 6),
		ALLOWED(__NR_wait4, 5),
		ALLOWED(__NR_rt_sigprocmask, 4),
		ALLOWED(__NR_restart_syscall, 3),
		ALLOWED(__NR_write, 2),
		ALLOWED(__NR_close, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]),
		(struct sock_filter *)filter };

	return call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0);
}

static long bind_over(const char *what, const char *path, long flags)
{
	return call5(__NR_mount, (long)what, (long)path, 0, MS_BIND | flags, 0);
}

/* With the mounts below it: liblxc has put a boot_id of the sandbox's own there. */
static long make_read_only(const char *path)
{
	long r = bind_over(path, path, MS_REC);

	return r < 0 ? r
		     : call5(__NR_mount, 0, (long)path, 0,
			       MS_REMOUNT | MS_BIND | MS_RDONLY | ALWAYS_THERE, 0);
}

/* One empty directory covers all of them: *empty is where it is mounted first. */
static long hide_directory(const char *path, const char **empty)
{
	long r;

	if (*empty)
		return bind_over(*empty, path, 0);
	r = call5(__NR_mount, (long)"lxe", (long)path, (long)"tmpfs", MS_RDONLY | ALWAYS_THERE,
		(long)"size=4k,mode=755,uid=0,gid=0");
	if (r == 0)
		*empty = path;
	return r;
}

static long cover(const struct lxe_mask *m, const char **empty)
{
	if (m->kind == LXE_READ_ONLY)
		return make_read_only(m->path);
	return m->kind == LXE_HIDDEN_FILE ? bind_over("/dev/null", m->path, 0)
					  : hide_directory(m->path, empty);
}

/* The first error, negative; none of the container's mounts propagates from now on. */
static long put_masks(void)
{
	const char *empty = 0;
	long r = call5(__NR_mount, 0, (long)"/", 0, MS_REC | MS_PRIVATE, 0);

	for (unsigned long i = 0; r == 0 && i < LXE_MASKS; i++) {
		r = cover(&lxe_masks[i], &empty);
		/* What this kernel does not have needs no cover. */
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* What _start enters; signals of pid 1 without a handler are ignored by the kernel (pid_namespaces(7)). */
__attribute__((noreturn)) void _start(void);

__attribute__((noreturn)) void _start(void)
{
	static const char up = 'U';
	unsigned char error;
	/* The signal set as the kernel takes it: 64 bits; everything is left to its default. */
	static const unsigned long none;

	call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&none, 0, sizeof(none));
	bring_up_loopback();
	call(__NR_write, READY_FD, (long)&up, 1, 0);
	/* While whoever puts the first command in is on the way. Without this word none is executed. */
	error = (unsigned char)-put_masks();
	if (confine() < 0)
		call(__NR_exit_group, 1, 0, 0, 0);
	call(__NR_write, READY_FD, (long)&error, 1, 0);
	call(__NR_close, READY_FD, 0, 0, 0);
	call(__NR_close, SELF_FD, 0, 0, 0);
	call(__NR_close, LOG_FD, 0, 0, 0);
	for (;;) {
		/*
		 * Attached commands are not our children, so there may be none now and some later:
		 * SIGCHLD is blocked and waited for, which loses none that came in between.
		 */
		static const unsigned long child = 1UL << 16; /* SIGCHLD is 17 */

		call(__NR_rt_sigprocmask, 0 /* SIG_BLOCK */, (long)&child, 0, sizeof(child));
		while (call(__NR_wait4, -1, 0, WNOHANG, 0) > 0)
			;
		call(__NR_rt_sigtimedwait, (long)&child, 0, 0, sizeof(child));
	}
}
