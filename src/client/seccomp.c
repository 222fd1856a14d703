#include "client/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/outfile.h"
#include "confine/rules.h"
#include "sys/fd.h"

static int hint_profiles(struct lxe_err *err, int r)
{
	lxe_hint(err, "default, strict, unconfined, or a file in the container engines' format");
	return r;
}

static int read_text(char **ret, size_t *len, const char *path, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hint_profiles(
			err, lxe_fail(err, -errno, "read the seccomp profile '%s'", path));
	if (!S_ISREG(st.st_mode))
		return hint_profiles(err,
			lxe_fail_msg(err, -EINVAL, "the seccomp profile '%s' is not a file", path));
	r = sys_read_whole(fd, LXE_RULES_TEXT_MAX, ret, len);
	if (r == -E2BIG)
		return lxe_fail_msg(err, -EINVAL, "the seccomp profile '%s' is larger than %d KiB",
			path, LXE_RULES_TEXT_MAX / 1024);
	return r < 0 ? lxe_fail(err, r, "read the seccomp profile '%s'", path) : 0;
}

int lxe_client_read_seccomp(char **ret, const struct lxe_spec *spec, struct lxe_err *err)
{
	/* What holds here of capabilities and kernel is the keeper's to know: this is for mistakes. */
	const struct lxe_rules_for who = { .capabilities = spec->caps };
	LXE_AUTOFREE char *text = NULL;
	struct lxe_rules rules = { 0 };
	size_t len = 0;
	int r;

	*ret = NULL;
	if (!spec->seccomp || lxe_rules_is_builtin(spec->seccomp))
		return 0;
	r = read_text(&text, &len, spec->seccomp, err);
	if (r == 0)
		r = lxe_rules_from_json(&rules, spec->seccomp, text, len, &who, err);
	lxe_rules_release(&rules);
	if (r < 0)
		return r;
	*ret = take_ptr(text);
	return 0;
}

int lxe_client_open_learn(int *ret, const struct lxe_spec *spec, struct lxe_err *err)
{
	int fd;

	if (!spec->learn)
		return 0;
	/* What is there stays until there is something better. */
	fd = lxe_outfile_open("--learn", spec->learn, err);
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}
