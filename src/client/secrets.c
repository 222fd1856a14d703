#include "client/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/source.h"
#include "policy/secret.h"
#include "sys/fd.h"

/* One value and what precedes it; a byte more tells of a value that is too long. */
#define ROOM (LXE_SECRET_HEADER + LXE_SECRET_MAX + 1)

static int too_long(const struct lxe_secret_source *s, struct lxe_err *err)
{
	lxe_fail_msg(
		err, -EFBIG, "secret '%s' is larger than %d KiB", s->name, LXE_SECRET_MAX / 1024);
	lxe_hint(err, "what is no secret goes in as a file or through standard input");
	return -EFBIG;
}

static ssize_t take_variable(
	const struct lxe_secret_source *s, unsigned char *room, struct lxe_err *err)
{
	const char *value = getenv(s->from);
	size_t len = value ? strnlen(value, LXE_SECRET_MAX + 1) : 0;

	if (!value) {
		lxe_fail_msg(err, -ENOENT, "secret '%s': the environment variable '%s' is not set",
			s->name, s->from);
		lxe_hint(err, "export it, or use file:PATH or fd:N");
		return -ENOENT;
	}
	if (len > LXE_SECRET_MAX)
		return too_long(s, err);
	memcpy(room, value, len);
	return (ssize_t)len;
}

static ssize_t take_file(
	const struct lxe_secret_source *s, int fd, unsigned char *room, struct lxe_err *err)
{
	ssize_t n = lxe_source_read(fd, room, LXE_SECRET_MAX + 1, LXE_SOURCE_MS);

	if (n < 0)
		lxe_fail(err, (int)n, "read secret '%s'", s->name);
	if (n == -ETIMEDOUT)
		lxe_hint(err, "nobody has written it: name a file, or a pipe with a writer");
	return n > LXE_SECRET_MAX ? too_long(s, err) : n;
}

static ssize_t take_value(
	const struct lxe_secret_source *s, unsigned char *room, struct lxe_err *err)
{
	LXE_AUTOCLOSE int file = -EBADF;

	switch (s->kind) {
	case LXE_SECRET_ENV:
		return take_variable(s, room, err);
	case LXE_SECRET_FD:
		return take_file(s, s->fd, room, err);
	case LXE_SECRET_FILE:
		file = lxe_source_open(s->from);
		if (file < 0) {
			lxe_fail(err, file, "open secret '%s': '%s'", s->name, s->from);
			lxe_hint(err, "name a file that can be read");
			return err->code;
		}
		return take_file(s, file, room, err);
	}
	return -EINVAL;
}

/* Who reads a descriptor to its end leaves nothing to the next. */
static int refuse_shared(const struct lxe_strv *secrets, size_t at,
	const struct lxe_secret_source *s, struct lxe_err *err)
{
	struct lxe_secret_source other;

	for (size_t i = 0; s->kind == LXE_SECRET_FD && i < at; i++) {
		if (lxe_secret_parse(&other, secrets->v[i], NULL) < 0 ||
			other.kind != LXE_SECRET_FD || other.fd != s->fd)
			continue;
		lxe_hint(err, "each needs a descriptor of its own");
		return lxe_fail_msg(err, -EINVAL, "secrets '%s' and '%s' are both from fd:%d",
			other.name, s->name, s->fd);
	}
	return 0;
}

static ssize_t take_all(const struct lxe_strv *secrets, unsigned char *memory, struct lxe_err *err)
{
	struct lxe_secret_source s;
	size_t used = 0;

	for (size_t i = 0; i < secrets->n; i++) {
		ssize_t n = lxe_secret_parse(&s, secrets->v[i], err);

		if (n == 0)
			n = refuse_shared(secrets, i, &s, err);
		if (n == 0)
			n = take_value(&s, memory + used + LXE_SECRET_HEADER, err);
		if (n < 0)
			return n;
		lxe_secret_put_header(memory + used, s.name, (uint32_t)n);
		used += LXE_SECRET_HEADER + (size_t)n;
	}
	return (ssize_t)used;
}

static void wipe_environment(const struct lxe_strv *secrets)
{
	struct lxe_secret_source s;
	char *value;

	for (size_t i = 0; i < secrets->n; i++) {
		if (lxe_secret_parse(&s, secrets->v[i], NULL) < 0 || s.kind != LXE_SECRET_ENV)
			continue;
		value = getenv(s.from);
		if (value)
			explicit_bzero(value, strlen(value));
	}
}

static int fill(int fd, const struct lxe_strv *secrets, struct lxe_err *err)
{
	size_t size = secrets->n * ROOM;
	unsigned char *memory;
	ssize_t used;

	if (ftruncate(fd, (off_t)size) < 0)
		return lxe_fail(err, -errno, "make room for secrets");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return lxe_fail(err, -errno, "make room for secrets");
	/* Where the limit of locked memory allows it; and in no core dump. */
	mlock2(memory, size, MLOCK_ONFAULT);
	madvise(memory, size, MADV_DONTDUMP);
	used = take_all(secrets, memory, err);
	munmap(memory, size);
	if (used < 0)
		return (int)used;
	if (ftruncate(fd, used) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return lxe_fail(err, -errno, "keep secrets");
	return 0;
}

int lxe_secrets_open(const struct lxe_strv *secrets, bool wipe, int *ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = -EBADF;
	int r;

	*ret = -EBADF;
	if (!secrets->n)
		return 0;
	fd = memfd_create("lxe-secrets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return lxe_fail(err, -errno, "make room for secrets");
	r = fill(fd, secrets, err);
	if (wipe)
		wipe_environment(secrets);
	if (r < 0)
		return r;
	*ret = take_fd(&fd);
	return 0;
}
