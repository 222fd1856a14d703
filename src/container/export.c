#include "container/export.h"

#include <errno.h>
#include <stdio.h>

#include "container/confined.h"
#include "container/pipeline.h"
#include "container/worker.h"

#define TIMEOUT_MS 1800000

static int pack(void *arg, int parent, struct lxe_err *err)
{
	static const char *const argv[] = { "tar", "-c", "-f", "-", "-C", LXE_CONFINED_SOURCE,
		"--format=pax", "--sort=name", "--numeric-owner", "--sparse", "--xattrs",
		"--xattrs-include=user.*", "--xattrs-include=security.capability", "--acls",
		"--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
		"--warning=no-file-ignored", ".", NULL };
	const struct lxe_export *e = arg;
	const struct lxe_confined confined = {
		.target = -EBADF,
		.work = -EBADF,
		.source = e->rootfs,
		.userns = -EBADF,
	};
	const struct lxe_pipeline p = {
		.stages = { { .argv = argv, .package = "tar" } },
		.n = 1,
		.input = -EBADF,
		.output = e->output,
	};
	int r;

	r = lxe_confined_enter(&confined, parent, err);
	return r < 0 ? r : lxe_pipeline_run(&p, NULL, 0, err);
}

int lxe_image_export(const struct lxe_export *e, struct lxe_err *err)
{
	struct lxe_tail said = { .used = 0 };
	const int keep[] = { e->rootfs, e->output };
	const struct lxe_worker worker = {
		.what = "tar",
		.disk = e->dirs->state,
		.lock = -EBADF,
		.timeout_ms = TIMEOUT_MS,
		.waiter = e->waiter,
		.main = pack,
		.arg = (void *)e,
		.keep = keep,
		.n_keep = 2,
	};
	int r = lxe_worker_run(&worker, &said, err);

	return r < 0 && err && !err->msg[0] ? lxe_fail_msg(err, r, "tar was ended") : r;
}
