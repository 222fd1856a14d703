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
		.usage = "[OPTIONS] [NAME]",
		.summary = "open a shell in a fresh container, or in a sandbox that runs",
		.text = "Opens an interactive shell, in the sandbox NAME if one is given: bash where the image has it, else sh. When "
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
		.name = "create",
		.verb = LXE_VERB_CREATE,
		.usage = "[OPTIONS] NAME [-- COMMAND [ARG...]]",
		.summary = "make a sandbox that stays",
		.text = "Makes the sandbox NAME with COMMAND (a login shell without one) ready in it: "
			"the process exists, with its whole policy installed, and waits for "
			"lxc-exec start before it executes anything. Its process id on this "
			"machine is printed.\n\n"
			"The command gets a terminal of its own, which lxc-exec attach shows; with "
			"-T it gets the caller's standard files. What it writes into its file "
			"system is kept, also when it has ended, until lxc-exec destroy.",
		.examples = {
			{ "lxc-exec create box && lxc-exec start box", "a box to work in" },
			{ "lxc-exec create --memory 1G web -- python3 -m http.server",
				"a command of its own, with a limit" },
		},
		.main = lxe_cli_create,
	},
	{
		.name = "start",
		.verb = LXE_VERB_START,
		.usage = "NAME...",
		.summary = "let the command of a created sandbox go, or of a stopped one again",
		.text = "Releases the command, which executes now. The exit status is 126 or 127 when "
			"it cannot. A sandbox that has ended and is kept is made again first, as it was "
			"created and with the files that it has written. Secrets are stored nowhere: give "
			"them again.",
		.examples = { { "lxc-exec start box", "start it" } },
		.main = lxe_cli_start,
	},
	{
		.name = "exec",
		.verb = LXE_VERB_EXEC,
		.usage = "[OPTIONS] NAME [--] COMMAND [ARG...]",
		.summary = "run one more command in a sandbox that runs",
		.text = "Runs COMMAND in the sandbox NAME, beside what runs there: with the caller's "
			"standard files or a terminal, as lxc-exec run does, and with its exit "
			"status. A signal to this program, and --timeout, end this command with "
			"everything that it has started, and nothing else.",
		.examples = {
			{ "lxc-exec exec box -- make -j4", "one command" },
			{ "lxc-exec exec --timeout 10s box -- ./test.sh", "with a limit" },
		},
		.main = lxe_cli_exec,
	},
	{
		.name = "attach",
		.verb = LXE_VERB_ATTACH,
		.usage = "[OPTIONS] NAME",
		.summary = "come back to a sandbox's terminal",
		.text = "Draws what the terminal of the sandbox's command shows, and drives it until "
			"the detach key (ctrl-]) is typed, the input ends, this program ends, or the "
			"command does; only then the exit status is the command's. One program "
			"drives a terminal, any number may watch it with --read-only.",
		.examples = {
			{ "lxc-exec attach box", "drive it; ctrl-] leaves" },
			{ "lxc-exec attach --read-only box", "look over somebody's shoulder" },
			{ "lxc-exec attach --take-over box", "when it is still open elsewhere" },
		},
		.main = lxe_cli_attach,
	},
	{
		.name = "logs",
		.verb = LXE_VERB_LOGS,
		.usage = "[--follow] NAME",
		.summary = "print what a sandbox's terminal has shown",
		.text = "Prints the last 256 KiB of the terminal's output as plain text, without "
			"anything that would drive a terminal. Of a sandbox that has ended, what it "
			"had shown then.",
		.examples = { { "lxc-exec logs --follow web | grep error", "wait for errors" } },
		.main = lxe_cli_logs,
	},
	{
		.name = "wait",
		.verb = LXE_VERB_WAIT,
		.usage = "[OPTIONS] NAME",
		.summary = "wait until a sandbox's command has ended",
		.text = "Waits, and exits with the command's status. After --timeout it exits with "
			"124, and the command goes on.",
		.examples = { { "lxc-exec wait --timeout 1m box", "wait for a minute at most" } },
		.main = lxe_cli_wait,
	},
	{
		.name = "kill",
		.verb = LXE_VERB_KILL,
		.usage = "[--signal SIGNAL] NAME...",
		.summary = "kill a sandbox's command, or send it a signal",
		.text = "Without --signal everything in the sandbox ends at once. With one, that is "
			"sent to the command.",
		.examples = {
			{ "lxc-exec kill box", "end it" },
			{ "lxc-exec kill --signal HUP web", "tell it to read its settings again" },
		},
		.main = lxe_cli_kill,
	},
	{
		.name = "stop",
		.verb = LXE_VERB_STOP,
		.usage = "[--stop-timeout DURATION] NAME...",
		.summary = "ask a sandbox's command to end",
		.text = "Sends TERM to the command (HUP as well when it has a terminal), and ends "
			"everything by force if it has not ended in time. A sandbox that is kept is "
			"stopped then.",
		.examples = { { "lxc-exec stop --stop-timeout 2s box", "give it two seconds" } },
		.main = lxe_cli_stop,
	},
	{
		.name = "destroy",
		.verb = LXE_VERB_DESTROY,
		.usage = "[--force] NAME...",
		.summary = "remove a sandbox with all its files",
		.text = "Removes sandboxes that are created, stopped, failed or crashed; with --force "
			"also those that run.",
		.examples = { { "lxc-exec destroy box", "remove it" } },
		.main = lxe_cli_destroy,
	},
#include "cli/verbs_changes.inc"
	{
		.name = "snapshot",
		.verb = LXE_VERB_SNAPSHOT,
		.usage = "NAME [SNAPSHOT] | --rm NAME SNAPSHOT...",
		.summary = "keep a sandbox's files as they are, under a name",
		.text = "Gives a name to the files of the stopped sandbox NAME as they are now, for "
			"lxc-exec restore and lxc-exec fork. Nothing is copied: what was written "
			"becomes a layer that is never written to again. Without SNAPSHOT those that "
			"there are are listed, with the bytes that each has added.\n\n"
			"Files of the caller's that are bound into it, and secrets, are no part of it.",
		.examples = {
			{ "lxc-exec stop box && lxc-exec snapshot box before", "remember it" },
			{ "lxc-exec snapshot box", "what there is to go back to" },
			{ "lxc-exec snapshot --rm box before", "forget it" },
		},
		.main = lxe_cli_snapshot,
	},
	{
		.name = "restore",
		.verb = LXE_VERB_RESTORE,
		.usage = "NAME SNAPSHOT",
		.summary = "go back to a snapshot",
		.text = "The stopped sandbox NAME has the files again that it had when the snapshot was "
			"made. What was written since is removed; other snapshots stay, so that one can "
			"go forth again as well.",
		.examples = { { "lxc-exec restore box before && lxc-exec start box", "try again" } },
		.main = lxe_cli_restore,
	},
	{
		.name = "fork",
		.verb = LXE_VERB_FORK,
		.usage = "NAME[/SNAPSHOT] NEW",
		.summary = "make another sandbox with the same files",
		.text = "Makes the sandbox NEW, stopped, as NAME was created, with the files that NAME has "
			"now, or had at its SNAPSHOT. Nothing is copied, however much there is: both lie "
			"on the same layers, and neither sees what the other writes from then on. NAME "
			"has to be stopped, but for a snapshot. Limits, binds, network and published "
			"ports are those of NAME; a port that both publish is an error for the one that "
			"is started second.",
		.examples = {
			{ "lxc-exec fork box other && lxc-exec start other", "two of them" },
			{ "lxc-exec fork box/before other", "from a snapshot; box may run" },
		},
		.main = lxe_cli_fork,
	},
	{
		.name = "ps",
		.verb = LXE_VERB_PS,
		.usage = "[--size] [--format table|json]",
		.summary = "list the sandboxes",
		.text = "Lists the sandboxes that are there, the oldest first. The process id is that "
			"of the command on this machine. One whose keeper was killed is crashed "
			"until lxc-exec gc has ended what is left of it.",
		.examples = { { "lxc-exec ps --format json", "for a program" } },
		.main = lxe_cli_ps,
	},
	{
		.name = "inspect",
		.verb = LXE_VERB_INSPECT,
		.usage = "[--size] NAME...",
		.summary = "print all that is known of a sandbox",
		.text = "Prints one JSON object for each sandbox. With --size it also says what the sandbox takes on "
			"disk, in bytes: what it has written itself, and what is in the layers below.",
		.examples = { { "lxc-exec inspect box", "everything about it" } },
		.main = lxe_cli_inspect,
	},
#include "cli/verbs_image.inc"
	{
		.name = "stats",
		.verb = LXE_VERB_STATS,
		.usage = "[--watch] [--format table|json|prometheus]",
		.summary = "show what the sandboxes use",
		.text = "Shows processor, memory, processes, bytes through the terminal and time of "
			"each sandbox. The processor's share is the average since the command's "
			"start, or with --watch that of the last second.",
		.examples = {
			{ "lxc-exec stats --watch", "every second" },
			{ "lxc-exec stats --format prometheus", "for a collector" },
		},
		.main = lxe_cli_stats,
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
		.usage = "[--format table|json] | --fix USER...",
		.summary = "check what this machine can do",
		.text = "Checks the kernel, the cgroups, the user ids and the programs that "
			"lxc-exec needs, and names the remedy for what is missing. Works without "
			"root, and then tells what that user lacks. With --fix, root gives the users that are named what "
			"they need.",
		.examples = { { "lxc-exec doctor", "check" },
			{ "sudo lxc-exec doctor --fix $USER", "be able to make sandboxes" } },
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
		lxe_hint(err,
			"lxc-exec help image explains ls, inspect, build, import, export and rm");
		return NULL;
	}
	lxe_fail_msg(err, -EINVAL, "there is no verb '%s'", argc > 0 ? argv[0] : "");
	suggest(argc > 0 ? argv[0] : "", err);
	return NULL;
}
