/*
 * Reading JSON that somebody else wrote: every value is asked for by name and kind, and a mistake is
 * told with its place, as in syscalls[3].action. The first error ends the reading: the place is left
 * where it was. Texts belong to the document.
 */
#ifndef LXE_CONFINE_JSON_H
#define LXE_CONFINE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "confine/rules.h"

struct lxe_json {
	const char *name;		 /* of the document */
	const struct lxe_rules_for *who; /* for whom conditions are decided */
	struct lxe_rules *rules;	 /* what becomes of it */
	struct lxe_err *err;
	char place[96];
};

/* -EINVAL: "NAME: PLACE: what". */
int lxe_json_bad(const struct lxe_json *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * As json_loadb(3), also where a whole number is beyond 2^63, as the kernel's arguments may be: for
 * lxe_json_number() only. To be freed by json_decref(3).
 */
json_t *lxe_json_load(const char *text, size_t len, json_error_t *error);

/* One level down, and back: the length that the place had is given to lxe_json_leave(). */
size_t lxe_json_enter(struct lxe_json *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void lxe_json_leave(struct lxe_json *p, size_t len);

/* Is it an object with no other keys than these (a list that ends with NULL)? */
int lxe_json_only(struct lxe_json *p, json_t *object, const char *const *keys);

/* NULL where it is absent or null, which mean the same. */
json_t *lxe_json_get(const json_t *object, const char *key);

/* 0..max; one that is absent leaves *ret as it is, unless it is needed. */
int lxe_json_number(struct lxe_json *p, const json_t *object, const char *key, uint64_t max,
	bool needed, uint64_t *ret);

/* NULL where it is absent and not needed. */
int lxe_json_string(
	struct lxe_json *p, const json_t *object, const char *key, bool needed, const char **ret);

/* Call `one` for each element of a list of texts; one that is absent is empty. */
int lxe_json_each(struct lxe_json *p, const json_t *object, const char *key,
	int (*one)(struct lxe_json *p, const char *text, void *arg), void *arg);

/* conditions.c: do the conditions of a rule hold? 1, 0 or -EINVAL. */
int lxe_json_applies(struct lxe_json *p, const json_t *rule);

#endif
