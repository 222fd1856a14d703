#include "client/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/api.h"
#include "client/client.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define END_MS 30000
#define DRAIN_MAX 64 /* times what is read at once: what runs on could print for ever */

static int take_signal(struct lxe_cook *cook, int *signal)
{
	struct signalfd_siginfo info;

	if (sys_read(cook->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	*signal = (int)info.ssi_signo;
	return -ECANCELED;
}

/* -EAGAIN: there is nothing. */
static int take_output(struct lxe_cook *cook)
{
	char text[4096];
	ssize_t n = sys_read(cook->output[0], text, sizeof(text));

	if (n > 0 && cook->said)
		cook->said(cook->arg, text, (size_t)n);
	return n < 0 ? (int)n : 0;
}

/* A terminal that is stopped stops the steps as well, but not the signals. */
static int pass_on(struct lxe_cook *cook, int *signal)
{
	struct pollfd polled[] = {
		{ .fd = cook->sink, .events = POLLOUT },
		{ .fd = cook->signals, .events = POLLIN },
	};

	if (cook->sink >= 0 && poll(polled, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (polled[1].revents && take_signal(cook, signal) < 0)
		return -ECANCELED;
	if (cook->sink >= 0 && !polled[0].revents)
		return 0;
	return take_output(cook);
}

/* What the command has printed before its end. */
static int drain(struct lxe_cook *cook, int *signal)
{
	int r = 0;

	for (int i = 0; r == 0 && i < DRAIN_MAX; i++) {
		struct pollfd polled = { .fd = cook->output[0], .events = POLLIN };

		if (poll(&polled, 1, 0) <= 0)
			return 0;
		r = pass_on(cook, signal);
	}
	return r == -ECANCELED ? r : 0;
}

/* Until the command has ended, or a signal says that it is to. */
static int await(struct lxe_cook *cook, lxe_process *p, int *signal, struct lxe_err *err)
{
	struct lxe_error error = { 0 };
	int r;

	while ((r = lxe_try_wait(p, &error)) == 0) {
		struct pollfd polled[] = {
			{ .fd = lxe_fd(p), .events = POLLIN },
			{ .fd = cook->signals, .events = POLLIN },
			{ .fd = cook->output[0], .events = POLLIN },
		};

		if (poll(polled, 3, -1) < 0 && errno != EINTR)
			return lxe_fail(err, -errno, "wait for a step");
		if (polled[1].revents && take_signal(cook, signal) < 0)
			return -ECANCELED;
		if (polled[2].revents && pass_on(cook, signal) == -ECANCELED)
			return -ECANCELED;
	}
	if (r > 0)
		return drain(cook, signal);
	return lxe_fail_msg(err, r, "%s", error.err.msg);
}

static int fail_public(struct lxe_err *err, int r, const struct lxe_error *error)
{
	if (err)
		*err = error->err;
	return r;
}

/* It reads from a pipe that nobody writes to: it is there for as long as this process. */
static int make_sandbox(struct lxe_cook *cook, struct lxe_err *err)
{
	char *words[] = { "sh", "-c", "read x", NULL }, root[] = "0";
	const struct lxe_spec *from = &cook->req->spec;
	struct lxe_options o = { .dirs = *cook->dirs };
	struct lxe_error error = { 0 };
	int ends[2], r;

	if (sys_pipe(cook->output) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return lxe_fail(err, -errno, "make a pipe");
	/* Of what profiles say only this: what they mount would be missing in the image, or its place be there. */
	o.req.spec = (struct lxe_spec){ .memory = from->memory,
		.pids = from->pids,
		.pids_asked = from->pids_asked,
		.caps = from->caps,
		.limits = from->limits,
		.net = from->net,
		.user = root };
	o.req.spec.argv = (struct lxe_strv){ .v = words, .n = 3 };
	o.req.spec.image = cook->recipe->from;
	o.req.spec.env = cook->recipe->env;
	o.req.spec.tty = LXE_TTY_OFF;
	o.stdio[0] = ends[0];
	o.stdio[1] = o.stdio[2] = cook->output[1];
	/* What steps write may be more than the memory has room for. */
	o.req.spec.settling.on_disk = !from->limits.disk;
	r = lxe_run(&o, -1, &cook->sandbox, &error);
	lxe_close(ends[0]);
	cook->stdin_end = ends[1];
	if (r == 0)
		return 0;
	fail_public(err, r, &error);
	if (r == -ENOENT && error.err.msg[0])
		lxe_hint(err,
			"steps are run by a shell: the image needs a sh, and lxc-exec image ls lists images");
	return r;
}

static int judge(const struct lxe_cook *cook, const struct lxe_step *step, const lxe_process *p,
	struct lxe_err *err)
{
	const char *what = lxe_result_message(p);
	int code = lxe_result_exit_code(p);

	if (code == 0)
		return 0;
	lxe_hint(err, "nothing was built; lxc-exec shell --image %s is a place to try it",
		cook->recipe->from);
	return lxe_fail_msg(err, -EIO, "%s:%u: step '%s' failed with status %d%s%s", cook->name,
		step->line, step->label, code, what[0] ? ": " : "", what);
}

static int run_words(struct lxe_cook *cook, const struct lxe_step *step, char **words, size_t n,
	int input, int *signal, struct lxe_err *err)
{
	struct lxe_options o = { .dirs = *cook->dirs };
	struct lxe_error error = { 0 };
	lxe_process *p = NULL;
	int r;

	lxe_request_init(&o.req);
	o.req.spec.argv = (struct lxe_strv){ .v = words, .n = n };
	o.req.spec.tty = LXE_TTY_OFF;
	o.stdio[0] = input;
	o.stdio[1] = o.stdio[2] = cook->output[1];
	r = lxe_exec(cook->sandbox, &o, -1, &p, &error);
	o.req.spec.argv = (struct lxe_strv){ 0 };
	lxe_request_release(&o.req);
	if (r < 0)
		return fail_public(err, r, &error);
	r = await(cook, p, signal, err);
	if (r == 0)
		r = judge(cook, step, p, err);
	lxe_process_close(p);
	return r;
}

static int run(struct lxe_cook *cook, const struct lxe_step *step, int *signal, struct lxe_err *err)
{
	char *words[] = { "sh", "-c", step->text };

	return run_words(cook, step, words, 3, -1, signal, err);
}

/* What the sandbox gets is a pipe: it could open a descriptor of a file that everybody may write to again. */
__attribute__((noreturn)) static void feed_file(int file, int output)
{
	char *const argv[] = { "cat", NULL }, *const envp[] = { NULL };

	if (dup2(file, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0) {
		execve("/usr/bin/cat", argv, envp);
		execve("/bin/cat", argv, envp);
	}
	_exit(127);
}

__attribute__((noreturn)) static void feed_directory(int dir, int output)
{
	static const char *const argv[] = { "tar", "--create", "--file=-", "--format=gnu",
		"--owner=0", "--group=0", "--numeric-owner", ".", NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", NULL };

	if (fchdir(dir) == 0 && dup2(output, STDOUT_FILENO) >= 0) {
		execve("/usr/bin/tar", (char *const *)argv, envp);
		execve("/bin/tar", (char *const *)argv, envp);
	}
	_exit(127);
}

/* A program, and not a fork: that had all that is ours open, and the sandbox would outlive us by it. */
static pid_t start_feeder(int from, bool is_directory, int output)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid < 0 ? -errno : pid;
	signal(SIGPIPE, SIG_DFL);
	if (is_directory)
		feed_directory(from, output);
	feed_file(from, output);
}

static int copy_from(struct lxe_cook *cook, const struct lxe_step *step, int from,
	const struct stat *st, int *signal, struct lxe_err *err)
{
	static const char file[] = "set -e; umask 022; mkdir -p \"${1%/*}/\"; rm -f \"$1\"; "
				   "cat >\"$1\"; chmod \"$2\" \"$1\"";
	static const char directory[] =
		"set -e; umask 022; mkdir -p \"$1\"; cd \"$1\"; exec tar -x -o -f -";
	bool is_directory = S_ISDIR(st->st_mode);
	char octal[16], *words[] = { "sh", "-c", (char *)(is_directory ? directory : file), "copy",
		step->dst, octal };
	int ends[2], status = 0, r;
	pid_t pid;

	snprintf(octal, sizeof(octal), "%o", step->mode ? step->mode : st->st_mode & 0777);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return lxe_fail(err, -errno, "make a pipe");
	pid = start_feeder(from, is_directory, ends[1]);
	close(ends[1]);
	r = pid < 0 ? lxe_fail(err, pid, "start what reads it")
		    : run_words(cook, step, words, 6, ends[0], signal, err);
	close(ends[0]);
	if (pid > 0 && sys_wait(pid, &status) == 0 && status != 0 && r == 0)
		r = lxe_fail_msg(err, -EIO, "%s:%u: step '%s': '%s' cannot be read", cook->name,
			step->line, step->label, step->src);
	return r;
}

static int copy(
	struct lxe_cook *cook, const struct lxe_step *step, int *signal, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(step->src, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return lxe_fail(err, -errno, "%s:%u: step '%s': open '%s'", cook->name, step->line,
			step->label, step->src);
	if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode))
		return copy_from(cook, step, fd, &st, signal, err);
	return lxe_fail_msg(err, -EINVAL,
		"%s:%u: step '%s': '%s' is neither a file nor a directory", cook->name, step->line,
		step->label, step->src);
}

int lxe_cook(struct lxe_cook *cook, int *signal, struct lxe_err *err)
{
	int r;

	cook->signals = cook->stdin_end = cook->output[0] = cook->output[1] = -EBADF;
	cook->sandbox = NULL;
	/* Its image may have to be built first: until then a signal ends us, and with us all of it. */
	r = make_sandbox(cook, err);
	if (r == 0)
		r = lxe_client_watch_signals(&cook->signals, err);
	for (size_t i = 0; r == 0 && i < cook->recipe->n; i++) {
		const struct lxe_step *step = &cook->recipe->v[i];

		if (cook->begins)
			cook->begins(cook->arg, step, i + 1);
		switch (step->kind) {
		case LXE_STEP_RUN:
			r = run(cook, step, signal, err);
			break;
		case LXE_STEP_COPY:
			r = copy(cook, step, signal, err);
			break;
		}
	}
	return r;
}

int lxe_cook_archive(struct lxe_cook *cook, struct lxe_archive *ret, struct lxe_err *err)
{
	pid_t pid = lxe_pid(lxe_sandbox_process(cook->sandbox));

	*ret = (struct lxe_archive){ .output = -EBADF, .said = -EBADF };
	if (pid <= 0)
		return lxe_fail_msg(err, -ECANCELED, "the sandbox of the steps has ended");
	return lxe_archive_begin(ret, pid, err);
}

void lxe_cook_end(struct lxe_cook *cook)
{
	if (cook->sandbox) {
		lxe_destroy(cook->sandbox, END_MS, NULL);
		lxe_sandbox_close(cook->sandbox);
	}
	cook->sandbox = NULL;
	lxe_drop_fd(&cook->stdin_end);
	lxe_drop_fd(&cook->output[0]);
	lxe_drop_fd(&cook->output[1]);
	lxe_drop_fd(&cook->signals);
}
