/* The options of the system call filter and of AppArmor. See setters.h. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "policy/setters.h"

static bool is_builtin(const char *text)
{
	return strcmp(text, "default") == 0 || strcmp(text, "strict") == 0 ||
	       strcmp(text, "unconfined") == 0;
}

/* A profile is used from any directory: a relative name could be a file that somebody planted there. */
LXE_SETTER(lxe_set_seccomp_file)
{
	if (is_builtin(text))
		return lxe_set_text(req, o, as, text, err);
	return lxe_set_file(req, o, as, text, err);
}

LXE_SETTER(lxe_set_file)
{
	if (text[0] == '/')
		return lxe_set_text(req, o, as, text, err);
	lxe_hint(err, "a file of the current directory is for the command line: --%s", o->name);
	return lxe_fail_msg(err, -EINVAL, "%s '%s' is not an absolute path", as, text);
}

/* No spaces, nothing that stacks profiles or names another namespace of them: one word for the kernel. */
static bool is_profile(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > LXE_APPARMOR_NAME_MAX || strchr("-:", text[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)text[i]) || text[i] == '&')
			return false;
	return true;
}

LXE_SETTER(lxe_set_apparmor)
{
	if (is_profile(text))
		return lxe_set_text(req, o, as, text, err);
	return lxe_fail_msg(
		err, -EINVAL, "%s '%s' is not the name of an AppArmor profile", as, text);
}
