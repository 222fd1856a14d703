/*
 * The keys that leave an attached terminal, as they are written. A plain value.
 */
#ifndef LXE_POLICY_DETACH_KEYS_H
#define LXE_POLICY_DETACH_KEYS_H

#include <stdint.h>

#include "base/err.h"

#define LXE_DETACH_MAX 8
#define LXE_DETACH_DEFAULT ((struct lxe_detach_keys){ .n = 1, .key = { 0x1d } }) /* ctrl-] */

struct lxe_detach_keys {
	uint8_t n; /* 0: no key detaches */
	uint8_t key[LXE_DETACH_MAX];
};

/*
 * "none", or one to LXE_DETACH_MAX keys separated by commas. A key is ctrl-X, with X one of a-z @ [
 * \ ] ^ _; after the first it may also be a letter or digit. -EINVAL with a message and a hint.
 */
int lxe_detach_parse(struct lxe_detach_keys *ret, const char *text, struct lxe_err *err);

#endif
