#include "terminal/cut.h"

#include <stdbool.h>
#include <stdint.h>

enum state { GROUND, CHARACTER, ESCAPE, CONTROL, STRING, STRING_ESCAPE };

/* A scan that begins between two characters: what its place is in the middle of, and since where. */
struct scan {
	enum state state;
	unsigned int missing; /* bytes of the character */
	size_t begun;
};

static unsigned int continuations(unsigned char lead)
{
	if (lead >= 0xf0 && lead < 0xf5)
		return 3;
	if (lead >= 0xe0)
		return lead < 0xf0 ? 2 : 0;
	return lead >= 0xc2 ? 1 : 0;
}

static void begin(struct scan *s, unsigned char byte, size_t at)
{
	s->begun = at;
	s->missing = continuations(byte);
	s->state = byte == 0x1b ? ESCAPE : s->missing ? CHARACTER : GROUND;
}

static enum state after_escape(unsigned char byte)
{
	switch (byte) {
	case '[':
		return CONTROL;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		return STRING;
	default:
		return byte >= 0x20 && byte < 0x30 ? ESCAPE : GROUND;
	}
}

static void step(struct scan *s, unsigned char byte, size_t at)
{
	/* These end whatever there is (ECMA-48; a string that holds an ESC ends with it). */
	if (byte == 0x18 || byte == 0x1a) {
		s->state = GROUND;
		return;
	}
	switch (s->state) {
	case GROUND:
		begin(s, byte, at);
		break;
	case CHARACTER:
		if ((byte & 0xc0) != 0x80)
			begin(s, byte, at);
		else if (--s->missing == 0)
			s->state = GROUND;
		break;
	case ESCAPE:
		if (byte == 0x1b)
			begin(s, byte, at);
		else
			s->state = after_escape(byte);
		break;
	case CONTROL:
		if (byte == 0x1b)
			begin(s, byte, at);
		else if (byte >= 0x40)
			s->state = GROUND;
		break;
	case STRING:
		if (byte == 0x1b)
			s->state = STRING_ESCAPE;
		else if (byte == 0x07)
			s->state = GROUND;
		break;
	case STRING_ESCAPE:
		s->state = byte == '\\' ? GROUND : after_escape(byte);
		break;
	}
}

size_t lxe_cut_before(const unsigned char *bytes, size_t n)
{
	struct scan s = { .state = GROUND };

	for (size_t i = 0; i < n; i++)
		step(&s, bytes[i], i);
	if (s.state != GROUND)
		return s.begun;
	/* The other half of a terminal's end of line may follow. */
	return n && bytes[n - 1] == '\r' ? n - 1 : n;
}

size_t lxe_cut_after(const unsigned char *bytes, size_t n, size_t at)
{
	struct scan s = { .state = GROUND };

	for (size_t i = 0; i < n; i++) {
		bool in_line_end = i && bytes[i] == '\n' && bytes[i - 1] == '\r';

		if (i >= at && !in_line_end &&
			(s.state == GROUND || (s.state == CHARACTER && (bytes[i] & 0xc0) != 0x80)))
			return i;
		step(&s, bytes[i], i);
	}
	return s.state == GROUND && n >= at ? n : at;
}
