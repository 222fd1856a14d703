#include "sys/apart.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE \
	(8 * 1024 * 1024) /* as for any program; of which only what is used is ever there */

struct call {
	int (*what)(void *arg);
	void *arg;
	pid_t caller;
};

/*
 * When the program is killed, another thread of it may have a lock of the C library's, and nobody is left to let go
 * of it: without an end of our own we would wait for that for ever, with copies of all its descriptors.
 */
static int begin(void *arg)
{
	const struct call *call = arg;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != call->caller)
		return 1;
	return call->what(call->arg);
}

int sys_call_apart(int (*what)(void *arg), void *arg)
{
	struct call call = { .what = what, .arg = arg, .caller = getpid() };
	sigset_t all, before;
	char *stack;
	int r = 0;
	pid_t pid;

	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (stack == MAP_FAILED)
		return -errno;
	/* A handler of the program must not run twice, once in each process, on the same memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* Without a signal in the flags it is a child that only __WALL and __WCLONE see. */
	pid = clone(begin, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, &call);
	if (pid < 0)
		r = -errno;
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK_SIZE);
	return r;
}
