/*
 * What a test makes is below `top`, which the test makes itself; at() is the path of something there,
 * good until sixteen others have been asked for.
 */
#ifndef LXE_TESTS_TOP_FIXTURE_H
#define LXE_TESTS_TOP_FIXTURE_H

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

static char top[64];

__attribute__((format(printf, 1, 2))) static inline const char *at(const char *fmt, ...)
{
	static char paths[16][PATH_MAX];
	static unsigned int next;
	char *path = paths[next++ % 16];
	va_list ap;
	int n = snprintf(path, PATH_MAX, "%s/", top);

	va_start(ap, fmt);
	vsnprintf(path + n, (size_t)(PATH_MAX - n), fmt, ap);
	va_end(ap);
	return path;
}

#endif
