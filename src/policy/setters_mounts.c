/* The options that put files of the caller's into a sandbox. See setters.h and mounts.h. */
#include <errno.h>
#include <string.h>

#include "policy/setters.h"

static int add(struct lxe_request *req, const struct lxe_option *o, const char *as,
	const char *text, char **cwd, struct lxe_err *err)
{
	struct lxe_mount mount = { 0 };
	int r = lxe_mount_parse(&mount, (enum lxe_mount_kind)o->value, text, err);

	if (r == 0 && cwd && lxe_str_set(cwd, mount.dst) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = lxe_mounts_add(&req->spec.mounts, &mount, err);
	lxe_mount_release(&mount);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_mount)
{
	return add(req, o, as, text, NULL, err);
}

/* A profile is used from any directory. */
static int needs_absolute(const char *as, const char *text, struct lxe_err *err)
{
	if (text[0] == '/')
		return 0;
	lxe_hint(err, "a path of the working directory is for the command line");
	return lxe_fail_msg(err, -EINVAL, "%s: '%.128s' is not an absolute path", as, text);
}

/* LABEL=TEXT: the label is for people. */
LXE_SETTER(lxe_set_mount_labelled)
{
	const char *value = strchrnul(text, '=');
	int r;

	value += *value != '\0';
	r = needs_absolute(as, value, err);
	return r < 0 ? r : add(req, o, as, value, NULL, err);
}

LXE_SETTER(lxe_set_workdir)
{
	char *cwd = NULL;
	int r = add(req, o, as, text, &cwd, err);

	if (r == 0)
		r = lxe_str_set(&req->spec.cwd, cwd);
	lxe_str_set(&cwd, NULL);
	return r;
}

LXE_SETTER(lxe_set_workdir_in_profile)
{
	int r = needs_absolute(as, text, err);

	return r < 0 ? r : lxe_set_workdir(req, o, as, text, err);
}

/* One option for two things that are not alike in form: a size has no colon, an image has one. */
LXE_SETTER(lxe_set_disk)
{
	if (strchr(text, ':'))
		return add(req, o, as, text, NULL, err);
	if (strchr("0123456789n", text[0]))
		return lxe_set_size(req, o, as, text, err);
	lxe_hint(err, "--disk IMAGE:DST mounts an image, --disk 1G limits what is written");
	return lxe_fail_msg(err, -EINVAL,
		"%s '%.128s' is neither a size nor an image with its place", as, text);
}

/* A label begins with a letter, a path with '/', a size with a digit; "none" has no '='. */
LXE_SETTER(lxe_set_disk_in_profile)
{
	const char *value = strchr(text, '=');
	bool labelled = value && (unsigned char)((text[0] | 0x20) - 'a') < 26;
	int r;

	if (labelled && !strchr(++value, ':')) {
		lxe_hint(
			err, "a limit is disk = SIZE in [run]; here entries are LABEL = IMAGE:DST");
		return lxe_fail_msg(
			err, -EINVAL, "%s: '%.128s' is no image with its place", as, value);
	}
	if (!labelled)
		value = text;
	r = strchr(value, ':') ? needs_absolute(as, value, err) : 0;
	return r < 0 ? r : lxe_set_disk(req, o, as, value, err);
}

LXE_SETTER(lxe_set_dry_run)
{
	struct lxe_option flag = *o;
	int r;

	flag.offset = offsetof(struct lxe_request, dry_run);
	r = lxe_set_flag(req, &flag, as, text, err);
	req->spec.settling.dry_run = req->dry_run;
	return r;
}

LXE_SETTER(lxe_set_settle)
{
	enum lxe_settle *field = (enum lxe_settle *)((char *)req + o->offset);

	if (strcmp(text, "commit") == 0)
		*field = LXE_SETTLE_COMMIT;
	else if (strcmp(text, "discard") == 0)
		*field = LXE_SETTLE_DISCARD;
	else if (strcmp(text, "none") == 0)
		*field = LXE_SETTLE_NONE;
	else
		return lxe_fail_msg(
			err, -EINVAL, "%s '%.64s' is neither commit nor discard", as, text);
	return 0;
}
