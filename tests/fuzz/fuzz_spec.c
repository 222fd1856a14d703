/*
 * The decoder of a spec never reads past its record, and what it accepts is a fixed point: encoded
 * and decoded again it is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lxe_spec spec = { 0 }, again = { 0 };
	unsigned char *first, *second;
	size_t first_len, second_len;

	if (lxe_spec_decode(&spec, data, size) < 0) {
		if (spec.image || spec.argv.v)
			abort();
		return 0;
	}
	if (lxe_spec_encode(&spec, &first, &first_len) < 0)
		abort();
	if (lxe_spec_decode(&again, first, first_len) < 0)
		abort();
	if (lxe_spec_encode(&again, &second, &second_len) < 0)
		abort();
	if (first_len != second_len || memcmp(first, second, first_len) != 0)
		abort();
	free(first);
	free(second);
	lxe_spec_release(&spec);
	lxe_spec_release(&again);
	return 0;
}
