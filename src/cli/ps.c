/* ps: the sandboxes that are there; inspect: all that is known of one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/confinement_json.h"
#include "cli/limits_json.h"
#include "cli/mounts_json.h"
#include "cli/net_json.h"
#include "cli/print.h"
#include "client/registry.h"

/* ISO 8601 in UTC, or nothing for "never". */
static void format_time(uint64_t ms, char *buf, size_t size)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	buf[0] = '\0';
	if (ms && gmtime_r(&s, &tm))
		strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static json_t *time_or_null(uint64_t ms)
{
	char text[32];

	format_time(ms, text, sizeof(text));
	return text[0] ? json_string(text) : json_null();
}

static json_t *number_or_null(uint64_t value)
{
	return value ? json_integer((json_int_t)value) : json_null();
}

static json_t *name_or_null(const struct lxe_info *i)
{
	return lxe_json_text(i->record.name[0] ? i->record.name : NULL);
}

static json_t *command_of(const struct lxe_info *i)
{
	json_t *words = json_array();

	for (size_t n = 0; n < i->spec.argv.n; n++)
		json_array_append_new(words, lxe_json_text(i->spec.argv.v[n]));
	return words;
}

static json_t *ending_of(const struct lxe_info *i)
{
	if (!i->has_outcome)
		return json_null();
	return json_pack("{s:s, s:i, s:o}", "cause", lxe_cause_name(i->outcome.cause), "exit_code",
		lxe_outcome_exit_status(&i->outcome), "message",
		lxe_json_text(i->outcome.message[0] ? i->outcome.message : NULL));
}

/* When it is ended at the latest, 0: never, or it has ended. */
static uint64_t expiry_of(const struct lxe_info *i)
{
	bool ends = i->owned && i->spec.ttl_ms && i->spec.ttl_ms < UINT64_MAX / 2;
	uint64_t from = i->record.created_at_ms;

	/* One that was started again lives from then on. */
	if (i->live.started_at_ms > from + i->spec.ttl_ms)
		from = i->live.started_at_ms;
	return ends ? from + i->spec.ttl_ms : 0;
}

static json_t *summary_of(const struct lxe_info *i)
{
	return json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", i->place.id,
		"name", name_or_null(i), "state", i->state, "reason",
		lxe_json_text(i->why[0] ? i->why : NULL), "pid",
		number_or_null((uint64_t)(i->owned ? i->live.pid : 0)), "image",
		lxe_json_text(i->spec.image), "created_at", time_or_null(i->record.created_at_ms),
		"expires_at", time_or_null(expiry_of(i)), "idle_ms",
		number_or_null(i->spec.idle_ms), "command", command_of(i));
}

static json_t *details_of(const struct lxe_info *i)
{
	json_t *all = summary_of(i);

	json_object_update_new(
		all, json_pack("{s:I, s:{s:o, s:i}, s:o, s:b, s:b, s:o, s:o}", "owner",
			     (json_int_t)i->record.owner, "origin", "argv0",
			     lxe_json_text(i->record.origin), "pid", (int)i->record.creator,
			     "keeper", number_or_null((uint64_t)(i->owned ? i->live.keeper : 0)),
			     "keep", i->record.keep, "tty", i->spec.tty == LXE_TTY_ON, "started_at",
			     time_or_null(i->live.started_at_ms), "ended_at",
			     time_or_null(i->has_outcome ? i->outcome.ended_at_ms : 0)));
	json_object_update_new(
		all, json_pack("{s:o, s:o, s:o, s:o}", "mounts", lxe_json_mounts(&i->spec.mounts),
			     "network", lxe_json_net(&i->spec.net), "limits",
			     lxe_json_limits(&i->spec), "ending", ending_of(i)));
	json_object_set_new(all, "confinement", lxe_json_confinement(&i->spec));
	json_object_set_new(
		all, "blocked", lxe_blocked_json(i->blocked ? i->blocked : i->outcome.blocked));
	json_object_set_new(all, "cause",
		i->has_outcome ? json_string(lxe_cause_name(i->outcome.cause)) : json_null());
	return all;
}

static void print_words(const struct lxe_info *i)
{
	char line[64] = "";
	size_t len = 0;

	for (size_t n = 0; n < i->spec.argv.n && len + 1 < sizeof(line); n++) {
		snprintf(line + len, sizeof(line) - len, "%s%s", n ? " " : "", i->spec.argv.v[n]);
		len = strlen(line);
	}
	lxe_print_field(line, 0);
}

static void print_command(const struct lxe_info *i)
{
	/* Of one that waits for somebody this is of more use. */
	if (i->why[0]) {
		lxe_print("(");
		lxe_print_field(i->why, 0);
		lxe_print(")");
		return;
	}
	print_words(i);
}

static void print_row(const struct lxe_info *i)
{
	char created[32], expires[32];

	format_time(i->record.created_at_ms, created, sizeof(created));
	format_time(expiry_of(i), expires, sizeof(expires));
	lxe_print("%-12s  ", i->place.id);
	lxe_print_field(i->record.name[0] ? i->record.name : "-", 16);
	lxe_print("  %-10s  %-8d  ", i->state, i->owned ? (int)i->live.pid : 0);
	lxe_print_field(i->spec.image ? i->spec.image : "-", 8);
	lxe_print("  %-20s  %-20s  ", created, expires[0] ? expires : "-");
	print_command(i);
	lxe_print("\n");
}

static int print_list(struct lxe_cli *cli, const struct lxe_info *list, size_t n)
{
	json_t *array;

	if (cli->req.output == LXE_OUTPUT_JSON) {
		array = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(array, summary_of(&list[i]));
		return lxe_print_json(array);
	}
	lxe_print("%-12s  %-16s  %-10s  %-8s  %-8s  %-20s  %-20s  %s\n", "ID", "NAME", "STATE",
		"PID", "IMAGE", "CREATED", "EXPIRES", "COMMAND");
	for (size_t i = 0; i < n; i++)
		print_row(&list[i]);
	return 0;
}

int lxe_cli_ps(int argc, char **argv)
{
	struct lxe_info *list = NULL;
	struct lxe_cli cli;
	size_t n = 0;
	int r = lxe_cli_begin(&cli, LXE_VERB_PS, false, argc, argv);

	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0)
		r = lxe_registry_list(&cli.dirs, &list, &n, &cli.err);
	if (r == 0) {
		r = print_list(&cli, list, n);
		lxe_registry_free(list, n);
	}
	return lxe_cli_end(&cli, r, 0);
}

static int inspect(struct lxe_cli *cli, const char *word)
{
	struct lxe_place place;
	struct lxe_info info = { 0 };
	int r = lxe_registry_find(&cli->dirs, word, &place, &cli->err);

	if (r < 0)
		return r;
	r = lxe_registry_read(&place, &info);
	if (r < 0)
		return lxe_fail(&cli->err, r, "inspect: open sandbox '%s'", place.id);
	if (strcmp(info.state, "unreadable") == 0) {
		r = lxe_fail_msg(&cli->err, -EBADMSG,
			"inspect: the record of sandbox '%s' cannot be read", place.id);
		lxe_hint(&cli->err,
			"it is damaged or of another version; lxc-exec destroy %s removes it",
			place.id);
	} else {
		r = lxe_print_json(details_of(&info));
	}
	lxe_info_release(&info);
	return r;
}

int lxe_cli_inspect(int argc, char **argv)
{
	struct lxe_cli cli;
	int r = lxe_cli_begin(&cli, LXE_VERB_INSPECT, false, argc, argv);

	if (r == 0)
		r = lxe_cli_want_some(&cli, "the sandbox's name");
	for (int i = 0; r == 0 && i < cli.argc; i++)
		r = inspect(&cli, cli.argv[i]);
	return lxe_cli_end(&cli, r, 0);
}
