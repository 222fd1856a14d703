#include "terminal/detach.h"

#include <string.h>

#include "base/banned.h"

/* The longest beginning of the keys, shorter than n, that ends their first n. */
static uint8_t fallback(const struct lxe_detach_keys *keys, uint8_t n)
{
	uint8_t k = n;

	while (k > 0) {
		k--;
		if (memcmp(keys->key, keys->key + n - k, k) == 0)
			break;
	}
	return k;
}

static uint8_t advance(const struct lxe_detach_keys *keys, uint8_t held, uint8_t byte)
{
	/* Fewer than all are held, so there is a next key. */
	held = held < keys->n ? held : 0;
	while (keys->key[held] != byte) {
		if (held == 0)
			return 0;
		held = fallback(keys, held);
	}
	return (uint8_t)(held + 1);
}

struct lxe_detach_step lxe_detach_feed(struct lxe_detach *d, const void *bytes, size_t n)
{
	struct lxe_detach_step step = { .used = n };
	const uint8_t *p = bytes;
	size_t before = d->held, passed;
	uint8_t held = d->held;

	if (d->keys.n == 0) {
		step.pass = n;
		return step;
	}
	for (size_t i = 0; i < n && !step.detached; i++) {
		held = advance(&d->keys, held, p[i]);
		if (held == d->keys.n) {
			step.detached = true;
			step.used = i + 1;
		}
	}
	/* Everything up to here was passed on, but for what is held back or was the keys. */
	passed = before + step.used - held;
	step.release = passed < before ? passed : before;
	step.pass = passed - step.release;
	d->held = step.detached ? 0 : held;
	return step;
}

size_t lxe_detach_end(struct lxe_detach *d)
{
	size_t held = d->held;

	d->held = 0;
	return held;
}
