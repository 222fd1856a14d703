#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/doctor.h"

struct piece {
	const char *what, *dir, *name;
	int mode; /* R_OK or X_OK */
	enum lxe_health without;
};

static void check_piece(struct lxe_doctor *d, const struct piece *p)
{
	struct lxe_check *c;
	char path[PATH_MAX + 64], why[64];
	int r;

	snprintf(path, sizeof(path), "%s/%s", p->dir, p->name);
	if (access(path, p->mode) == 0) {
		lxe_doctor_add(d, p->what, LXE_HEALTH_OK, "%s", path);
		return;
	}
	r = -errno;
	if (r == -EACCES && !d->root) {
		lxe_doctor_add(d, p->what, LXE_HEALTH_UNKNOWN, "%s: needs root to look", path);
		return;
	}
	c = lxe_doctor_add(d, p->what, p->without, "%s: %s", path, lxe_reason(r, why, sizeof(why)));
	if (strcmp(p->dir, LXE_LIBEXECDIR) == 0 || strcmp(p->dir, LXE_DATADIR) == 0)
		lxe_check_remedy(c, "make install");
	else
		lxe_check_remedy(c, "make");
}

static bool in_path(const char *name)
{
	const char *path = getenv("PATH");
	char file[PATH_MAX];

	for (path = path ? path : "/usr/sbin:/usr/bin:/sbin:/bin"; *path;) {
		int len = (int)strcspn(path, ":");

		if (lxe_format(file, sizeof(file), "%.*s/%s", len, path, name) == 0 &&
			access(file, X_OK) == 0)
			return true;
		path += len;
		path += *path == ':';
	}
	return false;
}

static void check_busybox(struct lxe_doctor *d)
{
	struct lxe_check *c;

	if (in_path("busybox")) {
		lxe_doctor_add(d, "busybox", LXE_HEALTH_OK,
			"the image 'busybox' can be built if it is the static one");
		return;
	}
	c = lxe_doctor_add(d, "busybox", LXE_HEALTH_WARN,
		"not installed: the image 'busybox' cannot be built");
	lxe_check_remedy(c, "apt-get install busybox-static");
}

void lxe_doctor_installation(struct lxe_doctor *d)
{
	const char *libexec = d->dirs->libexec, *data = d->dirs->data;
	const struct piece pieces[] = {
		{ "keeper", libexec, "lxc-exec-keeper", X_OK, LXE_HEALTH_FAIL },
		{ "init", libexec, "lxc-exec-init", X_OK, LXE_HEALTH_FAIL },
		{ "template host", data, "lxc-templates/lxc-host", X_OK, LXE_HEALTH_FAIL },
		{ "template busybox", data, "lxc-templates/lxc-busybox", X_OK, LXE_HEALTH_WARN },
		{ "profiles", data, "conf", R_OK, LXE_HEALTH_WARN },
	};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		check_piece(d, &pieces[i]);
	check_busybox(d);
}
