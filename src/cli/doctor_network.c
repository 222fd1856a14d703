/* What --network filtered and open take of the host. See doctor.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/doctor.h"
#include "sys/fd.h"

struct tool {
	const char *name, *without, *package;
};

static bool is_installed(const char *name)
{
	static const char *const dirs[] = { "/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin",
		"/bin" };
	char path[64];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (lxe_format(path, sizeof(path), "%s/%s", dirs[i], name) == 0 &&
			access(path, X_OK) == 0)
			return true;
	return false;
}

static void check_tool(struct lxe_doctor *d, const struct tool *t)
{
	struct lxe_check *c;

	if (is_installed(t->name)) {
		lxe_doctor_add(d, t->name, LXE_HEALTH_OK, "installed");
		return;
	}
	c = lxe_doctor_add(d, t->name, LXE_HEALTH_WARN, "not installed: %s", t->without);
	lxe_check_remedy(c, "apt-get install %s", t->package);
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

void lxe_doctor_network(struct lxe_doctor *d)
{
	static const struct tool tools[] = {
		{ "iptables-restore", "--network filtered and open cannot work", "iptables" },
		{ "ip6tables-restore", "IPv6 cannot be filtered", "iptables" },
		{ "ipset", "rules with names cannot work", "ipset" },
		{ "dnsmasq", "rules with names cannot work", "dnsmasq-base" },
	};

	if (!d->root)
		return;
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		check_tool(d, &tools[i]);
	check_port_53(d);
}
