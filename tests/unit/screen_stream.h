/*
 * Random terminal output that looks like what programs write, and does what they should not.
 */
#ifndef LXE_TESTS_SCREEN_STREAM_H
#define LXE_TESTS_SCREEN_STREAM_H

#include "random.h"
#include "terminal/outbuf.h"

static const char *const stream_pieces[] = { "\r\n", "\n", "\r", "\b", "\t", "\016", "\017",
	"\033(0", "\033(B", "\033)0", "\033*0", "\033n", "\0337", "\0338", "\033D", "\033E",
	"\033M", "\033=", "\033>", "\033[s", "\033[u", "\033[!p", "\033c", "\033#8", "\033[?1049h",
	"\033[?1049l", "\033[?47h", "\033[?47l", "\033[?1047h", "\033[?1047l", "\033[?1048h",
	"\033[?1048l", "\033]0;title\007", "\033]2;\u00e9\033\\", "\033P$qm\033\\",
	"\033_app\033\\", "\033[6n", "\033[c", "\033[>4;2m", "\033[>1u", "\033[<u", "\033[=3;2u",
	"\u6f22", "\u5b57\u5b57", "e\u0301", "\u0301\u0302\u0303\u0304\u0305", "\U0001f600",
	"\u2500\u2502", "\u200d", "\xff", "\xe2\x82", "\xc2\x9b", "\033", "\033[", "\033[3",
	"\033]0;open", "\033P open", "\030", "\032", "\177", "\033[4:3m", "\033[38:2::1:2:3m",
	"\033[38;5m", "\033[58;2;9;8;7m", "word ", "wider words ", "x" };

static inline void stream_sgr(uint64_t *state, struct lxe_outbuf *out)
{
	static const unsigned codes[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 24, 27, 31, 39, 42, 49,
		53, 92, 103 };

	if (rnd_below(state, 3) == 0)
		lxe_outbuf_format(out, "\033[%u;5;%um", rnd_below(state, 2) ? 38u : 48u,
			(unsigned)rnd_below(state, 256));
	else
		lxe_outbuf_format(out, "\033[%u;%um",
			codes[rnd_below(state, sizeof(codes) / sizeof(codes[0]))],
			codes[rnd_below(state, sizeof(codes) / sizeof(codes[0]))]);
}

static inline void stream_mode(uint64_t *state, struct lxe_outbuf *out)
{
	static const unsigned dec[] = { 1, 5, 6, 7, 7, 12, 25, 66, 1000, 1002, 1003, 1004, 1005,
		1006, 1007, 2004, 2026, 9999 };
	static const unsigned ansi[] = { 4, 20 };

	if (rnd_below(state, 4) == 0)
		lxe_outbuf_format(out, "\033[%u%c", ansi[rnd_below(state, 2)],
			rnd_below(state, 2) ? 'h' : 'l');
	else
		lxe_outbuf_format(out, "\033[?%u;%u%c",
			dec[rnd_below(state, sizeof(dec) / sizeof(dec[0]))],
			dec[rnd_below(state, sizeof(dec) / sizeof(dec[0]))],
			rnd_below(state, 3) ? 'h' : 'l');
}

static inline void stream_edit(uint64_t *state, unsigned size, struct lxe_outbuf *out)
{
	static const char finals[] = "@ABCDEFGHIJKLMPSTXZ`abdefjkrsHHHKKJmh";
	char final = finals[rnd_below(state, sizeof(finals) - 1)];
	unsigned a = (unsigned)rnd_below(state, size + 2), b = (unsigned)rnd_below(state, size + 2);

	switch (rnd_below(state, 8)) {
	case 0:
		lxe_outbuf_format(out, "\033[%c", final);
		break;
	case 1:
		lxe_outbuf_format(out, "\033[%u000000%c", a, final);
		break;
	case 2:
		lxe_outbuf_format(out, "\033[%u'%c", a, rnd_below(state, 2) ? '}' : '~');
		break;
	default:
		lxe_outbuf_format(
			out, strchr("Hfrs", final) ? "\033[%u;%u%c" : "\033[%u;%u%c", a, b, final);
	}
}

/* Without the letters that, after an open sequence, set or clear tab stops: no redraw knows those. */
static inline void stream_text(uint64_t *state, struct lxe_outbuf *out)
{
	size_t n = rnd_below(state, 60);

	while (n--) {
		uint32_t cp = (uint32_t)(' ' + rnd_below(state, 95));

		lxe_outbuf_cp(out, cp == 'H' ? 'h' : cp == 'g' ? 'G' : cp);
	}
}

/* Appends `pieces` pieces for a terminal of about `size` rows and columns. */
static inline void stream_random(
	uint64_t *state, unsigned size, size_t pieces, struct lxe_outbuf *out)
{
	while (pieces--) {
		switch (rnd_below(state, 8)) {
		case 0:
		case 1:
			stream_text(state, out);
			break;
		case 2:
			stream_sgr(state, out);
			break;
		case 3:
			stream_mode(state, out);
			break;
		case 4:
		case 5:
			stream_edit(state, size, out);
			break;
		default:
			lxe_outbuf_text(
				out, stream_pieces[rnd_below(state,
					     sizeof(stream_pieces) / sizeof(stream_pieces[0]))]);
		}
	}
}

#endif
