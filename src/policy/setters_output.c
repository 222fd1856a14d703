/* The options about what becomes of the command's output. See setters.h. */
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "policy/setters.h"

static int refuse(struct lxe_err *err, const char *as, const char *text, const char *why)
{
	lxe_fail_msg(err, -EINVAL, "%s '%s' %s", as, text, why);
	lxe_hint(err, "a whole number of bytes with K, M or G, at most 1G, or none: 256K");
	return -EINVAL;
}

LXE_SETTER(lxe_set_output_limit)
{
	uint64_t value = 0;
	int r;

	(void)o;
	if (strcmp(text, "none") != 0) {
		r = lxe_parse_size(text, &value);
		if (r < 0 && r != -ERANGE)
			return refuse(err, as, text, "is not a size");
		if (r == -ERANGE || value > LXE_OUTPUT_LIMIT_MAX)
			return refuse(err, as, text, "is too large");
		if (value < LXE_OUTPUT_LIMIT_MIN)
			return refuse(err, as, text, "is less than 64 bytes");
	}
	req->spec.output_limit = value;
	return 0;
}

/* As with --result: a relative name in a profile could be a link that somebody has planted. */
LXE_SETTER(lxe_set_spill_file)
{
	if (text[0] == '/')
		return lxe_set_destination(req, o, as, text, err);
	lxe_fail_msg(err, -EINVAL, "%s '%s' is not an absolute path", as, text);
	lxe_hint(err, "a file of the current directory is for the command line: --spill");
	return -EINVAL;
}
