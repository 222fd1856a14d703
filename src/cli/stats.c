#include "cli/stats.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "client/registry.h"
#include "sys/brief.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define PERIOD_MS 1000

/* A screen from its corner on: lines that are too long are cut instead of wrapped. */
#define SCREEN_BEGIN "\033[H\033[J\033[?7l"
#define SCREEN_END "\033[?7h"

/* The header and the line on which the cursor ends are no rows. */
static size_t rows_of_terminal(void)
{
	struct winsize ws = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_row < 4)
		return 0;
	return ws.ws_row - 2;
}

static int put_json(FILE *out, const struct lxe_stats *stats)
{
	json_t *rows = lxe_stats_json(stats);

	if (!rows)
		return -ENOMEM;
	json_dumpf(rows, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(rows);
	return 0;
}

static int put(FILE *out, const struct lxe_request *req, const struct lxe_stats *stats, size_t rows)
{
	if (req->prometheus) {
		lxe_stats_prometheus(out, stats);
		return 0;
	}
	switch (req->output) {
	case LXE_OUTPUT_TABLE:
		lxe_stats_table(out, stats, rows);
		return 0;
	case LXE_OUTPUT_JSON:
		return put_json(out, stats);
	}
	return -EINVAL;
}

struct name {
	const struct lxe_dirs *dirs;
	char text[LXE_STATS_NAME_MAX + 1];
};

static const char *name_of(void *arg, const char *id)
{
	struct name *name = arg;

	lxe_registry_name(name->dirs, id, name->text);
	return name->text;
}

static int once(struct lxe_cli *cli, const struct lxe_stats_names *names)
{
	struct lxe_stats stats = { 0 };
	int r = lxe_stats_take(&stats, cli->dirs.run, names, NULL, &cli->err);

	if (r == 0)
		r = put(stdout, &cli->req, &stats, 0);
	lxe_stats_release(&stats);
	return r;
}

struct watch {
	struct lxe_cli *cli;
	const struct lxe_stats_names *names;
	int signals; /* a signalfd */
	int signal;  /* the one that ended it */
	bool screen, first;
};

/* Wait for the time, or until standard output takes something: true when a signal came before. */
static bool ended(struct watch *w, bool output, int timeout_ms)
{
	struct pollfd p[] = {
		{ .fd = w->signals, .events = POLLIN },
		{ .fd = output ? STDOUT_FILENO : -1, .events = POLLOUT },
	};
	struct signalfd_siginfo info;

	if (poll(p, 2, timeout_ms) > 0 && p[0].revents &&
		sys_read(w->signals, &info, sizeof(info)) == sizeof(info))
		w->signal = (int)info.ssi_signo;
	return w->signal != 0;
}

/* No signal ends a write that blocks. */
static int write_out(struct watch *w, const char *text, size_t len)
{
	while (len && !ended(w, true, -1)) {
		ssize_t n = sys_write_brief(STDOUT_FILENO, text, len);

		if (n < 0 && n != -EAGAIN)
			return lxe_fail(&w->cli->err, (int)n, "write to standard output");
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int put_block(FILE *out, const struct watch *w, const struct lxe_stats *stats)
{
	int r;

	fputs(w->screen ? SCREEN_BEGIN : w->first ? "" : "\n", out);
	r = put(out, &w->cli->req, stats, w->screen ? rows_of_terminal() : 0);
	fputs(w->screen ? SCREEN_END : "", out);
	return r;
}

static int show(struct watch *w, const struct lxe_stats *stats)
{
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return -ENOMEM;
	r = put_block(out, w, stats);
	if (fclose(out) != 0)
		return -ENOMEM;
	return r < 0 ? r : write_out(w, text, len);
}

static int watch(struct watch *w)
{
	struct lxe_stats before = { 0 }, stats;
	int r = 0;

	while (r == 0 && !w->signal) {
		stats = (struct lxe_stats){ 0 };
		r = lxe_stats_take(&stats, w->cli->dirs.run, w->names, w->first ? NULL : &before,
			&w->cli->err);
		if (r == 0)
			r = show(w, &stats);
		lxe_stats_release(&before);
		before = stats;
		w->first = false;
		if (r == 0 && !w->signal)
			ended(w, false, PERIOD_MS);
	}
	lxe_stats_release(&before);
	return r;
}

static int watch_until_signal(struct lxe_cli *cli, const struct lxe_stats_names *names, int *signal)
{
	struct watch w = { .cli = cli, .names = names, .first = true };
	LXE_AUTOCLOSE int fd = -EBADF;
	sigset_t set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < SYS_N_FATAL; i++)
		sigaddset(&set, sys_fatal[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return lxe_fail(&cli->err, -errno, "block signals");
	fd = sys_signalfd(sys_fatal, SYS_N_FATAL);
	if (fd < 0)
		return lxe_fail(&cli->err, fd, "receive signals");
	w.signals = fd;
	w.screen = isatty(STDOUT_FILENO);
	r = watch(&w);
	*signal = w.signal;
	return r;
}

int lxe_cli_stats(int argc, char **argv)
{
	struct lxe_cli cli;
	struct name name = { .dirs = &cli.dirs };
	const struct lxe_stats_names names = { .of = name_of, .arg = &name };
	int r, signal = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_STATS, false, argc, argv);
	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0 && cli.req.watch)
		r = watch_until_signal(&cli, &names, &signal);
	else if (r == 0)
		r = once(&cli, &names);
	return lxe_cli_end(&cli, r, signal ? LXE_EXIT_SIGNAL + signal : 0);
}
