/* What becomes of copy-on-write binds when the command has ended. See spec.h. */
#include <errno.h>

#include "policy/spec.h"

bool lxe_spec_settles(const struct lxe_spec *spec)
{
	const struct lxe_settling *s = &spec->settling;

	return s->dry_run || s->on_success || s->on_failure;
}

bool lxe_spec_on_disk(const struct lxe_spec *spec)
{
	const struct lxe_settling *s = &spec->settling;

	/* What could not be committed must not be lost. */
	return spec->keep || s->on_disk || s->on_success == LXE_SETTLE_COMMIT ||
	       s->on_failure == LXE_SETTLE_COMMIT;
}

int lxe_spec_settle(struct lxe_spec *spec, struct lxe_err *err)
{
	struct lxe_settling *s = &spec->settling;

	if (!lxe_spec_settles(spec))
		return 0;
	if (s->dry_run && (s->on_success || s->on_failure)) {
		lxe_hint(err, "--on-success commit --on-failure discard is no dry run");
		return lxe_fail_msg(err, -EINVAL, "--dry-run and --on-success or --on-failure");
	}
	if (spec->keep) {
		lxe_hint(err, "of one that is kept: lxc-exec diff, commit and discard");
		return lxe_fail_msg(
			err, -EINVAL, "--keep and --dry-run, --on-success or --on-failure");
	}
	/* Nothing outside is changed by it: what may be written to is written to a layer. */
	for (size_t i = 0; s->dry_run && i < spec->mounts.n; i++) {
		struct lxe_mount *m = &spec->mounts.v[i];

		if (m->kind == LXE_MOUNT_BIND && !m->ro)
			m->cow = true;
		/* Of an image there is no layer. */
		if (m->kind == LXE_MOUNT_DISK) {
			m->ro = true;
			m->rw = false;
		}
	}
	if (lxe_mounts_count_cow(&spec->mounts))
		return 0;
	lxe_hint(err, s->dry_run ? "--workdir DIR, or --bind SRC:DST"
				 : "--workdir DIR:cow, or --bind SRC:DST:cow");
	return lxe_fail_msg(err, -EINVAL, "%s is about copy-on-write binds, and there is none",
		s->dry_run	? "--dry-run"
		: s->on_success ? "--on-success"
				: "--on-failure");
}
