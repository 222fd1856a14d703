/*
 * Where output may be cut without tearing a character, a control sequence or a CRLF apart. Pure: looks at a
 * few bytes around the place, knows nothing of what came before them, and lets a cut be made anywhere
 * in what is neither UTF-8 nor a sequence.
 */
#ifndef LXE_TERMINAL_CUT_H
#define LXE_TERMINAL_CUT_H

#include <stddef.h>

/* How far from the wanted place the cut may be. */
#define LXE_CUT_ZONE 64

/* The last place <= n at which bytes[0..n) may end; n itself in what is longer than they are. */
size_t lxe_cut_before(const unsigned char *bytes, size_t n);

/* The first place >= at, at which what follows may begin; `at` itself if there is none up to n. */
size_t lxe_cut_after(const unsigned char *bytes, size_t n, size_t at);

#endif
