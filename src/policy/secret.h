/*
 * Secrets: where the value of --secret comes from, and the form in which values travel to the keeper: in a
 * memfd, one behind the other, and nowhere else. Pure.
 */
#ifndef LXE_POLICY_SECRET_H
#define LXE_POLICY_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define LXE_SECRET_NAME_MAX 64
#define LXE_SECRET_MAX (512 * 1024) /* bytes of a value, as container engines have it */
#define LXE_SECRETS_MAX 64
#define LXE_SECRETS_DIR "run/secrets" /* inside */

enum lxe_secret_kind { LXE_SECRET_ENV, LXE_SECRET_FILE, LXE_SECRET_FD };

struct lxe_secret_source {
	char name[LXE_SECRET_NAME_MAX + 1];
	enum lxe_secret_kind kind;
	const char *from; /* behind the colon: part of the text */
	int fd;
};

/* NAME=env:VAR, NAME=file:PATH or NAME=fd:N. -EINVAL with what is wrong with it. */
int lxe_secret_parse(struct lxe_secret_source *ret, const char *text, struct lxe_err *err);

/* Bytes that precede a value in the memfd, and putting them there. */
#define LXE_SECRET_HEADER 72

void lxe_secret_put_header(unsigned char *bytes, const char *name, uint32_t size);

struct lxe_secret {
	const char *name;
	const unsigned char *value;
	size_t size;
};

/*
 * The first secret in `len` bytes, whose parts stay theirs: how many bytes it takes, 0 at the end, or
 * -EBADMSG.
 */
long lxe_secret_next(struct lxe_secret *ret, const unsigned char *bytes, size_t len);

#endif
