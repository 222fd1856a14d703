/*
 * The detach keys as anybody may write them; and what is typed is passed on, all of it and in order,
 * until the keys come.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "terminal/detach.h"
#include "terminal/outbuf.h"

static void parse(const uint8_t *data, size_t size, struct lxe_detach_keys *keys)
{
	char text[64];

	size = size < sizeof(text) - 1 ? size : sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	if (lxe_detach_parse(keys, text, NULL) == 0 && keys->n > LXE_DETACH_MAX)
		abort();
}

/* The first line is the keys as text, the second the input; its first byte is the step. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
	struct lxe_detach d = { 0 };
	struct lxe_outbuf out = { 0 };
	size_t used = 0, step, held;
	bool detached = false;

	parse(data, line ? (size_t)(line - data) : size, &d.keys);
	if (!line || line + 2 > data + size)
		return 0;
	step = 1 + line[1] % 8;
	size -= (size_t)(line + 2 - data);
	data = line + 2;
	while (used < size && !detached) {
		struct lxe_detach_step s =
			lxe_detach_feed(&d, data + used, step < size - used ? step : size - used);

		lxe_outbuf_put(&out, d.keys.key, s.release);
		lxe_outbuf_put(&out, data + used, s.pass);
		used += s.used;
		detached = s.detached;
	}
	held = lxe_detach_end(&d);
	lxe_outbuf_put(&out, d.keys.key, detached ? d.keys.n : held);
	if (out.len != used || (used && memcmp(out.p, data, used) != 0))
		abort();
	lxe_outbuf_release(&out);
	return 0;
}
