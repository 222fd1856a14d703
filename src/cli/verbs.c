#include "cli/verbs.h"

#include <errno.h>
#include <string.h>

#include "policy/nearest.h"

static const struct lxe_verb_info table[] = {
	{
		.name = "run",
		.verb = LXE_VERB_RUN,
		.usage = "[OPTIONS] [--] COMMAND [ARG...]",
		.summary = "run one command in a fresh container",
		.text = "Runs COMMAND in a container of its own and removes the container "
			"afterwards. In a pipeline the command gets the caller's own standard "
			"files; on a terminal it gets a terminal of the container's.\n\n"
			"The exit status is the command's; 128+n when signal n ended it, 124 "
			"after a timeout, 126 when the command cannot be executed, 127 when it is "
			"not found, and 125 when lxc-exec itself failed.",
		.examples = {
			{ "lxc-exec run -- uname -a", "one command" },
			{ "lxc-exec run --timeout 30s --memory 512M -- python3 -c 'print(6 * 7)'",
				"with limits" },
			{ "gzip -dc log.gz | lxc-exec run -- sort -u | wc -l", "in a pipeline" },
			{ "lxc-exec run --profile agent --result fd:3 -- make -v 3>run.json",
				"with a profile and a record of how it ended" },
		},
		.main = lxe_cli_run,
	},
	{
		.name = "shell",
		.verb = LXE_VERB_SHELL,
		.usage = "[OPTIONS]",
		.summary = "open a shell in a fresh container",
		.text = "Opens an interactive shell: bash where the image has it, else sh. When "
			"standard input is no terminal, a shell script is read from it. "
			"lxc-exec without a verb means the same.",
		.examples = {
			{ "lxc-exec", "a shell" },
			{ "lxc-exec shell --image busybox", "on another image" },
			{ "lxc-exec shell <script.sh", "a script" },
		},
		.main = lxe_cli_shell,
	},
	{
		.name = "image ls",
		.verb = LXE_VERB_IMAGE_LS,
		.usage = "[--format table|json]",
		.summary = "list the images",
		.text = "Lists the images that sandboxes can start from.",
		.examples = { { "lxc-exec image ls --format json", "for a program" } },
		.main = lxe_cli_image_ls,
	},
	{
		.name = "image build",
		.verb = LXE_VERB_IMAGE_BUILD,
		.usage = "[OPTIONS] NAME...",
		.summary = "build an image from the template of its name",
		.text = "Builds images: host (this machine's own programs, read-only; it is built "
			"when it is first used) and busybox. An image of that name that exists is "
			"replaced.",
		.examples = { { "lxc-exec image build busybox", "make the busybox image" } },
		.main = lxe_cli_image_build,
	},
	{
		.name = "image rm",
		.verb = LXE_VERB_IMAGE_RM,
		.usage = "[OPTIONS] NAME...",
		.summary = "remove an image",
		.text = "Removes images, half-built ones as well. An image that a sandbox runs on "
			"stays.",
		.examples = { { "lxc-exec image rm busybox", "remove the busybox image" } },
		.main = lxe_cli_image_rm,
	},
	{
		.name = "gc",
		.verb = LXE_VERB_GC,
		.usage = "[OPTIONS]",
		.summary = "remove what killed sandboxes have left",
		.text = "Tears down every sandbox that has no owner any more. Sandboxes that run "
			"are not touched. The exit status is 125 when something could not be "
			"removed.",
		.examples = { { "lxc-exec gc --dry-run", "look only" } },
		.main = lxe_cli_gc,
	},
	{
		.name = "doctor",
		.verb = LXE_VERB_DOCTOR,
		.usage = "[--format table|json]",
		.summary = "check what this machine can do",
		.text = "Checks the kernel, the cgroups, the user ids and the programs that "
			"lxc-exec needs, and names the remedy for what is missing. Works without "
			"root.",
		.examples = { { "lxc-exec doctor", "check" } },
		.main = lxe_cli_doctor,
	},
	{
		.name = "version",
		.verb = LXE_VERB_VERSION,
		.usage = "[--format table|json]",
		.summary = "print the version",
		.text = "Prints the version of lxc-exec.",
		.examples = { { "lxc-exec version --format json", "for a program" } },
		.main = lxe_cli_version,
	},
	{
		.name = "help",
		.verb = LXE_VERB_HELP,
		.usage = "[VERB]",
		.summary = "explain a verb",
		.text = "Prints what a verb does and which options it takes.",
		.examples = { { "lxc-exec help run", "explain run" } },
		.main = lxe_cli_help,
	},
	{ .name = NULL },
};

const struct lxe_verb_info *lxe_verbs(void)
{
	return table;
}

const struct lxe_verb_info *lxe_verb_info(enum lxe_verb verb)
{
	const struct lxe_verb_info *v = table;

	while (v->verb != verb && v[1].name)
		v++;
	return v;
}

/* How many of the words spell the name: 0 when they do not. */
static int spelt_by(const char *name, int argc, char **argv)
{
	const char *space = strchr(name, ' ');
	size_t len = space ? (size_t)(space - name) : strlen(name);

	if (argc < 1 || strlen(argv[0]) != len || memcmp(argv[0], name, len) != 0)
		return 0;
	if (!space)
		return 1;
	return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

static void suggest(const char *word, struct lxe_err *err)
{
	struct lxe_nearest near = { 0 };

	for (const struct lxe_verb_info *v = table; v->name; v++)
		lxe_nearest_offer(&near, word, strlen(word), v->name);
	if (near.best)
		lxe_hint(err, "did you mean lxc-exec %s? A command is run by: lxc-exec run -- %s",
			near.best, word);
	else
		lxe_hint(err, "a command is run by: lxc-exec run -- %s", word);
}

const struct lxe_verb_info *lxe_verb_find(int argc, char **argv, int *words, struct lxe_err *err)
{
	for (const struct lxe_verb_info *v = table; v->name; v++) {
		*words = spelt_by(v->name, argc, argv);
		if (*words)
			return v;
	}
	if (argc > 0 && strcmp(argv[0], "image") == 0) {
		if (argc > 1)
			lxe_fail_msg(err, -EINVAL, "image: there is no verb '%s'", argv[1]);
		else
			lxe_fail_msg(err, -EINVAL, "image: a verb is missing");
		lxe_hint(err, "lxc-exec image ls, lxc-exec image build, lxc-exec image rm");
		return NULL;
	}
	lxe_fail_msg(err, -EINVAL, "there is no verb '%s'", argc > 0 ? argv[0] : "");
	suggest(argc > 0 ? argv[0] : "", err);
	return NULL;
}
