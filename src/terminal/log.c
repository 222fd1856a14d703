#include "terminal/log.h"

#include "base/banned.h"

struct lxe_log {
	struct lxe_vt parser;
	struct lxe_modes modes;
	struct lxe_outbuf out;
	size_t len, col; /* of the line: how much of it there is, where the next character goes */
	bool begun;	 /* the beginning of a very long line was passed on */
	uint32_t line[LXE_LOG_LINE_MAX];
};

int lxe_log_new(struct lxe_log **ret)
{
	struct lxe_log *log = calloc(1, sizeof(*log));

	if (!log)
		return -ENOMEM;
	lxe_modes_init(&log->modes, 0, 0);
	*ret = log;
	return 0;
}

void lxe_log_free(struct lxe_log *log)
{
	if (!log)
		return;
	lxe_outbuf_release(&log->out);
	free(log);
}

void lxe_log_begin(struct lxe_log *log, const struct lxe_modes *modes)
{
	log->modes = *modes;
	lxe_modes_repair(&log->modes, 0, 0);
}

static void pass_on(struct lxe_log *log, size_t n)
{
	for (size_t i = 0; i < n; i++)
		lxe_outbuf_cp(&log->out, log->line[i]);
}

static bool is_blank(uint32_t cp)
{
	return cp == ' ' || cp == '\t';
}

static void end_line(struct lxe_log *log, bool even_if_empty)
{
	size_t n = log->len;

	while (n > 0 && is_blank(log->line[n - 1]))
		n--;
	pass_on(log, n);
	if (n > 0 || log->begun || even_if_empty)
		lxe_outbuf_put(&log->out, "\n", 1);
	log->len = log->col = 0;
	log->begun = false;
}

static void fill(struct lxe_log *log, size_t upto)
{
	while (log->len < upto)
		log->line[log->len++] = ' ';
}

static void put(struct lxe_log *log, uint32_t cp)
{
	if (log->col == LXE_LOG_LINE_MAX) {
		pass_on(log, log->len);
		log->len = log->col = 0;
		log->begun = true;
	}
	fill(log, log->col);
	log->line[log->col++] = cp;
	if (log->len < log->col)
		log->len = log->col;
}

static size_t bounded(size_t col)
{
	return col < LXE_LOG_LINE_MAX ? col : LXE_LOG_LINE_MAX - 1;
}

static void erase_in_line(struct lxe_log *log, unsigned how)
{
	if (how == 0 && log->len > log->col)
		log->len = log->col;
	for (size_t i = 0; how == 1 && i < log->len && i <= log->col; i++)
		log->line[i] = ' ';
	if (how == 2)
		log->len = 0;
}

static void delete_chars(struct lxe_log *log, size_t n)
{
	size_t left = log->len > log->col ? log->len - log->col : 0;

	n = n < left ? n : left;
	memmove(log->line + log->col, log->line + log->col + n, (left - n) * sizeof(log->line[0]));
	log->len -= n;
}

static void insert_blanks(struct lxe_log *log, size_t n)
{
	size_t room = LXE_LOG_LINE_MAX - log->col, moved;

	if (log->col >= log->len)
		return;
	n = n < room ? n : room;
	moved = log->len - log->col;
	moved = moved < room - n ? moved : room - n;
	memmove(log->line + log->col + n, log->line + log->col, moved * sizeof(log->line[0]));
	for (size_t i = 0; i < n; i++)
		log->line[log->col + i] = ' ';
	log->len = log->col + n + moved;
}

static void on_csi(struct lxe_log *log, const struct lxe_vt_token *t)
{
	unsigned n = lxe_vt_param(t, 0, 1);
	size_t count = n ? n : 1;

	if (t->leader || t->intermed)
		return;
	if (t->final == 'K')
		erase_in_line(log, lxe_vt_param(t, 0, 0));
	else if (t->final == 'C' || t->final == 'a')
		log->col = bounded(log->col + count);
	else if (t->final == 'D' || t->final == 'j')
		log->col -= count < log->col ? count : log->col;
	else if (t->final == 'G' || t->final == '`')
		log->col = bounded(count - 1);
	else if (t->final == 'P')
		delete_chars(log, count);
	else if (t->final == '@')
		insert_blanks(log, count);
	else if (strchr("ABEFHJdefku", t->final))
		end_line(log, false);
}

static void on_control(struct lxe_log *log, uint32_t c)
{
	if (c == '\n' || c == '\v' || c == '\f')
		end_line(log, true);
	else if (c == '\r')
		log->col = 0;
	else if (c == '\b')
		log->col -= log->col > 0;
	else if (c == '\t')
		put(log, c);
}

static void on_escape(struct lxe_log *log, const struct lxe_vt_token *t)
{
	if (!t->intermed && strchr("DEMc", t->final))
		end_line(log, t->final == 'D' || t->final == 'E');
}

static void on_token(const struct lxe_vt_token *t, void *user)
{
	struct lxe_log *log = user;
	bool was_alt = log->modes.alt;

	lxe_modes_apply(&log->modes, t);
	if (log->modes.alt) {
		if (!was_alt)
			end_line(log, false);
		return;
	}
	switch (t->kind) {
	case LXE_VT_TEXT:
		put(log, t->cp);
		break;
	case LXE_VT_CONTROL:
		on_control(log, t->cp);
		break;
	case LXE_VT_CSI:
		on_csi(log, t);
		break;
	case LXE_VT_ESC:
		on_escape(log, t);
		break;
	case LXE_VT_OSC:
	case LXE_VT_STRING:
		break;
	}
}

static int result(struct lxe_log *log, const char **text, size_t *len)
{
	if (log->out.failed)
		return -ENOMEM;
	*text = log->out.p ? log->out.p : "";
	*len = log->out.len;
	return 0;
}

int lxe_log_feed(struct lxe_log *log, const void *bytes, size_t n, const char **text, size_t *len)
{
	log->out.len = 0;
	lxe_vt_feed(&log->parser, bytes, n, on_token, log);
	return result(log, text, len);
}

int lxe_log_end(struct lxe_log *log, const char **text, size_t *len)
{
	log->out.len = 0;
	end_line(log, false);
	return result(log, text, len);
}
