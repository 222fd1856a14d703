/*
 * What a terminal would show: fed with what a program wrote, it can be drawn again on another
 * terminal (attach) or printed as plain text (logs). Pure; it answers no queries and never blocks.
 *
 * libvterm lays the text out and edits it. It is given nothing but valid text and checked sequences,
 * because its own parser (0.1) writes out of bounds when a sequence has too many parameters or a
 * character is cut short. Modes, saved cursors, colours and the cells are ours (modes.h, pen.h,
 * grid.h), because libvterm cannot tell them.
 *
 * Not rebuilt: images, hyperlinks, changed palettes, lines of double size, tab stops, protected
 * cells, the window title's stack.
 */
#ifndef LXE_TERMINAL_SCREEN_H
#define LXE_TERMINAL_SCREEN_H

#include <stddef.h>
#include <stdint.h>

#include "terminal/modes.h"

#define LXE_SCREEN_SIDE_MAX 4096

struct lxe_screen;

/* 0, -EINVAL when a side is 0 or more than LXE_SCREEN_SIDE_MAX, -ENOMEM. */
int lxe_screen_new(struct lxe_screen **ret, uint16_t rows, uint16_t cols);
void lxe_screen_free(struct lxe_screen *s);

/* Before anything is fed: what had been set by the part of the stream that was lost. */
void lxe_screen_begin(struct lxe_screen *s, const struct lxe_modes *modes);

/*
 * Bytes in pieces of any size. Those of a ring that has lost its beginning are fed from
 * lxe_vt_start() on.
 */
void lxe_screen_feed(struct lxe_screen *s, const void *bytes, size_t n);

/*
 * For the calls below: *ret is the caller's to free(3), and is not a string. 0 or -ENOMEM.
 *
 * Redraw: the bytes that make a terminal of the same size, in whatever state it is, show the same
 * and take what follows in the stream in the same way, down to a sequence that is not yet complete.
 */
int lxe_screen_redraw(struct lxe_screen *s, char **ret, size_t *len);

/*
 * Leave: the bytes that make the terminal fit for its shell again: main screen, cursor visible and
 * below what is shown, no modes.
 */
int lxe_screen_leave(struct lxe_screen *s, char **ret, size_t *len);

/*
 * Text: scrollback, main screen and, while it is shown, alternate screen, in UTF-8. No control
 * characters but line feeds; trailing blanks and empty last lines are cut, lines that were wrapped
 * are whole again (but not across LXE_SCREEN_SCROLLBACK_MAX). Tabs have become blanks.
 */
int lxe_screen_text(struct lxe_screen *s, char **ret, size_t *len);

#define LXE_SCREEN_SCROLLBACK_MAX (4 * 1024 * 1024) /* bytes; the oldest half goes first */

#endif
