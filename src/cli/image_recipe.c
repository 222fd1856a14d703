/* image build -f: an image made by a recipe, and what it says of its commands. */
#include "cli/image_recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/image_steps.h"
#include "cli/image_use.h"
#include "cli/print.h"
#include "client/client.h"
#include "client/recipe.h"
#include "policy/ini.h"
#include "store/imageconfig.h"
#include "store/imagedir.h"
#include "sys/fd.h"

/* One image by a recipe. */
struct making {
	struct lxe_cli *cli;
	const char *file;
	char name[LXE_IMAGE_NAME_MAX + 1];
	struct lxe_recipe recipe;
	struct lxe_image_steps steps;
};

static bool is_stdin(const struct making *m)
{
	return strcmp(m->file, "-") == 0;
}

/* Without another name it has the file's, as far as the first dot. */
static int find_name(struct making *m)
{
	struct lxe_err *err = &m->cli->err;
	const char *given = m->cli->argc ? m->cli->argv[0] : NULL;
	const char *base = strrchr(m->file, '/');
	int r;

	if (m->cli->argc > 1) {
		lxe_hint(err, "a recipe makes one image");
		return lxe_fail_msg(err, -EINVAL, "image build: too many words");
	}
	if (!given && is_stdin(m)) {
		lxe_hint(err, "lxc-exec image build -f - NAME");
		return lxe_fail_msg(err, -EINVAL, "image build: the image needs a name");
	}
	base = base ? base + 1 : m->file;
	r = lxe_format(m->name, sizeof(m->name), "%.*s",
		given ? (int)strlen(given) : (int)strcspn(base, "."), given ? given : base);
	if (r == 0)
		r = lxe_image_check_name(m->name, err);
	if (r == 0 && strcmp(m->name, "host") == 0)
		r = lxe_fail_msg(err, -EINVAL, "image 'host' is this machine's own");
	if (r < 0 && !given)
		lxe_hint(err, "lxc-exec image build -f %s NAME", m->file);
	return r;
}

/* A pipe can be read once, and has no size. */
static int read_stdin(char **text, size_t *len, struct lxe_err *err)
{
	LXE_AUTOCLOSE int memory = memfd_create("lxe-recipe", MFD_CLOEXEC);
	char buf[4096];
	size_t used = 0;
	ssize_t n;
	int r = memory < 0 ? -errno : 0;

	if (isatty(STDIN_FILENO)) {
		lxe_hint(err, "lxc-exec image build -f FILE, or <FILE");
		return lxe_fail_msg(err, -EINVAL, "image build: standard input is a terminal");
	}
	while (r == 0 && (n = sys_read(STDIN_FILENO, buf, sizeof(buf))) != 0) {
		used += n < 0 ? 0 : (size_t)n;
		r = n < 0		      ? (int)n
		    : used > LXE_INI_SIZE_MAX ? -E2BIG
					      : sys_write_all(memory, buf, (size_t)n);
	}
	if (r == 0)
		r = sys_read_whole(memory, LXE_INI_SIZE_MAX, text, len);
	return r < 0 ? lxe_fail(err, r, "read the recipe") : 0;
}

/* What never ends, or waits for somebody to write, is not begun with. */
static int read_file(const char *name, char **text, size_t *len, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
	} else if (!S_ISREG(st.st_mode)) {
		lxe_hint(err, "what comes through a pipe: lxc-exec image build -f - NAME");
		lxe_fail_msg(err, r = -EINVAL, "it is no plain file");
	} else {
		r = sys_read_whole(fd, LXE_INI_SIZE_MAX, text, len);
	}
	return r < 0 ? lxe_fail(err, r, "read the recipe '%s'", name) : 0;
}

/* Where relative names begin. */
static int directory_of(const char *file, char **ret)
{
	char *path = realpath(file, NULL), *slash;

	if (!path)
		return -errno;
	slash = strrchr(path, '/');
	if (slash)
		slash[slash == path] = '\0';
	*ret = path;
	return 0;
}

static int read_recipe(struct making *m)
{
	LXE_AUTOFREE char *text = NULL, *directory = NULL;
	struct lxe_err *err = &m->cli->err;
	size_t len = 0;
	int r = is_stdin(m) ? read_stdin(&text, &len, err) : read_file(m->file, &text, &len, err);

	if (r < 0)
		return r;
	if (is_stdin(m)) {
		directory = realpath(".", NULL);
		r = directory ? 0 : -errno;
	} else {
		r = directory_of(m->file, &directory);
	}
	if (r < 0)
		return lxe_fail(err, r, "find the recipe '%s'", m->file);
	r = lxe_recipe_parse(&m->recipe, m->file, directory, text, len, err);
	if (r == 0 && strcmp(m->recipe.from, "host") == 0) {
		lxe_hint(err, "what it shows is this machine's own: from = debian or busybox");
		r = lxe_fail_msg(err, -EINVAL, "%s: image 'host' has no files of its own", m->file);
	}
	/* It runs on that one: it could not be exchanged with what becomes of it. */
	if (r == 0 && strcmp(m->recipe.from, m->name) == 0) {
		lxe_hint(err, "lxc-exec image build -f %s ANOTHER-NAME", m->file);
		r = lxe_fail_msg(err, -EINVAL, "%s: image '%s' cannot be made from itself", m->file,
			m->name);
	}
	return r;
}

static void begins(void *arg, const struct lxe_step *step, size_t number)
{
	const struct making *m = arg;

	if (m->steps.live)
		lxe_print_note("step %zu of %zu: %s", number, m->recipe.n,
			step->kind == LXE_STEP_RUN ? step->text : step->dst);
}

static void waits(void *arg)
{
	const struct making *m = arg;

	if (m->steps.live)
		lxe_print_note("another build of image '%s' is waited for", m->name);
}

static void said(void *arg, const char *text, size_t len)
{
	struct making *m = arg;

	lxe_image_steps_take(&m->steps, text, len);
}

static json_t *list_of(const struct lxe_strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, json_string(list->v[i]));
	return array;
}

/* The other image's, and then the recipe's: the last of a name wins. */
static json_t *env_of(const struct lxe_strv *before, const struct lxe_strv *more)
{
	json_t *array = json_array();

	for (size_t i = 0; i < before->n; i++) {
		size_t len = strcspn(before->v[i], "=") + 1;
		bool again = false;

		for (size_t k = 0; k < more->n && !again; k++)
			again = strncmp(before->v[i], more->v[k], len) == 0;
		if (!again)
			json_array_append_new(array, json_string(before->v[i]));
	}
	for (size_t i = 0; i < more->n; i++)
		json_array_append_new(array, json_string(more->v[i]));
	return array;
}

static int write_config(const struct lxe_image_config *c, const struct lxe_strv *more)
{
	LXE_AUTOCLOSE int fd = memfd_create("lxe-config", MFD_CLOEXEC);
	LXE_AUTOFREE char *text = NULL;
	json_t *json = json_pack("{s:{s:o, s:s?, s:s?, s:o, s:o}}", "config", "Env",
		env_of(&c->env, more), "User", c->user, "WorkingDir", c->cwd, "Entrypoint",
		list_of(&c->entrypoint), "Cmd", list_of(&c->cmd));
	int r = fd < 0 ? -errno : 0;

	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (r == 0)
		r = text ? sys_write_all(fd, text, strlen(text)) : -EILSEQ;
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? r : take_fd(&fd);
}

/* What it was made from it says as well, and what the recipe adds. */
static int make_config(struct making *m)
{
	struct lxe_image_config config = { 0 };
	int r = lxe_image_config_of(&config, m->cli->dirs.state, m->recipe.from);

	if (r == 0 || r == -ENOENT)
		r = write_config(&config, &m->recipe.env);
	lxe_image_config_release(&config);
	return r < 0 ? lxe_fail(&m->cli->err, r, "say what image '%s' says", m->recipe.from) : r;
}

static int add_words(struct lxe_strv *words, const char *path)
{
	const char *const all[] = { "recipe", path, "", "force" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		r = lxe_strv_add(words, all[i]);
	return r;
}

/* The sandbox lives as long as it is read. */
static int publish(struct making *m, struct lxe_cook *cook, int *signal)
{
	LXE_AUTOCLOSE int config = make_config(m);
	struct lxe_image_task task = {
		.job = LXE_JOB_IMPORT, .name = m->name, .config = config, .output = -EBADF
	};
	struct lxe_err *err = &m->cli->err, said = { 0 };
	struct lxe_archive archive;
	int r = config;

	if (r < 0)
		return r;
	r = lxe_cook_archive(cook, &archive, err);
	task.source = archive.output;
	if (r == 0 && (r = add_words(&task.words, m->file)) < 0)
		lxe_fail(err, r, "ask for the image");
	if (r == 0)
		r = lxe_client_image(&m->cli->dirs, &task, signal, err);
	/* Whoever could not write says why nothing was to be read. */
	if (lxe_archive_end(&archive, &said) == -EIO && r < 0 && !*signal)
		*err = said;
	lxe_strv_release(&task.words);
	return r;
}

static int make(struct making *m, int *signal)
{
	struct lxe_cook cook = {
		.recipe = &m->recipe,
		.name = m->file,
		.dirs = &m->cli->dirs,
		.req = &m->cli->req,
		.begins = begins,
		.said = said,
		.sink = m->steps.live ? STDERR_FILENO : -EBADF,
		.arg = m,
	};
	int r = lxe_cook(&cook, signal, &m->cli->err);

	if (r < 0 && !*signal) {
		/* What failed has to be seen; what went well only by who looks on. */
		if (m->cli->req.spec.verbose >= 0)
			lxe_image_steps_show(&m->steps);
		lxe_fail(&m->cli->err, r, "build image '%s'", m->name);
	}
	if (r == 0)
		r = publish(m, &cook, signal);
	lxe_cook_end(&cook);
	return r;
}

int lxe_cli_image_recipe_check(struct lxe_cli *cli)
{
	static const struct {
		const char *name;
		bool recipe;
	} options[] = { { "network", true }, { "allow", true }, { "deny-net", true },
		{ "proxy", true }, { "memory", true }, { "pids", true }, { "cpus", true },
		{ "include", false }, { "mirror", false } };

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		bool given = lxe_args_have(&cli->args, options[i].name, NULL);

		if (!given || options[i].recipe == (cli->req.recipe != NULL))
			continue;
		lxe_hint(&cli->err, options[i].recipe
					    ? "the steps of a recipe have a sandbox: -f FILE"
					    : "what is installed is said in the recipe's steps");
		return lxe_fail_msg(&cli->err, -EINVAL, "image build: --%s is not for %s",
			options[i].name, options[i].recipe ? "templates" : "recipes");
	}
	return 0;
}

int lxe_cli_image_recipe(struct lxe_cli *cli, int *signal)
{
	struct making m = { .cli = cli, .file = cli->req.recipe };
	LXE_AUTOCLOSE int lock = -EBADF;
	int r = find_name(&m);

	lxe_image_steps_begin(&m.steps, cli->req.spec.verbose);
	if (r == 0)
		r = read_recipe(&m);
	if (r == 0) {
		lock = lxe_imagedir_lock_name(cli->dirs.state, m.name, waits, &m, &cli->err);
		r = lock < 0 ? lock : 0;
	}
	if (r == 0)
		r = lxe_cli_image_refuse_used(
			cli, m.name); /* and not only when all steps are done */
	if (r == 0)
		r = make(&m, signal);
	if (r == 0 && cli->req.spec.verbose >= 0)
		lxe_print_note("image '%s' built", m.name);
	lxe_imagedir_unlock_name(cli->dirs.state, m.name, &lock);
	lxe_recipe_release(&m.recipe);
	return r;
}
