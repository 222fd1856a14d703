/* The driver's side of a terminal that was there before. See attach.h and session.h. */
#include "client/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/join.h"
#include "client/session.h"
#include "sys/fd.h"
#include "terminal/screen.h"

#define OUT_MS 5000 /* for a terminal that takes nothing */
#define ROWS 24
#define COLS 80

int lxe_session_attach(struct lxe_session *s, struct lxe_err *err)
{
	struct lxe_msg msg;
	int r;

	s->control = lxe_join(&s->place, LXE_ROLE_DRIVE, err);
	if (s->control < 0)
		return s->control;
	lxe_msg_init(&msg, LXE_MSG_ATTACH);
	msg.flags = s->attach->take_over ? LXE_ATTACH_TAKE_OVER : 0;
	lxe_session_give_stdio(s, &msg);
	r = lxe_msg_send(s->control, &msg);
	return r < 0 ? lxe_fail(err, r, "talk to sandbox '%s'", s->place.id) : 0;
}

static void feed(struct lxe_screen *screen, const struct lxe_ring *ring)
{
	struct lxe_modes modes;
	uint64_t position = lxe_ring_start(ring, &modes), end = lxe_ring_written(ring);
	bool first = position > 0;

	lxe_screen_begin(screen, &modes);
	while (position < end) {
		struct iovec v = lxe_ring_peek(ring, position);
		size_t skip = first ? lxe_vt_start(v.iov_base, v.iov_len) : 0;

		lxe_screen_feed(screen, (const char *)v.iov_base + skip, v.iov_len - skip);
		position += v.iov_len;
		first = false;
	}
}

static int new_screen(struct lxe_session *s, struct lxe_screen **ret)
{
	struct winsize ws = { 0 };
	int r;

	ioctl(s->master, TIOCGWINSZ, &ws);
	r = lxe_screen_new(ret, ws.ws_row ? ws.ws_row : ROWS, ws.ws_col ? ws.ws_col : COLS);
	if (r == 0)
		feed(*ret, s->ring);
	return r;
}

int lxe_session_redraw(struct lxe_session *s)
{
	struct lxe_screen *screen = NULL;
	LXE_AUTOFREE char *bytes = NULL;
	size_t len = 0;
	int r;

	r = new_screen(s, &screen);
	if (r == 0)
		r = lxe_screen_redraw(screen, &bytes, &len);
	lxe_screen_free(screen);
	return r < 0 ? r : sys_write_within(s->out, bytes, len, OUT_MS);
}

/* The terminal is its shell's again: what the program had set on it is undone. */
static void leave(struct lxe_session *s)
{
	struct lxe_screen *screen = NULL;
	LXE_AUTOFREE char *bytes = NULL;
	size_t len = 0;

	if (!s->ring || s->out < 0)
		return;
	if (new_screen(s, &screen) == 0 && lxe_screen_leave(screen, &bytes, &len) == 0)
		sys_write_within(s->out, bytes, len, OUT_MS);
	lxe_screen_free(screen);
}

/* What was typed and not sent goes to whoever drives next. */
void lxe_session_yield(struct lxe_session *s)
{
	LXE_AUTOCLOSE int input = -EBADF;
	unsigned char *bytes = malloc(LXE_RELAY_INPUT_MAX + LXE_DETACH_MAX);
	struct lxe_msg msg;
	size_t n = bytes && s->relay ? lxe_relay_unsent(s->relay, bytes) : 0;

	lxe_relay_free(take_ptr(s->relay));
	if (n) {
		input = sys_memfd("lxe-input", 0);
		if (input >= 0)
			sys_write_all(input, bytes, n);
	}
	free(bytes);
	lxe_msg_init(&msg, LXE_MSG_YIELDED);
	msg.fds[LXE_FD_INPUT] = input;
	lxe_msg_send(s->control, &msg);
	s->left = LXE_LEFT_TAKEN;
	s->detached = true;
}

int lxe_client_attach(const struct lxe_dirs *dirs, const struct lxe_place *place,
	const struct lxe_attach *how, enum lxe_left *left, struct lxe_outcome *outcome,
	struct lxe_err *err)
{
	struct lxe_spec spec = { .tty = LXE_TTY_ON };
	struct lxe_session s = { .kind = LXE_SESSION_ATTACH,
		.spec = &spec,
		.dirs = dirs,
		.place = *place,
		.attach = how,
		.outcome = outcome,
		.leave = leave };
	int r = lxe_session_run(&s, err);

	*left = s.left;
	if (s.detached && s.signal) {
		outcome->cause = LXE_CAUSE_KILLED;
		outcome->signal = s.signal;
	}
	return r;
}
