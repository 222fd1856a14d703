#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/help.h"
#include "cli/verbs.h"
#include "policy/args.h"
#include "policy/nearest.h"

#define WORDS_MAX 16

struct fixture {
	struct lxe_args args;
	struct lxe_request req;
	struct lxe_err err;
};

/* Parse the words up to NULL for a verb and set what they say. */
static int parse(struct fixture *f, enum lxe_verb verb, char *const words[])
{
	int n = 0, r;

	while (words[n])
		n++;
	memset(f, 0, sizeof(*f));
	lxe_request_init(&f->req);
	r = lxe_args_parse(&f->args, verb, "run", n, words, &f->err);
	return r < 0 ? r : lxe_args_apply(&f->args, &f->req, &f->err);
}

static void done(struct fixture *f)
{
	lxe_args_release(&f->args);
	lxe_request_release(&f->req);
}

#define WORDS(...) ((char *[]){ __VA_ARGS__, NULL })
#define RUN(f, ...) parse(f, LXE_VERB_RUN, WORDS(__VA_ARGS__))

static void fails(const char *message, char *const words[])
{
	struct fixture f;

	cr_assert_lt(parse(&f, LXE_VERB_RUN, words), 0, "%s", message);
	cr_assert_str_eq(f.err.msg, message);
	cr_assert_neq(f.err.hint[0], '\0', "%s", message);
	done(&f);
}

Test(options, every_way_to_give_a_value)
{
	struct fixture f;

	cr_assert_eq(RUN(&f, "--memory=1G", "--pids", "9", "-e", "A=b", "-eC=d=e", "-tqw", "/x",
			     "ls", "--memory", "-q"),
		0);
	cr_assert_eq(f.args.rest, 8);
	cr_assert_not(f.args.dashes);
	cr_assert_eq(f.req.spec.memory, 1ULL << 30);
	cr_assert_eq(f.req.spec.pids, 9);
	cr_assert(f.req.spec.pids_asked);
	cr_assert_eq(f.req.spec.env.n, 2);
	cr_assert_str_eq(f.req.spec.env.v[0], "A=b");
	cr_assert_str_eq(f.req.spec.env.v[1], "C=d=e");
	cr_assert_eq(f.req.spec.tty, LXE_TTY_ON);
	cr_assert_eq(f.req.spec.verbose, -1);
	cr_assert_str_eq(f.req.spec.cwd, "/x");
	done(&f);
}

Test(options, end_where_the_command_begins)
{
	struct fixture f;

	cr_assert_eq(RUN(&f, "-t", "--", "-x", "--"), 0);
	cr_assert_eq(f.args.rest, 2);
	cr_assert(f.args.dashes);
	done(&f);
	cr_assert_eq(RUN(&f, "-", "-t"), 0);
	cr_assert_eq(f.args.rest, 0);
	done(&f);
	cr_assert_eq(RUN(&f, "cat", "--", "--"), 0);
	cr_assert_eq(f.args.rest, 0);
	done(&f);
	cr_assert_eq(RUN(&f, "-q", "--"), 0);
	cr_assert_eq(f.args.rest, 2);
	done(&f);
	cr_assert_eq(RUN(&f, "--result", "--", "true"), 0);
	cr_assert_eq(f.args.rest, 2);
	cr_assert_str_eq(f.req.spec.result, "--");
	done(&f);
}

Test(options, usage_errors)
{
	fails("'--' is given twice", WORDS("--", "--", "ls"));
	fails("option '--memroy' is not known", WORDS("--memroy=3"));
	fails("option '--' is not known", WORDS("--=3"));
	for (const char *const *o =
			(const char *const[]){ "--memory=1G", "--pids=3", "--cpus=1", NULL };
		*o; o++) {
		struct fixture f;

		cr_assert_lt(
			parse(&f, LXE_VERB_EXEC, (char *[]){ (char *)*o, "box", "true", NULL }), 0);
		cr_assert(strstr(f.err.msg, "is not for"), "%s", f.err.msg);
		cr_assert(strstr(f.err.hint, "lxc-exec create --"), "%s", f.err.hint);
		done(&f);
	}
	fails("option '-tx' is not known", WORDS("-tx"));
	fails("option '--patch' is not known", WORDS("--patch"));
	fails("option '--format' is not known", WORDS("--format", "json"));
	fails("option '--name' wants a value", WORDS("--name"));
	fails("option '-e' wants a value", WORDS("-qe"));
	fails("option '--name' wants a value that is not empty", WORDS("--name="));
	fails("option '-w' wants a value that is not empty", WORDS("-w", ""));
	fails("option '--tty' takes no value", WORDS("--tty=yes"));
	fails("option '--help' takes no value", WORDS("--help="));
}

Test(options, values_are_strict)
{
	fails("--memory '12x' is not a size", WORDS("--memory", "12x"));
	fails("--memory '99999999T' is too large", WORDS("--memory=99999999T"));
	fails("--memory '512' is less than 8M", WORDS("--memory=512"));
	fails("--pids '12abc' is not a number", WORDS("--pids", "12abc"));
	fails("--pids '042' is not a number", WORDS("--pids", "042"));
	fails("--pids '0' is out of range", WORDS("--pids", "0"));
	fails("--pids '-1' is not a number", WORDS("--pids", "-1"));
	fails("--timeout '5 s' is not a duration", WORDS("--timeout", "5 s"));
	fails("--timeout '0' is no time at all", WORDS("--timeout", "0"));
	fails("--timeout '9999999h' is too long", WORDS("--timeout", "9999999h"));
	fails("-w 'srv' is not an absolute path", WORDS("-wsrv"));
	fails("--result 'fd:x' does not name a descriptor", WORDS("--result", "fd:x"));
	fails("--result 'fd:-1' does not name a descriptor", WORDS("--result", "fd:-1"));
	fails("--image: the name 'a/b' holds a '/'", WORDS("--image", "a/b"));
	fails("--name: the name '-t' begins with '-'", WORDS("--name", "-t"));
}

Test(options, none_takes_a_limit_away)
{
	struct fixture f;

	cr_assert_eq(RUN(&f, "--memory", "none", "--pids=none", "--timeout", "none"), 0);
	cr_assert_eq(f.req.spec.memory, 0);
	cr_assert_eq(f.req.spec.pids, 0);
	cr_assert_eq(f.req.spec.timeout_ms, LXE_TIMEOUT_NONE);
	done(&f);
}

Test(options, the_last_one_wins)
{
	struct fixture f;

	cr_assert_eq(RUN(&f, "-t", "-T", "--pids", "1", "--pids", "2", "-q", "-vv"), 0);
	cr_assert_eq(f.req.spec.tty, LXE_TTY_OFF);
	cr_assert_eq(f.req.spec.pids, 2);
	cr_assert_eq(f.req.spec.verbose, 2);
	done(&f);
	cr_assert_eq(RUN(&f, "-T", "-t"), 0);
	cr_assert_eq(f.req.spec.tty, LXE_TTY_ON);
	done(&f);
	cr_assert_eq(RUN(&f, "-vv", "-q"), 0);
	cr_assert_eq(f.req.spec.verbose, -1);
	done(&f);
}

Test(options, env_passes_the_callers_value)
{
	struct fixture f;

	setenv("LXE_TEST_SET", "v=1", 1);
	unsetenv("LXE_TEST_UNSET");
	cr_assert_eq(RUN(&f, "-e", "LXE_TEST_SET", "-e", "LXE_TEST_UNSET", "-e", "E="), 0);
	cr_assert_eq(f.req.spec.env.n, 2);
	cr_assert_str_eq(f.req.spec.env.v[0], "LXE_TEST_SET=v=1");
	cr_assert_str_eq(f.req.spec.env.v[1], "E=");
	done(&f);
	cr_assert_lt(RUN(&f, "-e", "=x"), 0);
	cr_assert_str_eq(f.err.msg, "-e '=x' has no name before the '='");
	done(&f);
}

Test(options, a_typo_is_understood)
{
	struct fixture f;

	cr_assert_lt(RUN(&f, "--timout", "3"), 0);
	cr_assert(strstr(f.err.hint, "--timeout") != NULL, "%s", f.err.hint);
	done(&f);
	cr_assert_lt(RUN(&f, "--xyzzy"), 0);
	cr_assert_str_eq(f.err.hint, "lxc-exec run --help");
	done(&f);
}

Test(options, verbs_take_their_own)
{
	struct fixture f;

	cr_assert_eq(parse(&f, LXE_VERB_GC, WORDS("-n", "--format", "json")), 0);
	cr_assert(f.req.dry_run);
	cr_assert_eq(f.req.output, LXE_OUTPUT_JSON);
	done(&f);
	cr_assert_lt(parse(&f, LXE_VERB_GC, WORDS("--format=xml")), 0);
	done(&f);
	cr_assert_lt(parse(&f, LXE_VERB_GC, WORDS("--memory", "1G")), 0);
	done(&f);
}

/* What a table entry must have to be of use to the parser, --help, the manual and a profile. */
Test(options, the_table_is_sound)
{
	for (const struct lxe_option *o = lxe_options(); o->name; o++) {
		cr_assert_not_null(o->help, "%s", o->name);
		cr_assert_not_null(o->set, "%s", o->name);
		cr_assert_neq(o->verbs, 0, "%s", o->name);
		cr_assert(o->in_profile != LXE_PROFILE_KEY || o->values, "%s", o->name);
		for (const struct lxe_option *p = lxe_options(); p < o; p++) {
			cr_assert_str_neq(p->name, o->name);
			cr_assert(!o->letter || o->letter != p->letter || !(o->verbs & p->verbs),
				"-%c", o->letter);
		}
	}
}

Test(options, nearest)
{
	struct lxe_nearest near = { 0 };

	lxe_nearest_offer(&near, "shel", 4, "run");
	cr_assert_null(near.best);
	lxe_nearest_offer(&near, "shel", 4, "shell");
	lxe_nearest_offer(&near, "shel", 4, "help");
	cr_assert_str_eq(near.best, "shell");
	near = (struct lxe_nearest){ 0 };
	lxe_nearest_offer(&near, "", 0, "gc");
	cr_assert_null(near.best);
	lxe_nearest_offer(&near, "xy", 2, "gc");
	cr_assert_null(near.best);
}

static char *help_of(const struct lxe_verb_info *verb)
{
	FILE *saved = stdout;
	char *text = NULL;
	size_t len;

	stdout = open_memstream(&text, &len);
	lxe_help_verb(verb);
	fclose(stdout);
	stdout = saved;
	return text;
}

Test(options, limits_of_the_output)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = { { "64", 64 }, { "10K", 10240 }, { "1MiB", 1 << 20 }, { "1G", 1 << 30 },
		{ "none", 0 } };
	static const char *const bad[] = { "0", "63", "-1", "1025M", "2G", "16E", "x", "K", "1 K",
		"0x100", "99999999999999999999", "1.5K", "+64", "none " };
	struct lxe_request req;
	struct lxe_err err = { 0 };

	lxe_request_init(&req);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(lxe_request_set(&req, "output-limit", good[i].text, &err), 0, "%s",
			err.msg);
		cr_assert_eq(req.spec.output_limit, good[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(lxe_request_set(&req, "output-limit", bad[i], &err), -EINVAL);
		cr_assert(strstr(err.msg, bad[i]) && err.hint[0], "%s", err.msg);
	}
	cr_assert_eq(req.spec.output_limit, 0, "what is refused changes nothing");
	lxe_request_release(&req);
}

Test(options, help_names_each_of_a_verb_and_no_other)
{
	char needle[64];

	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++) {
		char *text = help_of(v);

		cr_assert(strstr(text, "\nExamples:\n") != NULL, "%s", v->name);
		for (const struct lxe_option *o = lxe_options(); o->name; o++) {
			snprintf(needle, sizeof(needle), " --%s ", o->name);
			cr_assert_eq(strstr(text, needle) != NULL, (o->verbs & v->verb) != 0,
				"%s --%s", v->name, o->name);
		}
		free(text);
	}
}

static const char *verb_of(int n, char *words[])
{
	const struct lxe_verb_info *info;
	struct lxe_err err = { 0 };
	static char text[1024];
	int used;

	info = lxe_verb_find(n, words, &used, &err);
	if (info)
		snprintf(text, sizeof(text), "%s %d", info->name, used);
	else
		snprintf(text, sizeof(text), "%s (%s)", err.msg, err.hint);
	return text;
}

Test(options, verbs_are_found)
{
	cr_assert_str_eq(verb_of(2, WORDS("run", "-t")), "run 1");
	cr_assert_str_eq(verb_of(3, WORDS("image", "ls", "x")), "image ls 2");
	cr_assert_str_eq(verb_of(1, WORDS("image")),
		"image: a verb is missing (lxc-exec help image explains ls, inspect, build, import, "
		"export and rm)");
	cr_assert_str_eq(verb_of(1, WORDS("make")),
		"there is no verb 'make' (a command is run by: lxc-exec run -- make)");
	cr_assert_str_eq(verb_of(1, WORDS("shel")),
		"there is no verb 'shel' (did you mean lxc-exec shell? A command is run by: "
		"lxc-exec run -- shel)");
	cr_assert_str_eq(verb_of(1, WORDS("")),
		"there is no verb '' (a command is run by: lxc-exec run -- )");
	for (const struct lxe_verb_info *v = lxe_verbs(); v->name; v++)
		cr_assert_eq(lxe_verb_info(v->verb), v);
}
