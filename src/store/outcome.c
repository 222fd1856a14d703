#include "store/outcome.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"

const char *lxe_cause_name(enum lxe_cause cause)
{
	static const char *const names[] = {
		[LXE_CAUSE_EXIT] = "exit",
		[LXE_CAUSE_SIGNAL] = "signal",
		[LXE_CAUSE_TIMEOUT] = "timeout",
		[LXE_CAUSE_OOM] = "oom",
		[LXE_CAUSE_LIMIT] = "limit",
		[LXE_CAUSE_POLICY] = "policy",
		[LXE_CAUSE_KILLED] = "killed",
		[LXE_CAUSE_ERROR] = "error",
	};

	return names[cause];
}

static const char *span_name(enum lxe_span span)
{
	static const char *const names[] = {
		[LXE_SPAN_SPAWN] = "spawn",
		[LXE_SPAN_OPEN] = "open",
		[LXE_SPAN_CGROUP] = "cgroup",
		[LXE_SPAN_ROOTFS] = "rootfs",
		[LXE_SPAN_START] = "start",
		[LXE_SPAN_ATTACH] = "attach",
		[LXE_SPAN_EXEC] = "exec",
		[LXE_SPAN_TEARDOWN] = "teardown",
	};

	return names[span];
}

static int from_wait_status(const struct lxe_outcome *o)
{
	if (!o->has_status)
		return LXE_EXIT_ERROR;
	if (WIFSIGNALED(o->status))
		return LXE_EXIT_SIGNAL + WTERMSIG(o->status);
	return WEXITSTATUS(o->status);
}

int lxe_outcome_exit_status(const struct lxe_outcome *o)
{
	if (!o->teardown_ok)
		return LXE_EXIT_ERROR;
	switch (o->cause) {
	case LXE_CAUSE_TIMEOUT:
		return LXE_EXIT_TIMEOUT;
	case LXE_CAUSE_KILLED:
		return LXE_EXIT_SIGNAL + o->signal;
	case LXE_CAUSE_ERROR:
		return o->error ? o->error : LXE_EXIT_ERROR;
	case LXE_CAUSE_EXIT:
	case LXE_CAUSE_SIGNAL:
	case LXE_CAUSE_OOM:
	case LXE_CAUSE_LIMIT:
	case LXE_CAUSE_POLICY:
		return from_wait_status(o);
	}
	return LXE_EXIT_ERROR;
}

int lxe_outcome_signal(const struct lxe_outcome *o)
{
	if (o->cause == LXE_CAUSE_KILLED)
		return o->signal;
	return o->has_status && WIFSIGNALED(o->status) ? WTERMSIG(o->status) : 0;
}

bool lxe_outcome_is_death(const struct lxe_outcome *o)
{
	return o->has_status &&
	       (WIFSIGNALED(o->status) || WEXITSTATUS(o->status) > LXE_EXIT_SIGNAL);
}

void lxe_outcome_take_err(struct lxe_outcome *o, const struct lxe_err *err)
{
	memcpy(o->message, err->msg, sizeof(o->message));
	memcpy(o->rule, err->rule, sizeof(o->rule));
	memcpy(o->hint, err->hint, sizeof(o->hint));
}

int lxe_outcome_fail(const struct lxe_outcome *o, int r, struct lxe_err *err)
{
	lxe_fail_msg(err, r, "%s", o->message[0] ? o->message : "failed");
	if (o->rule[0])
		lxe_rule(err, "%s", o->rule);
	if (o->hint[0])
		lxe_hint(err, "%s", o->hint);
	return r;
}

/* Bytes that are not UTF-8 are escaped, because JSON has no other bytes (RFC 8259, section 8.1). */
static json_t *json_bytes(const char *text, size_t len)
{
	char safe[4 * sizeof(((struct lxe_outcome *)0)->residue)];

	if (lxe_utf8_valid(text, len))
		return json_stringn(text, len);
	lxe_escape(safe, sizeof(safe), text, len);
	return json_string(safe);
}

static json_t *json_text(const char *text)
{
	return text[0] ? json_bytes(text, strlen(text)) : json_null();
}

/* RFC 3339 in UTC, with milliseconds. */
static json_t *json_time(uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[64], day[32];
	struct tm tm;

	if (ms == 0)
		return json_null();
	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned int)(ms % 1000));
	return json_string(text);
}

static json_t *json_number_or_null(bool known, uint64_t value)
{
	return known ? json_integer((json_int_t)value) : json_null();
}

static json_t *json_lines(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		size_t len = strcspn(text, "\n");

		json_array_append_new(list, json_bytes(text, len));
		text += len + (text[len] == '\n');
	}
	return list;
}

/* One line of outcome.denials. */
static json_t *json_denial(const char *line, size_t len)
{
	static const char *const names[] = { "call", "path", "rule", "option" };
	json_t *denial = json_object();
	const char *end = line + len;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *tab = memchr(line, '\t', (size_t)(end - line));
		size_t n = (size_t)((tab ? tab : end) - line);

		json_object_set_new(denial, names[i], n ? json_bytes(line, n) : json_null());
		line += n + (tab != NULL);
	}
	return denial;
}

static json_t *json_denials(const struct lxe_outcome *o)
{
	json_t *list = json_array();

	for (const char *line = o->denials, *end; (end = strchr(line, '\n')); line = end + 1)
		json_array_append_new(list, json_denial(line, (size_t)(end - line)));
	return list;
}

static json_t *json_spans(const struct lxe_outcome *o)
{
	json_t *spans = json_object();

	for (enum lxe_span i = 0; i < LXE_SPANS; i++)
		json_object_set_new(spans, span_name(i), json_integer((json_int_t)o->spans_us[i]));
	return spans;
}

static json_t *json_stream(const struct lxe_outcome *o, enum lxe_stream stream)
{
	json_t *counts = json_object();
	uint64_t written = o->written[stream], dropped = o->dropped[stream];

	json_object_set_new(counts, "written", json_integer((json_int_t)written));
	json_object_set_new(counts, "kept", json_integer((json_int_t)(written - dropped)));
	json_object_set_new(counts, "dropped", json_integer((json_int_t)dropped));
	return counts;
}

static json_t *json_output(const struct lxe_outcome *o)
{
	json_t *output = json_object(), *spill = json_null();

	if (o->spills) {
		spill = json_object();
		json_object_set_new(spill, "written", json_integer((json_int_t)o->spilled));
		json_object_set_new(spill, "error", json_text(o->spill_error));
	}
	json_object_set_new(output, "limit", json_integer((json_int_t)o->output_limit));
	json_object_set_new(output, "stdout", json_stream(o, LXE_STREAM_OUT));
	json_object_set_new(output, "stderr", json_stream(o, LXE_STREAM_ERR));
	json_object_set_new(output, "spill", spill);
	return output;
}

static json_t *json_changes(const struct lxe_outcome *o)
{
	static const char *const names[] = {
		[LXE_SETTLED_SHOWN] = "shown",
		[LXE_SETTLED_COMMITTED] = "committed",
		[LXE_SETTLED_DISCARDED] = "discarded",
		[LXE_SETTLED_KEPT] = "kept",
	};
	json_t *changes;

	if (o->settled == LXE_SETTLED_NONE || o->settled > LXE_SETTLED_KEPT)
		return json_null();
	changes = json_object();
	json_object_set_new(changes, "result", json_string(names[o->settled]));
	json_object_set_new(changes, "added", json_integer((json_int_t)o->added));
	json_object_set_new(changes, "modified", json_integer((json_int_t)o->modified));
	json_object_set_new(changes, "deleted", json_integer((json_int_t)o->deleted));
	json_object_set_new(changes, "conflicts", json_integer((json_int_t)o->conflicts));
	return changes;
}

static json_t *to_json(const struct lxe_outcome *o)
{
	json_t *root = json_object(), *usage = json_object(), *teardown = json_object();
	int signal = lxe_outcome_signal(o);

	json_object_set_new(usage, "user_us", json_integer((json_int_t)o->user_us));
	json_object_set_new(usage, "system_us", json_integer((json_int_t)o->system_us));
	json_object_set_new(usage, "max_rss", json_integer((json_int_t)o->max_rss));
	json_object_set_new(teardown, "ok", json_boolean(o->teardown_ok));
	json_object_set_new(teardown, "residue", json_lines(o->residue));
	/* What is left is on record, and gc tries again. */
	if (!o->teardown_ok)
		json_object_set_new(teardown, "deferred", json_true());

	json_object_set_new(root, "id", json_text(o->id));
	json_object_set_new(root, "name", json_text(o->name));
	json_object_set_new(root, "exit_code", json_integer(lxe_outcome_exit_status(o)));
	json_object_set_new(root, "signal", json_number_or_null(signal > 0, (uint64_t)signal));
	json_object_set_new(root, "cause", json_string(lxe_cause_name(o->cause)));
	json_object_set_new(root, "message", json_text(o->message));
	json_object_set_new(root, "rule", json_text(o->rule));
	json_object_set_new(root, "hint", json_text(o->hint));
	json_object_set_new(root, "denials", json_denials(o));
	json_object_set_new(root, "denied", json_integer((json_int_t)o->denied));
	json_object_set_new(root, "created_at", json_time(o->created_at_ms));
	json_object_set_new(root, "started_at", json_time(o->started_at_ms));
	json_object_set_new(root, "ended_at", json_time(o->ended_at_ms));
	json_object_set_new(root, "spans_us", json_spans(o));
	json_object_set_new(root, "rusage", usage);
	json_object_set_new(
		root, "peak_memory", json_number_or_null(o->peak_memory > 0, o->peak_memory));
	json_object_set_new(root, "oom_kills", json_integer((json_int_t)o->oom_kills));
	json_object_set_new(root, "pids_refused", json_integer((json_int_t)o->pids_refused));
	json_object_set_new(
		root, "bytes_out", json_number_or_null(o->bytes_out >= 0, (uint64_t)o->bytes_out));
	json_object_set_new(root, "truncated", json_boolean(o->truncated));
	json_object_set_new(root, "output", o->output_limit ? json_output(o) : json_null());
	json_object_set_new(root, "blocked", lxe_blocked_json(o->blocked));
	json_object_set_new(root, "changes", json_changes(o));
	json_object_set_new(root, "teardown", teardown);
	return root;
}

char *lxe_outcome_json(const struct lxe_outcome *o)
{
	json_t *root = to_json(o);
	LXE_AUTOFREE char *text = json_dumps(root, JSON_COMPACT);
	char *line = NULL;

	json_decref(root);
	if (text && asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}

int lxe_outcome_write(const struct lxe_outcome *o, int fd, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = lxe_outcome_json(o);
	int r;

	if (!text)
		return lxe_fail(err, -ENOMEM, "write the result record");
	/* One write, whole or not at all. */
	r = sys_write_within(fd, text, strlen(text), SYS_STALLED_MS);
	return r < 0 ? lxe_fail(err, r, "write the result record") : 0;
}
