#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/image_use.h"
#include "cli/print.h"
#include "rootfs/images.h"
#include "store/outcome.h"

static const char *state_of(const struct lxe_image_info *info)
{
	if (!info->complete)
		return "half-built";
	return info->in_use ? "in use" : "ready";
}

static void print_header(bool *first)
{
	if (*first)
		lxe_print("%-16s %-11s %-9s %-20s %s\n", "NAME", "STATE", "SIZE", "CREATED",
			"TEMPLATE");
	*first = false;
}

/* The header waits for the first row, so that a failure prints nothing but its message. */
static int print_row(void *arg, const struct lxe_image_info *info)
{
	char size[32];

	print_header(arg);
	snprintf(size, sizeof(size), "%" PRIu64 "K", (info->record.size + 1023) / 1024);
	lxe_print_field(info->name, 16);
	lxe_print(" %-11s %-9s ", state_of(info), info->complete ? size : "-");
	lxe_print_field(info->complete ? info->record.created_at : "-", 20);
	lxe_print(" ");
	lxe_print_field(info->complete ? info->record.template : "-", 0);
	lxe_print("\n");
	return 0;
}

static int add_object(void *arg, const struct lxe_image_info *info)
{
	json_t *image = json_pack("{s:o, s:b, s:b}", "name", lxe_json_text(info->name), "complete",
		info->complete, "in_use", info->in_use);

	if (info->complete)
		json_object_update_new(
			image, json_pack("{s:o, s:o, s:I, s:b}", "template",
				       lxe_json_text(info->record.template), "created_at",
				       lxe_json_text(info->record.created_at), "size",
				       (json_int_t)info->record.size, "host_trees",
				       info->record.host_trees));
	return json_array_append_new(arg, image) < 0 ? -ENOMEM : 0;
}

static int list_table(struct lxe_cli *cli)
{
	bool first = true;
	int r = lxe_image_list(cli->dirs.state, print_row, &first, &cli->err);

	if (r == 0)
		print_header(&first);
	return r;
}

static int list_json(struct lxe_cli *cli)
{
	json_t *images = json_array();
	int r = lxe_image_list(cli->dirs.state, add_object, images, &cli->err);

	if (r < 0)
		json_decref(images);
	else
		r = lxe_print_json(images);
	return r;
}

static int list(struct lxe_cli *cli)
{
	switch (cli->req.output) {
	case LXE_OUTPUT_TABLE:
		return list_table(cli);
	case LXE_OUTPUT_JSON:
		return list_json(cli);
	}
	return -EINVAL;
}

int lxe_cli_image_ls(int argc, char **argv)
{
	struct lxe_cli cli;
	int r;

	r = lxe_cli_begin(&cli, LXE_VERB_IMAGE_LS, false, argc, argv);
	if (r == 0)
		r = lxe_cli_want_none(&cli);
	if (r == 0)
		r = list(&cli);
	return lxe_cli_end(&cli, r, 0);
}

/* Kept sandboxes will run on it again. */
static int rm(struct lxe_cli *cli, const char *name)
{
	int r = lxe_image_check_name(name, &cli->err);

	if (r == 0)
		r = lxe_cli_image_refuse_used(cli, name);
	if (r == 0)
		r = lxe_image_remove(cli->dirs.state, name, &cli->err);
	if (r == -ENOENT)
		lxe_hint(&cli->err, "lxc-exec image ls lists what there is");
	return r;
}

int lxe_cli_image_rm(int argc, char **argv)
{
	struct lxe_cli cli;
	int r;

	r = lxe_cli_begin(&cli, LXE_VERB_IMAGE_RM, false, argc, argv);
	if (r == 0)
		r = lxe_cli_want_some(&cli, "the name of an image");
	for (int i = 0; r == 0 && i < cli.argc; i++) {
		r = rm(&cli, cli.argv[i]);
		if (r == 0 && cli.req.spec.verbose >= 0)
			lxe_print_note("image '%s' removed", cli.argv[i]);
	}
	return lxe_cli_end(&cli, r, 0);
}
