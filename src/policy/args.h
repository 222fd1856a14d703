/*
 * The parser of a command line. Parsing is pure: it says which options were given and where the
 * command begins; only lxe_args_apply() changes a request. No word is copied: argv must outlive it.
 */
#ifndef LXE_POLICY_ARGS_H
#define LXE_POLICY_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "policy/options.h"
#include "policy/request.h"

struct lxe_given {
	const struct lxe_option *option;
	const char *value; /* points into argv; NULL for a flag */
	bool by_letter;
};

struct lxe_args {
	struct lxe_given *given; /* in the order of the command line */
	size_t n;
	int rest;    /* index of the first word that is no option: the command */
	bool dashes; /* a "--" stood before it */
};

/*
 * Parse the words after the verb. Options end at the first word that is none, or at "--". `name`
 * is how the verb is called, for the hints. -EINVAL and *err on a usage error. Release *ret in
 * any case.
 */
int lxe_args_parse(struct lxe_args *ret, enum lxe_verb verb, const char *name, int argc,
	char *const argv[], struct lxe_err *err);
void lxe_args_release(struct lxe_args *args);

/* Is the option `name` among those given? The last one's value is in *value when it is not NULL. */
bool lxe_args_have(const struct lxe_args *args, const char *name, const char **value);

/* Set what was given in a request, in order: the last of a single-valued option wins. */
int lxe_args_apply(const struct lxe_args *args, struct lxe_request *req, struct lxe_err *err);

#endif
