#include "policy/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/caps.h"

void lxe_spec_init(struct lxe_spec *spec)
{
	/* A failed copy leaves the image NULL: lxe_spec_encode() refuses such a spec. */
	*spec = (struct lxe_spec){
		.image = strdup("host"),
		.tty = LXE_TTY_AUTO,
		.pids = LXE_DEFAULT_PIDS,
		.caps = lxe_caps_default(),
		.timeout_ms = LXE_TIMEOUT_NONE,
	};
	lxe_limits_init(&spec->limits);
}

void lxe_spec_release(struct lxe_spec *spec)
{
	free(spec->name);
	free(spec->image);
	free(spec->user);
	free(spec->cwd);
	free(spec->term);
	free(spec->result);
	free(spec->apparmor);
	free(spec->seccomp);
	free(spec->seccomp_text);
	free(spec->learn);
	free(spec->spill);
	lxe_strv_release(&spec->secrets);
	lxe_strv_release(&spec->argv);
	lxe_strv_release(&spec->env);
	lxe_limits_release(&spec->limits);
	lxe_net_release(&spec->net);
	lxe_strv_release(&spec->deny);
	lxe_mounts_release(&spec->mounts);
	*spec = (struct lxe_spec){ 0 };
}

static const char *what_is_wrong(const char *name)
{
	size_t len = strlen(name);

	if (len == 0)
		return "is empty";
	if (len > LXE_NAME_MAX)
		return "is too long";
	if (!lxe_utf8_valid(name, len))
		return "is not UTF-8";
	if (lxe_has_controls(name, len))
		return "holds a control character";
	if (strchr(name, '/'))
		return "holds a '/'";
	if (name[0] == ' ' || name[len - 1] == ' ')
		return "begins or ends with a blank";
	if (name[0] == '-')
		return "begins with '-'";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "is not allowed";
	return NULL;
}

int lxe_name_validate(const char *name, struct lxe_err *err)
{
	const char *wrong = what_is_wrong(name);

	if (!wrong)
		return 0;
	lxe_fail_msg(
		err, -EINVAL, "the name '%.64s%s' %s", name, strlen(name) > 64 ? "…" : "", wrong);
	lxe_hint(err, "a name has 1 to %d bytes and neither '/' nor control characters",
		LXE_NAME_MAX);
	return -EINVAL;
}
