#include "cli/image_steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/print.h"
#include "sys/fd.h"

#define PART 1024

void lxe_image_steps_begin(struct lxe_image_steps *steps, int verbose)
{
	bool terminal = isatty(STDERR_FILENO);

	*steps = (struct lxe_image_steps){
		.live = verbose > 0 || (verbose == 0 && terminal),
		.terminal = terminal,
	};
}

/* How many bytes at the end begin a character of UTF-8 (RFC 3629) and do not end it. */
static size_t unfinished(const char *text, size_t len)
{
	for (size_t n = 1; n <= 3 && n <= len; n++) {
		unsigned char c = (unsigned char)text[len - n];

		if (c >= 0xc0)
			return n < (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) ? n : 0;
		if (c < 0x80)
			return 0;
	}
	return 0;
}

/* What moves the cursor within the line, or to the next, stays: it is how programs show how far they are. */
static size_t span_of_moves(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && (text[n] == '\n' || text[n] == '\r' || text[n] == '\t'))
		n++;
	return n;
}

static void show_part(const char *text, size_t len)
{
	char out[PART * 4 + 1];
	size_t used = 0, at = 0;

	while (at < len) {
		size_t moves = span_of_moves(text + at, len - at), end = at + moves;

		memcpy(out + used, text + at, moves);
		used += moves;
		while (end < len && !span_of_moves(text + end, 1))
			end++;
		lxe_escape(out + used, sizeof(out) - used, text + at + moves, end - at - moves);
		used += strlen(out + used);
		at = end;
	}
	sys_write_within(STDERR_FILENO, out, used, SYS_STALLED_MS);
}

static void show(struct lxe_image_steps *s, const char *text, size_t len)
{
	char part[PART];

	while (len) {
		size_t room = sizeof(part) - s->n_cut, n = len < room ? len : room, used;

		memcpy(part, s->cut, s->n_cut);
		memcpy(part + s->n_cut, text, n);
		used = s->n_cut + n;
		s->n_cut = unfinished(part, used);
		memcpy(s->cut, part + used - s->n_cut, s->n_cut);
		show_part(part, used - s->n_cut);
		text += n;
		len -= n;
	}
}

static void keep(struct lxe_image_steps *s, const char *text, size_t len)
{
	size_t n = sizeof(s->head) - s->n_head;

	n = n < len ? n : len;
	memcpy(s->head + s->n_head, text, n);
	s->n_head += n;
	for (; n < len; n++)
		s->tail[s->n_tail++ % sizeof(s->tail)] = text[n];
}

void lxe_image_steps_take(void *arg, const char *text, size_t len)
{
	struct lxe_image_steps *s = arg;

	if (!s->live)
		keep(s, text, len);
	else if (s->terminal)
		show(s, text, len);
	else
		sys_write_all(STDERR_FILENO, text, len);
}

void lxe_image_steps_show(const struct lxe_image_steps *s)
{
	const size_t size = sizeof(s->tail), at = s->n_tail % size;
	bool whole = s->n_tail <= size;
	char line[80];
	int n;

	if (s->live)
		return;
	sys_write_all(STDERR_FILENO, s->head, s->n_head);
	if (!whole) {
		n = snprintf(line, sizeof(line), "\n[%" PRIu64 " bytes are left out here]\n",
			s->n_tail - size);
		sys_write_all(STDERR_FILENO, line, (size_t)n);
		sys_write_all(STDERR_FILENO, s->tail + at, size - at);
	}
	sys_write_all(STDERR_FILENO, s->tail, whole ? (size_t)s->n_tail : at);
}
