#include "container/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define LINE_MAX_KEPT 400
#define NOT_FOUND 127

struct running {
	const struct lxe_pipeline *p;
	pid_t pids[LXE_STAGES_MAX];
	int statuses[LXE_STAGES_MAX];
	char line[LINE_MAX_KEPT]; /* the first that was printed */
	size_t used;
	bool complete;
};

static const char *name_of(const struct lxe_stage *s)
{
	return s->argv ? s->argv[0] : "lxc-exec";
}

/* Their status tells a program that is missing from one that has failed. */
static int run_stage(const struct lxe_stage *s, const char *cwd, int in, int out, int notes)
{
	int r = 0;

	if ((in >= 0 && dup2(in, 0) < 0) || (out >= 0 && dup2(out, 1) < 0) || dup2(notes, 2) < 0)
		return -errno;
	if (cwd && chdir(cwd) < 0)
		return -errno;
	if (!s->argv) {
		r = s->main(s->arg);
		return r == -EPIPE ? 0 : r;
	}
	execvp(s->argv[0], (char *const *)s->argv);
	return -errno;
}

static int start_stage(struct running *run, size_t i, int in, int out, int notes)
{
	const struct lxe_stage *s = &run->p->stages[i];
	struct lxe_err err = { 0 };
	pid_t pid = fork();
	int r;

	if (pid < 0)
		return -errno;
	run->pids[i] = pid;
	if (pid > 0)
		return 0;
	signal(SIGPIPE, s->argv ? SIG_DFL : SIG_IGN);
	r = run_stage(s, run->p->cwd, in, out, notes);
	if (r < 0 && !(s->argv && r == -ENOENT)) {
		lxe_fail(&err, r, "%s", name_of(s));
		dprintf(notes, "%s\n", err.msg);
	}
	_exit(r == 0 ? 0 : r == -ENOENT ? NOT_FOUND : 1);
}

static int start_all(struct running *run, int notes)
{
	LXE_AUTOCLOSE int in = -EBADF;
	int ends[2], r = 0;

	for (size_t i = 0; r == 0 && i < run->p->n; i++) {
		LXE_AUTOCLOSE int out = -EBADF;
		bool last = i + 1 == run->p->n;

		if (!last && (r = sys_pipe(ends)) < 0)
			return r;
		if (!last)
			out = ends[1];
		r = start_stage(run, i, i ? in : run->p->input, last ? run->p->output : out, notes);
		lxe_drop_fd(&in);
		if (!last)
			in = ends[0];
	}
	return r;
}

static void keep_line(struct running *run, const char *buf, size_t n)
{
	for (size_t i = 0; i < n && !run->complete; i++) {
		/* What ends so was only a step on the way. */
		if (buf[i] == '\r')
			run->used = 0;
		else if (buf[i] == '\n' && run->used)
			run->complete = true;
		else if (buf[i] != '\n' && run->used < sizeof(run->line))
			run->line[run->used++] = buf[i];
	}
}

static int listen_to(struct running *run, int notes)
{
	char buf[4096];
	ssize_t n;

	while ((n = sys_read(notes, buf, sizeof(buf))) > 0) {
		keep_line(run, buf, (size_t)n);
		sys_write_all(STDERR_FILENO, buf, (size_t)n);
	}
	return (int)n;
}

static void reap_all(struct running *run, bool kill_them)
{
	for (size_t i = 0; i < run->p->n; i++) {
		if (run->pids[i] <= 0)
			continue;
		if (kill_them)
			kill(run->pids[i], SIGKILL);
		sys_wait(run->pids[i], &run->statuses[i]);
	}
}

/* Of one whose reader has ended before it, the reader's end says what happened. */
static bool has_failed(int status, bool last)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		return last;
	return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int describe(const struct lxe_stage *s, int status, const char *line, struct lxe_err *err)
{
	if (s->argv && WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
		lxe_hint(err, "apt-get install %s", s->package ? s->package : s->argv[0]);
		return lxe_fail_msg(err, -ENOENT, "the program '%s' is not installed", s->argv[0]);
	}
	if (line[0])
		return lxe_fail_msg(err, -EIO, "%s", line);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		return lxe_fail(err, -EPIPE, "write what %s makes", name_of(s));
	if (WIFSIGNALED(status))
		return lxe_fail_msg(
			err, -EIO, "%s was ended by signal %d", name_of(s), WTERMSIG(status));
	return lxe_fail_msg(err, -EIO, "%s ended with status %d", name_of(s), WEXITSTATUS(status));
}

int lxe_pipeline_run(const struct lxe_pipeline *p, char *line, size_t size, struct lxe_err *err)
{
	struct running run = { .p = p };
	char text[LINE_MAX_KEPT];
	int notes[2], r;

	r = sys_pipe(notes);
	if (r < 0)
		return lxe_fail(err, r, "run %s", name_of(&p->stages[0]));
	r = start_all(&run, notes[1]);
	lxe_close(notes[1]);
	if (r == 0)
		r = listen_to(&run, notes[0]);
	reap_all(&run, r < 0);
	lxe_close(notes[0]);
	if (r < 0)
		return lxe_fail(err, r, "run %s", name_of(&p->stages[0]));
	lxe_excerpt(text, sizeof(text), run.line, run.used);
	if (line)
		lxe_format(line, size, "%s", text);
	for (size_t i = 0; i < p->n; i++)
		if (has_failed(run.statuses[i], i + 1 == p->n))
			return describe(&p->stages[i], run.statuses[i], text, err);
	return 0;
}
