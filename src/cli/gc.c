#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "keeper/metrics.h"
#include "keeper/teardown.h"
#include "rootfs/images.h"
#include "store/layers.h"
#include "store/outcome.h"
#include "store/sandbox.h"

struct tally {
	const struct lxe_request *req;
	json_t *sandboxes, *builds;
	int found, failed, layers;
};

static void tell(const struct tally *t, const char *what, const char *name, const char *residue)
{
	if (residue && !t->req->dry_run) {
		lxe_print_residue(name, residue);
	} else if (t->req->spec.verbose >= 0) {
		lxe_print("%s", what);
		lxe_print_field(name, 0);
		lxe_print(" %s\n", t->req->dry_run ? "would be removed" : "removed");
	}
}

static void add_record(const struct tally *t, json_t *records, const char *key, const char *name,
	const char *residue)
{
	json_array_append_new(
		records, json_pack("{s:o, s:b, s:o}", key, lxe_json_text(name), "removed",
				 !residue && !t->req->dry_run, "residue", lxe_json_text(residue)));
}

static void count(struct tally *t, const char *residue)
{
	t->found++;
	if (residue && !t->req->dry_run)
		t->failed++;
}

static void report_sandbox(void *arg, const char *id, const char *residue)
{
	struct tally *t = arg;

	count(t, residue);
	if (t->req->output == LXE_OUTPUT_TABLE)
		tell(t, "", id, residue);
	else
		add_record(t, t->sandboxes, "id", id, residue);
}

static void report_build(void *arg, const char *name, const char *residue)
{
	struct tally *t = arg;

	count(t, residue);
	if (t->req->output == LXE_OUTPUT_TABLE)
		tell(t, "unfinished build of image ", name, residue);
	else
		add_record(t, t->builds, "name", name, residue);
}

/* Those of a sandbox whose removal was cut short. */
static void collect_layers(struct lxe_cli *cli, struct tally *t)
{
	LXE_AUTOCLOSE int sandboxes = lxe_sandbox_open_parent(cli->dirs.state);
	int n = sandboxes < 0 ? 0 : lxe_layers_sweep(sandboxes, cli->req.dry_run);
	char text[32] = "layers", buf[128];
	const char *residue = n < 0 ? lxe_reason(n, buf, sizeof(buf)) : NULL;

	t->layers = n > 0 ? n : 0;
	if (n == 0)
		return;
	if (n > 0)
		snprintf(text, sizeof(text), "%d layer%s", n, n == 1 ? "" : "s");
	count(t, residue);
	if (t->req->output == LXE_OUTPUT_TABLE)
		tell(t, "", text, residue);
}

static int collect_all(struct lxe_cli *cli, struct tally *t)
{
	int r;

	if (cli->req.dry_run)
		r = lxe_gc_dry(&cli->dirs, report_sandbox, t, &cli->err);
	else
		r = lxe_gc(&cli->dirs, 0, report_sandbox, t, &cli->err);
	if (r < 0)
		return r;
	collect_layers(cli, t);
	if (!cli->req.dry_run)
		lxe_metrics_collect(cli->dirs.run, NULL);
	return lxe_image_collect(cli->dirs.state, cli->req.dry_run, report_build, t, &cli->err);
}

static int collect(struct lxe_cli *cli, int *status)
{
	struct tally t = { .req = &cli->req, .sandboxes = json_array(), .builds = json_array() };
	int r = collect_all(cli, &t);

	if (r == 0 && cli->req.output == LXE_OUTPUT_JSON)
		r = lxe_print_json(json_pack("{s:b, s:O, s:O, s:i}", "dry_run", cli->req.dry_run,
			"sandboxes", t.sandboxes, "builds", t.builds, "layers", t.layers));
	else if (r == 0 && !t.found && cli->req.spec.verbose >= 0)
		lxe_print("nothing is left behind\n");
	json_decref(t.sandboxes);
	json_decref(t.builds);
	*status = t.failed ? LXE_EXIT_ERROR : 0;
	return r;
}

int lxe_cli_gc(int argc, char **argv)
{
	struct lxe_cli cli;
	int r, status = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_GC, false, argc, argv);
	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0)
		r = collect(&cli, &status);
	return lxe_cli_end(&cli, r, status);
}
