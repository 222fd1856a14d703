#include "sys/apart.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_SIZE \
	(8 * 1024 * 1024) /* as for any program; of which only what is used is ever there */

int sys_call_apart(int (*what)(void *arg), void *arg)
{
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
	pid = clone(what, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, arg);
	if (pid < 0)
		r = -errno;
	while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK_SIZE);
	return r;
}
