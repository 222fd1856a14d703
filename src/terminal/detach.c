#include "terminal/detach.h"

#include <errno.h>
#include <string.h>

#include "base/banned.h"

static int refuse(struct lxe_err *err, const char *text)
{
	int r = lxe_fail_msg(err, -EINVAL, "'%.64s' is no detach key", text);

	lxe_hint(err,
		"write ctrl-X with X in a-z @ [ \\ ] ^ _, several keys as in 'ctrl-p,ctrl-q' (at "
		"most %d), or none",
		LXE_DETACH_MAX);
	return r;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One key of `len` characters; negative: it is none. */
static int parse_key(const char *text, size_t len, bool first)
{
	char c = len ? text[len - 1] : '\0';

	if (len == 1 && !first && is_plain(c))
		return c;
	if (len != 6 || strncmp(text, "ctrl-", 5) != 0)
		return -EINVAL;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 1;
	return c && strchr("@[\\]^_", c) ? c - '@' : -EINVAL;
}

int lxe_detach_parse(struct lxe_detach_keys *ret, const char *text, struct lxe_err *err)
{
	struct lxe_detach_keys keys = { 0 };
	const char *p = text;

	if (strcmp(text, "none") == 0) {
		*ret = keys;
		return 0;
	}
	for (;;) {
		size_t len = strcspn(p, ",");
		int key = parse_key(p, len, keys.n == 0);

		if (key < 0 || keys.n == LXE_DETACH_MAX)
			return refuse(err, text);
		keys.key[keys.n++] = (uint8_t)key;
		p += len;
		if (*p++ == '\0')
			break;
	}
	*ret = keys;
	return 0;
}

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
