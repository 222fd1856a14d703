/* Head and tail of any stream in any steps are what the model says. */
#include "../unit/headtail_model.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct stream in = { 0 }, out = { 0 };
	uint64_t state;
	size_t limit;

	if (size < 4)
		return 0;
	state = (uint64_t)data[0] << 8 | data[1] | 1;
	limit = 1 + (((size_t)data[2] << 8 | data[3]) & 0xfff);
	stream_add(&in, data + 4, size - 4);
	if (!walk(&in, limit, &state, &out) || !agrees(&in, limit, &out))
		abort();
	free(in.p);
	free(out.p);
	return 0;
}
