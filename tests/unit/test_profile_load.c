#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/ini.h"
#include "policy/profile.h"
#include "sys/fd.h"

static struct lxe_request req;
static struct lxe_err err;

static char home[64];
static struct lxe_dirs dirs;

static void write_profile(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", home, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(sys_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

/* HOME/lxc-exec is the user's directory, HOME/data/conf the shipped one. */
static void make_home(void)
{
	char path[128];

	snprintf(home, sizeof(home), "/tmp/lxe-profile-XXXXXX");
	cr_assert_not_null(mkdtemp(home));
	snprintf(path, sizeof(path), "%s/lxc-exec", home);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/data", home);
	mkdir(path, 0700);
	snprintf(dirs.data, sizeof(dirs.data), "%s", path);
	snprintf(path, sizeof(path), "%s/data/conf", home);
	mkdir(path, 0700);
	setenv("XDG_CONFIG_HOME", home, 1);
	lxe_request_init(&req);
	err = (struct lxe_err){ 0 };
}

static void remove_home(void)
{
	static const char *const names[] = { "lxc-exec/default.conf", "lxc-exec/mine.conf",
		"data/conf/mine.conf", "data/conf/ours.conf", "data/conf/default.conf",
		"lxc-exec/top.conf", "lxc-exec/base.conf", "lxc-exec/agent.conf",
		"data/conf/agent.conf", "data/conf/base.conf", "lxc-exec/0.conf", "lxc-exec/1.conf",
		"lxc-exec/2.conf", "lxc-exec/3.conf", "lxc-exec/4.conf", "lxc-exec/5.conf",
		"lxc-exec/6.conf", "lxc-exec/7.conf", "lxc-exec/8.conf", "lxc-exec/fifo.conf",
		"lxc-exec/dir.conf", "data/conf", "data", "lxc-exec", "" };
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", home, names[i]);
		remove(path);
	}
	lxe_request_release(&req);
}

TestSuite(profile_load, .init = make_home, .fini = remove_home);

static int load(const char *name)
{
	err = (struct lxe_err){ 0 };
	return lxe_profile_load(&req, &dirs, name, &err);
}

Test(profile_load, are_found_by_name)
{
	write_profile("data/conf/mine.conf", "[run]\npids = 1\n");
	write_profile("data/conf/ours.conf", "[run]\npids = 2\n");
	write_profile("lxc-exec/mine.conf", "[run]\npids = 3\n");
	cr_assert_eq(load("mine"), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 3);
	cr_assert_eq(load("ours"), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 2);
	cr_assert_eq(load("absent"), -ENOENT);
	cr_assert(strstr(err.hint, "mine") && strstr(err.hint, "ours"), "%s", err.hint);
	cr_assert_lt(load(".."), 0);
}

/* The message of a profile that cannot be read, without the directory of its files. */
static const char *why_not(const char *name)
{
	static char text[sizeof(err.msg)];
	const char *from = err.msg;
	size_t used = 0, len = strlen(home);

	cr_assert_lt(load(name), 0, "%s", name);
	while (*from) {
		if (strncmp(from, home, len) == 0)
			from += len;
		else
			text[used++] = *from++;
	}
	text[used] = '\0';
	return text;
}

Test(profile_load, build_on_one_another)
{
	write_profile("data/conf/base.conf", "[run]\npids = 1\nmemory = 1G\nname = b\n"
					     "[env]\nA = base\nB = base\n");
	write_profile("lxc-exec/mine.conf", "[run]\nmemory = 2G\nprofile = base\ncwd = /m\n");
	write_profile("lxc-exec/top.conf", "[env]\nA = top\n[run]\nname = t\nprofile = mine\n");
	cr_assert_eq(load("top"), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 1);
	cr_assert_eq(req.spec.memory, 2ULL << 30);
	cr_assert_str_eq(req.spec.name, "t");
	cr_assert_str_eq(req.spec.cwd, "/m");
	cr_assert_eq(req.spec.env.n, 3);
	cr_assert_str_eq(req.spec.env.v[0], "A=base");
	cr_assert_str_eq(req.spec.env.v[2], "A=top");
}

Test(profile_load, the_defaults_build_on_another)
{
	write_profile("lxc-exec/base.conf", "[run]\npids = 1\nformat = json\n");
	write_profile("lxc-exec/default.conf", "[run]\nprofile = base\nmemory = 2G\n");
	cr_assert_eq(lxe_profile_load_defaults(&req, &dirs, &err), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 1);
	cr_assert_eq(req.spec.memory, 2ULL << 30);
	cr_assert_eq(req.output, LXE_OUTPUT_JSON);
}

/* A file that is missing is forgiven where it is looked for, not where it is asked for. */
Test(profile_load, what_the_defaults_build_on_must_be_there)
{
	write_profile("lxc-exec/default.conf", "[run]\nprofile = absent\n");
	cr_assert_eq(lxe_profile_load_defaults(&req, &dirs, &err), -ENOENT);
	cr_assert(strstr(err.msg, "default.conf:2: there is no profile 'absent'"), "%s", err.msg);
}

Test(profile_load, a_relative_path_begins_at_the_file)
{
	write_profile("lxc-exec/top.conf", "[run]\nprofile = ../data/conf/ours.conf\n");
	write_profile("data/conf/ours.conf", "[run]\nprofile = ./mine.conf\n");
	write_profile("data/conf/mine.conf", "[run]\npids = 7\n");
	cr_assert_eq(load("top"), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 7);
}

Test(profile_load, errors_of_what_it_builds_on)
{
	write_profile("lxc-exec/top.conf", "[run]\npids = 1\nprofile = base\n");
	cr_assert_str_eq(why_not("top"), "/lxc-exec/top.conf:3: there is no profile 'base'");
	write_profile("lxc-exec/base.conf", "[run]\n\npids = 3x\n");
	cr_assert_str_eq(why_not("top"), "/lxc-exec/base.conf:3: pids '3x' is not a number");
	write_profile("lxc-exec/base.conf", "[run]\nprofile\n");
	cr_assert_str_eq(why_not("top"),
		"/lxc-exec/base.conf:2: this is neither '[section]' nor 'key = value'");
	write_profile("lxc-exec/base.conf", "[run]\nprofile = ..\n");
	cr_assert_str_eq(
		why_not("top"), "/lxc-exec/base.conf:2: profile: the name '..' is not allowed");
	write_profile("lxc-exec/base.conf", "[run]\nprofile = /dev/null\n");
	cr_assert_str_eq(why_not("top"),
		"/lxc-exec/base.conf:2: read profile '/dev/null': not a regular file");
}

Test(profile_load, loops)
{
	write_profile("lxc-exec/mine.conf", "[run]\nprofile = mine\n");
	cr_assert_str_eq(why_not("mine"),
		"/lxc-exec/mine.conf:2: profile '/lxc-exec/mine.conf' would build on itself");
	write_profile("lxc-exec/top.conf", "[run]\nprofile = base\n");
	write_profile("lxc-exec/base.conf", "[run]\nprofile = ../lxc-exec/top.conf\n");
	cr_assert_str_eq(why_not("top"), "/lxc-exec/base.conf:2: profile "
					 "'/lxc-exec/../lxc-exec/top.conf' would build on itself");
	write_profile("lxc-exec/agent.conf", "[run]\nprofile = ../data/conf/agent.conf\n");
	write_profile("data/conf/agent.conf", "[run]\npids = 9\n");
	cr_assert_eq(load("agent"), 0, "one of the same name elsewhere is another: %s", err.msg);
	cr_assert_eq(req.spec.pids, 9);
}

Test(profile_load, depth)
{
	char name[32], text[64];

	for (int i = 0; i < 9; i++) {
		snprintf(name, sizeof(name), "lxc-exec/%d.conf", i);
		snprintf(text, sizeof(text), "[run]\nprofile = %d\n", i - 1);
		write_profile(name, i ? text : "[run]\npids = 4\n");
	}
	cr_assert_eq(load("7"), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 4);
	cr_assert_str_eq(
		why_not("8"), "/lxc-exec/1.conf:2: more than 8 profiles build on one another");
}

Test(profile_load, are_found_by_path)
{
	char path[128];

	write_profile("lxc-exec/mine.conf", "[run]\npids = 3x\n");
	snprintf(path, sizeof(path), "%s/lxc-exec/mine.conf", home);
	cr_assert_lt(load(path), 0);
	cr_assert(strstr(err.msg, "/lxc-exec/mine.conf:2: pids '3x'") != NULL, "%s", err.msg);
	cr_assert_eq(load("./absent.conf"), -ENOENT);
	cr_assert_str_eq(err.msg, "read profile './absent.conf': no such file or directory");
}

Test(profile_load, defaults_are_the_users_and_not_the_shipped_ones)
{
	write_profile("data/conf/default.conf", "[run]\npids = 1\n");
	cr_assert_eq(lxe_profile_load_defaults(&req, &dirs, &err), 0, "%s", err.msg);
	cr_assert_neq(req.spec.pids, 1);
	write_profile("lxc-exec/default.conf", "[run]\npids = 3\n");
	cr_assert_eq(lxe_profile_load_defaults(&req, &dirs, &err), 0, "%s", err.msg);
	cr_assert_eq(req.spec.pids, 3);
	write_profile("lxc-exec/default.conf", "[run]\npids = 3\nx = 1\n");
	cr_assert_lt(lxe_profile_load_defaults(&req, &dirs, &err), 0);
}

Test(profile_load, must_be_files)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/lxc-exec/dir.conf", home);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(load("dir"), -EISDIR);
	snprintf(path, sizeof(path), "%s/lxc-exec/fifo.conf", home);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(load("fifo"), -EINVAL);
	snprintf(path, sizeof(path), "%s/lxc-exec/mine.conf", home);
	write_profile("lxc-exec/mine.conf", "");
	cr_assert_eq(truncate(path, LXE_INI_SIZE_MAX + 1), 0);
	cr_assert_eq(load("mine"), -E2BIG);
}
