#include "cli/image_said.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/print.h"
#include "sys/fd.h"

#define CLEAR_LINE "\r\033[K"

void lxe_image_said_begin(struct lxe_image_said *said, const char *name, int verbose)
{
	*said = (struct lxe_image_said){
		.name = name,
		.shows = verbose >= 0 && isatty(STDERR_FILENO),
	};
}

static size_t width(void)
{
	struct winsize ws;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col < 20)
		return 79;
	return (size_t)ws.ws_col - 1;
}

/* In one write, so that nothing comes between. The columns of what is not ASCII are not counted: it is only shown. */
static void show(struct lxe_image_said *said)
{
	char text[sizeof(said->line) * 4], out[sizeof(text) + 128];
	size_t columns = width();
	int n;

	lxe_escape(text, sizeof(text), said->line, said->used);
	n = snprintf(out, sizeof(out), CLEAR_LINE "%s: %s", said->name, text);
	if (n >= (int)sizeof(out))
		n = (int)sizeof(out) - 1;
	if (n > 0 && (size_t)n > columns + strlen(CLEAR_LINE))
		n = (int)(columns + strlen(CLEAR_LINE));
	said->shown = true;
	if (sys_write_within(STDERR_FILENO, out, (size_t)n, SYS_STALLED_MS) < 0)
		said->shows = false;
}

/* Steps on the way, which end in a carriage return, are not what somebody looks for after a failure. */
static void keep_line(struct lxe_image_said *said)
{
	size_t n = said->used + 1, over = said->n_kept + n;

	over = over > sizeof(said->kept) ? over - sizeof(said->kept) : 0;
	if (over > said->n_kept)
		over = said->n_kept;
	memmove(said->kept, said->kept + over, said->n_kept - over);
	said->n_kept -= over;
	memcpy(said->kept + said->n_kept, said->line, said->used);
	said->kept[said->n_kept + said->used] = '\n';
	said->n_kept += n;
	said->lines++;
}

void lxe_image_said_take(void *arg, const char *text, size_t len)
{
	struct lxe_image_said *said = arg;

	for (size_t i = 0; i < len; i++) {
		bool ends = text[i] == '\n' || text[i] == '\r';

		if (!ends && said->used < sizeof(said->line))
			said->line[said->used++] = text[i];
		if (!ends || !said->used)
			continue;
		if (text[i] == '\n')
			keep_line(said);
		if (said->shows && (i + 1 == len || !memchr(text + i + 1, '\n', len - i - 1)))
			show(said);
		said->used = 0;
	}
}

static void print_kept(const struct lxe_image_said *said)
{
	const char *at = said->kept, *end = at + said->n_kept;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t n = newline ? (size_t)(newline - at) : (size_t)(end - at);
		char line[sizeof(said->line) * 4];

		lxe_escape(line, sizeof(line), at, n);
		fprintf(stderr, "%s\n", line);
		at += n + 1;
	}
}

void lxe_image_said_end(struct lxe_image_said *said, bool failed)
{
	if (said->shown)
		(void)!write(STDERR_FILENO, CLEAR_LINE, strlen(CLEAR_LINE));
	/* A single line is in the message already. */
	if (failed && said->lines > 1)
		print_kept(said);
}
