#include "network/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/fd.h"
#include "sys/proc.h"

/*
 * The first is read when everything before it has been read, and done by whoever does not read ahead:
 * a reader asks for more when it has none. The second finds room when the first has been read.
 */
#define REMARK "#\n"
#define REMARKS 2

int lxe_feed_open(struct lxe_feed *ret, const char *text)
{
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret = (struct lxe_feed){
		.text = text, .len = strlen(text), .reading = ends[0], .writing = ends[1]
	};
	r = fcntl(ret->writing, F_SETPIPE_SZ, PIPE_BUF) < 0 ? -errno : 0;
	if (r == 0)
		r = sys_set_nonblock(ret->writing, true);
	if (r < 0)
		lxe_feed_close(ret);
	return r;
}

void lxe_feed_close(struct lxe_feed *f)
{
	lxe_drop_fd(&f->reading);
	lxe_drop_fd(&f->writing);
}

void lxe_feed_next(struct lxe_feed *f, const char *text)
{
	f->text = text;
	f->len = strlen(text);
	f->at = f->remarks = 0;
}

bool lxe_feed_is_read(const struct lxe_feed *f)
{
	return f->remarks == REMARKS;
}

static bool is_over(const struct lxe_feed *f)
{
	return f->writing < 0 || f->gone || f->r < 0 || lxe_feed_is_read(f);
}

/* Into the empty pipe. */
static void write_next(struct lxe_feed *f)
{
	const bool text = f->at < f->len;
	const size_t left = f->len - f->at;
	ssize_t n = write(f->writing, text ? f->text + f->at : REMARK,
		!text		  ? strlen(REMARK)
		: left < PIPE_BUF ? left
				  : PIPE_BUF);

	if (n > 0 && text)
		f->at += (size_t)n;
	else if (n > 0)
		f->remarks++;
	else if (errno == EPIPE)
		f->gone = true;
	else if (errno != EAGAIN && errno != EINTR)
		f->r = -errno;
}

/* Those that are not to be written to are not looked at, poll(2). */
static bool fill(struct pollfd *polled, struct lxe_feed *const *feeds, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		polled[i] = (struct pollfd){ .fd = is_over(feeds[i]) ? -1 : feeds[i]->writing,
			.events = POLLOUT };
		any = any || polled[i].fd >= 0;
	}
	return any;
}

int lxe_feed_all(struct lxe_feed *const *feeds, size_t n, uint64_t end)
{
	struct pollfd polled[LXE_FEEDS_MAX];
	int r = n > LXE_FEEDS_MAX ? -E2BIG : 0;

	while (r == 0 && fill(polled, feeds, n)) {
		uint64_t now = sys_now_ms();

		if (now >= end)
			r = -ETIMEDOUT;
		else if (poll(polled, n, (int)(end - now)) < 0 && errno != EINTR)
			r = -errno;
		for (size_t i = 0; r == 0 && i < n; i++)
			if (polled[i].fd >= 0 && polled[i].revents)
				write_next(feeds[i]);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = feeds[i]->r;
	return r;
}
