#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"
#include "keeper/teardown.h"
#include "store/outcome.h"

struct tally {
	const struct lxe_request *req;
	json_t *records;
	int failed;
};

static void tell(const struct tally *t, const char *id, const char *residue)
{
	if (residue && !t->req->dry_run)
		lxe_print_residue(id, residue);
	else if (t->req->spec.verbose >= 0)
		lxe_print("%s %s\n", id, t->req->dry_run ? "would be removed" : "removed");
}

static void report(void *arg, const char *id, const char *residue)
{
	struct tally *t = arg;

	if (residue && !t->req->dry_run)
		t->failed++;
	if (t->req->output == LXE_OUTPUT_TABLE)
		tell(t, id, residue);
	else
		json_array_append_new(t->records,
			json_pack("{s:o, s:b, s:o}", "id", lxe_json_text(id), "removed",
				!residue && !t->req->dry_run, "residue", lxe_json_text(residue)));
}

static int collect(struct lxe_cli *cli, int *status)
{
	struct tally t = { .req = &cli->req, .records = json_array() };
	int r;

	r = lxe_gc(cli->dirs.run, cli->req.dry_run, report, &t, &cli->err);
	if (r >= 0 && cli->req.output == LXE_OUTPUT_JSON)
		r = lxe_print_json(json_pack(
			"{s:b, s:O}", "dry_run", cli->req.dry_run, "sandboxes", t.records));
	else if (r == 0 && cli->req.spec.verbose >= 0)
		lxe_print("nothing is left behind\n");
	json_decref(t.records);
	*status = t.failed ? LXE_EXIT_ERROR : 0;
	return r < 0 ? r : 0;
}

int lxe_cli_gc(int argc, char **argv)
{
	struct lxe_cli cli;
	int r, status = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_GC, false, argc, argv);
	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0 && !cli.req.dry_run)
		r = lxe_cli_need_root(&cli);
	if (r == 0)
		r = collect(&cli, &status);
	return lxe_cli_end(&cli, r, status);
}
