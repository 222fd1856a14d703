/*
 * A strict reading of INI text. iniparser forgets line numbers and forgives too much (duplicates,
 * cut values, lines joined by a backslash), so the text is read once here, by the smaller grammar
 * on which both must agree; lxe_ini_agree() has iniparser read the same text and compares.
 *
 *   [section]            small letters, digits and '-'
 *   key = value          without ';' and '#', or quoted as a whole: "…" or '…'
 *   # comment            on a line of its own; also with ';'
 */
#ifndef LXE_POLICY_INI_H
#define LXE_POLICY_INI_H

#include <stddef.h>

#include "base/err.h"

#define LXE_INI_SIZE_MAX (1024 * 1024)
#define LXE_INI_ITEMS_MAX 1000

struct lxe_ini_item {
	const char *section;
	const char *key; /* NULL: the line that opens the section */
	const char *value;
	unsigned int line; /* from 1 */
};

struct lxe_ini {
	char *text; /* the copy that the items point into */
	struct lxe_ini_item *items;
	size_t n;
};

/*
 * Read `len` bytes of text (pure). On an error the message begins with "NAME:LINE: ". Release *ret
 * in any case.
 */
int lxe_ini_scan(
	struct lxe_ini *ret, const char *name, const char *text, size_t len, struct lxe_err *err);
void lxe_ini_release(struct lxe_ini *ini);

/* Have iniparser read the same text and insist that it found the same values. */
int lxe_ini_agree(const struct lxe_ini *ini, const char *name, const char *text, size_t len,
	struct lxe_err *err);

#endif
