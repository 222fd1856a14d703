#include "cli/print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "sys/fd.h"

/* Room for a message, its rule and its hint when every byte is escaped. */
#define LINES_MAX (4 * (LXE_ERR_MSG_MAX + 2 * LXE_ERR_HINT_MAX) + 64)

void lxe_print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stdout, fmt, ap);
	va_end(ap);
}

void lxe_print_field(const char *text, int width)
{
	char escaped[512];

	lxe_escape(escaped, sizeof(escaped), text, strlen(text));
	fprintf(stdout, "%-*s", width, escaped);
}

json_t *lxe_json_text(const char *text)
{
	char escaped[4096];

	if (!text)
		return json_null();
	if (lxe_utf8_valid(text, strlen(text)))
		return json_string(text);
	lxe_escape(escaped, sizeof(escaped), text, strlen(text));
	return json_string(escaped);
}

int lxe_print_json(json_t *value)
{
	if (!value)
		return -ENOMEM;
	/* A failed write stays on record in stdout, where lxe_print_end() finds it. */
	/* A terminal obeys controls that JSON does not escape: C1, and those that turn text around. */
	json_dumpf(value, stdout, JSON_INDENT(2) | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0));
	lxe_print("\n");
	json_decref(value);
	return 0;
}

/* One line of standard error: a prefix of ours and a text that may hold anybody's bytes. */
static size_t put_line(char *buf, size_t size, const char *prefix, const char *text)
{
	size_t used = (size_t)snprintf(buf, size, "%s", prefix);

	lxe_escape(buf + used, size - used - 1, text, strlen(text));
	used += strlen(buf + used);
	buf[used++] = '\n';
	return used;
}

static void put_message(const char *message, const char *rule, const char *hint)
{
	char lines[LINES_MAX];
	size_t used = put_line(lines, sizeof(lines), "lxc-exec: ", message);

	if (rule[0])
		used += put_line(lines + used, sizeof(lines) - used, "rule: ", rule);
	if (hint[0])
		used += put_line(lines + used, sizeof(lines) - used, "hint: ", hint);
	/* A terminal that nobody reads must not keep us from ending: what finds no room is dropped. */
	sys_write_within(STDERR_FILENO, lines, used, SYS_STALLED_MS);
}

int lxe_print_error(const struct lxe_err *err)
{
	put_message(err->msg[0] ? err->msg : "failed", err->rule, err->hint);
	return LXE_EXIT_ERROR;
}

void lxe_print_note(const char *fmt, ...)
{
	char text[LXE_ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_message(text, "", "");
}

int lxe_print_end(int status)
{
	struct lxe_err err = { 0 };

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	lxe_fail(&err, errno ? -errno : -EIO, "write to standard output");
	return lxe_print_error(&err);
}

void lxe_print_residue(const char *id, const char *residue)
{
	const char *line = residue, *end;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		lxe_print_note("sandbox %s: left behind: %.*s", id, (int)(end - line), line);
	}
	if (!residue[0])
		lxe_print_note("sandbox %s: could not remove everything", id);
}

static void print_timeout(uint64_t ms)
{
	if (ms % 1000)
		lxe_print_note("command timed out after %llu ms", (unsigned long long)ms);
	else
		lxe_print_note("command timed out after %llu s", (unsigned long long)ms / 1000);
}

static void print_summary(const struct lxe_outcome *o)
{
	uint64_t ms = o->ended_at_ms > o->created_at_ms ? o->ended_at_ms - o->created_at_ms : 0;

	lxe_print_note("sandbox %s ended: %s, status %d, %llu ms", o->id, lxe_cause_name(o->cause),
		lxe_outcome_exit_status(o), (unsigned long long)ms);
}

/* A denial looks like a fault of the network to the program: here it is said what it was. */
static void print_blocked(const char *text)
{
	struct lxe_blocked_line line;

	while ((text = lxe_blocked_line(&line, text))) {
		bool port = strcmp(line.port, "-") != 0, v6 = strchr(line.destination, ':');
		bool once = strcmp(line.count, "1") == 0;

		if (strcmp(line.destination, "*") == 0)
			lxe_print_note("blocked: %s more, to others", line.count);
		else
			lxe_print_note("blocked: %s%s %s%s%s%s%s, %s%s%s%s",
				line.in ? "inbound " : "", line.proto, port && v6 ? "[" : "",
				line.destination, port && v6 ? "]" : "", port ? ":" : "",
				port ? line.port : "", once ? "once" : line.count,
				once ? "" : " times", line.hint[0] ? ": " : "", line.hint);
	}
}

/* Lines of call, path, rule and option: see outcome.h. */
static void print_denials(const struct lxe_outcome *o)
{
	const char *line = o->denials, *end;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		const char *path = memchr(line, '\t', (size_t)(end - line));
		const char *rule = path ? memchr(path + 1, '\t', (size_t)(end - path - 1)) : NULL;

		if (!rule)
			continue;
		path++;
		rule++;
		lxe_print_note("denied: %.*s%s%.*s%s: %.*s", (int)(path - 1 - line), line,
			path + 1 == rule ? "" : " '", (int)(rule - 1 - path), path,
			path + 1 == rule ? "" : "'", (int)strcspn(rule, "\t\n"), rule);
	}
	if (o->denied > 1)
		lxe_print_note("denied %llu times in all", (unsigned long long)o->denied);
}

static void put_outcome(const struct lxe_outcome *o, const char *without_message)
{
	put_message(o->message[0] ? o->message : without_message, o->rule, o->hint);
}

void lxe_print_outcome(const struct lxe_outcome *o, uint64_t timeout_ms, int verbose)
{
	switch (o->cause) {
	case LXE_CAUSE_ERROR:
		put_outcome(o, "failed");
		break;
	case LXE_CAUSE_TIMEOUT:
		if (verbose >= 0 && o->message[0])
			put_outcome(o, "");
		else if (verbose >= 0)
			print_timeout(timeout_ms);
		break;
	case LXE_CAUSE_OOM:
		if (verbose >= 0)
			put_message(o->message[0] ? o->message : "the sandbox ran out of memory",
				o->rule, o->hint[0] ? o->hint : "--memory sets the limit");
		break;
	case LXE_CAUSE_LIMIT:
		/* Of what failed by it the program itself has spoken. */
		if (o->message[0] && verbose > (lxe_outcome_is_death(o) ? -1 : 0))
			put_outcome(o, "");
		break;
	case LXE_CAUSE_POLICY:
		if (verbose >= 0 && o->message[0])
			put_outcome(o, "");
		break;
	case LXE_CAUSE_EXIT:
		/* It may have known how to live with it: who wants to know asks. */
		if (verbose > 0 && o->rule[0])
			put_outcome(o, "the command ran into a rule of its sandbox");
		break;
	case LXE_CAUSE_SIGNAL:
		if (verbose >= 0 && o->rule[0])
			put_outcome(o, "the command was ended by a rule of its sandbox");
		break;
	case LXE_CAUSE_KILLED:
		if (verbose >= 0 && o->message[0])
			put_outcome(o, "");
		break;
	}
	if (o->spill_error[0])
		lxe_print_note("the spill file holds the first %llu bytes only: %s",
			(unsigned long long)o->spilled, o->spill_error);
	if (!o->teardown_ok) {
		lxe_print_residue(o->id, o->residue);
		put_message("what is left is kept on record", "", "lxc-exec gc");
	}
	if (verbose > 0)
		print_blocked(o->blocked);
	if (verbose > 0)
		print_denials(o);
	if (verbose > 0)
		print_summary(o);
}
