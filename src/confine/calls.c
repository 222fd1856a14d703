#include "confine/calls.h"

#include <linux/capability.h>
#include <string.h>

#define CAP(name) (1ULL << CAP_##name)
#define BOTH (LXE_CALLS_DEFAULT | LXE_CALLS_STRICT)

/* clang-format off: the lists are read, not the lines. */
static const struct lxe_calls groups[] = {
	/* Files, by name and by descriptor. */
	{ BOTH, 0,
		" _llseek _newselect access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2"
		" dup3 faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown"
		" fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr fsetxattr fstat"
		" fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64"
		" getxattr getxattrat lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr"
		" lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat newfstatat open openat openat2 pipe pipe2"
		" pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr"
		" removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr setxattrat splice stat"
		" stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range syncfs tee truncate truncate64"
		" umask unlink unlinkat utime utimensat utimensat_time64 utimes write writev " },
	/* Arguments of these are looked at as well: see rules.c. */
	{ BOTH, 0, " clone ioctl " },
	{ LXE_CALLS_DEFAULT, 0, " socket socketpair " },
	{ LXE_CALLS_REFUSED, 0, " personality " },
	/* Memory. */
	{ BOTH, 0,
		" brk cachestat madvise map_shadow_stack membarrier memfd_create mincore mlock mlock2 mlockall mmap"
		" mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect " },
	/* Processes, threads and what they wait for. */
	{ BOTH, 0,
		" arch_prctl capget epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2"
		" epoll_wait epoll_wait_old eventfd eventfd2 execve execveat exit exit_group fork futex futex_requeue"
		" futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area getcpu getegid"
		" getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid"
		" getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid"
		" getuid getuid32 kill landlock_add_rule landlock_create_ruleset landlock_restrict_self pause"
		" pidfd_open pidfd_send_signal poll ppoll ppoll_time64 prctl prlimit64 pselect6 pselect6_time64"
		" restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn"
		" rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max"
		" sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler"
		" sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_yield seccomp select"
		" set_robust_list set_thread_area set_tid_address setpgid setrlimit setsid sigaltstack signalfd"
		" signalfd4 sigprocmask sigreturn sysinfo tgkill tkill ugetrlimit uname vfork wait4 waitid waitpid " },
	/* Reading clocks, and timers. */
	{ BOTH, 0,
		" alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep"
		" clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete"
		" timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create"
		" timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times " },
	/* Sockets; what families there are is for socket() to say. */
	{ BOTH, 0,
		" accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg"
		" recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown " },
	/* Users, capabilities, priorities. */
	{ LXE_CALLS_DEFAULT, 0,
		" capset ioprio_get ioprio_set sched_setattr sched_setparam sched_setscheduler setfsgid setfsgid32"
		" setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setpriority setregid setregid32 setresgid"
		" setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32 " },
	/* System V IPC, message queues, asynchronous I/O, watching files. */
	{ LXE_CALLS_DEFAULT, 0,
		" fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy"
		" io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ipc mq_getsetattr mq_notify"
		" mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl"
		" msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget " },
	/* Less common, and in the engines' lists. */
	{ LXE_CALLS_DEFAULT, 0,
		" memfd_secret mknod mknodat modify_ldt name_to_handle_at process_mrelease remap_file_pages vmsplice " },
	/*
	 * A debugger's: it reaches processes of the same pid and user namespace with no more capabilities
	 * than its own, and since Linux 4.8 what it makes them call is filtered.
	 */
	{ LXE_CALLS_DEFAULT, 0, " ptrace " },
	{ LXE_CALLS_DEFAULT, 0, " chroot " },

	/* Mounts. */
	{ LXE_CALLS_REFUSED, CAP(SYS_ADMIN),
		" fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree open_tree_attr"
		" statmount umount umount2 " },
	{ LXE_CALLS_REFUSED, 0, " pivot_root " },
	/* Namespaces, quotas, names of the host. */
	{ LXE_CALLS_REFUSED, CAP(SYS_ADMIN),
		" fanotify_init lookup_dcookie quotactl quotactl_fd setdomainname sethostname setns unshare " },
	/* Programs for the kernel, and its counters. */
	{ LXE_CALLS_REFUSED, CAP(SYS_ADMIN) | CAP(BPF), " bpf " },
	{ LXE_CALLS_REFUSED, CAP(SYS_ADMIN) | CAP(PERFMON), " perf_event_open " },
	{ LXE_CALLS_REFUSED, CAP(SYS_ADMIN) | CAP(SYSLOG), " syslog " },
	/* Other processes' memory and descriptors. */
	{ LXE_CALLS_REFUSED, CAP(SYS_PTRACE),
		" kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev " },
	/* Modules, another kernel, the machine. */
	{ LXE_CALLS_REFUSED, CAP(SYS_MODULE), " delete_module finit_module init_module " },
	{ LXE_CALLS_REFUSED, CAP(SYS_BOOT), " reboot " },
	{ LXE_CALLS_REFUSED, CAP(SYS_RAWIO), " ioperm iopl " },
	{ LXE_CALLS_REFUSED, CAP(SYS_PACCT), " acct " },
	{ LXE_CALLS_REFUSED, CAP(SYS_TTY_CONFIG), " vhangup " },
	{ LXE_CALLS_REFUSED, 0,
		" create_module get_kernel_syms kexec_file_load kexec_load nfsservctl query_module swapoff swapon " },
	/* Clocks. */
	{ LXE_CALLS_REFUSED, CAP(SYS_TIME),
		" adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime " },
	/* Files past the mount namespace. */
	{ LXE_CALLS_REFUSED, CAP(DAC_READ_SEARCH), " open_by_handle_at " },
	/* Where memory lies. */
	{ LXE_CALLS_REFUSED, CAP(SYS_NICE),
		" get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node " },
	/* Keyrings know no namespace; the others have a long record of bugs. */
	{ LXE_CALLS_REFUSED, 0,
		" add_key io_uring_enter io_uring_register io_uring_setup keyctl request_key userfaultfd vm86 vm86old " },

	/* Of other architectures or times: names that a profile may hold. Arguments in memory: no clone3. */
	{ 0, 0,
		" _sysctl afs_syscall arm_fadvise64_64 arm_sync_file_range bdflush break breakpoint cachectl cacheflush"
		" clone3 file_getattr file_setattr ftime get_tls getpmsg gtty idle lock lsm_get_self_attr"
		" lsm_list_modules lsm_set_self_attr mpx multiplexer nice oldfstat oldlstat oldolduname oldstat olduname"
		" pciconfig_iobase pciconfig_read pciconfig_write prof profil putpmsg readdir riscv_flush_icache"
		" riscv_hwprobe rtas s390_guarded_storage s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"
		" s390_sthyi security set_tls sgetmask sigaction signal sigpending sigsuspend socketcall spu_create"
		" spu_run ssetmask stty subpage_prot swapcontext switch_endian sync_file_range2 sys_debug_setcontext"
		" syscall sysfs sysmips timerfd tuxcall ulimit uprobe uretprobe uselib usr26 usr32 ustat vserver " },
	{ 0, 0, NULL },
};
/* clang-format on */

static const struct {
	const char *name;
	int number;
} newer[] = {
	{ "cachestat", 451 },
	{ "fchmodat2", 452 },
	{ "map_shadow_stack", 453 },
	{ "futex_wake", 454 },
	{ "futex_wait", 455 },
	{ "futex_requeue", 456 },
	{ "statmount", 457 },
	{ "listmount", 458 },
	{ "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 },
	{ "lsm_list_modules", 461 },
	{ "mseal", 462 },
	{ "setxattrat", 463 },
	{ "getxattrat", 464 },
	{ "listxattrat", 465 },
	{ "removexattrat", 466 },
	{ "open_tree_attr", 467 },
	{ "file_getattr", 468 },
	{ "file_setattr", 469 },
};

#define N_NEWER (sizeof(newer) / sizeof(newer[0]))

const struct lxe_calls *lxe_calls(void)
{
	return groups;
}

bool lxe_call_is_known(const char *name)
{
	size_t len = strlen(name);

	if (!len || strchr(name, ' '))
		return false;
	for (const struct lxe_calls *g = groups; g->names; g++)
		for (const char *at = g->names; (at = strstr(at, name)); at += len)
			if (at[-1] == ' ' && at[len] == ' ')
				return true;
	return false;
}

const char *lxe_call_newer_name(int number)
{
	for (size_t i = 0; i < N_NEWER; i++)
		if (newer[i].number == number)
			return newer[i].name;
	return NULL;
}
