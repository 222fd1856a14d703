/*
 * The keys that leave an attached terminal: a recogniser for them in what is typed. Pure: plain
 * values, nothing to free.
 */
#ifndef LXE_TERMINAL_DETACH_H
#define LXE_TERMINAL_DETACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/detach_keys.h"

struct lxe_detach {
	struct lxe_detach_keys keys;
	uint8_t held; /* so many of the keys were typed and are held back */
};

/*
 * What one piece of input means. The bytes to be passed on are the first `release` of keys.key
 * (held back before, and not part of the sequence after all), and then the first `pass` of the
 * piece. With `detached` the piece ends for us after `used` bytes, otherwise all of it was used.
 */
struct lxe_detach_step {
	size_t release, pass, used;
	bool detached;
};

struct lxe_detach_step lxe_detach_feed(struct lxe_detach *d, const void *bytes, size_t n);

/* The end of the input: so many of keys.key were held back and are to be passed on. */
size_t lxe_detach_end(struct lxe_detach *d);

#endif
