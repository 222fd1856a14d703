/*
 * Whatever comes in, and in whatever pieces, the same comes out: UTF-8 without controls.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "terminal/log.h"
#include "terminal/outbuf.h"

static void add(struct lxe_outbuf *out, int r, const char *text, size_t len)
{
	if (r < 0)
		abort();
	lxe_outbuf_put(out, text, len);
}

static void run(const uint8_t *data, size_t size, size_t step, struct lxe_outbuf *out)
{
	struct lxe_log *log = NULL;
	const char *text = NULL;
	size_t len = 0;

	if (lxe_log_new(&log) < 0)
		abort();
	for (size_t at = 0; at < size; at += step) {
		size_t n = step < size - at ? step : size - at;
		int r = lxe_log_feed(log, data + at, n, &text, &len);

		add(out, r, text, len);
	}
	add(out, lxe_log_end(log, &text, &len), text, len);
	lxe_log_free(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lxe_outbuf at_once = { 0 }, pieces = { 0 };

	if (size < 1)
		return 0;
	run(data + 1, size - 1, size, &at_once);
	run(data + 1, size - 1, 1 + data[0] % 16, &pieces);
	if (at_once.len != pieces.len)
		abort();
	if (at_once.len && memcmp(at_once.p, pieces.p, pieces.len) != 0)
		abort();
	if (!lxe_utf8_valid(at_once.p, at_once.len))
		abort();
	for (size_t i = 0; i < at_once.len; i++)
		if ((unsigned char)at_once.p[i] < ' ' && !strchr("\n\t", at_once.p[i]))
			abort();
	lxe_outbuf_release(&at_once);
	lxe_outbuf_release(&pieces);
	return 0;
}
