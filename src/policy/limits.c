#include "policy/limits.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

void lxe_limits_init(struct lxe_limits *limits)
{
	*limits = (struct lxe_limits){ .grace_ms = LXE_GRACE_MS };
}

void lxe_limits_release(struct lxe_limits *limits)
{
	free(limits->cpuset);
	lxe_strv_release(&limits->io);
	lxe_strv_release(&limits->ulimits);
	*limits = (struct lxe_limits){ 0 };
}

/* Up to two decimals: a finer share of a period is more than the kernel's clock tells apart. */
static int hundredths(const char *text, uint64_t *ret)
{
	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	*ret = (uint64_t)(text[0] - '0') * 10;
	if (!text[1])
		return 0;
	if (!isdigit((unsigned char)text[1]) || text[2])
		return -EINVAL;
	*ret += (uint64_t)(text[1] - '0');
	return 0;
}

int lxe_cpus_parse(const char *text, uint64_t *ret)
{
	const char *point = strchr(text, '.');
	uint64_t whole = 0, part = 0;
	char digits[24];
	int r = 0;

	if (point && lxe_format(digits, sizeof(digits), "%.*s", (int)(point - text), text) < 0)
		return -ERANGE;
	if (!point || point != text)
		r = lxe_parse_u64(point ? digits : text, 0, UINT64_MAX, &whole);
	if (r == 0 && point)
		r = hundredths(point + 1, &part);
	if (r < 0)
		return r;
	if (whole > LXE_CPU_MAX || whole * LXE_CPUS_UNIT + part == 0)
		return -ERANGE;
	*ret = whole * LXE_CPUS_UNIT + part;
	return 0;
}

static int parse_range(const char *text, size_t len, uint64_t *first, uint64_t *last)
{
	const char *dash = memchr(text, '-', len);
	size_t n = dash ? (size_t)(dash - text) : len;
	char word[2][16];
	int r;

	if (n >= sizeof(word[0]) || len - n > sizeof(word[1]))
		return -ERANGE;
	snprintf(word[0], sizeof(word[0]), "%.*s", (int)n, text);
	snprintf(word[1], sizeof(word[1]), "%.*s", (int)(dash ? len - n - 1 : n),
		dash ? dash + 1 : text);
	r = lxe_parse_u64(word[0], 0, LXE_CPU_MAX - 1, first);
	if (r == 0)
		r = lxe_parse_u64(word[1], 0, LXE_CPU_MAX - 1, last);
	return r == 0 && *first > *last ? -EINVAL : r;
}

/* As the kernel writes a list: bitmap_print_to_pagebuf(). */
static int print_set(const unsigned char set[LXE_CPU_MAX], char *buf, size_t size)
{
	size_t used = 0;

	for (int i = 0, end; i < LXE_CPU_MAX; i = end) {
		int r;

		for (end = i; end < LXE_CPU_MAX && set[end]; end++)
			;
		if (end == i) {
			end++;
			continue;
		}
		r = lxe_format(buf + used, size - used, end - i > 1 ? "%s%d-%d" : "%s%d",
			used ? "," : "", i, end - 1);
		if (r < 0)
			return -ERANGE;
		used += strlen(buf + used);
	}
	return 0;
}

int lxe_cpuset_normalize(const char *text, char *buf, size_t size)
{
	unsigned char set[LXE_CPU_MAX] = { 0 };
	const char *p = text;

	for (;;) {
		size_t len = strcspn(p, ",");
		uint64_t first = 0, last = 0;
		int r = parse_range(p, len, &first, &last);

		if (r < 0)
			return r;
		memset(set + first, 1, last - first + 1);
		if (!p[len])
			break;
		p += len + 1;
	}
	return print_set(set, buf, size);
}

static const struct {
	const char *name;
	uint64_t min, max;
} io_keys[] = {
	/* A slower device would keep a process in one write for minutes, unkillable. */
	[LXE_IO_RBPS] = { "rbps", 64 << 10, UINT64_C(1) << 48 },
	[LXE_IO_WBPS] = { "wbps", 64 << 10, UINT64_C(1) << 48 },
	/* The kernel takes what does not fit into 32 bits for no limit. */
	[LXE_IO_RIOPS] = { "riops", 1, UINT32_MAX - 1 },
	[LXE_IO_WIOPS] = { "wiops", 1, UINT32_MAX - 1 },
};

static int bad_io(struct lxe_err *err, const char *text, const char *what)
{
	lxe_fail_msg(err, -EINVAL, "'%s' %s", text, what);
	lxe_hint(err, "[DEVICE:]KEY=VALUE with rbps, wbps (bytes a second, from 64K) or riops, "
		      "wiops (operations a second): wbps=10M");
	return -EINVAL;
}

static int find_io_key(const char *name, size_t len, enum lxe_io_key *ret)
{
	for (enum lxe_io_key i = 0; i < LXE_IO_KEYS; i++) {
		if (strlen(io_keys[i].name) == len && memcmp(io_keys[i].name, name, len) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_io_value(const char *text, enum lxe_io_key key, uint64_t *ret)
{
	uint64_t value;
	int r = key <= LXE_IO_WBPS ? lxe_parse_size(text, &value)
				   : lxe_parse_u64(text, 0, UINT64_MAX, &value);

	if (r < 0)
		return r;
	if (value < io_keys[key].min || value > io_keys[key].max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int lxe_io_parse(const char *text, struct lxe_io_limit *ret, struct lxe_err *err)
{
	struct lxe_io_limit limit = { .device = NULL };
	const char *equals = strrchr(text, '='), *key = text, *colon;
	int r;

	if (!equals)
		return bad_io(err, text, "has no '='");
	/* A path may hold a colon, as those in /dev/disk/by-path do. */
	colon = memrchr(text, ':', (size_t)(equals - text));
	if (colon) {
		limit.device = text;
		limit.device_len = (size_t)(colon - text);
		key = colon + 1;
		if (text[0] != '/' || lxe_has_controls(text, limit.device_len))
			return bad_io(err, text, "does not name its device by an absolute path");
	}
	if (find_io_key(key, (size_t)(equals - key), &limit.key) < 0)
		return bad_io(err, text, "has a key that is not known");
	r = parse_io_value(equals + 1, limit.key, &limit.value);
	if (r < 0)
		return bad_io(err, text, r == -ERANGE ? "is out of range" : "is not a number");
	*ret = limit;
	return 0;
}
