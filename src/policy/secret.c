#include "policy/secret.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/num.h"
#include "base/str.h"

/* A file's name inside, and nothing that a shell or a path makes something else of. */
static bool is_name(const char *name, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	return len > 0 && len <= LXE_SECRET_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	       strspn(name, letters) >= len;
}

static int refuse(struct lxe_err *err, const char *text, const char *why)
{
	lxe_fail_msg(err, -EINVAL, "--secret '%.64s' %s", text, why);
	lxe_hint(err,
		"NAME=env:VARIABLE, NAME=file:PATH or NAME=fd:N; a name has 1 to %d of "
		"letters, digits and ._-",
		LXE_SECRET_NAME_MAX);
	return -EINVAL;
}

static int parse_source(
	struct lxe_secret_source *s, const char *from, const char *text, struct lxe_err *err)
{
	static const char *const kinds[] = {
		[LXE_SECRET_ENV] = "env:",
		[LXE_SECRET_FILE] = "file:",
		[LXE_SECRET_FD] = "fd:",
	};

	for (enum lxe_secret_kind kind = LXE_SECRET_ENV; kind <= LXE_SECRET_FD; kind++) {
		if (!lxe_starts_with(from, kinds[kind]))
			continue;
		s->kind = kind;
		s->from = from + strlen(kinds[kind]);
		if (kind == LXE_SECRET_FD && lxe_parse_int(s->from, 0, INT_MAX, &s->fd) < 0)
			return refuse(err, text, "does not name a descriptor");
		if (kind == LXE_SECRET_ENV && strchr(s->from, '='))
			return refuse(err, text, "does not name a variable");
		return s->from[0] ? 0 : refuse(err, text, "says no more of where it comes from");
	}
	/* Whoever writes the value itself is told so, and it is not repeated. */
	lxe_fail_msg(err, -EINVAL, "--secret '%s=…' says neither env:, file: nor fd:", s->name);
	lxe_hint(err, "a value on the command line could be read by everybody: NAME=env:VARIABLE, "
		      "NAME=file:PATH or NAME=fd:N");
	return -EINVAL;
}

int lxe_secret_parse(struct lxe_secret_source *ret, const char *text, struct lxe_err *err)
{
	const char *equals = strchr(text, '=');
	struct lxe_secret_source s = { .fd = -EBADF };
	int r;

	if (!equals) {
		/* It may be the value: it is not shown. */
		lxe_fail_msg(err, -EINVAL, "--secret has no NAME= in front");
		lxe_hint(err, "NAME=env:VARIABLE, NAME=file:PATH or NAME=fd:N");
		return -EINVAL;
	}
	if (!is_name(text, (size_t)(equals - text)))
		return refuse(err, text, "has no name that is a file's");
	memcpy(s.name, text, (size_t)(equals - text));
	r = parse_source(&s, equals + 1, text, err);
	if (r == 0)
		*ret = s;
	return r;
}

#define SIZE_AT (LXE_SECRET_HEADER - sizeof(uint32_t))

_Static_assert(LXE_SECRET_NAME_MAX < SIZE_AT, "a name and its end lie before the size");

void lxe_secret_put_header(unsigned char *bytes, const char *name, uint32_t size)
{
	memset(bytes, 0, LXE_SECRET_HEADER);
	memcpy(bytes, name, strnlen(name, LXE_SECRET_NAME_MAX));
	memcpy(bytes + SIZE_AT, &size, sizeof(size));
}

long lxe_secret_next(struct lxe_secret *ret, const unsigned char *bytes, size_t len)
{
	const char *name = (const char *)bytes;
	uint32_t size;

	if (len == 0)
		return 0;
	if (len < LXE_SECRET_HEADER)
		return -EBADMSG;
	memcpy(&size, bytes + SIZE_AT, sizeof(size));
	if (size > LXE_SECRET_MAX || size > len - LXE_SECRET_HEADER)
		return -EBADMSG;
	if (!memchr(name, '\0', SIZE_AT) || !is_name(name, strlen(name)))
		return -EBADMSG;
	*ret = (struct lxe_secret){
		.name = name, .value = bytes + LXE_SECRET_HEADER, .size = size
	};
	return (long)(LXE_SECRET_HEADER + size);
}
