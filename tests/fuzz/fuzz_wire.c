/*
 * The reader of records stays within the bytes it was given, and what it reads, written again, is
 * the same bytes as far as it came.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"

static void try_values(const struct lxe_field *f)
{
	char small[16], *text = NULL;
	uint64_t value;

	if ((lxe_field_u64(f, &value) == 0) != (f->len == 8))
		abort();
	if (lxe_field_text(f, &text) == 0 && strlen(text) != f->len)
		abort();
	if (lxe_field_copy(f, small, sizeof(small)) == 0 && (!text || strcmp(small, text) != 0))
		abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lxe_reader reader = { .p = data, .left = size };
	struct lxe_writer w = { 0 };
	struct lxe_field f;
	int r;

	while ((r = lxe_next_field(&reader, &f)) > 0) {
		if (f.bytes < data || f.bytes + f.len > data + size)
			abort();
		try_values(&f);
		lxe_put_bytes(&w, f.tag, f.bytes, f.len);
	}
	if (w.error || w.len != size - reader.left || (r == 0) != (reader.left == 0))
		abort();
	if (w.len && memcmp(w.buf, data, w.len) != 0)
		abort();
	lxe_writer_release(&w);
	return 0;
}
