/*
 * Netfilter's log, and what becomes of it: no datagram makes the parser read past its end or go on for
 * ever, and each packet becomes a line that can be read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/nflog_message.h"
#include "network/blocked.h"
#include "store/blocked.h"

static const struct lxe_net_addr subnet = { LXE_NET_V4, 16, { 10, 213 } };

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static void look_at(const struct lxe_blocked *blocked)
{
	static const struct lxe_net_spec spec = { .mode = LXE_NET_FILTERED };
	char text[LXE_BLOCKED_TEXT];
	struct lxe_blocked_line line;
	const char *p = text, *last = text;

	lxe_blocked_text(blocked, &spec, &subnet, text, sizeof(text));
	while ((p = lxe_blocked_line(&line, p)))
		last = p;
	expect(*last == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lxe_blocked *blocked = calloc(1, sizeof(*blocked));
	struct lxe_nflog_packet packet;
	const unsigned char *p = data;
	size_t left = size, before;

	if (!blocked)
		return 0;
	for (;;) {
		before = left;
		if (lxe_nflog_next(&packet, &p, &left) <= 0)
			break;
		expect(left < before && memchr(packet.prefix, '\0', sizeof(packet.prefix)));
		lxe_blocked_add(blocked, &packet, packet.port % 2, packet.prefix);
		lxe_blocked_add_in(blocked, &packet, packet.port % 2);
		lxe_blocked_add_name(blocked, packet.prefix);
	}
	look_at(blocked);
	free(blocked);
	return 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* Now and then a message that is right: seeds in files would not show what they are. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	unsigned char buf[1024];
	size_t len;

	if (seed % 16)
		return LLVMFuzzerMutate(data, size, max);
	len = put_message(buf, 0, "lxe-0123abcd", tcp4, sizeof(tcp4));
	len = put_message(buf, len, "lxe-0123abcd", udp6, sizeof(udp6));
	if (len > max)
		return LLVMFuzzerMutate(data, size, max);
	memcpy(data, buf, len);
	return len;
}
