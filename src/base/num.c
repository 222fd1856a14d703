#include "base/num.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

/* Read the digits at the start of text; *end is what follows them. */
static int leading_digits(const char *text, uint64_t *ret, const char **end)
{
	uint64_t value = 0;
	const char *p = text;

	if (!isdigit((unsigned char)*p) || (p[0] == '0' && isdigit((unsigned char)p[1])))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	*ret = value;
	*end = p;
	return 0;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_with_unit(const char *text, const struct unit *units, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	int r;

	r = leading_digits(text, &value, &end);
	if (r < 0)
		return r;
	for (; units->name; units++) {
		if (strcmp(end, units->name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units->factor, &value) || value > max)
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

int lxe_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	static const struct unit none[] = { { "", 1 }, { NULL, 0 } };
	uint64_t value;
	int r;

	r = parse_with_unit(text, none, max, &value);
	if (r < 0)
		return r;
	if (value < min)
		return -ERANGE;
	*ret = value;
	return 0;
}

int lxe_parse_int(const char *text, int min, int max, int *ret)
{
	uint64_t value;
	int r;

	r = lxe_parse_u64(text, (uint64_t)min, (uint64_t)max, &value);
	if (r < 0)
		return r;
	*ret = (int)value;
	return 0;
}

int lxe_parse_size(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", 1ULL << 10 },
		{ "KB", 1ULL << 10 },
		{ "KiB", 1ULL << 10 },
		{ "M", 1ULL << 20 },
		{ "MB", 1ULL << 20 },
		{ "MiB", 1ULL << 20 },
		{ "G", 1ULL << 30 },
		{ "GB", 1ULL << 30 },
		{ "GiB", 1ULL << 30 },
		{ "T", 1ULL << 40 },
		{ "TB", 1ULL << 40 },
		{ "TiB", 1ULL << 40 },
		{ "k", 1ULL << 10 },
		{ "m", 1ULL << 20 },
		{ "g", 1ULL << 30 },
		{ NULL, 0 },
	};

	return parse_with_unit(text, units, INT64_MAX, ret);
}

int lxe_parse_duration(const char *text, uint64_t *ret_ms)
{
	static const struct unit units[] = {
		{ "", 1000 },
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
		{ NULL, 0 },
	};

	return parse_with_unit(text, units, 365ULL * 24 * 60 * 60 * 1000, ret_ms);
}

int lxe_parse_bool(const char *text, int *ret)
{
	static const struct {
		const char *word;
		int value;
	} words[] = {
		{ "yes", 1 },
		{ "true", 1 },
		{ "on", 1 },
		{ "1", 1 },
		{ "no", 0 },
		{ "false", 0 },
		{ "off", 0 },
		{ "0", 0 },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}
