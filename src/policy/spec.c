#include "policy/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Enough for a parallel build, far too little for a fork bomb. */
#define DEFAULT_PIDS 2048

void lxe_spec_init(struct lxe_spec *spec)
{
	/* A failed copy leaves the image NULL: lxe_spec_encode() refuses such a spec. */
	*spec = (struct lxe_spec){
		.image = strdup("host"),
		.tty = LXE_TTY_AUTO,
		.pids = DEFAULT_PIDS,
		.timeout_ms = LXE_TIMEOUT_NONE,
	};
}

void lxe_spec_release(struct lxe_spec *spec)
{
	free(spec->name);
	free(spec->image);
	free(spec->cwd);
	free(spec->term);
	free(spec->result);
	lxe_strv_release(&spec->argv);
	lxe_strv_release(&spec->env);
	*spec = (struct lxe_spec){ 0 };
}

/* Controls drive terminals, and so do C1 controls and the bidirectional overrides in UTF-8. */
static bool has_controls(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
		if (p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0))
			return true;
		if (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae)
			return true;
	}
	return false;
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
	if (has_controls(name))
		return "holds a control character";
	if (strchr(name, '/'))
		return "holds a '/'";
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
