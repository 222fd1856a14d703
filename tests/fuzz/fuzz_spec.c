/*
 * The decoder of a spec never reads past its record, and what it accepts is a fixed point: encoded
 * and decoded again it is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/spec_full.h"
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

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Now and then a whole spec: seeds in files would go stale with the format. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct lxe_spec spec;
	unsigned char *full;
	size_t len;

	if (seed % 32)
		return LLVMFuzzerMutate(data, size, max);
	fill_spec(&spec);
	if (lxe_spec_encode(&spec, &full, &len) < 0)
		abort();
	if (len <= max) {
		memcpy(data, full, len);
		size = len;
	}
	free(full);
	lxe_spec_release(&spec);
	return size;
}
