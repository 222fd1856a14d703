#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli/doctor.h"
#include "cli/doctor_probe.h"
#include "rootfs/rootfs.h"
#include "store/rootless.h"
#include "sys/fd.h"

#define LINES_MAX 4096
#define SLOT 65536u

struct subids {
	struct lxe_subid *line;
	size_t n;
};

static int read_lines(const char *path, struct subids *ret)
{
	LXE_AUTOFREE char *text = NULL;
	const char *rest;
	int r = lxe_subid_read(path, &text);

	if (r < 0 || !text)
		return r;
	ret->line = calloc(LINES_MAX, sizeof(*ret->line));
	if (!ret->line)
		return -ENOMEM;
	rest = text;
	while (ret->n < LINES_MAX && lxe_subid_next(&rest, &ret->line[ret->n]))
		ret->n++;
	return 0;
}

/* The range that sandboxes draw from, as a run finds it. */
static struct lxe_subid range_in_use(bool *from_file)
{
	struct lxe_subid ours = { "root", LXE_SUBID_START, LXE_SUBID_COUNT };
	struct lxe_idmap range;

	*from_file = false;
	if (lxe_idmap_range(&range, LXE_SUBUID_FILE, from_file) == 0) {
		ours.start = range.host_start;
		ours.count = range.count;
	}
	return ours;
}

static void tell_overlap(struct lxe_doctor *d, const char *name, const char *path,
	const struct lxe_subid *ours, const struct lxe_subid *other, const struct subids *all)
{
	struct lxe_check *c;
	uint64_t start;

	c = lxe_doctor_add(d, name, LXE_HEALTH_WARN,
		"the ids of sandboxes, %" PRIu64 "..%" PRIu64 ", overlap with those of '%s' in %s",
		ours->start, ours->start + ours->count - 1, other->owner, path);
	if (lxe_subid_free(all->line, all->n, LXE_SUBID_START, 256 * SLOT, &start) == 0)
		lxe_check_remedy(c, "in %s, as root's only line: root:%" PRIu64 ":%u",
			LXE_SUBUID_FILE, start, 256 * SLOT);
}

static void check_file(struct lxe_doctor *d, const char *name, const char *path,
	const struct lxe_subid *ours, bool from_file)
{
	struct subids ids = { 0 };
	const struct lxe_subid *other;
	char why[64];
	int r = read_lines(path, &ids);

	if (r < 0) {
		lxe_doctor_add(d, name, d->root ? LXE_HEALTH_FAIL : LXE_HEALTH_UNKNOWN, "%s: %s",
			path, lxe_reason(r, why, sizeof(why)));
		return;
	}
	other = lxe_subid_overlap(ids.line, ids.n, ours->start, ours->count);
	if (other)
		tell_overlap(d, name, path, ours, other, &ids);
	else
		lxe_doctor_add(d, name, LXE_HEALTH_OK,
			"sandboxes use %" PRIu64 "..%" PRIu64 " (%s), which nobody else has",
			ours->start, ours->start + ours->count - 1,
			from_file ? "root's line in " LXE_SUBUID_FILE : "the default");
	free(ids.line);
}

void lxe_doctor_ids(struct lxe_doctor *d)
{
	bool from_file;
	struct lxe_subid ours = range_in_use(&from_file);

	check_file(d, "subuid", LXE_SUBUID_FILE, &ours, from_file);
	check_file(d, "subgid", LXE_SUBGID_FILE, &ours, from_file);
}

/* Sysctls of Debian and of AppArmor; where they are missing nothing is restricted. */
static bool sysctl_is(const char *path, const char *value)
{
	char text[32];

	if (sys_read_file(AT_FDCWD, path, text, sizeof(text)) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return strcmp(text, value) == 0;
}

/* What the machine lets ordinary users do: of no importance to root's sandboxes, and all to theirs. */
void lxe_doctor_users(struct lxe_doctor *d)
{
	enum lxe_health health = d->root ? LXE_HEALTH_OK : LXE_HEALTH_FAIL;
	const char *remedy = NULL;
	struct lxe_check *c;

	if (sysctl_is("/proc/sys/kernel/unprivileged_userns_clone", "0")) {
		c = lxe_doctor_add(
			d, "ordinary users", health, "may not make user namespaces; root may");
		remedy = "sysctl -w kernel.unprivileged_userns_clone=1";
	} else if (sysctl_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")) {
		c = lxe_doctor_add(d, "ordinary users", health,
			"may not use user namespaces (AppArmor); root may");
		remedy = "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
	} else if (!lxe_rootless_tool(false) || !lxe_rootless_tool(true)) {
		c = lxe_doctor_add(d, "ordinary users", health,
			"may make user namespaces, but have no newuidmap; root needs none");
		remedy = "apt-get install uidmap";
	} else {
		lxe_doctor_add(d, "ordinary users", LXE_HEALTH_OK,
			"may make user namespaces, and newuidmap is installed");
		return;
	}
	if (!d->root)
		lxe_check_remedy(c, "%s", remedy);
}
