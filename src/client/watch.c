/* Looking at a sandbox's terminal: everything comes as messages, nothing could be written. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/attach.h"
#include "client/join.h"
#include "store/sandbox.h"
#include "sys/brief.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "terminal/log.h"
#include "terminal/rawtty.h"
#include "terminal/screen.h"

#define INTERRUPT 3 /* Ctrl-C, which the raw terminal passes on */

enum { CONTROL, SIGNALS, IN, OUT, N_POLLED };

struct watch {
	int control, signals, in, out;
	bool draws; /* a terminal shows it; else it is text */
	struct lxe_detach detach;
	struct lxe_screen *screen; /* while the snapshot comes */
	uint64_t missing;	   /* bytes of the snapshot */
	bool whole;		   /* there was one */
	bool once;		   /* the snapshot is all that is wanted */
	struct lxe_log *log;
	char *pending; /* for `out`, which may be slow */
	size_t len, done;
	int signal;
	bool over, left;
	struct lxe_outcome *outcome;
	struct lxe_err *err;
};

static int append(struct watch *w, const void *bytes, size_t n)
{
	char *grown;

	if (!n)
		return 0;
	grown = realloc(w->pending, w->len + n);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + w->len, bytes, n);
	w->pending = grown;
	w->len += n;
	return 0;
}

static int append_owned(struct watch *w, int r, char *bytes, size_t n)
{
	if (r == 0)
		r = append(w, bytes, n);
	free(bytes);
	return r;
}

/* All that was there is here: draw it, or say it. */
static int show_snapshot(struct watch *w)
{
	char *bytes = NULL;
	size_t len = 0;
	int r = 0;

	w->whole = true;
	if (w->draws || w->once) {
		r = w->draws ? lxe_screen_redraw(w->screen, &bytes, &len)
			     : lxe_screen_text(w->screen, &bytes, &len);
		r = append_owned(w, r, bytes, len);
	}
	lxe_screen_free(w->screen);
	w->screen = NULL;
	w->over = w->once;
	return r;
}

static int log_bytes(struct watch *w, const unsigned char *bytes, size_t n)
{
	const char *text;
	size_t len;
	int r = lxe_log_feed(w->log, bytes, n, &text, &len);

	return r < 0 ? r : append(w, text, len);
}

static int take_snapshot(struct watch *w, const struct lxe_msg *msg)
{
	struct lxe_modes modes;
	int r;

	memcpy(&modes, msg->modes, sizeof(modes));
	lxe_modes_repair(&modes, msg->rows, msg->cols);
	w->missing = msg->size;
	lxe_screen_free(w->screen);
	w->screen = NULL;
	if (w->log) {
		w->whole = true;
		lxe_log_begin(w->log, &modes);
		return 0;
	}
	r = lxe_screen_new(&w->screen, msg->rows ? msg->rows : 24, msg->cols ? msg->cols : 80);
	if (r == 0)
		lxe_screen_begin(w->screen, &modes);
	return r == 0 && !w->missing ? show_snapshot(w) : r;
}

static int take_data(struct watch *w, const struct lxe_msg *msg)
{
	size_t of_snapshot = msg->n_bytes < w->missing ? msg->n_bytes : (size_t)w->missing;
	int r = 0;

	if (w->log)
		return log_bytes(w, msg->bytes, msg->n_bytes);
	if (of_snapshot) {
		lxe_screen_feed(w->screen, msg->bytes, of_snapshot);
		w->missing -= of_snapshot;
		if (!w->missing)
			r = show_snapshot(w);
	}
	if (r == 0 && w->draws)
		r = append(w, msg->bytes + of_snapshot, msg->n_bytes - of_snapshot);
	return r;
}

static int take_message(struct watch *w)
{
	struct lxe_msg msg;
	int r = lxe_msg_recv(w->control, &msg);

	if (r <= 0) {
		w->over = true;
		return lxe_fail(w->err, r < 0 ? r : -ECONNRESET, "hear from the sandbox's keeper");
	}
	r = 0;
	if (msg.type == LXE_MSG_SNAPSHOT) {
		r = take_snapshot(w, &msg);
	} else if (msg.type == LXE_MSG_DATA) {
		r = take_data(w, &msg);
	} else if (msg.type == LXE_MSG_DONE) {
		*w->outcome = msg.outcome;
		w->over = true;
	}
	lxe_msg_release(&msg);
	return r < 0 ? lxe_fail(w->err, r, "show the terminal") : 0;
}

static void take_keys(struct watch *w)
{
	unsigned char keys[256];
	ssize_t n = sys_read(w->in, keys, sizeof(keys));

	if (n == -EAGAIN)
		return;
	w->left = n <= 0 || memchr(keys, INTERRUPT, (size_t)n) ||
		  lxe_detach_feed(&w->detach, keys, (size_t)n).detached;
}

static void take_signal(struct watch *w)
{
	struct signalfd_siginfo info;

	if (sys_read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		w->signal = (int)info.ssi_signo;
		w->left = true;
	}
}

static int put_pending(struct watch *w)
{
	ssize_t n = sys_write_brief(w->out, w->pending + w->done, w->len - w->done);

	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return lxe_fail(w->err, (int)n, "write to standard output");
	w->done += (size_t)n;
	if (w->done == w->len)
		w->len = w->done = 0;
	return 0;
}

/* As a write would tell, which there may not be for long. */
static int reader_gone(struct watch *w)
{
	return lxe_fail(w->err, -EPIPE, "write to standard output");
}

static int loop(struct watch *w)
{
	int r = 0;

	while (r == 0 && !w->left && !(w->over && !w->len)) {
		struct pollfd polled[N_POLLED] = {
			/* One message at a time: who is slow falls behind at the other end. */
			[CONTROL] = { .fd = w->len || w->over ? -1 : w->control, .events = POLLIN },
			[SIGNALS] = { .fd = w->signals, .events = POLLIN },
			[IN] = { .fd = w->in, .events = POLLIN },
			/* Asked for nothing it still tells that nobody reads any more. */
			[OUT] = { .fd = w->out, .events = w->len ? POLLOUT : 0 },
		};

		if (poll(polled, N_POLLED, -1) < 0) {
			if (errno == EINTR)
				continue;
			return lxe_fail(w->err, -errno, "wait for events");
		}
		if (polled[SIGNALS].revents)
			take_signal(w);
		if (polled[IN].revents)
			take_keys(w);
		if (polled[OUT].revents)
			r = w->len ? put_pending(w) : reader_gone(w);
		if (r == 0 && polled[CONTROL].revents)
			r = take_message(w);
	}
	return r;
}

static int listen_to_signals(struct watch *w)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < SYS_N_FATAL; i++)
		sigaddset(&set, sys_fatal[i]);
	signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lxe_fail(w->err, -errno, "block signals");
	w->signals = sys_signalfd(sys_fatal, SYS_N_FATAL);
	return w->signals < 0 ? lxe_fail(w->err, w->signals, "receive signals") : 0;
}

static int begin(struct watch *w, const struct lxe_place *place)
{
	struct lxe_msg msg;
	int r;

	r = listen_to_signals(w);
	if (r < 0)
		return r;
	w->control = lxe_join(place, LXE_ROLE_WATCH, w->err);
	if (w->control < 0)
		return w->control;
	lxe_msg_init(&msg, LXE_MSG_WATCH);
	r = lxe_msg_send(w->control, &msg);
	return r < 0 ? lxe_fail(w->err, r, "talk to sandbox '%s'", place->id) : loop(w);
}

static void end(struct watch *w)
{
	lxe_screen_free(w->screen);
	lxe_log_free(w->log);
	free(w->pending);
	lxe_drop_fd(&w->control);
	lxe_drop_fd(&w->signals);
}

/* Undo what the command's program has set on our terminal, of which we know too little here. */
static void leave_terminal(int out)
{
	static const char sane[] = "\033[?1049l\033[?1000l\033[?1002l\033[?1003l\033[?1006l"
				   "\033[?2004l\033[?1l\033>\033[?25h\033[0m\r\n";

	sys_write_within(out, sane, sizeof(sane) - 1, SYS_STALLED_MS);
}

int lxe_client_watch(const struct lxe_place *place, const struct lxe_attach *how,
	enum lxe_left *left, struct lxe_outcome *outcome, struct lxe_err *err)
{
	struct lxe_rawtty tty = { .fd = -EBADF };
	struct watch w = { .control = -EBADF,
		.signals = -EBADF,
		.in = STDIN_FILENO,
		.draws = true,
		.detach = { .keys = how->keys },
		.outcome = outcome,
		.err = err };
	bool nonblocking;
	int r = 0;

	w.out = lxe_reopen(STDOUT_FILENO, O_WRONLY, &nonblocking);
	if (w.out < 0)
		return lxe_fail(err, w.out, "open stdout");
	/* What is no terminal has nothing to say to somebody who only looks. */
	if (isatty(STDIN_FILENO))
		r = lxe_rawtty_prepare(&tty, STDIN_FILENO, err);
	else
		w.in = -EBADF;
	if (r == 0) {
		lxe_rawtty_again(&tty);
		r = begin(&w, place);
	}
	lxe_rawtty_leave(&tty);
	if (w.whole)
		leave_terminal(w.out);
	*left = w.left ? LXE_LEFT_DETACHED : LXE_LEFT_ENDED;
	if (w.signal) {
		outcome->cause = LXE_CAUSE_KILLED;
		outcome->signal = w.signal;
		*left = LXE_LEFT_ENDED;
	}
	end(&w);
	lxe_close(w.out);
	return r;
}

/* Of one that has ended. */
static int kept_logs(const struct lxe_place *place, int out, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);
	LXE_AUTOFREE unsigned char *file = NULL;
	LXE_AUTOFREE char *text = NULL;
	struct lxe_screen *screen = NULL;
	struct lxe_modes modes;
	size_t size = 0, len = 0;
	int r;

	r = dir < 0 ? dir : lxe_sandbox_get(dir, LXE_SANDBOX_SCROLLBACK, &file, &size);
	if (r == -ENOENT)
		return lxe_fail_msg(err, r, "logs: sandbox '%s' has kept no output", place->id);
	if (r == 0 && size < LXE_MODES_MAX)
		r = -EBADMSG;
	if (r == 0)
		r = lxe_screen_new(&screen, 24, 80);
	if (r == 0) {
		memcpy(&modes, file, sizeof(modes));
		lxe_modes_repair(&modes, 24, 80);
		lxe_screen_begin(screen, &modes);
		lxe_screen_feed(screen, file + LXE_MODES_MAX, size - LXE_MODES_MAX);
		r = lxe_screen_text(screen, &text, &len);
	}
	lxe_screen_free(screen);
	if (r == 0)
		r = sys_write_all(out, text, len);
	return r < 0 ? lxe_fail(err, r, "print the output of sandbox '%s'", place->id) : 0;
}

int lxe_client_logs(const struct lxe_place *place, bool follow, int out, struct lxe_err *err)
{
	struct lxe_outcome outcome = { 0 };
	struct watch w = { .control = -EBADF,
		.signals = -EBADF,
		.in = -EBADF,
		.out = out,
		.once = !follow,
		.outcome = &outcome,
		.err = err };
	struct lxe_info info = { 0 };
	const char *text = NULL;
	size_t len = 0;
	bool owned;
	int r;

	r = lxe_registry_read(place, &info);
	owned = r == 0 && info.owned;
	lxe_info_release(&info);
	if (!owned)
		return kept_logs(place, out, err);
	if (follow)
		r = lxe_log_new(&w.log);
	if (r == 0)
		r = begin(&w, place);
	if (r == 0 && w.log && lxe_log_end(w.log, &text, &len) == 0)
		r = sys_write_all(out, text, len);
	if (r == 0 && !w.whole && outcome.message[0])
		r = lxe_fail_msg(err, -ENOTTY, "%s", outcome.message);
	end(&w);
	return r;
}
