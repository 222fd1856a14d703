#include "client/api_aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "sys/apart.h"
#include "sys/fd.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define NEAR (1 << 20)
#endif

/* In memory that both share. */
struct answer {
	int r;
	bool given;
	struct lxe_err err;
};

struct aside {
	lxe_aside_work *work;
	const void *arg;
	struct answer *answer;
	int out, done;
	int r; /* of its birth */
};

enum { OUT = 3, DONE, FIRST_OTHER };

/* Descriptors of the program would be held open, and others of its own could be among the first three. */
static int keep_ours(struct aside *a)
{
	int out = fcntl(a->out, F_DUPFD_CLOEXEC, FIRST_OTHER);
	int done = fcntl(a->done, F_DUPFD_CLOEXEC, FIRST_OTHER), null;

	if (out < 0 || done < 0)
		return -errno;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return -errno;
	for (int fd = 0; fd < OUT; fd++)
		dup2(null, fd);
	if (dup3(out, OUT, O_CLOEXEC) < 0 || dup3(done, DONE, O_CLOEXEC) < 0 ||
		close_range(FIRST_OTHER, ~0U, 0) < 0)
		return -errno;
	return 0;
}

/* The program's handlers are not to run here, nor is anything to be missed because it ignores it. */
static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* AddressSanitizer has to be told that this is the stack from now on: it only knows the calling thread's. */
static void note_stack(void)
{
#ifdef __SANITIZE_ADDRESS__
	char here = 0;

	__sanitizer_start_switch_fiber(NULL, &here - NEAR, 2 * NEAR);
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
#endif
}

static void live(struct aside *a)
{
	struct answer *answer = a->answer;
	int r;

	note_stack();
	reset_signals();
	setsid();
	r = keep_ours(a);
	if (r < 0)
		lxe_fail(&answer->err, r, "begin");
	else
		r = a->work(a->arg, OUT, &answer->err);
	answer->r = r;
	answer->given = true;
	/* A fork of the program's may hold its copy of the other end open. */
	sys_write(DONE, "", 1);
	_exit(0);
}

static int begin(void *arg)
{
	struct aside *a = arg;
	pid_t pid = fork();

	if (pid == 0)
		live(a);
	a->r = pid < 0 ? -errno : 0;
	return 0;
}

static int await(int done, const struct answer *answer, uint64_t end, struct lxe_err *err)
{
	struct pollfd polled = { .fd = done, .events = POLLIN };
	int r;

	do
		r = poll(&polled, 1, lxe_api_left(end));
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return lxe_fail(err, -ETIMEDOUT, "wait for it to be done");
	if (!answer->given)
		return lxe_fail_msg(err, -EINTR, "what was doing it was killed");
	if (answer->r < 0 && err)
		*err = answer->err;
	return answer->r;
}

static int run(struct aside *a, uint64_t end, struct lxe_err *err)
{
	LXE_AUTOCLOSE int done = -EBADF;
	int ends[2], r = sys_pipe(ends);

	if (r < 0)
		return lxe_fail(err, r, "make a pipe");
	done = ends[0];
	a->done = ends[1];
	r = sys_call_apart(begin, a);
	if (r == 0)
		r = a->r;
	lxe_close(a->done);
	return r < 0 ? lxe_fail(err, r, "start a process") : await(done, a->answer, end, err);
}

int lxe_api_aside(
	lxe_aside_work *work, const void *arg, uint64_t end, int *out, struct lxe_err *err)
{
	LXE_AUTOCLOSE int memory = sys_memfd("lxe-aside", 0);
	struct aside a = { .work = work, .arg = arg, .out = memory };
	int r;

	*out = -EBADF;
	if (memory < 0)
		return lxe_fail(err, memory, "make a file in memory");
	a.answer = mmap(
		NULL, sizeof(*a.answer), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (a.answer == MAP_FAILED)
		return lxe_fail(err, -errno, "begin");
	r = run(&a, end, err);
	munmap(a.answer, sizeof(*a.answer));
	*out = take_fd(&memory);
	return r;
}
