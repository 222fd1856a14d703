/* What --network filtered and open take of the host. See doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/doctor.h"
#include "sys/fd.h"
#include "sys/proc.h"

struct tool {
	const char *name, *without, *package;
};

static bool find_program(const char *name, char path[64])
{
	static const char *const dirs[] = { "/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin",
		"/bin" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (lxe_format(path, 64, "%s/%s", dirs[i], name) == 0 && access(path, X_OK) == 0)
			return true;
	return false;
}

static void check_tool(struct lxe_doctor *d, const struct tool *t)
{
	struct lxe_check *c;
	char path[64];

	if (find_program(t->name, path)) {
		lxe_doctor_add(d, t->name, LXE_HEALTH_OK, "installed");
		return;
	}
	c = lxe_doctor_add(d, t->name, LXE_HEALTH_WARN, "not installed: %s", t->without);
	lxe_check_remedy(c, "apt-get install %s", t->package);
}

/* The first line that it prints of itself: "Dnsmasq version 2.89  Copyright ...". */
static int ask_version(const char *path, char *buf, size_t size)
{
	LXE_AUTOCLOSE int said = memfd_create("lxe-version", MFD_CLOEXEC);
	char *argv[] = { (char *)path, "--version", NULL };
	char *const envp[] = { "LC_ALL=C", NULL };
	posix_spawn_file_actions_t actions;
	int status = 0, r;
	ssize_t n;
	pid_t pid;

	if (said < 0 || posix_spawn_file_actions_init(&actions) != 0)
		return -ENOMEM;
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, said, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	r = -posix_spawn(&pid, path, &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	if (r == 0)
		r = sys_wait(pid, &status);
	n = r < 0 ? 0 : pread(said, buf, size - 1, 0);
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return r;
}

/* What rules with names need of it: docs/adr/0012. */
static void check_dnsmasq(struct lxe_doctor *d)
{
	static const struct tool t = { "dnsmasq", "rules with names cannot work", "dnsmasq-base" };
	static const char word[] = "version ";
	char path[64], said[256] = "";
	const char *version;
	struct lxe_check *c;

	if (!find_program(t.name, path)) {
		check_tool(d, &t);
		return;
	}
	version = ask_version(path, said, sizeof(said)) == 0 ? strstr(said, word) : NULL;
	version = version ? version + strlen(word) : "";
	if (lxe_release_at_least(version, 2, 87)) {
		lxe_doctor_add(d, t.name, LXE_HEALTH_OK, "installed, version %.*s",
			(int)strcspn(version, " "), version);
		return;
	}
	c = lxe_doctor_add(d, t.name, LXE_HEALTH_WARN,
		"its version is %.*s: rules with names need 2.87 or later",
		*version ? (int)strcspn(version, " ") : 7, *version ? version : "unknown");
	lxe_check_remedy(c, "apt-get install %s of a newer release", t.package);
}

/* A line of /proc/net/udp: "  sl: LOCAL:PORT ...", in hexadecimal digits. */
static bool takes_port_53(const char *file, const char *any)
{
	char text[65536];

	return sys_read_file(AT_FDCWD, file, text, sizeof(text)) > 0 && strstr(text, any);
}

static void check_port_53(struct lxe_doctor *d)
{
	struct lxe_check *c;

	if (!takes_port_53("/proc/net/udp", ": 00000000:0035 ") &&
		!takes_port_53("/proc/net/udp6", ": 00000000000000000000000000000000:0035 ")) {
		lxe_doctor_add(
			d, "port 53", LXE_HEALTH_OK, "nobody listens on it on every address");
		return;
	}
	c = lxe_doctor_add(d, "port 53", LXE_HEALTH_WARN,
		"a server listens on it on every address: rules with names may not work");
	lxe_check_remedy(
		c, "have it listen on single addresses; ss -lnpu sport = 53 says who it is");
}

/* The keeper takes them in this order. */
static void check_user_network(struct lxe_doctor *d)
{
	static const char *const names[] = { "slirp4netns", "pasta" };
	struct lxe_check *c;
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (find_program(names[i], path)) {
			lxe_doctor_add(d, "network of the user", LXE_HEALTH_OK,
				"--network open is made by %s", names[i]);
			return;
		}
	c = lxe_doctor_add(d, "network of the user", LXE_HEALTH_WARN,
		"neither slirp4netns nor pasta is installed: --network open is refused");
	lxe_check_remedy(c, "apt-get install slirp4netns");
}

void lxe_doctor_network(struct lxe_doctor *d)
{
	static const struct tool tools[] = {
		{ "iptables-restore", "--network filtered and open cannot work", "iptables" },
		{ "ip6tables-restore", "IPv6 cannot be filtered", "iptables" },
		{ "ipset", "rules with names cannot work", "ipset" },
	};

	if (!d->root) {
		check_user_network(d);
		return;
	}
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		check_tool(d, &tools[i]);
	check_dnsmasq(d);
	check_port_53(d);
}
