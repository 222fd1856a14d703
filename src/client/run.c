/* One run from start to end. See client.h. */
#include "client/client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/network.h"
#include "client/secrets.h"
#include "client/seccomp.h"
#include "client/session.h"
#include "keeper/teardown.h"
#include "sys/fd.h"
#include "sys/proc.h"

/* A dead keeper's lock lasts until its last child has noticed; somebody else may hold it as well. */
#define CLAIM_MS 30000

static bool is_ignored(int signal)
{
	struct sigaction action;

	return sigaction(signal, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

/*
 * What a caller like nohup(1) has made us ignore stays ignored. Without a terminal of our own to
 * care for, a stop is the kernel's business.
 */
static int block_signals(struct lxe_session *s, struct lxe_err *err)
{
	static const int terminal[] = { SIGWINCH, SIGTSTP, SIGCONT };
	int wanted[SYS_N_FATAL + 4], n = 0;
	sigset_t set;

	wanted[n++] = SIGCHLD;
	for (size_t i = 0; i < SYS_N_FATAL; i++)
		if (!is_ignored(sys_fatal[i]))
			wanted[n++] = sys_fatal[i];
	for (size_t i = 0; i < 3 && s->spec->tty == LXE_TTY_ON; i++)
		wanted[n++] = terminal[i];
	sigemptyset(&set);
	for (int i = 0; i < n; i++)
		sigaddset(&set, wanted[i]);
	/* A caller that ignores SIGCHLD would have the kernel reap our keeper. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return lxe_fail(err, -errno, "block signals");
	s->signals = sys_signalfd(wanted, (size_t)n);
	return s->signals < 0 ? lxe_fail(err, s->signals, "receive signals") : 0;
}

static int make_timers(struct lxe_session *s, struct lxe_err *err)
{
	s->deadline = sys_timer();
	s->probe = sys_timer();
	if (s->deadline < 0 || s->probe < 0)
		return lxe_fail(err, -EMFILE, "make timers");
	return 0;
}

/*
 * The command has the caller's stdin and stdout now; with copies of ours, its peers would see end of
 * file and EPIPE later than they do without us.
 */
static void let_go_of_stdio(bool output)
{
	LXE_AUTOCLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		if (output)
			dup2(null, STDOUT_FILENO);
	}
}

void lxe_session_give_stdio(const struct lxe_session *s, struct lxe_msg *msg)
{
	msg->fds[LXE_FD_RESULT] = s->result;
	msg->fds[LXE_FD_LEARN] = s->learn;
	if (s->spec->tty == LXE_TTY_ON) {
		msg->fds[LXE_FD_TTY] = s->tty.fd;
		msg->tty_saved = s->tty.saved;
		msg->tty_raw = s->tty.raw;
	} else {
		msg->fds[LXE_FD_STDIN] = STDIN_FILENO;
		msg->fds[LXE_FD_STDOUT] = STDOUT_FILENO;
		msg->fds[LXE_FD_STDERR] = STDERR_FILENO;
		msg->fds[LXE_FD_SPILL] = s->spill;
	}
}

static int begin(struct lxe_session *s, struct lxe_err *err)
{
	int r;

	if (s->kind == LXE_SESSION_ATTACH)
		r = lxe_session_attach(s, err);
	else if (s->kind == LXE_SESSION_EXEC)
		r = lxe_session_join(s, err);
	else
		r = lxe_session_make(s, err);
	if (r < 0)
		return r;
	/* The keeper has what it takes to restore the terminal before there is anything to restore. */
	if (s->spec->tty == LXE_TTY_ON)
		lxe_rawtty_again(&s->tty);
	else if (s->kind != LXE_SESSION_CREATE)
		let_go_of_stdio(!s->spec->output_limit);
	/* From here on the lock is the keeper's alone: with its end the record belongs to nobody. */
	lxe_sandbox_release(&s->sandbox);
	return lxe_session_loop(s, err);
}

static int prepare(struct lxe_session *s, struct lxe_err *err)
{
	int r = 0;

	if (s->spec->result) {
		s->result = lxe_client_open_result(s->spec->result, err);
		if (s->result < 0)
			return s->result;
	}
	/* Whoever gives them through a pipe may be waited for: Ctrl-C ends that. */
	if (s->kind == LXE_SESSION_RUN || s->kind == LXE_SESSION_CREATE)
		r = lxe_secrets_open(&s->spec->secrets, true, &s->secrets, err);
	if (r == 0 && (s->kind == LXE_SESSION_RUN || s->kind == LXE_SESSION_CREATE))
		r = lxe_client_settle_network(&s->spec->net, err);
	if (r == 0)
		r = lxe_session_prepare_output(s, err);
	if (r == 0 && s->kind != LXE_SESSION_EXEC)
		r = lxe_client_read_seccomp(&s->spec->seccomp_text, s->spec, err);
	if (r == 0 && s->kind == LXE_SESSION_RUN)
		r = lxe_client_open_learn(&s->learn, s->spec, err);
	if (r == 0)
		r = block_signals(s, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return lxe_fail(err, -errno, "become a subreaper");
	r = make_timers(s, err);
	if (r < 0)
		return r;
	if (s->kind != LXE_SESSION_CREATE)
		r = lxe_session_open_terminal(s, err);
	else if (s->spec->tty == LXE_TTY_ON)
		lxe_session_note_size(s);
	return r < 0 ? r : begin(s, err);
}

static const char *id_of(const struct lxe_session *s)
{
	return s->place.id[0] ? s->place.id : s->sandbox.id;
}

static void describe_failure(struct lxe_session *s, const struct lxe_err *err)
{
	struct lxe_outcome *o = s->outcome;

	snprintf(o->id, sizeof(o->id), "%s", id_of(s));
	if (s->spec->name)
		snprintf(o->name, sizeof(o->name), "%s", s->spec->name);
	if (s->signal) {
		o->cause = LXE_CAUSE_KILLED;
		o->signal = s->signal;
	} else if (err->code) {
		lxe_outcome_take_err(o, err);
	} else if (WIFSIGNALED(s->keeper_status)) {
		snprintf(o->message, sizeof(o->message),
			"the keeper of sandbox '%s' was killed by signal %d", s->sandbox.id,
			WTERMSIG(s->keeper_status));
	} else {
		snprintf(o->message, sizeof(o->message),
			"the keeper of sandbox '%s' ended without an answer", id_of(s));
		if (s->place.id[0])
			snprintf(o->hint, sizeof(o->hint), "lxc-exec ps shows what runs");
	}
}

/* Its keeper may have died behind the record that it wrote; in a file of ours there is one object. */
static void empty_result(const struct lxe_session *s)
{
	struct stat st;

	if (s->result < 0 || lxe_starts_with(s->spec->result, "fd:"))
		return;
	if (fstat(s->result, &st) == 0 && S_ISREG(st.st_mode) && ftruncate(s->result, 0) == 0)
		lseek(s->result, 0, SEEK_SET);
}

/* The keeper is gone and has not torn down: the record is ours to replay. */
static void tear_down(struct lxe_session *s)
{
	struct lxe_teardown t = {
		.sandbox = &s->sandbox,
		.outcome = s->outcome,
		.result = s->result,
		.keep = s->spec->keep && (s->started || s->place.id[0]),
		.run = s->dirs->run,
	};
	char id[LXE_ID_LEN + 1];
	int r;

	memcpy(id, s->sandbox.id, sizeof(id));
	lxe_sandbox_release(&s->sandbox);
	r = lxe_sandbox_claim(&s->sandbox,
		lxe_spec_on_disk(s->spec) ? s->dirs->state : s->dirs->run, id, CLAIM_MS, NULL);
	if (r == 0) {
		t.keep |= lxe_session_is_marked(s);
		lxe_teardown(&t);
		return;
	}
	/* -ENOENT: somebody else was quicker. */
	s->outcome->teardown_ok = r == -ENOENT;
	if (s->result >= 0)
		lxe_outcome_write(s->outcome, s->result, NULL);
}

static void close_all(struct lxe_session *s)
{
	lxe_sandbox_release(&s->sandbox);
	lxe_session_close_output(s);
	lxe_drop_fd(&s->control);
	lxe_drop_fd(&s->signals);
	lxe_drop_fd(&s->result);
	lxe_drop_fd(&s->learn);
	lxe_drop_fd(&s->changes);
	lxe_drop_fd(&s->deadline);
	lxe_drop_fd(&s->probe);
	lxe_drop_fd(&s->secrets);
	lxe_drop_fd(&s->bell);
}

static void finish(struct lxe_session *s, const struct lxe_err *err)
{
	struct lxe_msg bye;

	/* First of all: whatever takes time below, the caller's terminal is his again. */
	if (s->leave)
		s->leave(s);
	lxe_session_close_terminal(s);
	lxe_session_show_changes(s);
	lxe_msg_init(&bye, LXE_MSG_BYE);
	if (s->detached) {
		lxe_msg_send(s->control, &bye);
		return;
	}
	if (s->has_outcome && s->control >= 0)
		lxe_msg_send(s->control, &bye);
	lxe_session_end_keeper(s);
	if (!s->has_outcome) {
		lxe_session_save_output(s);
		describe_failure(s, err);
		empty_result(s);
		if (s->sandbox.id[0])
			tear_down(s); /* EXEC has none: it is its next visitor's */
		else if (s->result >= 0)
			lxe_outcome_write(s->outcome, s->result, NULL);
	}
	/* A keeper that failed before it had taken the sandbox over names none: it is still ours. */
	if (s->has_outcome && !s->outcome->id[0] && s->sandbox.id[0]) {
		memcpy(s->outcome->id, s->sandbox.id, sizeof(s->outcome->id));
		tear_down(s);
	}
}

static void resolve_tty(struct lxe_session *s)
{
	bool both = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);

	if (s->spec->tty != LXE_TTY_AUTO)
		return;
	/* Whoever is created to live on must not hold the caller's pipes open. */
	s->spec->tty = both || s->kind == LXE_SESSION_CREATE ? LXE_TTY_ON : LXE_TTY_OFF;
}

int lxe_session_run(struct lxe_session *s, struct lxe_err *err)
{
	struct lxe_err failure = { 0 };
	int r;

	s->begun_us = sys_now_us();
	s->sandbox = LXE_SANDBOX_NONE;
	s->control = s->signals = s->result = s->deadline = s->probe = -EBADF;
	s->in = s->out = s->master = s->procs = s->tty.fd = s->bell = s->secrets = s->spill =
		s->learn = s->changes = -EBADF;
	*s->outcome = (struct lxe_outcome){
		.cause = LXE_CAUSE_ERROR, .bytes_out = -1, .teardown_ok = true
	};
	resolve_tty(s);
	r = prepare(s, &failure);
	finish(s, &failure);
	close_all(s);
	if (r < 0 && err)
		*err = failure;
	return r;
}

int lxe_client_run(struct lxe_spec *spec, const struct lxe_dirs *dirs, struct lxe_outcome *outcome,
	struct lxe_err *err)
{
	struct lxe_session s = {
		.kind = LXE_SESSION_RUN, .spec = spec, .dirs = dirs, .outcome = outcome
	};

	return lxe_session_run(&s, err);
}

pid_t lxe_client_create_again(struct lxe_spec *spec, const struct lxe_dirs *dirs,
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_session s = { .kind = LXE_SESSION_CREATE,
		.spec = spec,
		.dirs = dirs,
		.place = *place,
		.outcome = outcome };
	int r = lxe_session_run(&s, err);

	return r < 0 ? r : s.created;
}

pid_t lxe_client_create(struct lxe_spec *spec, const struct lxe_dirs *dirs,
	struct lxe_outcome *outcome, struct lxe_err *err)
{
	const struct lxe_place nowhere = { 0 };

	return lxe_client_create_again(spec, dirs, &nowhere, outcome, err);
}

int lxe_client_exec(struct lxe_spec *spec, const struct lxe_dirs *dirs,
	const struct lxe_place *place, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_session s = { .kind = LXE_SESSION_EXEC,
		.spec = spec,
		.dirs = dirs,
		.place = *place,
		.outcome = outcome };

	return lxe_session_run(&s, err);
}
