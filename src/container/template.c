#include "container/template.h"

#include <errno.h>
#include <lxc/lxccontainer.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "container/cover.h"
#include "container/worker.h"

/*
 * The container's own name is the only configuration: with none at all, create() would read the
 * host's default.conf.
 */
static int create(const struct lxe_template *t)
{
	struct lxc_container *c = lxc_container_new(t->name, t->lxcpath);
	bool ok;

	if (!c)
		return -ENOMEM;
	c->clear_config(c);
	ok = c->set_config_item(c, "lxc.uts.name", t->name) &&
	     c->create(c, t->path, "dir", NULL, 0, t->argv);
	lxc_container_put(c);
	return ok ? 0 : -EIO;
}

static int isolate(const struct lxe_template *t, struct lxe_err *err)
{
	const char *keep[] = { t->dirs->state, t->dirs->data };

	if (unshare(CLONE_NEWNS) < 0)
		return lxe_fail(err, -errno, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return lxe_fail(err, -errno, "detach from the host's mount namespace");
	/* The template's pids are not those of the host's /proc. */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return lxe_fail(err, -errno, "mount '/proc'");
	return lxe_cover_run(keep, sizeof(keep) / sizeof(keep[0]), err);
}

static const char *name_of(const struct lxe_template *t)
{
	const char *slash = strrchr(t->path, '/');

	return slash ? slash + 1 : t->path;
}

static int run_create(void *arg, int parent, struct lxe_err *err)
{
	const struct lxe_template *t = arg;
	int r;

	(void)parent;
	r = isolate(t, err);
	return r < 0 ? r : create(t);
}

static int describe(const struct lxe_template *t, const struct lxe_tail *said, struct lxe_err *err)
{
	char line[300];

	lxe_tail_line(said, line, sizeof(line));
	return lxe_fail_msg(err, -EIO, "template '%s' failed: %s", name_of(t),
		line[0] ? line : "it printed nothing");
}

int lxe_template_run(const struct lxe_template *t, struct lxe_err *err)
{
	struct lxe_tail said = { .used = 0 };
	struct lxe_err failure = { 0 };
	char what[300];
	struct lxe_worker worker = {
		.what = what,
		.disk = t->dirs->state,
		.lock = t->lock,
		.timeout_ms = t->timeout_ms,
		.waiter = t->waiter,
		.main = run_create,
		.arg = (void *)t,
	};
	int r = lxe_format(what, sizeof(what), "template '%s'", name_of(t));

	if (r == 0)
		r = lxe_worker_run(&worker, &said, &failure);
	if (r < 0 && !failure.msg[0])
		return describe(t, &said, err);
	if (r < 0 && err)
		*err = failure;
	return r;
}
