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
#include "client/cow.h"
#include "client/layers.h"
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
	return i->owned ? i->live.expires_at_ms : 0;
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

/* What it takes on disk, where that is asked for: NULL when it cannot be told. */
static json_t *disk_of(struct lxe_cli *cli, const struct lxe_info *i)
{
	struct lxe_usage usage = { 0 };
	struct lxe_err ignored = { 0 };
	json_t *disk = NULL;

	if (lxe_client_usage(&i->place, &cli->dirs, true, &usage, &ignored) == 0)
		disk = json_pack("{s:I, s:I}", "own", (json_int_t)usage.own, "shared",
			(json_int_t)usage.shared);
	lxe_strv_release(&usage.layers);
	return disk ? disk : json_null();
}

static json_t *with_disk(struct lxe_cli *cli, json_t *object, const struct lxe_info *i)
{
	if (cli->req.size)
		json_object_set_new(object, "disk", disk_of(cli, i));
	return object;
}

static json_t *layers_of(struct lxe_cli *cli, const struct lxe_info *i)
{
	struct lxe_usage usage = { 0 };
	struct lxe_err ignored = { 0 };
	json_t *ids = json_array();

	lxe_client_usage(&i->place, &cli->dirs, false, &usage, &ignored);
	for (size_t n = 0; n < usage.layers.n; n++)
		json_array_append_new(ids, json_string(usage.layers.v[n]));
	lxe_strv_release(&usage.layers);
	return ids;
}

static void print_size(struct lxe_cli *cli, const struct lxe_info *i)
{
	struct lxe_usage usage = { 0 };
	struct lxe_err ignored = { 0 };
	char text[64] = "-";

	if (!cli->req.size)
		return;
	if (lxe_client_usage(&i->place, &cli->dirs, true, &usage, &ignored) == 0)
		snprintf(text, sizeof(text), "%" PRIu64 "K (shared %" PRIu64 "K)",
			(usage.own + 1023) / 1024, (usage.shared + 1023) / 1024);
	lxe_strv_release(&usage.layers);
	lxe_print("%-24s  ", text);
}

static void print_row(struct lxe_cli *cli, const struct lxe_info *i)
{
	char created[32], expires[32];

	format_time(i->record.created_at_ms, created, sizeof(created));
	format_time(expiry_of(i), expires, sizeof(expires));
	lxe_print("%-12s  ", i->place.id);
	lxe_print_field(i->record.name[0] ? i->record.name : "-", 16);
	lxe_print("  %-10s  %-8d  ", i->state, i->owned ? (int)i->live.pid : 0);
	lxe_print_field(i->spec.image ? i->spec.image : "-", 8);
	lxe_print("  %-20s  %-20s  ", created, expires[0] ? expires : "-");
	print_size(cli, i);
	print_command(i);
	lxe_print("\n");
}

static int print_list(struct lxe_cli *cli, const struct lxe_info *list, size_t n)
{
	json_t *array;

	if (cli->req.output == LXE_OUTPUT_JSON) {
		array = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(
				array, with_disk(cli, summary_of(&list[i]), &list[i]));
		return lxe_print_json(array);
	}
	lxe_print("%-12s  %-16s  %-10s  %-8s  %-8s  %-20s  %-20s  ", "ID", "NAME", "STATE", "PID",
		"IMAGE", "CREATED", "EXPIRES");
	if (cli->req.size)
		lxe_print("%-24s  ", "SIZE");
	lxe_print("COMMAND\n");
	for (size_t i = 0; i < n; i++)
		print_row(cli, &list[i]);
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

/* What is written in its copy-on-write binds; nothing where there are none, or nobody can tell. */
static json_t *changes_of(struct lxe_cli *cli, const struct lxe_info *i)
{
	const struct lxe_cow_how how = { .act = LXE_COW_COUNT, .out = -EBADF, .conflicts = -EBADF };
	struct lxe_cow_told told = { 0 };

	if (!lxe_mounts_count_cow(&i->spec.mounts) ||
		lxe_client_cow(&i->place, &cli->dirs, &how, &told, NULL) < 0)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "added", (json_int_t)told.added, "modified",
		(json_int_t)told.modified, "deleted", (json_int_t)told.deleted);
}

static int inspect(struct lxe_cli *cli, const char *word)
{
	struct lxe_place place;
	struct lxe_info info = { 0 };
	json_t *details;
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
		details = details_of(&info);
		json_object_set_new(details, "changes", changes_of(cli, &info));
		json_object_set_new(details, "layers", layers_of(cli, &info));
		r = lxe_print_json(with_disk(cli, details, &info));
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
