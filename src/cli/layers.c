/* snapshot, restore, fork. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "client/layers.h"

static int want_words(struct lxe_cli *cli, int n)
{
	int r = lxe_cli_want_some(cli, "the sandbox's name");

	if (r < 0 || cli->argc == n)
		return r;
	lxe_hint(&cli->err, "lxc-exec %s %s", cli->info->name, cli->info->usage);
	return lxe_fail_msg(&cli->err, -EINVAL, "%s: %s", cli->info->name,
		cli->argc < n ? "a name is missing" : "there are too many words");
}

static int find(struct lxe_cli *cli, const char *word, struct lxe_place *ret)
{
	return lxe_registry_find(&cli->dirs, word, ret, &cli->err);
}

/* What the layers of a snapshot take: its uppermost is what it has added to the one before. */
static uint64_t size_of(const struct lxe_cli *cli, const struct lxe_snapshot *s)
{
	LXE_AUTOCLOSE int layers = lxe_layers_open(cli->dirs.state);
	uint64_t size = 0;

	if (layers < 0 || !s->top[0] || lxe_layer_size(layers, s->top, &size) < 0)
		return 0;
	return size;
}

static void format_time(uint64_t ms, char *buf, size_t size)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&s, &tm))
		strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int print_list(struct lxe_cli *cli, const struct lxe_snapshots *list)
{
	char when[32], size[32];
	json_t *array;

	if (cli->req.output == LXE_OUTPUT_JSON) {
		array = json_array();
		for (size_t i = 0; i < list->n; i++) {
			format_time(list->v[i].made_ms, when, sizeof(when));
			json_array_append_new(array,
				json_pack("{s:o, s:s, s:I, s:o}", "name",
					lxe_json_text(list->v[i].name), "created_at", when, "size",
					(json_int_t)size_of(cli, &list->v[i]), "layer",
					lxe_json_text(list->v[i].top[0] ? list->v[i].top : NULL)));
		}
		return lxe_print_json(array);
	}
	lxe_print("%-20s  %-10s  %s\n", "CREATED", "SIZE", "SNAPSHOT");
	for (size_t i = 0; i < list->n; i++) {
		format_time(list->v[i].made_ms, when, sizeof(when));
		snprintf(size, sizeof(size), "%" PRIu64 "K",
			(size_of(cli, &list->v[i]) + 1023) / 1024);
		lxe_print("%-20s  %-10s  ", when, size);
		lxe_print_field(list->v[i].name, 0);
		lxe_print("\n");
	}
	return 0;
}

static int list(struct lxe_cli *cli, const struct lxe_place *place)
{
	struct lxe_snapshots found = { 0 };
	int r = lxe_client_snapshots(place, &found, &cli->err);

	if (r == 0)
		r = print_list(cli, &found);
	lxe_snapshots_release(&found);
	return r;
}

static int snapshot(struct lxe_cli *cli)
{
	struct lxe_place place;
	int r = lxe_cli_want_some(cli, "the sandbox's name");

	if (r == 0 && cli->req.rm && cli->argc < 2)
		r = want_words(cli, 2);
	if (r == 0 && !cli->req.rm && cli->argc > 2)
		r = want_words(cli, 2);
	if (r == 0)
		r = find(cli, cli->argv[0], &place);
	if (r < 0)
		return r;
	if (cli->argc == 1)
		return list(cli, &place);
	if (!cli->req.rm)
		return lxe_client_snapshot(&place, &cli->dirs, cli->argv[1], &cli->err);
	for (int i = 1; r == 0 && i < cli->argc; i++)
		r = lxe_client_snapshot_rm(&place, &cli->dirs, cli->argv[i], &cli->err);
	return r;
}

static int restore(struct lxe_cli *cli)
{
	struct lxe_place place;
	int r = want_words(cli, 2);

	if (r == 0)
		r = find(cli, cli->argv[0], &place);
	return r < 0 ? r : lxe_client_restore(&place, &cli->dirs, cli->argv[1], &cli->err);
}

/* A name has no '/' in it. */
static int fork_one(struct lxe_cli *cli)
{
	struct lxe_place place;
	char *snapshot = NULL;
	int r = want_words(cli, 2);

	if (r == 0 && (snapshot = strchr(cli->argv[0], '/')) != NULL)
		*snapshot++ = '\0';
	if (r == 0)
		r = find(cli, cli->argv[0], &place);
	return r < 0 ? r : lxe_client_fork(&place, &cli->dirs, snapshot, cli->argv[1], &cli->err);
}

int lxe_cli_snapshot(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_SNAPSHOT, snapshot, argc, argv);
}

int lxe_cli_restore(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_RESTORE, restore, argc, argv);
}

int lxe_cli_fork(int argc, char **argv)
{
	return lxe_cli_do(LXE_VERB_FORK, fork_one, argc, argv);
}
