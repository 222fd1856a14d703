#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/ini.h"
#include "policy/options.h"
#include "policy/profile.h"
#include "policy/setters.h"
#include "sys/fd.h"

static struct lxe_request req;
static struct lxe_err err;

static int parse_bytes(const char *text, size_t len)
{
	lxe_request_release(&req);
	lxe_request_init(&req);
	err = (struct lxe_err){ 0 };
	return lxe_profile_parse(&req, "p.conf", text, len, &err);
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void cleanup(void)
{
	lxe_request_release(&req);
}

TestSuite(profile, .fini = cleanup);

static void fails(const char *message, const char *text)
{
	cr_assert_lt(parse(text), 0, "%s", text);
	cr_assert_str_eq(err.msg, message);
}

Test(profile, nothing_is_fine)
{
	cr_assert_eq(parse(""), 0);
	cr_assert_eq(parse("\n# a comment\n  ; another\n[run]\n[env]"), 0);
	cr_assert_eq(req.spec.pids, 2048);
}

Test(profile, values)
{
	cr_assert_eq(parse("[run]\nmemory=1G\r\n\tpids\t=  7 \ntimeout = \"2m\"\n"
			   "tty = no\nimage = 'busybox'\ncwd = /a b\nverbose = yes\n"
			   "[env]\nPATH = \"/x;/y\"\nEmpty =\nQ = 'it\"s'\nS = \"  # \"\n"
			   "E==x\nO = a\"b\"\n"),
		0, "%s", err.msg);
	cr_assert_eq(req.spec.memory, 1ULL << 30);
	cr_assert_eq(req.spec.pids, 7);
	cr_assert_eq(req.spec.timeout_ms, 120000);
	cr_assert_eq(req.spec.tty, LXE_TTY_OFF);
	cr_assert_str_eq(req.spec.image, "busybox");
	cr_assert_str_eq(req.spec.cwd, "/a b");
	cr_assert_eq(req.spec.verbose, 1);
	cr_assert_eq(req.spec.env.n, 6);
	cr_assert_str_eq(req.spec.env.v[0], "PATH=/x;/y");
	cr_assert_str_eq(req.spec.env.v[1], "Empty=");
	cr_assert_str_eq(req.spec.env.v[2], "Q=it\"s");
	cr_assert_str_eq(req.spec.env.v[3], "S=  # ");
	cr_assert_str_eq(req.spec.env.v[4], "E==x");
	cr_assert_str_eq(req.spec.env.v[5], "O=a\"b\"");
}

Test(profile, values_of_one_run)
{
	cr_assert_eq(parse("[run]\nname = n 1\nresult = /r/x.json\nformat = json\n"
			   "no-tty = yes\nquiet = yes\n"),
		0, "%s", err.msg);
	cr_assert_str_eq(req.spec.name, "n 1");
	cr_assert_str_eq(req.spec.result, "/r/x.json");
	cr_assert_eq(req.output, LXE_OUTPUT_JSON);
	cr_assert_eq(req.spec.tty, LXE_TTY_OFF);
	cr_assert_eq(req.spec.verbose, -1);
}

static enum lxe_tty tty_of(const char *text)
{
	cr_assert_eq(parse(text), 0, "%s", err.msg);
	return req.spec.tty;
}

static int verbose_of(const char *text)
{
	cr_assert_eq(parse(text), 0, "%s", err.msg);
	return req.spec.verbose;
}

Test(profile, no_takes_back_its_own_yes_and_nothing_else)
{
	cr_assert_eq(tty_of("[run]\nno-tty = no\n"), LXE_TTY_AUTO);
	cr_assert_eq(tty_of("[run]\ntty = no\nno-tty = no\n"), LXE_TTY_AUTO);
	cr_assert_eq(tty_of("[run]\ntty = yes\nno-tty = no\n"), LXE_TTY_ON);
	cr_assert_eq(tty_of("[run]\ntty = yes\nno-tty = yes\n"), LXE_TTY_OFF);
	cr_assert_eq(verbose_of("[run]\nverbose = yes\nquiet = no\n"), 1);
	cr_assert_eq(verbose_of("[run]\nquiet = yes\nverbose = no\n"), -1);
	cr_assert_eq(verbose_of("[run]\nquiet = yes\nverbose = yes\n"), 1);
	cr_assert_eq(lxe_profile_parse(&req, "q.conf", "[run]\nverbose = no\n", 19, &err), 0);
	cr_assert_eq(req.spec.verbose, 0);
}

static int base_of(const char *text, char **ret, unsigned int *line)
{
	*ret = NULL;
	*line = 0;
	err = (struct lxe_err){ 0 };
	return lxe_profile_base("p.conf", text, strlen(text), ret, line, &err);
}

Test(profile, base)
{
	unsigned int line;
	char *base;

	cr_assert_eq(base_of("[run]\npids = 1\n\nprofile = \"a b\"\n", &base, &line), 1);
	cr_assert_str_eq(base, "a b");
	cr_assert_eq(line, 4);
	free(base);
	cr_assert_eq(base_of("", &base, &line), 0);
	cr_assert_eq(base_of("[env]\nprofile = x\n", &base, &line), 0);
	cr_assert_eq(base_of("[run]\nprofile =\n", &base, &line), 0);
	cr_assert_eq(base_of("[run]\nprofile = x\nprofile = y\n", &base, &line), -EINVAL);
	cr_assert_str_eq(err.msg, "p.conf:3: 'profile' is there already, in line 2");
	cr_assert_null(base);
}

Test(profile, names_of_variables_keep_their_case)
{
	cr_assert_eq(parse("[env]\nhttp_proxy = a\nHTTP_PROXY = b\n"), 0, "%s", err.msg);
	cr_assert_str_eq(req.spec.env.v[0], "http_proxy=a");
	cr_assert_str_eq(req.spec.env.v[1], "HTTP_PROXY=b");
}

Test(profile, errors_name_file_and_line)
{
	fails("p.conf:2: pids '12abc' is not a number", "[run]\npids = 12abc\n");
	fails("p.conf:3: pids '042' is not a number", "[run]\n\npids = 042");
	fails("p.conf:2: memory '5X' is not a size", "[run]\nmemory = 5X\n");
	fails("p.conf:2: memory '0x10' is not a size", "[run]\nmemory = 0x10\n");
	fails("p.conf:2: timeout '1d' is not a duration", "[run]\ntimeout = 1d\n");
	fails("p.conf:2: tty 'maybe' is not yes, no or auto", "[run]\ntty = maybe\n");
	fails("p.conf:2: quiet 'nope' is neither yes nor no", "[run]\nquiet = nope\n");
	fails("p.conf:2: there is no key 'Memory'", "[run]\nMemory = 1G\n");
	fails("p.conf:2: there is no key 'cores'", "[run]\ncores = 1\n");
	fails("p.conf:2: a profile cannot set 'help'", "[run]\nhelp = yes\n");
	fails("p.conf:2: a profile cannot set 'patch'", "[run]\npatch = yes\n");
	fails("p.conf:2: no-tty 'auto' is neither yes nor no", "[run]\nno-tty = auto\n");
	fails("p.conf:2: verbose '2' is neither yes nor no", "[run]\nverbose = 2\n");
	fails("p.conf:2: format 'xml' is neither table nor json", "[run]\nformat = xml\n");
	fails("p.conf:2: name: the name 'a/b' holds a '/'", "[run]\nname = a/b\n");
	fails("p.conf:2: result 'r.json' is not an absolute path", "[run]\nresult = r.json\n");
	fails("p.conf:2: result 'fd:3' is not an absolute path", "[run]\nresult = fd:3\n");
	fails("p.conf:2: there is no value for 'profile'", "[run]\nprofile =\n");
	fails("p.conf:2: there is no key 'env'", "[run]\nenv = A=b\n");
	fails("p.conf:2: there is no value for 'image'", "[run]\nimage =\n");
	fails("p.conf:2: there is no value for 'image'", "[run]\nimage = \"\"\n");
	fails("p.conf:3: 'pids' is there already, in line 2", "[run]\npids=1\npids=2\n");
	fails("p.conf:5: 'pids' is there already, in line 2",
		"[run]\npids=1\n[env]\n[run]\npids=1");
	fails("p.conf:1: there is no section 'net'", "[net]\n");
	fails("p.conf:2: this is no name for an item: '1A'", "[env]\n1A = x\n");
	fails("p.conf:2: this is no name for an item: 'a-b'", "[env]\na-b = x\n");
}

Test(profile, what_iniparser_forgives_is_refused)
{
	fails("p.conf:1: this key stands before any section", "pids = 1\n");
	fails("p.conf:2: this is neither '[section]' nor 'key = value'", "[run]\npids\n");
	fails("p.conf:2: this is not the name of a key", "[run]\n= 1\n");
	fails("p.conf:2: this is not the name of a key", "[run]\npi ds = 1\n");
	fails("p.conf:2: the value holds a ';' or '#'", "[run]\npids = 1 ; few\n");
	fails("p.conf:2: the value holds a ';' or '#'", "[run]\nimage = a#b\n");
	fails("p.conf:2: the line ends in a backslash", "[run]\nimage = a\\\nb\n");
	fails("p.conf:1: the line ends in a backslash", "# a comment \\\n[run]\n");
	fails("p.conf:2: the quotes of the value do not match", "[run]\nimage = \"a\n");
	fails("p.conf:2: the quotes of the value do not match", "[run]\nimage = \"a\" b\n");
	fails("p.conf:2: the quotes of the value do not match", "[run]\nimage = \"\n");
	fails("p.conf:1: this is not the name of a section", "[Run]\n");
	fails("p.conf:1: this is not the name of a section", "[run\n");
	fails("p.conf:1: this is not the name of a section", "[]\n");
	fails("p.conf:1: this is not the name of a section", "[\n");
	fails("p.conf:1: this is not the name of a section", "[run] # x\n");
	fails("p.conf:1: the line holds a control character", "\x1b[run]\n");
	cr_assert_lt(parse_bytes("[run]\npids\0 = 1\n", 16), 0);
	cr_assert_str_eq(err.msg, "p.conf:2: the line holds a NUL byte");
}

Test(profile, limits)
{
	char line[1100];
	char *many = malloc(20000), *huge = calloc(1, LXE_INI_SIZE_MAX + 1);
	size_t used = 0;

	memset(line, 'a', sizeof(line));
	memcpy(line, "[env]\nA=", 8);
	line[6 + 1000] = '\0';
	cr_assert_eq(parse(line), 0, "%s", err.msg);
	line[6 + 1000] = 'a';
	line[6 + 1001] = '\0';
	fails("p.conf:2: the line is longer than 1000 bytes", line);
	used += (size_t)sprintf(many, "[env]\n");
	for (int i = 0; i < LXE_INI_ITEMS_MAX; i++)
		used += (size_t)sprintf(many + used, "A%d=\n", i);
	fails("p.conf:1001: the file has too many entries", many);
	cr_assert_eq(parse_bytes(huge, LXE_INI_SIZE_MAX + 1), -E2BIG);
	free(many);
	free(huge);
}

/* A value that a profile may hold for a key, by the kind of its setter. */
static const char *sample(const struct lxe_option *o)
{
	static const char *const values[] = { "yes", "4M", "/x", "json", "MKNOD", "none", "x",
		"10.0.0.0/8" };
	struct lxe_request scratch;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int r;

		lxe_request_init(&scratch);
		r = (o->set_in_profile ? o->set_in_profile : o->set)(
			&scratch, o, o->name, values[i], NULL);
		lxe_request_release(&scratch);
		if (r == 0)
			return values[i];
	}
	return "1";
}

static bool may_be(const struct lxe_option *o, enum lxe_in_profile where)
{
	return o->in_profile == where || o->in_profile == LXE_PROFILE_BOTH;
}

Test(profile, every_key_of_the_table_can_be_set)
{
	char text[256];

	for (const struct lxe_option *o = lxe_options(); o->name; o++) {
		snprintf(text, sizeof(text), "[run]\n%s = %s\n", o->name, sample(o));
		cr_assert_eq(parse(text) == 0, may_be(o, LXE_PROFILE_KEY), "%s: %s", text, err.msg);
		snprintf(text, sizeof(text), "[%s]\n%s\n", o->name,
			strcmp(o->name, "ulimit") == 0	 ? "nofile = 5"
			: strcmp(o->name, "secret") == 0 ? "A = env:b"
			: strcmp(o->name, "file") == 0	 ? "A = /b:/c"
			: strcmp(o->name, "disk") == 0	 ? "A = /b:/c"
			: o->set == lxe_set_mount	 ? "A = /b"
							 : "A = b");
		cr_assert_eq(parse(text) == 0, may_be(o, LXE_PROFILE_SECTION), "%s", text);
	}
}

static char *shipped(const char *path, size_t *len)
{
	char *text = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(sys_read_whole(fd, LXE_INI_SIZE_MAX, &text, len), 0);
	close(fd);
	return text;
}

Test(profile, the_shipped_ones_are_valid)
{
	size_t len;
	char *text = shipped("conf/agent.conf", &len);

	cr_assert_eq(parse_bytes(text, len), 0, "%s", err.msg);
	cr_assert_eq(req.spec.memory, 4ULL << 30);
	free(text);
}

/* "#key = value" is a setting, "# text" a comment. */
Test(profile, the_shipped_default_tells_the_built_in_values)
{
	struct lxe_request built_in;
	char needle[64], *text;
	size_t len;

	text = shipped("conf/default.conf", &len);
	for (const struct lxe_option *o = lxe_options(); o->name; o++) {
		snprintf(needle, sizeof(needle), "\n#%s = ", o->name);
		cr_assert_eq(
			strstr(text, needle) != NULL, may_be(o, LXE_PROFILE_KEY), "%s", o->name);
	}
	cr_assert_eq(parse_bytes(text, len), 0, "%s", err.msg);
	for (char *p = text; (p = strstr(p, "\n#")); p += 2)
		if (p[2] != ' ' && p[2] != '\n')
			p[1] = ' ';
	cr_assert_eq(parse_bytes(text, len), 0, "%s", err.msg);
	lxe_request_init(&built_in);
	cr_assert_str_eq(req.spec.image, built_in.spec.image);
	cr_assert_eq(req.spec.tty, built_in.spec.tty);
	cr_assert_eq(req.spec.memory, built_in.spec.memory);
	cr_assert_eq(req.spec.pids, built_in.spec.pids);
	cr_assert_eq(req.spec.caps, built_in.spec.caps);
	cr_assert_eq(req.spec.new_privs, built_in.spec.new_privs);
	cr_assert_eq(req.spec.timeout_ms, built_in.spec.timeout_ms);
	cr_assert_eq(req.spec.verbose, built_in.spec.verbose);
	cr_assert_eq(req.output, built_in.output);
	lxe_request_release(&built_in);
	free(text);
}

Test(profile, a_second_opinion_is_asked_for)
{
	static const char mine[] = "[run]\nimage = a\npids = 1\n";
	static const char other[] = "[run]\nimage = a\npids = 2\n";
	struct lxe_ini ini;

	err = (struct lxe_err){ 0 };
	cr_assert_eq(lxe_ini_scan(&ini, "p.conf", mine, sizeof(mine) - 1, &err), 0);
	cr_assert_eq(lxe_ini_agree(&ini, "p.conf", mine, sizeof(mine) - 1, &err), 0);
	cr_assert_lt(lxe_ini_agree(&ini, "p.conf", other, sizeof(other) - 1, &err), 0);
	cr_assert_str_eq(err.msg, "p.conf:3: this line can be read in two ways");
	lxe_ini_release(&ini);
}
