/*
 * The input of a fuzzer whose first byte chooses a parser, and whose other bytes are what it parses:
 * as text, in a block of its own size, so that a read past the end is seen. The caller's to free;
 * NULL when there is none.
 */
#ifndef LXE_FUZZ_TEXT_H
#define LXE_FUZZ_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline char *text_of(const uint8_t *data, size_t size)
{
	char *text = size ? malloc(size) : NULL;

	if (!text)
		return NULL;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	return text;
}

#endif
