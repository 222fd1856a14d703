#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/image_use.h"
#include "cli/print.h"
#include "client/registry.h"
#include "rootfs/images.h"
#include "rootfs/imageusers.h"
#include "store/imageconfig.h"

static int add_users(struct lxe_cli *cli, const char *base, const char *image, json_t *users)
{
	struct lxe_strv ids = { 0 };
	int r = lxe_image_users(base, image, &ids);

	for (size_t i = 0; r == 0 && i < ids.n; i++) {
		struct lxe_place where = { .base = base, .run = cli->dirs.run };
		struct lxe_info info = { 0 };

		memcpy(where.id, ids.v[i], sizeof(where.id));
		/* What has gone meanwhile needs nothing. */
		if (lxe_registry_read(&where, &info) == 0)
			json_array_append_new(users, json_pack("{s:o, s:s, s:s}", "name",
							     lxe_json_text(lxe_info_name(&info)),
							     "id", where.id, "state", info.state));
		lxe_info_release(&info);
	}
	lxe_strv_release(&ids);
	return r < 0 ? lxe_fail(&cli->err, r, "look who uses image '%s'", image) : 0;
}

json_t *lxe_cli_image_users(struct lxe_cli *cli, const char *image)
{
	json_t *users = json_array();
	int r = add_users(cli, cli->dirs.state, image, users);

	if (r == 0)
		r = add_users(cli, cli->dirs.run, image, users);
	if (r == 0)
		return users;
	json_decref(users);
	return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Names, as far as there is room for them. */
static void list_users(const json_t *users, char *buf, size_t size)
{
	size_t used = 0, i;
	const json_t *user;

	buf[0] = '\0';
	json_array_foreach(users, i, user)
	{
		if (lxe_format(buf + used, size - used, "%s'%s' (%s)", used ? ", " : "",
			    text_of(user, "name"), text_of(user, "state")) < 0) {
			buf[used] = '\0';
			break;
		}
		used += strlen(buf + used);
	}
}

int lxe_cli_image_refuse_used(struct lxe_cli *cli, const char *image)
{
	char names[300], record[PATH_MAX];
	json_t *users;
	int r = lxe_format(
		record, sizeof(record), "%s/images/%s/" LXE_IMAGE_RECORD, cli->dirs.state, image);

	/* One that is half there has to go before it can be made again. */
	if (r < 0 || access(record, F_OK) < 0)
		return 0;
	users = lxe_cli_image_users(cli, image);
	if (!users)
		return cli->err.code;
	if (json_array_size(users)) {
		list_users(users, names, sizeof(names));
		lxe_hint(&cli->err, "end and destroy them first");
		r = lxe_fail_msg(&cli->err, -EBUSY, "image '%s' is in use by %s", image, names);
	}
	json_decref(users);
	return r;
}

static json_t *list_of(const struct lxe_strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, lxe_json_text(list->v[i]));
	return array;
}

static json_t *config_of(struct lxe_cli *cli, const char *name)
{
	struct lxe_image_config config = { 0 };
	json_t *json;

	if (lxe_image_config_of(&config, cli->dirs.state, name) < 0)
		return json_null();
	json = json_pack("{s:o, s:o, s:o, s:o, s:o}", "env", list_of(&config.env), "user",
		lxe_json_text(config.user), "cwd", lxe_json_text(config.cwd), "entrypoint",
		list_of(&config.entrypoint), "cmd", list_of(&config.cmd));
	lxe_image_config_release(&config);
	return json;
}

struct wanted {
	const char *name;
	bool found;
	struct lxe_image_info info;
};

static int take_wanted(void *arg, const struct lxe_image_info *info)
{
	struct wanted *w = arg;

	if (strcmp(info->name, w->name) != 0)
		return 0;
	w->found = true;
	w->info = *info;
	w->info.name = w->name;
	return 0;
}

static json_t *describe(struct lxe_cli *cli, const struct wanted *w)
{
	json_t *json = json_pack("{s:o, s:b, s:b}", "name", lxe_json_text(w->name), "complete",
		w->info.complete, "in_use", w->info.in_use);
	json_t *users = lxe_cli_image_users(cli, w->name);

	if (!json || !users) {
		json_decref(json);
		json_decref(users);
		return NULL;
	}
	json_object_set_new(json, "used_by", users);
	if (!w->info.complete)
		return json;
	json_object_update_new(json,
		json_pack("{s:o, s:o, s:o, s:I, s:b, s:o}", "template",
			lxe_json_text(w->info.record.template), "source",
			lxe_json_text(w->info.record.source[0] ? w->info.record.source : NULL),
			"created_at", lxe_json_text(w->info.record.created_at), "size",
			(json_int_t)w->info.record.size, "host_trees", w->info.record.host_trees,
			"config", config_of(cli, w->name)));
	return json;
}

static void print_text(const char *label, const char *text)
{
	lxe_print("%-12s ", label);
	lxe_print_field(text && *text ? text : "-", 0);
	lxe_print("\n");
}

static void print_list(const char *label, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		print_text(i ? "" : label, json_string_value(item));
	}
}

static void print_table(const json_t *json)
{
	const json_t *config = json_object_get(json, "config");
	char users[1024], size[48];

	list_users(json_object_get(json, "used_by"), users, sizeof(users));
	snprintf(size, sizeof(size), "%" PRIu64 "K",
		((uint64_t)json_integer_value(json_object_get(json, "size")) + 1023) / 1024);
	print_text("name", text_of(json, "name"));
	print_text("state",
		json_is_true(json_object_get(json, "complete")) ? "complete" : "half-built");
	print_text("template", text_of(json, "template"));
	print_text("source", text_of(json, "source"));
	print_text("created", text_of(json, "created_at"));
	print_text("size", size);
	print_text("used by", users);
	if (!json_is_object(config))
		return;
	print_text("user", text_of(config, "user"));
	print_text("cwd", text_of(config, "cwd"));
	print_list("entrypoint", json_object_get(config, "entrypoint"));
	print_list("cmd", json_object_get(config, "cmd"));
	print_list("env", json_object_get(config, "env"));
}

static int inspect(struct lxe_cli *cli, const char *name, bool first)
{
	struct wanted w = { .name = name };
	json_t *json;
	int r = lxe_image_check_name(name, &cli->err);

	if (r == 0)
		r = lxe_image_list(cli->dirs.state, take_wanted, &w, &cli->err);
	if (r == 0 && !w.found) {
		lxe_hint(&cli->err, "lxc-exec image ls lists what there is");
		r = lxe_fail_msg(&cli->err, -ENOENT, "there is no image '%s'", name);
	}
	if (r < 0)
		return r;
	json = describe(cli, &w);
	if (!json)
		return cli->err.code ? cli->err.code : -ENOMEM;
	if (cli->req.output == LXE_OUTPUT_JSON)
		return lxe_print_json(json);
	if (!first)
		lxe_print("\n");
	print_table(json);
	json_decref(json);
	return 0;
}

int lxe_cli_image_inspect(int argc, char **argv)
{
	struct lxe_cli cli;
	int r = lxe_cli_begin(&cli, LXE_VERB_IMAGE_INSPECT, false, argc, argv);

	if (r == 0)
		r = lxe_cli_want_some(&cli, "the name of an image");
	for (int i = 0; r == 0 && i < cli.argc; i++)
		r = inspect(&cli, cli.argv[i], i == 0);
	return lxe_cli_end(&cli, r, 0);
}
