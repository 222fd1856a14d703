#include "confine/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "confine/program.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#else
#define NATIVE 0
#endif

/* Of C libraries that do not know it yet. */
#define FCHMODAT2 452

#define WRITES (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static const struct lxe_watched calls[] = {
	{ SYS_read, "read", LXE_WATCHED_NOT, -1, -1, -1 },
	{ SYS_write, "write", LXE_WATCHED_NOT, -1, -1, -1 },
	{ SYS_exit, "exit", LXE_WATCHED_NOT, -1, -1, -1 },
	{ SYS_exit_group, "exit_group", LXE_WATCHED_NOT, -1, -1, -1 },
	{ SYS_openat, "openat", LXE_WATCHED_OPEN, 0, 1, 2 },
	{ SYS_openat2, "openat2", LXE_WATCHED_OPEN2, 0, 1, 2 },
	{ SYS_mkdirat, "mkdirat", LXE_WATCHED_MAKE, 0, 1, -1 },
	{ SYS_mknodat, "mknodat", LXE_WATCHED_MAKE, 0, 1, -1 },
	{ SYS_symlinkat, "symlinkat", LXE_WATCHED_MAKE, 1, 2, -1 },
	{ SYS_linkat, "linkat", LXE_WATCHED_MAKE, 2, 3, -1 },
	{ SYS_unlinkat, "unlinkat", LXE_WATCHED_REMOVE, 0, 1, -1 },
#ifdef SYS_renameat
	{ SYS_renameat, "renameat", LXE_WATCHED_REMOVE, 0, 1, -1 },
	{ SYS_renameat, "renameat", LXE_WATCHED_REPLACE, 2, 3, -1 },
#endif
	{ SYS_renameat2, "renameat2", LXE_WATCHED_REMOVE, 0, 1, -1 },
	{ SYS_renameat2, "renameat2", LXE_WATCHED_REPLACE, 2, 3, -1 },
	{ SYS_fchmodat, "fchmodat", LXE_WATCHED_CHANGE, 0, 1, -1 },
	{ FCHMODAT2, "fchmodat2", LXE_WATCHED_CHANGE, 0, 1, 3 },
	{ SYS_fchownat, "fchownat", LXE_WATCHED_CHANGE, 0, 1, 4 },
	{ SYS_utimensat, "utimensat", LXE_WATCHED_CHANGE, 0, 1, 3 },
	{ SYS_truncate, "truncate", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_setxattr, "setxattr", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_lsetxattr, "lsetxattr", LXE_WATCHED_CHANGE_LINK, -1, 0, -1 },
	{ SYS_removexattr, "removexattr", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_lremovexattr, "lremovexattr", LXE_WATCHED_CHANGE_LINK, -1, 0, -1 },
#ifdef SYS_open
	{ SYS_open, "open", LXE_WATCHED_OPEN, -1, 0, 1 },
	{ SYS_creat, "creat", LXE_WATCHED_OPEN, -1, 0, -1 },
	{ SYS_mkdir, "mkdir", LXE_WATCHED_MAKE, -1, 0, -1 },
	{ SYS_mknod, "mknod", LXE_WATCHED_MAKE, -1, 0, -1 },
	{ SYS_symlink, "symlink", LXE_WATCHED_MAKE, -1, 1, -1 },
	{ SYS_link, "link", LXE_WATCHED_MAKE, -1, 1, -1 },
	{ SYS_unlink, "unlink", LXE_WATCHED_REMOVE, -1, 0, -1 },
	{ SYS_rmdir, "rmdir", LXE_WATCHED_REMOVE, -1, 0, -1 },
	{ SYS_rename, "rename", LXE_WATCHED_REMOVE, -1, 0, -1 },
	{ SYS_rename, "rename", LXE_WATCHED_REPLACE, -1, 1, -1 },
	{ SYS_chmod, "chmod", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_chown, "chown", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_lchown, "lchown", LXE_WATCHED_CHANGE_LINK, -1, 0, -1 },
	{ SYS_utime, "utime", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_utimes, "utimes", LXE_WATCHED_CHANGE, -1, 0, -1 },
	{ SYS_futimesat, "futimesat", LXE_WATCHED_CHANGE, 0, 1, -1 },
	{ SYS_stat, "stat", LXE_WATCHED_LOOK, -1, 0, -1 },
	{ SYS_lstat, "lstat", LXE_WATCHED_LOOK, -1, 0, -1 },
	{ SYS_access, "access", LXE_WATCHED_LOOK, -1, 0, -1 },
	{ SYS_readlink, "readlink", LXE_WATCHED_LOOK, -1, 0, -1 },
#endif
	{ SYS_execve, "execve", LXE_WATCHED_LOOK, -1, 0, -1 },
	{ SYS_execveat, "execveat", LXE_WATCHED_LOOK, 0, 1, -1 },
	{ SYS_chdir, "chdir", LXE_WATCHED_LOOK, -1, 0, -1 },
	{ SYS_newfstatat, "newfstatat", LXE_WATCHED_LOOK, 0, 1, -1 },
	{ SYS_statx, "statx", LXE_WATCHED_LOOK, 0, 1, -1 },
	{ SYS_faccessat, "faccessat", LXE_WATCHED_LOOK, 0, 1, -1 },
	{ SYS_faccessat2, "faccessat2", LXE_WATCHED_LOOK, 0, 1, -1 },
	{ SYS_readlinkat, "readlinkat", LXE_WATCHED_LOOK, 0, 1, -1 },
	{ -1, NULL, LXE_WATCHED_NOT, -1, -1, -1 },
};

const struct lxe_watched *lxe_watched_calls(void)
{
	return calls;
}

/* Our child's own execve, too, is not a refused call: nobody listens yet when it may fail. */
static bool is_in_base(const struct lxe_watched *call, bool readers)
{
	return readers || call->kind != LXE_WATCHED_LOOK || call->number == SYS_execve;
}

bool lxe_watch_permits(bool readers, uint32_t arch, int number)
{
	if (arch != NATIVE)
		return false;
	for (const struct lxe_watched *call = calls; call->name; call++)
		if (call->number == number)
			return is_in_base(call, readers);
	return false;
}

/* Further on with the call's number; calls of other architectures skip the `rest` instructions behind. */
static int put_head(struct lxe_program *p, size_t rest)
{
	const struct sock_filter head[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 1, 0),
		BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)rest + 1),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};

	return lxe_program_put(p, head, sizeof(head) / sizeof(head[0]));
}

static int put_answer(struct lxe_program *p, const struct lxe_watched *call, bool readers)
{
	bool asks = call->kind != LXE_WATCHED_NOT && (readers || call->kind != LXE_WATCHED_LOOK);
	const struct sock_filter at_once[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, asks ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW),
	};
	/* The lower half of a 64-bit argument, on machines that have it first. */
	const struct sock_filter by_flags[] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(offsetof(struct seccomp_data, args) +
							      8U * (unsigned int)call->flags)),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITES, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	if (call->kind == LXE_WATCHED_OPEN && call->flags >= 0 && !readers)
		return lxe_program_put(p, by_flags, sizeof(by_flags) / sizeof(by_flags[0]));
	return lxe_program_put(p, at_once, sizeof(at_once) / sizeof(at_once[0]));
}

/* A call is refused, or asked for, but never both: its kind is all that the answer depends on. */
static int put_asks(struct lxe_program *p, const struct lxe_filter *filter, bool readers)
{
	static const struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct lxe_program *middle = calloc(1, sizeof(*middle));
	int r = middle ? 0 : -ENOMEM;
	size_t from;

	for (const struct lxe_watched *call = calls; r == 0 && call->name; call++)
		if (is_in_base(call, readers))
			r = put_answer(middle, call, readers);
	if (r == 0)
		r = put_head(p, middle->n);
	if (r == 0)
		r = lxe_program_put(p, middle->v, middle->n);
	free(middle);
	from = p->n;
	if (r == 0)
		r = filter->n ? lxe_program_put(p, filter->instructions, filter->n)
			      : lxe_program_put(p, &all, 1);
	for (size_t i = from; r == 0 && i < p->n; i++)
		if (p->v[i].code == (BPF_RET | BPF_K) && p->v[i].k == (SECCOMP_RET_ERRNO | EPERM))
			p->v[i].k = SECCOMP_RET_USER_NOTIF;
	return r;
}

static int put_base(struct lxe_program *p, const struct lxe_filter *filter, bool readers)
{
	static const struct sock_filter not_here = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	size_t left = 0;
	int r;

	for (const struct lxe_watched *call = calls; call->name; call++)
		left += is_in_base(call, readers) ? 2 : 0;
	/* Of another architecture it is the other filter's, like every call that is not in the list. */
	r = put_head(p, left);
	for (const struct lxe_watched *call = calls; r == 0 && call->name; call++) {
		const struct sock_filter v[] = {
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call->number, 0, 1),
			BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)left - 1),
		};

		if (!is_in_base(call, readers))
			continue;
		r = lxe_program_put(p, v, 2);
		left -= 2;
	}
	if (r == 0)
		r = lxe_program_put(p, &not_here, 1);
	return r < 0 ? r : lxe_program_put(p, filter->instructions, filter->n);
}

static int take(struct lxe_filter *ret, const struct lxe_program *p)
{
	struct sock_filter *copy = p->n ? calloc(p->n, sizeof(*copy)) : NULL;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, p->v, p->n * sizeof(*copy));
	*ret = (struct lxe_filter){ .instructions = copy, .n = (unsigned short)p->n };
	return 0;
}

static int make(struct lxe_filter *ret,
	int (*put)(struct lxe_program *p, const struct lxe_filter *filter, bool readers),
	const struct lxe_filter *filter, bool readers)
{
	struct lxe_program *p = calloc(1, sizeof(*p));
	int r = p ? put(p, filter, readers) : -ENOMEM;

	if (r == 0)
		r = take(ret, p);
	free(p);
	return r;
}

int lxe_watch_make(struct lxe_watch *ret, const struct lxe_filter *filter, bool readers)
{
	struct lxe_watch watch = { .readers = readers };
	int r = make(&watch.asks, put_asks, filter, readers);

	if (r == 0 && filter->n)
		r = make(&watch.base, put_base, filter, readers);
	if (r < 0) {
		lxe_watch_release(&watch);
		return r;
	}
	watch.asks.listens = true;
	*ret = watch;
	return 0;
}

void lxe_watch_release(struct lxe_watch *watch)
{
	lxe_filter_release(&watch->base);
	lxe_filter_release(&watch->asks);
}

int lxe_watch_child(const struct lxe_watch *watch)
{
	int r = watch->base.n ? lxe_filter_child(&watch->base) : 0;

	return r < 0 ? r : lxe_filter_child(&watch->asks);
}
