#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "policy/limits.h"

enum unit { BYTES, COUNT };

/* getrlimit(2) has the meanings. Where `min` is 1, the kernel takes 0 for something else, or nothing runs. */
static const struct {
	const char *name;
	int resource;
	enum unit unit;
	uint64_t min, max;
} resources[] = {
	{ "as", RLIMIT_AS, BYTES, 1, INT64_MAX },
	{ "core", RLIMIT_CORE, BYTES, 0, INT64_MAX },
	{ "cpu", RLIMIT_CPU, COUNT, 1, INT64_MAX },
	{ "data", RLIMIT_DATA, BYTES, 0, INT64_MAX },
	{ "fsize", RLIMIT_FSIZE, BYTES, 0, INT64_MAX },
	{ "locks", RLIMIT_LOCKS, COUNT, 0, INT64_MAX },
	{ "memlock", RLIMIT_MEMLOCK, BYTES, 0, INT64_MAX },
	{ "msgqueue", RLIMIT_MSGQUEUE, BYTES, 0, INT64_MAX },
	{ "nice", RLIMIT_NICE, COUNT, 0, 40 },
	{ "nofile", RLIMIT_NOFILE, COUNT, 1, INT32_MAX },
	{ "nproc", RLIMIT_NPROC, COUNT, 1, INT32_MAX },
	{ "rss", RLIMIT_RSS, BYTES, 0, INT64_MAX },
	{ "rtprio", RLIMIT_RTPRIO, COUNT, 0, 99 },
	{ "rttime", RLIMIT_RTTIME, COUNT, 1, INT64_MAX },
	{ "sigpending", RLIMIT_SIGPENDING, COUNT, 0, INT32_MAX },
	{ "stack", RLIMIT_STACK, BYTES, 1, INT64_MAX },
};

#define N_RESOURCES (sizeof(resources) / sizeof(resources[0]))

static int bad(struct lxe_err *err, const char *text, const char *what)
{
	lxe_fail_msg(err, -EINVAL, "'%s' %s", text, what);
	lxe_hint(err, "NAME=SOFT[:HARD], each a whole number or unlimited: nofile=1024:4096");
	return -EINVAL;
}

static int unknown(struct lxe_err *err, const char *text)
{
	char names[LXE_ERR_HINT_MAX] = "";
	size_t used = 0;

	for (size_t i = 0; i < N_RESOURCES; i++) {
		if (lxe_format(names + used, sizeof(names) - used, "%s%s", i ? " " : "",
			    resources[i].name) == 0)
			used += strlen(names + used);
	}
	lxe_fail_msg(err, -EINVAL, "'%s' names no resource", text);
	lxe_hint(err, "there are: %s", names);
	return -EINVAL;
}

static int parse_value(const char *text, size_t len, size_t resource, rlim_t *ret)
{
	char word[32];
	uint64_t value;
	int r;

	if (lxe_format(word, sizeof(word), "%.*s", (int)len, text) < 0)
		return -ERANGE;
	if (strcmp(word, "unlimited") == 0) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	r = resources[resource].unit == BYTES ? lxe_parse_size(word, &value)
					      : lxe_parse_u64(word, 0, UINT64_MAX, &value);
	if (r < 0)
		return r;
	if (value < resources[resource].min || value > resources[resource].max)
		return -ERANGE;
	*ret = value;
	return 0;
}

static size_t find(const char *name, size_t len)
{
	size_t i = 0;

	while (i < N_RESOURCES &&
		(strlen(resources[i].name) != len || memcmp(resources[i].name, name, len) != 0))
		i++;
	return i;
}

int lxe_ulimit_parse(const char *text, struct lxe_ulimit *ret, struct lxe_err *err)
{
	const char *equals = strchr(text, '='), *soft, *hard;
	struct rlimit limit = { 0, 0 };
	size_t i;
	int r;

	if (!equals)
		return bad(err, text, "has no '='");
	i = find(text, (size_t)(equals - text));
	if (i == N_RESOURCES)
		return unknown(err, text);
	soft = equals + 1;
	hard = strchr(soft, ':');
	r = parse_value(soft, hard ? (size_t)(hard - soft) : strlen(soft), i, &limit.rlim_cur);
	limit.rlim_max = limit.rlim_cur;
	if (r == 0 && hard)
		r = parse_value(hard + 1, strlen(hard + 1), i, &limit.rlim_max);
	if (r < 0)
		return bad(err, text, r == -ERANGE ? "is out of range" : "has no whole number");
	if (limit.rlim_cur > limit.rlim_max)
		return bad(err, text, "has a soft limit above its hard one");
	*ret = (struct lxe_ulimit){ resources[i].name, resources[i].resource, limit };
	return 0;
}
