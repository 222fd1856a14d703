/* The verbs that make images, or give them away. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/image_recipe.h"
#include "cli/image_said.h"
#include "cli/print.h"
#include "client/client.h"
#include "client/newfile.h"
#include "store/outcome.h"

static int do_task(struct lxe_cli *cli, const struct lxe_image_task *task, int *signal)
{
	struct lxe_image_said said;
	struct lxe_image_task told = *task;
	int r;

	lxe_image_said_begin(&said, task->name, cli->req.spec.verbose);
	told.say = lxe_image_said_take;
	told.arg = &said;
	r = lxe_client_image(&cli->dirs, &told, signal, &cli->err);
	/* Of other tasks the first line, which the message has, says it all. */
	lxe_image_said_end(&said, r < 0 && !*signal && task->job == LXE_JOB_BUILD);
	return r;
}

static int end(struct lxe_cli *cli, int r, int signal)
{
	return signal ? lxe_cli_end(cli, 0, LXE_EXIT_SIGNAL + signal) : lxe_cli_end(cli, r, 0);
}

static int add_word(struct lxe_strv *words, const char *option, const char *value)
{
	LXE_AUTOFREE char *word = NULL;

	if (!value)
		return 0;
	if (asprintf(&word, "%s%s", option, value) < 0) {
		word = NULL;
		return -ENOMEM;
	}
	return lxe_strv_add(words, word);
}

static int build(struct lxe_cli *cli, const char *name, int *signal)
{
	struct lxe_image_task task = {
		.job = LXE_JOB_BUILD,
		.name = name,
		.source = -EBADF,
		.output = -EBADF,
	};
	int r = add_word(&task.words, "--include=", cli->req.include);

	if (r == 0)
		r = add_word(&task.words, "--mirror=", cli->req.mirror);
	r = r < 0 ? lxe_fail(&cli->err, r, "build image '%s'", name) : do_task(cli, &task, signal);
	lxe_strv_release(&task.words);
	return r;
}

int lxe_cli_image_build(int argc, char **argv)
{
	struct lxe_cli cli;
	int r, signal = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_IMAGE_BUILD, false, argc, argv);
	if (r == 0)
		r = lxe_cli_image_recipe_check(&cli);
	if (r == 0 && cli.req.recipe) {
		r = lxe_cli_image_recipe(&cli, &signal);
		return end(&cli, r, signal);
	}
	if (r == 0)
		r = lxe_cli_want_some(&cli, "the name of an image");
	for (int i = 0; r == 0 && i < cli.argc; i++) {
		r = build(&cli, cli.argv[i], &signal);
		if (r == 0 && cli.req.spec.verbose >= 0)
			lxe_print_note("image '%s' built", cli.argv[i]);
	}
	return end(&cli, r, signal);
}

static int want_words(struct lxe_cli *cli, int min, int max)
{
	if (cli->argc >= min && cli->argc <= max)
		return 0;
	lxe_hint(&cli->err, "lxc-exec %s %s", cli->info->name, cli->info->usage);
	return lxe_fail_msg(&cli->err, -EINVAL, "%s: %s", cli->info->name,
		cli->argc < min ? "words are missing" : "too many words");
}

/* What is imported: its words for the keeper, and a descriptor. */
struct source {
	int fd;
	const char *kind;
	char path[PATH_MAX];
	const char *tag;
};

static int refuse_transport(const char *word, struct lxe_err *err)
{
	static const char *const others[] = { "docker:", "docker-archive:", "docker-daemon:",
		"oci-archive:", "containers-storage:", "dir:", "http:", "https:" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (!lxe_starts_with(word, others[i]))
			continue;
		lxe_hint(err, "skopeo copy %s oci:DIR, then import oci:DIR", word);
		return lxe_fail_msg(err, -EINVAL, "import '%s': nothing is fetched", word);
	}
	return 0;
}

/* Both may hold a ':': what is there as a whole has no tag, and else the first directory that is there ends at one. */
static void split_tag(char *layout, const char **tag)
{
	struct stat st;

	*tag = "";
	if (access(layout, F_OK) == 0)
		return;
	for (char *colon = strchr(layout, ':'); colon; colon = strchr(colon + 1, ':')) {
		*colon = '\0';
		if (stat(layout, &st) == 0 && S_ISDIR(st.st_mode)) {
			*tag = colon + 1;
			return;
		}
		*colon = ':';
	}
}

static int refuse_own(const struct lxe_cli *cli, const char *path, struct lxe_err *err)
{
	char state[PATH_MAX];
	size_t len = strlen(path);

	if (!realpath(cli->dirs.state, state) || strncmp(state, path, len) != 0 ||
		(state[len] != '/' && state[len] && strcmp(path, "/") != 0))
		return 0;
	lxe_hint(err, "import what is in a directory beside it");
	return lxe_fail_msg(
		err, -EINVAL, "import '%s': the images are in it, in '%s'", path, state);
}

static int open_source(const struct lxe_cli *cli, const char *word, bool is_layout,
	struct source *ret, struct lxe_err *err)
{
	struct stat st;
	int fd = open(word, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || !realpath(word, ret->path)) {
		int r = lxe_fail(err, -errno, "open '%s'", word);

		if (r == -ENOENT && !is_layout)
			refuse_transport(word, err);
		lxe_close(fd);
		return r;
	}
	ret->fd = fd;
	ret->kind = is_layout ? "oci" : S_ISDIR(st.st_mode) ? "dir" : "tar";
	if (is_layout && !S_ISDIR(st.st_mode))
		return lxe_fail(err, -ENOTDIR, "open the layout '%s'", word);
	return S_ISDIR(st.st_mode) ? refuse_own(cli, ret->path, err) : 0;
}

static int find_source(
	const struct lxe_cli *cli, const char *word, struct source *ret, struct lxe_err *err)
{
	char layout[PATH_MAX];
	int r;

	ret->tag = "";
	if (strcmp(word, "-") == 0) {
		if (isatty(STDIN_FILENO)) {
			lxe_hint(err, "lxc-exec image import NAME - <FILE");
			return lxe_fail_msg(err, -EINVAL, "import: standard input is a terminal");
		}
		ret->kind = "tar";
		ret->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		return ret->fd < 0 ? lxe_fail(err, -errno, "read standard input") : 0;
	}
	if (!lxe_starts_with(word, "oci:")) {
		r = access(word, F_OK) < 0 ? refuse_transport(word, err) : 0;
		return r < 0 ? r : open_source(cli, word, false, ret, err);
	}
	r = lxe_format(layout, sizeof(layout), "%s", word + strlen("oci:"));
	if (r < 0)
		return lxe_fail(err, r, "open '%s'", word);
	split_tag(layout, &ret->tag);
	/* The rest of the word outlives us: it is the command line's. */
	if (*ret->tag)
		ret->tag = word + strlen(word) - strlen(ret->tag);
	return open_source(cli, layout, true, ret, err);
}

static int import_from(struct lxe_cli *cli, const struct source *source, int *signal)
{
	struct lxe_image_task task = {
		.job = LXE_JOB_IMPORT,
		.name = cli->argv[0],
		.source = source->fd,
		.output = -EBADF,
	};
	const char *words[] = { source->kind, source->path, source->tag,
		cli->req.force ? "force" : "" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(words) / sizeof(words[0]); i++)
		r = lxe_strv_add(&task.words, words[i]);
	r = r < 0 ? lxe_fail(&cli->err, r, "import") : do_task(cli, &task, signal);
	lxe_strv_release(&task.words);
	return r;
}

int lxe_cli_image_import(int argc, char **argv)
{
	struct lxe_cli cli;
	struct source source = { .fd = -EBADF };
	int r, signal = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_IMAGE_IMPORT, false, argc, argv);
	if (r == 0)
		r = want_words(&cli, 2, 2);
	if (r == 0)
		r = lxe_image_check_name(cli.argv[0], &cli.err);
	if (r == 0)
		r = find_source(&cli, cli.argv[1], &source, &cli.err);
	if (r == 0)
		r = import_from(&cli, &source, &signal);
	if (r == 0 && cli.req.spec.verbose >= 0)
		lxe_print_note("image '%s' imported", cli.argv[0]);
	lxe_close(source.fd);
	return end(&cli, r, signal);
}

/* What is no file is written to as it is. */
static int open_archive(
	int *ret, bool *whole, struct lxe_newfile *file, const char *path, struct lxe_err *err)
{
	struct stat st;
	int r;

	*whole = false;
	if (!path || strcmp(path, "-") == 0) {
		if (isatty(STDOUT_FILENO)) {
			lxe_hint(err, "name a file, or redirect it: >FILE");
			return lxe_fail_msg(err, -EINVAL, "export: standard output is a terminal");
		}
		*ret = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return *ret < 0 ? lxe_fail(err, -errno, "write to standard output") : 0;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		*ret = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return *ret < 0 ? lxe_fail(err, -errno, "open '%s'", path) : 0;
	}
	r = lxe_newfile_begin(file, path, err);
	*whole = r == 0;
	*ret = file->fd;
	return r;
}

static int export_to(struct lxe_cli *cli, const char *path, int *signal)
{
	struct lxe_newfile file;
	struct lxe_image_task task = {
		.job = LXE_JOB_EXPORT,
		.name = cli->argv[0],
		.source = -EBADF,
	};
	bool whole;
	int r = open_archive(&task.output, &whole, &file, path, &cli->err);
	int saved;

	if (r < 0)
		return r;
	r = do_task(cli, &task, signal);
	if (!whole) {
		lxe_close(task.output);
		return r;
	}
	saved = lxe_newfile_end(&file, r == 0, &cli->err);
	return r < 0 ? r : saved;
}

int lxe_cli_image_export(int argc, char **argv)
{
	struct lxe_cli cli;
	int r, signal = 0;

	r = lxe_cli_begin(&cli, LXE_VERB_IMAGE_EXPORT, false, argc, argv);
	if (r == 0)
		r = want_words(&cli, 1, 2);
	if (r == 0)
		r = lxe_image_check_name(cli.argv[0], &cli.err);
	if (r == 0)
		r = export_to(&cli, cli.argc > 1 ? cli.argv[1] : NULL, &signal);
	return end(&cli, r, signal);
}
