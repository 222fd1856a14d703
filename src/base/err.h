/*
 * One error value, owned by the caller and passed as the last argument. A function that fails
 * returns a negative errno and describes what it was doing here; a function that succeeds leaves
 * the value untouched. Nothing is allocated on the way down. A NULL err is allowed everywhere.
 */
#ifndef LXE_BASE_ERR_H
#define LXE_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define LXE_ERR_MSG_MAX 512
#define LXE_ERR_HINT_MAX 256

struct lxe_err {
	int code; /* negative errno of the first failure, 0 when there was none */
	char msg[LXE_ERR_MSG_MAX];
	char hint[LXE_ERR_HINT_MAX]; /* empty when there is no remedy to name */
	char rule[LXE_ERR_HINT_MAX]; /* the restriction of ours that stood in the way; or empty */
};

/*
 * Record that what `fmt` names failed with `r` (a negative errno), and return r. The first call
 * writes "what: why"; a call on a value that already holds a message puts its own words in front.
 * Words: lower case, no full stop, data quoted.
 */
int lxe_fail(struct lxe_err *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As lxe_fail(), for failures whose reason is ours and not errno's: the message is `fmt` alone. */
int lxe_fail_msg(struct lxe_err *err, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Add the remedy, unless a lower layer has named a closer one. */
void lxe_hint(struct lxe_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Name the restriction of ours that is the reason, unless a lower layer has; a hint names the option. */
void lxe_rule(struct lxe_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The reason as the messages spell it: strerror(3) with a small first letter. Static storage. */
const char *lxe_reason(int r, char *buf, size_t size);

#endif
