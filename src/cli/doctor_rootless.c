/* What an ordinary user who asks needs himself, and what it takes to give it to him. See doctor.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "store/rootless.h"
#include "sys/fd.h"

static void check_ids(struct lxe_doctor *d)
{
	struct lxe_rootless_ids ids;
	struct lxe_err err = { 0 };

	if (lxe_rootless_ids(&ids, &err) == 0)
		lxe_doctor_add(d, "ids of the user", LXE_HEALTH_OK,
			"uids %u..%u, gids %u..%u belong to sandboxes", ids.uids,
			ids.uids + LXE_ROOTLESS_COUNT - 1, ids.gids,
			ids.gids + LXE_ROOTLESS_COUNT - 1);
	else
		lxe_check_remedy(
			lxe_doctor_add(d, "ids of the user", LXE_HEALTH_FAIL, "%s", err.msg), "%s",
			err.hint);
}

/* Those of the user's service manager are what it can pass on to a scope. */
static void check_controllers(struct lxe_doctor *d)
{
	static const char *const names[] = { "cpu", "cpuset", "io", "memory", "pids" };
	char path[160], list[256] = "", lacking[64] = "", text[256];
	size_t used = 0;

	snprintf(path, sizeof(path),
		"/sys/fs/cgroup/user.slice/user-%u.slice/user@%u.service/cgroup.controllers",
		getuid(), getuid());
	if (sys_read_file(AT_FDCWD, path, text, sizeof(text)) > 0)
		snprintf(list, sizeof(list), " %.*s ", (int)strcspn(text, "\n"), text);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char word[16];

		snprintf(word, sizeof(word), " %s ", names[i]);
		if (!strstr(list, word))
			used += (size_t)snprintf(lacking + used, sizeof(lacking) - used, "%s%s",
				used ? ", " : "", names[i]);
	}
	if (used)
		lxe_check_remedy(
			lxe_doctor_add(d, "delegation", LXE_HEALTH_WARN,
				"not delegated to this user: %s; limits by them are refused",
				lacking),
			"as root: lxc-exec doctor --fix USER, then log in anew");
	else
		lxe_doctor_add(d, "delegation", LXE_HEALTH_OK,
			"cpu, cpuset, io, memory and pids are delegated to this user");
}

void lxe_doctor_rootless(struct lxe_doctor *d)
{
	char bus[48];

	check_ids(d);
	snprintf(bus, sizeof(bus), "/run/user/%u/bus", getuid());
	if (access(bus, F_OK) == 0)
		check_controllers(d);
	else
		lxe_check_remedy(
			lxe_doctor_add(d, "delegation", LXE_HEALTH_WARN,
				"no cgroup controller is delegated to this user, who has no "
				"service manager: limits by them are refused"),
			"on a host with systemd: log in, or as root: loginctl enable-linger USER; "
			"otherwise run lxc-exec as root");
}
