#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/str.h"
#include "cgroup/cgroup.h"
#include "cli/doctor.h"
#include "cli/doctor_probe.h"

static const char *mode_text(enum lxe_cgroup_mode mode)
{
	switch (mode) {
	case LXE_CGROUP_NONE:
		return "none";
	case LXE_CGROUP_V1:
		return "v1";
	case LXE_CGROUP_HYBRID:
		return "hybrid";
	case LXE_CGROUP_V2:
		return "v2";
	}
	return "unknown";
}

static void refuse_directory(struct lxe_doctor *d, const char *group, int r)
{
	struct lxe_check *c;
	char why[64];

	if (!d->root && r == -EACCES) {
		lxe_doctor_add(d, "cgroup directory", LXE_HEALTH_UNKNOWN,
			"'%s': needs root to write there", group);
		return;
	}
	c = lxe_doctor_add(d, "cgroup directory", LXE_HEALTH_FAIL, "'%s': %s", group,
		lxe_reason(r, why, sizeof(why)));
	if (r == -EROFS)
		lxe_check_remedy(c, "mount -o remount,rw \"$(findmnt -nro TARGET -T %s)\"", group);
}

/* Where a sandbox's groups will be made: what lxe_cgroup_paths() gives, less the group. */
static void check_directories(struct lxe_doctor *d, const struct lxe_strv *groups)
{
	char all[512] = "";
	size_t used = 0;

	for (size_t i = 0; i < groups->n; i++) {
		*strrchr(groups->v[i], '/') = '\0';
		if (access(groups->v[i], W_OK) < 0) {
			refuse_directory(d, groups->v[i], -errno);
			return;
		}
		if (lxe_format(all + used, sizeof(all) - used, "%s%s", used ? ", " : "",
			    groups->v[i]) == 0)
			used += strlen(all + used);
	}
	lxe_doctor_add(d, "cgroup directory", LXE_HEALTH_OK, "%s", all);
}

static void check_kill(struct lxe_doctor *d, enum lxe_cgroup_mode mode)
{
	struct utsname name;
	struct lxe_check *c;

	if (mode == LXE_CGROUP_V1)
		lxe_doctor_add(d, "cgroup.kill", LXE_HEALTH_OK,
			"not on v1: trees are killed process by process");
	else if (uname(&name) == 0 && lxe_release_at_least(name.release, 5, 14))
		lxe_doctor_add(d, "cgroup.kill", LXE_HEALTH_OK, "a tree is killed in one write");
	else {
		c = lxe_doctor_add(d, "cgroup.kill", LXE_HEALTH_WARN,
			"not before Linux 5.14: trees are killed process by process");
		lxe_check_remedy(c, LXE_REMEDY_KERNEL);
	}
}

/* On v2 systemd takes controllers away from what it does not know. */
static void check_unit(struct lxe_doctor *d, enum lxe_cgroup_mode mode)
{
	if (!d->root || mode != LXE_CGROUP_V2 || access("/run/systemd/system", F_OK) < 0)
		return;
	if (access("/sys/fs/cgroup/" LXE_CGROUP_UNIT, F_OK) == 0)
		lxe_doctor_add(d, "cgroup unit", LXE_HEALTH_OK,
			"sandboxes are in lxc-exec.service, which systemd leaves alone");
	else
		lxe_check_remedy(lxe_doctor_add(d, "cgroup unit", LXE_HEALTH_WARN,
					 "sandboxes are at the top of the cgroup tree, where "
					 "systemd may take their limits away"),
			"systemctl enable --now lxc-exec.service");
}

void lxe_doctor_cgroups(struct lxe_doctor *d)
{
	struct lxe_cgroup_host *host = NULL;
	struct lxe_strv groups = { 0 };
	struct lxe_err err = { 0 };
	char controllers[64];
	struct lxe_check *c;

	if (lxe_cgroup_host_open(&host, "/proc/self/mountinfo", "/proc/self/cgroup", &err) < 0) {
		c = lxe_doctor_add(d, "cgroups", LXE_HEALTH_FAIL, "%s", err.msg);
		lxe_check_remedy(c, "%s",
			err.hint[0] ? err.hint : "findmnt -R /sys/fs/cgroup shows what covers it");
		return;
	}
	lxe_cgroup_host_controllers(host, controllers, sizeof(controllers));
	lxe_doctor_add(d, "cgroups", LXE_HEALTH_OK, "%s, with the controllers %s",
		mode_text(lxe_cgroup_host_mode(host)), controllers);
	/* Where those of an ordinary user go is asked for at each run. */
	if (d->root && lxe_cgroup_paths(host, "lxe-doctor", &groups) == 0)
		check_directories(d, &groups);
	check_kill(d, lxe_cgroup_host_mode(host));
	check_unit(d, lxe_cgroup_host_mode(host));
	lxe_strv_release(&groups);
	lxe_cgroup_host_free(host);
}
