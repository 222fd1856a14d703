/*
 * lxc-exec-init: pid 1 of a sandbox. It brings the loopback interface up, says that it is up itself
 * by one byte on descriptor 101, and then reaps whatever is left to it. Static, without a C library and a few kilobytes long: it is run from
 * an open descriptor (100), so that nothing of it is in the root filesystem.
 *
 * It ends by SIGKILL from outside; with it the kernel ends everything in the pid namespace.
 */
#include <asm/unistd.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/in.h>
#include <linux/seccomp.h>
#include <linux/socket.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <linux/wait.h>

enum { SELF_FD = 100, READY_FD = 101, LOG_FD = 102 };

#if defined(__x86_64__)
static long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#error "add the system call convention of this architecture"
#endif

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

/* What _start enters; signals of pid 1 without a handler are ignored by the kernel (pid_namespaces(7)). */
__attribute__((noreturn)) void _start(void);

__attribute__((noreturn)) void _start(void)
{
	static const char up = 'U';
	/* The signal set as the kernel takes it: 64 bits; everything is left to its default. */
	static const unsigned long none;

	call(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, (long)&none, 0, sizeof(none));
	bring_up_loopback();
	/* Without its word nothing is started in here. */
	if (confine() < 0)
		call(__NR_exit_group, 1, 0, 0, 0);
	call(__NR_write, READY_FD, (long)&up, 1, 0);
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
