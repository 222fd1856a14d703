#include "store/imageconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/imagedir.h"
#include "sys/fd.h"

void lxe_image_config_release(struct lxe_image_config *config)
{
	lxe_strv_release(&config->env);
	free(take_ptr(config->user));
	free(take_ptr(config->cwd));
	lxe_strv_release(&config->entrypoint);
	lxe_strv_release(&config->cmd);
}

/* Absent and null say the same: nothing. */
static int take_list(struct lxe_strv *ret, const json_t *from)
{
	const json_t *item;
	size_t i;
	int r = 0;

	if (!from || json_is_null(from))
		return 0;
	if (!json_is_array(from))
		return -EBADMSG;
	json_array_foreach(from, i, item)
	{
		if (!json_is_string(item))
			return -EBADMSG;
		r = lxe_strv_add(ret, json_string_value(item));
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_text(char **ret, const json_t *from)
{
	if (!from || json_is_null(from))
		return 0;
	if (!json_is_string(from))
		return -EBADMSG;
	return json_string_length(from) ? lxe_str_set(ret, json_string_value(from)) : 0;
}

/* The same members under the names that an OCI image has for them, or under ours. */
static int take_all(struct lxe_image_config *c, const json_t *from, const char *const names[5])
{
	int r = take_list(&c->env, json_object_get(from, names[0]));

	if (r == 0)
		r = take_text(&c->user, json_object_get(from, names[1]));
	if (r == 0)
		r = take_text(&c->cwd, json_object_get(from, names[2]));
	if (r == 0)
		r = take_list(&c->entrypoint, json_object_get(from, names[3]));
	return r < 0 ? r : take_list(&c->cmd, json_object_get(from, names[4]));
}

static const char *const names_of_oci[] = { "Env", "User", "WorkingDir", "Entrypoint", "Cmd" };
static const char *const names_of_ours[] = { "env", "user", "cwd", "entrypoint", "cmd" };

static int refuse(struct lxe_err *err, const char *what, const char *value)
{
	char shown[128];

	lxe_excerpt(shown, sizeof(shown), value, strlen(value));
	return lxe_fail_msg(err, -EINVAL, "its configuration has the %s '%s'", what, shown);
}

static int check(struct lxe_image_config *c, struct lxe_err *err)
{
	char *colon = c->user ? strchr(c->user, ':') : NULL;

	for (size_t i = 0; i < c->env.n; i++)
		if (strcspn(c->env.v[i], "=") == 0 || !strchr(c->env.v[i], '='))
			return refuse(err, "variable", c->env.v[i]);
	if (c->cwd && c->cwd[0] != '/')
		return refuse(err, "working directory", c->cwd);
	/* A group by name is the one that the user's line in passwd names, or nothing that we could look up. */
	if (colon && (colon == c->user || !colon[1] ||
			     strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
			     strspn(c->user, "0123456789") != (size_t)(colon - c->user)))
		*colon = '\0';
	if (c->user && (!*c->user || lxe_has_controls(c->user, strlen(c->user))))
		return refuse(err, "user", c->user);
	return 0;
}

int lxe_image_config_parse_oci(
	struct lxe_image_config *ret, const char *text, size_t len, struct lxe_err *err)
{
	struct lxe_image_config config = { 0 };
	json_t *json = json_loadb(text, len, 0, NULL);
	int r = json_is_object(json) ? 0 : -EBADMSG;

	/* An image need not have one. */
	if (r == 0 && json_is_object(json_object_get(json, "config")))
		r = take_all(&config, json_object_get(json, "config"), names_of_oci);
	json_decref(json);
	if (r < 0)
		lxe_fail(err, r, "read its configuration");
	else
		r = check(&config, err);
	if (r < 0)
		lxe_image_config_release(&config);
	else
		*ret = config;
	return r;
}

static json_t *list_of(const struct lxe_strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, json_string(list->v[i]));
	return array;
}

int lxe_image_config_write(const struct lxe_image_config *c, int image)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	LXE_AUTOFREE char *text = NULL;
	json_t *json;

	if (!c->env.n && !c->user && !c->cwd && !c->entrypoint.n && !c->cmd.n)
		return 0;
	json = json_pack("{s:o, s:s?, s:s?, s:o, s:o}", "env", list_of(&c->env), "user", c->user,
		"cwd", c->cwd, "entrypoint", list_of(&c->entrypoint), "cmd", list_of(&c->cmd));
	text = json ? json_dumps(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;
	json_decref(json);
	if (!text)
		return -ENOMEM;
	if (strlen(text) >= LXE_IMAGE_CONFIG_MAX)
		return -E2BIG;
	fd = openat(image, LXE_IMAGE_CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : sys_write_all(fd, text, strlen(text));
}

static int read_from(struct lxe_image_config *ret, int fd)
{
	struct lxe_image_config config = { 0 };
	LXE_AUTOFREE char *text = NULL;
	json_t *json;
	size_t len = 0;
	int r;

	r = sys_read_whole(fd, LXE_IMAGE_CONFIG_MAX, &text, &len);
	if (r < 0)
		return r;
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	r = json_is_object(json) ? take_all(&config, json, names_of_ours) : -EBADMSG;
	json_decref(json);
	if (r < 0)
		lxe_image_config_release(&config);
	else
		*ret = config;
	return r;
}

/* One system call where there is nothing: each run asks. */
int lxe_image_config_of(struct lxe_image_config *ret, const char *state, const char *name)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	char path[PATH_MAX];
	int r = lxe_format(path, sizeof(path), "%s/images/%s/" LXE_IMAGE_CONFIG, state, name);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : read_from(ret, fd);
}
