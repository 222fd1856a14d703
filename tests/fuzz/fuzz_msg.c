/*
 * A message from a peer, with up to eight descriptors (the first byte): refused, and then it owns
 * none of them, or decoded, and then it owns each once and is a fixed point of the encoding.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/msg_random.h"
#include "proto/msg.h"

#define FDS_MAX 8

/* Numbers only: nothing is opened, and decoding closes nothing. */
static const int fds[FDS_MAX] = { 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007 };

static size_t owned(const struct lxe_msg *msg)
{
	size_t n = 0;

	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		n += msg->fds[i] >= 0;
	return n;
}

static void check_fixed_point(const struct lxe_msg *msg)
{
	static unsigned char first[LXE_MSG_MAX], second[LXE_MSG_MAX];
	static struct lxe_msg again;
	int sent[LXE_FD_ROLES];
	ssize_t len;
	size_t n = 0;

	len = lxe_msg_encode(msg, first, sizeof(first));
	if (len < 0)
		abort();
	for (size_t i = 0; i < LXE_FD_ROLES; i++)
		if (msg->fds[i] >= 0)
			sent[n++] = msg->fds[i];
	if (lxe_msg_decode(&again, first, (size_t)len, sent, n) < 0)
		abort();
	if (lxe_msg_encode(&again, second, sizeof(second)) != len ||
		memcmp(first, second, (size_t)len) != 0 ||
		memcmp(msg->fds, again.fds, sizeof(again.fds)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lxe_msg msg;
	size_t n;

	if (size < 1 || size > LXE_MSG_MAX)
		return 0;
	n = data[0] % (FDS_MAX + 1);
	if (lxe_msg_decode(&msg, data + 1, size - 1, fds, n) < 0) {
		if (owned(&msg))
			abort();
		return 0;
	}
	if (owned(&msg) != n)
		abort();
	check_fixed_point(&msg);
	return 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Now and then a whole message of its own making: seeds in files would go stale with the format. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static struct lxe_msg msg;
	uint64_t state = seed;
	ssize_t len;

	if (seed % 32)
		return LLVMFuzzerMutate(data, size, max);
	random_msg(&msg, (enum lxe_msg_type)(1 + rnd_below(&state, LXE_MSG_LAST)), &state);
	len = max ? lxe_msg_encode(&msg, data + 1, max - 1) : -1;
	if (len < 0)
		return LLVMFuzzerMutate(data, size, max);
	data[0] = 0;
	return (size_t)len + 1;
}
