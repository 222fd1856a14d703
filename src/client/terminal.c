/* The terminal's side of a session: raw mode, window size, relay and gate. See session.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/session.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define GATE_PROCESSES 64
/* A program that is up for so long and neither prints nor reads is one that a Ctrl-C is meant for. */
#define GATE_SIGNAL_MS 300

static void caller_size(uint16_t *rows, uint16_t *cols)
{
	*rows = 0;
	*cols = 0;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && *cols == 0; fd++)
		lxe_rawtty_size(fd, rows, cols);
}

void lxe_session_note_size(struct lxe_session *s)
{
	caller_size(&s->spec->rows, &s->spec->cols);
}

int lxe_session_open_terminal(struct lxe_session *s, struct lxe_err *err)
{
	bool nonblocking;

	if (s->spec->tty != LXE_TTY_ON)
		return 0;
	lxe_session_note_size(s);
	s->in = lxe_reopen(STDIN_FILENO, O_RDONLY, &nonblocking);
	if (s->in < 0)
		return lxe_fail(err, s->in, "open stdin");
	s->out = lxe_reopen(STDOUT_FILENO, O_WRONLY, &nonblocking);
	if (s->out < 0)
		return lxe_fail(err, s->out, "open stdout");
	if (isatty(STDIN_FILENO))
		return lxe_rawtty_prepare(&s->tty, STDIN_FILENO, err);
	return 0;
}

void lxe_session_resize(struct lxe_session *s)
{
	struct winsize ws = { 0 };

	if (s->master < 0)
		return;
	caller_size(&ws.ws_row, &ws.ws_col);
	if (ws.ws_col > 0)
		ioctl(s->master, TIOCSWINSZ, &ws); /* the kernel sends SIGWINCH to those inside */
}

/* What runs is up, and somebody may have left input for it. */
static void begin_attached(struct lxe_session *s, int input)
{
	LXE_AUTOFREE char *bytes = NULL;
	size_t n = 0;

	lxe_relay_set_detach(s->relay, &s->attach->keys);
	lxe_relay_open_gate(s->relay);
	if (input >= 0 && sys_read_whole(input, LXE_RELAY_INPUT_MAX, &bytes, &n) == 0)
		lxe_relay_preload(s->relay, (unsigned char *)bytes, n);
}

int lxe_session_start_relay(struct lxe_session *s, struct lxe_msg *started)
{
	int r;

	s->master = take_fd(&started->fds[LXE_FD_MASTER]);
	s->procs = take_fd(&started->fds[LXE_FD_PROCS]);
	r = lxe_ring_map(&s->ring, started->fds[LXE_FD_RING]);
	if (r == 0 && s->kind == LXE_SESSION_ATTACH)
		r = lxe_session_redraw(s);
	if (r == 0)
		r = lxe_relay_new(&s->relay, s->in, s->out, s->master, s->ring);
	if (r == 0 && s->governor)
		lxe_relay_govern(s->relay, s->governor);
	if (r == 0 && s->kind == LXE_SESSION_ATTACH)
		begin_attached(s, started->fds[LXE_FD_INPUT]);
	s->started_ms = sys_now_ms();
	if (r == 0)
		r = lxe_gate_new(&s->gate, s->started_ms);
	/* The window may have changed since its size was put into the spec. */
	lxe_session_resize(s);
	return r;
}

static void look_inside(struct lxe_session *s)
{
	struct lxe_gate_process processes[GATE_PROCESSES];
	struct lxe_gate_sample sample = { .now_ms = sys_now_ms(), .processes = processes };
	int n;

	n = lxe_gate_sample_take(s->master, s->procs, &sample.canonical, processes, GATE_PROCESSES);
	sample.n_processes = n > 0 ? (size_t)n : 0;
	/* A master that tells nothing has nobody at its other end to be protected. */
	if (n < 0 || lxe_gate_feed(s->gate, &sample) ||
		(sample.now_ms - s->started_ms >= GATE_SIGNAL_MS &&
			lxe_relay_holds_signal(s->relay)))
		lxe_relay_open_gate(s->relay);
}

/* Look whenever input is held back, and only then: an open gate costs nothing. */
void lxe_session_watch_gate(struct lxe_session *s, bool timer_fired)
{
	if (!s->relay || lxe_relay_gate_open(s->relay) || !lxe_relay_holds_input(s->relay))
		return;
	if (!timer_fired && s->probing)
		return;
	look_inside(s);
	s->probing = !lxe_relay_gate_open(s->relay);
	if (s->probing)
		sys_timer_set(s->probe, lxe_gate_next_ms(s->gate, sys_now_ms()));
}

void lxe_session_close_terminal(struct lxe_session *s)
{
	lxe_rawtty_leave(&s->tty);
	lxe_relay_free(take_ptr(s->relay));
	lxe_gate_free(take_ptr(s->gate));
	lxe_ring_unmap(take_ptr(s->ring));
	lxe_drop_fd(&s->master);
	lxe_drop_fd(&s->procs);
	lxe_drop_fd(&s->in);
	lxe_drop_fd(&s->out);
}
