#include "policy/options.h"

#include "policy/setters.h"

/* What makes a sandbox, and what runs a command in one. */
#define MAKES (LXE_VERB_RUN | LXE_VERB_SHELL | LXE_VERB_CREATE)
#define COOKS (MAKES | LXE_VERB_IMAGE_BUILD)
#define RUNS (MAKES | LXE_VERB_EXEC)
#define HANDLES                                                                              \
	(LXE_VERB_START | LXE_VERB_WAIT | LXE_VERB_KILL | LXE_VERB_STOP | LXE_VERB_DESTROY | \
		LXE_VERB_ATTACH | LXE_VERB_LOGS | LXE_VERB_SNAPSHOT | LXE_VERB_RESTORE |     \
		LXE_VERB_FORK | LXE_VERB_COMMIT | LXE_VERB_DISCARD)
#define WITH_OUTPUT                                                                   \
	(LXE_VERB_IMAGE_LS | LXE_VERB_IMAGE_INSPECT | LXE_VERB_GC | LXE_VERB_DOCTOR | \
		LXE_VERB_VERSION | LXE_VERB_PS | LXE_VERB_STATS | LXE_VERB_SNAPSHOT | \
		LXE_VERB_DIFF)
#define ANY                                                                       \
	(RUNS | HANDLES | LXE_VERB_INSPECT | WITH_OUTPUT | LXE_VERB_IMAGE_BUILD | \
		LXE_VERB_IMAGE_RM | LXE_VERB_IMAGE_IMPORT | LXE_VERB_IMAGE_EXPORT | LXE_VERB_HELP)

#define AT(field) .offset = offsetof(struct lxe_request, field)

static const struct lxe_option table[] = {
	{
		.name = "tty",
		.letter = 't',
		.help = "give the command a terminal of the container's own",
		.detail = "Without this option and without -T the command gets one when standard "
			  "input and standard output are both terminals.",
		.values = "yes, no or auto",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_tty,
	},
	{
		.name = "no-tty",
		.letter = 'T',
		.help = "give the command the caller's own standard files",
		.detail = "Bytes pass unchanged and standard error stays apart.",
		.values = "yes or no; yes means the same as tty = no",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_no_tty,
	},
	{
		.name = "env",
		.letter = 'e',
		.placeholder = "NAME[=VALUE]",
		.help = "set an environment variable; NAME alone passes the caller's value",
		.detail = "May be repeated; the last of a name wins. Nothing else of the caller's "
			  "environment reaches the command. A NAME that the caller has not set is "
			  "not passed.",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_SECTION,
		.set = lxe_set_env,
	},
	{
		.name = "cwd",
		.letter = 'w',
		.placeholder = "DIR",
		.help = "start the command in this directory of the container",
		.values = "an absolute path",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_path,
		AT(spec.cwd),
	},
	{
		.name = "user",
		.letter = 'u',
		.placeholder = "UID[:GID]|NAME",
		.help = "run the command as this user of the container (default: root)",
		.detail = "A name is looked up in the container's own /etc/passwd. Supplementary "
			  "groups are dropped.",
		.values = "a number, two with a ':' between, or a name",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_user,
		AT(spec.user),
	},
	{
		.name = "image",
		.placeholder = "NAME",
		.help = "image to start from (default: host)",
		.detail = "The image host shows the programs of this machine, read-only.",
		.values = "a name; lxc-exec image ls lists them",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_name,
		AT(spec.image),
	},
	{
		.name = "profile",
		.placeholder = "NAME|FILE",
		.help = "read options from a profile; a value with a '/' is a file",
		.detail = "Profiles are described in lxc-exec.conf(5).",
		.values = "the name of the profile that this one builds on, or its path",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_text,
		AT(profile),
	},
	{
		.name = "name",
		.placeholder = "NAME",
		.help = "call the sandbox by a name",
		.values = "a name",
		.verbs = LXE_VERB_RUN | LXE_VERB_SHELL,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_name,
		AT(spec.name),
	},
	{
		.name = "cap-add",
		.placeholder = "CAPABILITY",
		.help = "give root inside one more capability, or ALL",
		.detail =
			"May be repeated, or be a list with commas. What is neither added nor "
			"dropped is what container engines leave by default: CHOWN, DAC_OVERRIDE, "
			"FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, "
			"SYS_CHROOT, MKNOD, AUDIT_WRITE and SETFCAP.",
		.values = "names of capabilities(7) with commas between them, or ALL",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_caps,
		.value = 1,
	},
	{
		.name = "cap-drop",
		.placeholder = "CAPABILITY",
		.help = "take one capability away, or ALL",
		.detail = "As --cap-add. With ALL on either side, the other names the exceptions.",
		.values = "names of capabilities(7) with commas between them, or ALL",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_caps,
	},
	{
		.name = "new-privs",
		.help = "let setuid programs inside, such as sudo, gain what they are made to",
		.detail = "Without it nothing in the sandbox ever gains a privilege by executing a "
			  "program (no_new_privs). They gain no more than root inside has.",
		.values = "yes or no",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_flag,
		AT(spec.new_privs),
	},
	{
		.name = "deny",
		.placeholder = "PATH",
		.help = "put a file or a directory of the container out of everybody's reach",
		.detail = "May be repeated. A path that is not there is an error.",
		.values = "absolute paths with ':' between them",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_deny,
		.set_in_profile = lxe_set_deny_list,
	},
#include "policy/options_mounts.inc"
#include "policy/options_limits.inc"
#include "policy/options_net.inc"
	{
		.name = "result",
		.placeholder = "FILE|fd:N",
		.help = "write how the run ended, as one JSON object",
		.detail = "It is written on every way out.",
		.values = "an absolute path; each run replaces the file",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_destination,
		.set_in_profile = lxe_set_result_file,
		AT(spec.result),
	},
	{
		.name = "secret",
		.placeholder = "NAME=SOURCE",
		.help = "show a secret as /run/secrets/NAME: env:VAR, file:PATH or fd:N",
		.detail =
			"May be repeated. The file is in memory, 0400, and the command's user's; the "
			"value is not passed on in any other way, and the variable is not either. "
			"At most 512 KiB each.",
		.values = "env: and the name of a variable, or file: and an absolute path",
		.verbs = MAKES | LXE_VERB_START,
		.in_profile = LXE_PROFILE_SECTION,
		.set = lxe_set_secret,
		.set_in_profile = lxe_set_secret_in_profile,
	},
	{
		.name = "output-limit",
		.placeholder = "SIZE",
		.help = "pass on the first and the last half of SIZE, and drop the rest",
		.detail = "For standard output and standard error each; a line between the halves "
			  "says how many bytes are missing, and the result record counts them. "
			  "The head is passed on as it comes, the tail at the end. With a terminal "
			  "it is about what is passed on to the caller; create needs -T.",
		.values = "a whole number with K, M or G, from 64 to 1G, or none",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_output_limit,
	},
	{
		.name = "spill",
		.placeholder = "FILE|fd:N",
		.help = "write all output to FILE, beside --output-limit",
		.detail =
			"Both streams, as they come. A file that is there is replaced, to fd:N it is "
			"added; what cannot be written to its end is told of, and the run goes on.",
		.values = "an absolute path; each run replaces the file",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_destination,
		.set_in_profile = lxe_set_spill_file,
		AT(spec.spill),
	},
	{
		.name = "seccomp",
		.placeholder = "default|strict|unconfined|FILE",
		.help = "system calls that are allowed (default: default)",
		.detail =
			"default is no wider than what container engines allow; strict is for "
			"computing alone: no sockets but those of the machine, no users, no debugging; "
			"unconfined is no filter. FILE is a profile in the container engines' JSON "
			"format. It holds for every command in the sandbox.",
		.values = "default, strict, unconfined, or the absolute path of a profile",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_text,
		.set_in_profile = lxe_set_seccomp_file,
		AT(spec.seccomp),
	},
	{
		.name = "seccomp-log",
		.help = "let denied system calls happen, and have the kernel log them",
		.detail = "They are in the kernel's log, or in that of its audit daemon. "
			  "This is for finding out; it confines nothing.",
		.values = "yes or no",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_flag,
		AT(spec.seccomp_log),
	},
	{
		.name = "apparmor",
		.placeholder = "PROFILE",
		.help = "AppArmor profile of commands, or unconfined (default: default)",
		.detail =
			"For hosts with AppArmor. default is liblxc's profile for containers where it is loaded, and none elsewhere; "
			"PROFILE has to be loaded.",
		.values = "default, unconfined, or the name of a profile that is loaded",
		.verbs = MAKES,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_apparmor,
		AT(spec.apparmor),
	},
	{
		.name = "learn",
		.placeholder = "FILE|fd:N",
		.help = "write a profile of the system calls that are used, for --seccomp",
		.detail =
			"fd:N is an open descriptor. Everything that runs in the sandbox counts. It is not wider than the profile "
			"it runs under; with --seccomp-log it has what that would have denied, too.",
		.values = "an absolute path; each run replaces the file",
		.verbs = LXE_VERB_RUN | LXE_VERB_SHELL,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_destination,
		.set_in_profile = lxe_set_file,
		AT(spec.learn),
	},
	{
		.name = "no-explain",
		.help = "with -v or --result, do not tell what the command is denied",
		.detail = "To tell it, the keeper is asked for each call that writes to a path.",
		.values = "yes or no",
		.verbs = RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_flag,
		AT(spec.no_explain),
	},
	{
		.name = "quiet",
		.letter = 'q',
		.help = "print nothing but errors",
		.values = "yes or no",
		.verbs = RUNS | HANDLES | LXE_VERB_IMAGE_BUILD | LXE_VERB_IMAGE_RM | LXE_VERB_GC,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_verbose,
		.value = -1,
	},
	{
		.name = "verbose",
		.letter = 'v',
		.help = "say in one line how it ended and how long it took",
		.values = "yes or no",
		.verbs = RUNS | HANDLES | LXE_VERB_IMAGE_BUILD | LXE_VERB_IMAGE_RM | LXE_VERB_GC,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_verbose,
		.value = 1,
	},
	{
		.name = "keep",
		.help = "keep the sandbox and its files when its command has ended",
		.detail =
			"It is stopped then, until lxc-exec destroy removes it. When this program "
			"is killed, the command goes on.",
		.values = "yes or no",
		.verbs = LXE_VERB_RUN | LXE_VERB_SHELL,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_flag,
		AT(spec.keep),
	},
	{
		.name = "signal",
		.letter = 's',
		.placeholder = "SIGNAL",
		.help = "send this signal to the command (default: KILL, to everything in it)",
		.values = "a name such as TERM, or a number",
		.verbs = LXE_VERB_KILL,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_signal,
		AT(signal),
	},
	{
		.name = "stop-timeout",
		.placeholder = "DURATION",
		.help = "time between the stop signal and the end by force",
		.detail =
			"Of a command whose --timeout is over, 2 s unless said; of lxc-exec stop, "
			"10 s. With none there is no such time.",
		.values = "a whole number with ms, s, m or h, or none",
		.verbs = LXE_VERB_STOP | RUNS,
		.in_profile = LXE_PROFILE_KEY,
		.set = lxe_set_grace,
	},
#include "policy/options_verbs.inc"
	{ .name = NULL },
};

const struct lxe_option *lxe_options(void)
{
	return table;
}
