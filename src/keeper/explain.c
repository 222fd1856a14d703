#include "keeper/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "keeper/denied.h"
#include "keeper/keeper.h"

static const char *image_of(const struct lxe_process *p)
{
	return p->keeper->main->spec.image;
}

/* Whoever names a path of the host's is told that it is one. */
static void explain_absent(const struct lxe_process *p, const char *path, struct lxe_err *err)
{
	if (path[0] == '/' && access(path, F_OK) == 0) {
		lxe_rule(err, "the host's '%s' is not shown in a sandbox of image '%s'", path,
			image_of(p));
		lxe_hint(err, "--bind shows it inside, and --workdir starts the command in it");
	} else {
		lxe_rule(err, "image '%s' has no '%s'", image_of(p), path);
	}
}

/* Was the path, or one above it, asked to be out of reach? */
static bool explain_denied(const struct lxe_process *p, const char *path, struct lxe_err *err)
{
	const char *deny = lxe_denied_by(p->keeper, path);

	if (!deny)
		return false;
	lxe_rule(err, "--deny %s", deny);
	lxe_hint(err, "without that --deny, or with a narrower one, it would be in reach");
	return true;
}

/* Of each command's process it is asked that it finds these, so they cannot be denied as a whole. */
static void explain_needed(const struct lxe_process *p, struct lxe_err *err)
{
	const char *deny = lxe_denied_to_us(p->keeper);

	if (!deny)
		return;
	lxe_rule(err, "--deny %s", deny);
	lxe_hint(err, "a sandbox needs its /proc, /sys and devices: deny what is below /proc or "
		      "/sys, not all of it");
}

static void explain_limit(const struct lxe_process *p, int error, struct lxe_err *err)
{
	if (error == -EAGAIN && p->keeper->main->spec.pids) {
		lxe_rule(err, "the sandbox has as many processes as --pids %llu allows",
			(unsigned long long)p->keeper->main->spec.pids);
		lxe_hint(err, "--pids N sets the limit");
	} else if (error == -ENOMEM && p->keeper->main->spec.memory) {
		lxe_rule(err, "the sandbox uses as much memory as --memory allows");
		lxe_hint(err, "--memory SIZE sets the limit");
	} else if (error == -E2BIG) {
		lxe_hint(err, "arguments and environment are too long: pass them through a file or "
			      "standard input");
	}
}

static void explain_trouble(
	const struct lxe_process *p, const struct lxe_child_report *report, struct lxe_err *err)
{
	const struct lxe_trouble *t = &report->trouble;

	switch (t->kind) {
	case LXE_TROUBLE_UNKNOWN:
		explain_limit(p, report->error, err);
		break;
	case LXE_TROUBLE_ABSENT:
		explain_absent(p, p->spec.argv.v[0], err);
		lxe_hint(err, "it must exist in the image (--image); names without '/' are looked "
			      "up in PATH (-e PATH=…)");
		break;
	case LXE_TROUBLE_DIRECTORY:
		lxe_hint(err, "'%s' is a directory", t->file);
		break;
	case LXE_TROUBLE_NOEXEC:
		lxe_rule(err, "'%s' is on a filesystem that is mounted noexec", t->file);
		lxe_hint(err,
			"no option lifts it: run a copy in /tmp, or in another directory (-w)");
		break;
	case LXE_TROUBLE_MODE:
		lxe_rule(err, "the mode of '%s' does not let user %u execute it", t->file,
			(unsigned int)p->user.uid);
		lxe_hint(err, "chmod +x, or --user for one who may");
		break;
	case LXE_TROUBLE_NEEDS:
		if (explain_denied(p, t->needs, err))
			break;
		lxe_rule(err,
			"'%s' needs '%s', which image '%s' does not have, or not as a program",
			t->file, t->needs, image_of(p));
		lxe_hint(err, "--image takes another image: lxc-exec image ls");
		break;
	}
}

/* Where execve failed the command is at fault, and the exit status says how. */
static void explain_exec(
	struct lxe_process *p, const struct lxe_child_report *report, struct lxe_err *err)
{
	bool found =
		report->trouble.file[0] || (report->error != -ENOENT && report->error != -ENOTDIR);

	p->outcome.error = found ? LXE_EXIT_NOEXEC : LXE_EXIT_NOTFOUND;
	if (!explain_denied(p,
		    found && report->trouble.file[0] ? report->trouble.file : p->spec.argv.v[0],
		    err))
		explain_trouble(p, report, err);
	if (report->error == -EPERM || report->error == -ENOSYS)
		lxe_seccomp_hint(p, err);
	if (report->error == -EACCES || report->error == -ENOEXEC)
		lxe_hint(err, "the file must be a program for this machine with its x bit set");
	else if (!found)
		lxe_hint(err, "names without '/' are looked up in PATH");
}

static void explain_cwd(
	const struct lxe_process *p, const struct lxe_child_report *report, struct lxe_err *err)
{
	const char *dir = p->spec.cwd ? p->spec.cwd : p->user.home;

	if (explain_denied(p, dir, err))
		return;
	if (report->error == -ENOENT)
		explain_absent(p, dir, err);
	else if (report->error == -EACCES)
		lxe_rule(err, "user %u may not enter '%s'", (unsigned int)p->user.uid, dir);
	else if (report->error == -ENOTDIR)
		lxe_rule(err, "'%s' is no directory", dir);
	lxe_hint(err, report->error == -EACCES
			      ? "-w DIR for another directory, or --user for one who may"
			      : "name a directory that exists inside with -w DIR");
}

void lxe_explain(struct lxe_process *p, const struct lxe_child_report *report, struct lxe_err *err)
{
	const char *step = lxe_child_step_name(report->step);

	if (report->step == LXE_CHILD_EXEC)
		lxe_fail(err, report->error, "%s '%s'", step, p->spec.argv.v[0]);
	else if (report->step == LXE_CHILD_CWD && p->spec.cwd)
		lxe_fail(err, report->error, "%s '%s'", step, p->spec.cwd);
	else if (report->step == LXE_CHILD_DENY && report->at < p->spec.deny.n)
		lxe_fail(err, report->error, "%s '%s'", step, p->spec.deny.v[report->at]);
	else if (report->step == LXE_CHILD_APPARMOR)
		lxe_fail(err, report->error, "%s '%s'", step, p->confinement.apparmor);
	else
		lxe_fail(err, report->error, "%s", step);
	if (report->step == LXE_CHILD_APPARMOR)
		lxe_hint(
			err, report->error == -ENOENT
				     ? "the profile is not loaded: apparmor_parser -r FILE loads it"
				     : "--apparmor unconfined goes without a profile");
	if (report->step == LXE_CHILD_EXEC)
		explain_exec(p, report, err);
	else if (report->step == LXE_CHILD_CWD)
		explain_cwd(p, report, err);
	else if (report->step == LXE_CHILD_DENY && report->error == -ENOENT)
		lxe_hint(err, "what --deny names must exist in image '%s'", image_of(p));
	else if (report->step == LXE_CHILD_MASKS || report->step == LXE_CHILD_DEVICES ||
		 report->step == LXE_CHILD_COVERED)
		explain_needed(p, err);
}

void lxe_explain_entry(const struct lxe_process *p, struct lxe_err *err)
{
	const struct lxe_keeper *k = p->keeper;
	uint64_t limit = k->main->spec.pids;

	/* Its starter and it are forked before anything of it can be in the way of itself. */
	if (!limit || !k->cgroup || lxe_cgroup_pids_hits(k->cgroup) <= p->limits.pids_before)
		return;
	lxe_fail_msg(err, -EAGAIN, "enter the container: no process can be added to the sandbox");
	lxe_rule(err, "the sandbox has as many processes as --pids %" PRIu64 " allows", limit);
	lxe_hint(err, "end some of them, or make the sandbox with a greater --pids N");
}
