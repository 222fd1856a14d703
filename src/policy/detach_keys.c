#include "policy/detach_keys.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/banned.h"

static int refuse(struct lxe_err *err, const char *text)
{
	int r = lxe_fail_msg(err, -EINVAL, "'%.64s' is no detach key", text);

	lxe_hint(err,
		"write ctrl-X with X in a-z @ [ \\ ] ^ _, several keys as in 'ctrl-p,ctrl-q' (at "
		"most %d), or none",
		LXE_DETACH_MAX);
	return r;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One key of `len` characters; negative: it is none. */
static int parse_key(const char *text, size_t len, bool first)
{
	char c = len ? text[len - 1] : '\0';

	if (len == 1 && !first && is_plain(c))
		return c;
	if (len != 6 || strncmp(text, "ctrl-", 5) != 0)
		return -EINVAL;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	return c && strchr("@[\\]^_", c) ? c - '@' : -EINVAL;
}

int lxe_detach_parse(struct lxe_detach_keys *ret, const char *text, struct lxe_err *err)
{
	struct lxe_detach_keys keys = { 0 };
	const char *p = text;

	if (strcmp(text, "none") == 0) {
		*ret = keys;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(p, ",");
		int key = parse_key(p, len, keys.n == 0);

		if (key < 0 || keys.n == LXE_DETACH_MAX)
			return refuse(err, text);
		keys.key[keys.n++] = (uint8_t)key;
		p += len;
		if (*p++ == '\0')
			break;
	}
	*ret = keys;
	return 0;
}
