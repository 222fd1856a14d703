/*
 * The options: one table that the command line, the profiles, --help and the manual pages are made
 * from. Constant data and pure look-up.
 */
#ifndef LXE_POLICY_OPTIONS_H
#define LXE_POLICY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "policy/request.h"

/* The verbs, as a set: an option says which of them take it. */
enum lxe_verb {
	LXE_VERB_RUN = 1 << 0,
	LXE_VERB_SHELL = 1 << 1,
	LXE_VERB_IMAGE_LS = 1 << 2,
	LXE_VERB_IMAGE_BUILD = 1 << 3,
	LXE_VERB_IMAGE_RM = 1 << 4,
	LXE_VERB_GC = 1 << 5,
	LXE_VERB_DOCTOR = 1 << 6,
	LXE_VERB_VERSION = 1 << 7,
	LXE_VERB_HELP = 1 << 8,
	LXE_VERB_CREATE = 1 << 9,
	LXE_VERB_START = 1 << 10,
	LXE_VERB_EXEC = 1 << 11,
	LXE_VERB_WAIT = 1 << 12,
	LXE_VERB_KILL = 1 << 13,
	LXE_VERB_STOP = 1 << 14,
	LXE_VERB_DESTROY = 1 << 15,
	LXE_VERB_PS = 1 << 16,
	LXE_VERB_INSPECT = 1 << 17,
	LXE_VERB_STATS = 1 << 18,
	LXE_VERB_ATTACH = 1 << 19,
	LXE_VERB_LOGS = 1 << 20,
	LXE_VERB_SNAPSHOT = 1 << 24,
	LXE_VERB_RESTORE = 1 << 25,
	LXE_VERB_FORK = 1 << 26,
	LXE_VERB_DIFF = 1 << 21,
	LXE_VERB_COMMIT = 1 << 22,
	LXE_VERB_DISCARD = 1 << 23,
	LXE_VERB_IMAGE_IMPORT = 1 << 28,
	LXE_VERB_IMAGE_EXPORT = 1 << 29,
	LXE_VERB_IMAGE_INSPECT = 1 << 30,
};

/* Where an option may stand in a profile. */
enum lxe_in_profile {
	LXE_PROFILE_NO,
	LXE_PROFILE_KEY,     /* NAME = VALUE in [run] */
	LXE_PROFILE_SECTION, /* may be repeated: ITEM = VALUE in a section [NAME] of its own */
	LXE_PROFILE_BOTH,    /* the one or the other */
};

struct lxe_option;

/* `as`: how the user spelt the option, for messages. `text` is NULL for a bare flag. */
typedef int lxe_setter(struct lxe_request *req, const struct lxe_option *option, const char *as,
	const char *text, struct lxe_err *err);

struct lxe_option {
	const char *name;
	const char *placeholder; /* of the value; NULL: a flag */
	const char *help;	 /* one line */
	const char *detail;	 /* further sentences for the manual, or NULL */
	const char *values;	 /* what a profile may say, for a flag or where it differs */
	unsigned int verbs;	 /* set of enum lxe_verb */
	enum lxe_in_profile in_profile;
	lxe_setter *set;
	lxe_setter *set_in_profile; /* where fewer values make sense there; NULL: `set` */
	size_t offset;		    /* into struct lxe_request, for the setters that need it */
	int value;		    /* likewise */
	char letter;		    /* '\0': none */
};

/* The table; it ends with an entry whose name is NULL. */
const struct lxe_option *lxe_options(void);

/* By long name, among those that pass `verbs` (0: any). */
const struct lxe_option *lxe_option_find(const char *name, size_t len, unsigned int verbs);

#endif
