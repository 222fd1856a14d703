/*
 * The redraw: a second screen, in whatever state it was, shows the same and goes on in the same way.
 */
#include "terminal/screen.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <time.h>

#include "random.h"
#include "screen_compare.h"

#define ROWS 12
#define COLS 40

static void feed(struct lxe_screen *s, const char *text)
{
	lxe_screen_feed(s, text, strlen(text));
}

static struct lxe_screen *fresh(uint16_t rows, uint16_t cols)
{
	struct lxe_screen *s = NULL;

	cr_assert_eq(lxe_screen_new(&s, rows, cols), 0);
	return s;
}

/* What a terminal may have been left with. */
static const char garbage[] =
	"\033[?1049h\033[3;5r\033[?6h\033[1;4;7;31;44m\033[?25l\033[4h\033(0\033)0\016 lqk \033[?1000h"
	"\033[?1006h\033[?2004h\033=\033[?1h\033[20h\033[?7l\033[?69h\033[3;9s\033[5 q garbage \0337"
	"\033]0;unfinished";

static struct lxe_screen *redrawn(struct lxe_screen *a)
{
	struct lxe_screen *b = fresh(a->rows, a->cols);
	char *bytes = NULL;
	size_t len = 0;

	feed(b, garbage);
	cr_assert_eq(lxe_screen_redraw(a, &bytes, &len), 0);
	lxe_screen_feed(b, bytes, len);
	free(bytes);
	return b;
}

static void check(const char *first, const char *then)
{
	struct lxe_screen *a = fresh(ROWS, COLS), *b;
	const char *what;

	feed(a, first);
	b = redrawn(a);
	what = screens_differ(a, b);
	cr_assert(!what, "redrawn: %s", what);
	feed(a, then);
	feed(b, then);
	what = screens_differ(a, b);
	cr_assert(!what, "after '%s': %s", then, what);
	lxe_screen_free(a);
	lxe_screen_free(b);
}

#define FULL "0123456789012345678901234567890123456789"

Test(screen, shows_the_same_again)
{
	check("", "x");
	check("hello\r\nworld", "!");
	check(FULL, "next");
	check(FULL, "\u0301 next");
	check(FULL "\033[K", "next");
	check("e", "\u0301x");
	check("\033[1;31;48;5;200mred\033[38;2;1;2;3;4:3mrgb", "more\033[0mplain");
	check("\033[2;9;53;58;5;9mdim", "x");
	check("\033[44m\033[2J\033[5;5Hblue", "\r\n\r\nx\033[K");
	check("\u6f22\u5b57e\u0301 \U0001f600", "\b\bx");
	check("\033[12;39H\u6f22", "x");
	check("\033(0lqqk", "x\017y");
	check("\033)0a\016q", "q\017q");
	check("\033]2;a title\007x", "y");
	check("\033[4hab\033[1G", "xyz");
	check("\033[?7l" FULL "abc", "def");
	check("\033[3;6r\033[6;1Ha\nb\nc", "\n\n\nd\033[?6hx");
	check("\033[3;6r\033[?6h\033[2;2Hx", "\033[Hy\n\n\n\n\nz");
	check("\033[?69h\033[5;20s\033[3;7Habc", "\033[2Pd\n\n");
	check("abc\0337\033[5;5H\033[31mdef", "\0338ghi");
	check("abc\033[s\033[5;5Hdef", "\033[ughi");
	check("main\033[?1049halt \033[31mred", "more\033[?1049lback");
	check("main\033[?47halt", "more\033[?47lback");
	check("main\033[3;3H\033[32m\033[?1049h\033[5;5H\0337\033[H", "\0338x\033[?1049ly");
	check("\033[?1h\033=\033[?2004h\033[?1002h\033[?1006h\033[?1004h\033[3 q\033[?25l", "x");
	check("\033[?1;25;1006;1003h\033[?12h", "\033[?1003l");
	check("\033[>1u\033[>5u\033[>4;2m", "\033[<u");
	check("\033[20h", "a\nb");
	check("abc\033[3", "1mdef");
	check("abc\033", "[31mdef");
	check("abc\033]0;half a ti", "tle\033\\def");
	check("abc\033Pq half", " of it\033\\def");
	check("abc\xe2\x82", "\xac");
	check("\033#8", "x");
	check("ab\033[3b", "\033[3bc");
}

Test(screen, knows_what_libvterm_does_not)
{
	struct lxe_screen *s = fresh(ROWS, COLS);

	feed(s, "\033[5;5Hx\033[s");
	cr_assert_eq(s->cursor.row, 4, "CSI s is not DECSLRM");
	feed(s, "\033[?12;25l");
	cr_assert_not(lxe_modes_get(&s->modes, LXE_MODE_CURSOR), "both modes count");
	feed(s, "\033[1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;18;19;20;21;22;23;24;25;26;27H");
	feed(s, "\033[99999999999999999999A\033[99999999999999999999@\033[2147483647;4294967296H");
	feed(s, "\u0301\033[9b");
	feed(s, "\xc2\x85\xc2\x9b\xc2\x80");
	cr_assert_eq(s->cursor.col, COLS - 1);
	lxe_screen_free(s);
}

static void check_text(const char *bytes, const char *expected)
{
	struct lxe_screen *s = fresh(4, 10);
	char *text = NULL;
	size_t len = 0;

	feed(s, bytes);
	cr_assert_eq(lxe_screen_text(s, &text, &len), 0);
	cr_assert_eq(len, strlen(expected), "'%.*s'", (int)len, text);
	cr_assert_arr_eq(text, expected, len, "'%.*s'", (int)len, text);
	free(text);
	lxe_screen_free(s);
}

Test(screen, text_is_plain)
{
	check_text("", "");
	check_text("a  \r\n\r\nb", "a\n\nb\n");
	check_text("1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n", "1\n2\n3\n4\n5\n6\n");
	check_text("0123456789abcde\r\nx", "0123456789abcde\nx\n");
	check_text("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS",
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS\n");
	check_text("0123456789\r\nx", "0123456789\nx\n");
	check_text("\033[31mred\033]0;t\007\033P1$r\033\\\a\xc2\x85\x7f!", "red!\n");
	check_text("\u6f22e\u0301\xff", "\u6f22e\u0301\ufffd\n");
	check_text("main\033[?1049halt", "main\n    alt\n");
}

Test(screen, leaves_a_sane_terminal)
{
	static const char *const streams[] = { "", "x\r\ny", garbage,
		"main\033[3;3H\033[32m\033[?1049h\033[?1000;1006;2004;1004h\033[?25l\033[3;5r\033[>1u"
		"\033[?1;66h\033[4h\033[?5h\033[5 q" };

	for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
		struct lxe_screen *s = fresh(ROWS, COLS), *reset = fresh(ROWS, COLS);
		char *bytes = NULL;
		size_t len = 0;
		const char *what;

		feed(s, streams[i]);
		cr_assert_eq(lxe_screen_leave(s, &bytes, &len), 0);
		lxe_screen_feed(s, bytes, len);
		free(bytes);
		reset->modes.has_title = s->modes.has_title = false;
		what = modes_differ(&s->modes, &reset->modes);
		cr_assert(!what, "stream %zu: %s", i, what);
		cr_assert_eq(s->modes.keys_depth[0] + s->modes.keys_depth[1], 0);
		cr_assert(lxe_pen_equal(&s->pen, &reset->pen));
		cr_assert_eq(s->modes.modify_keys, 0);
		lxe_screen_free(s);
		lxe_screen_free(reset);
	}
}

Test(screen, begins_with_the_modes_that_were_lost)
{
	struct lxe_modes_tracker t;
	struct lxe_screen *s = fresh(ROWS, COLS), *whole = fresh(ROWS, COLS);
	const char *lost =
		"\033[?1049h\033[3;6r\033[?1h\033[?7l\033[?2004;1006;1002h\033[2J\033[?6h";
	const char *rest = "\033[H" FULL "xy\n\n\n\nz";
	const char *what;

	lxe_modes_tracker_init(&t);
	for (const char *p = lost; *p; p++)
		lxe_modes_feed(&t, p, 1);
	lxe_screen_begin(s, &t.modes);
	feed(s, rest);
	feed(whole, lost);
	feed(whole, rest);
	what = screens_differ(whole, s);
	cr_assert(!what, "%s", what);
	lxe_screen_free(s);
	lxe_screen_free(whole);
}

Test(screen, finds_a_place_to_begin)
{
	static const struct {
		const char *bytes;
		size_t at;
	} cases[] = {
		{ "", 0 },
		{ "plain", 0 },
		{ "\x82\xac text", 2 },
		{ "8;5;12mred\033[0m", 10 },
		{ "rest of line\nnext", 13 },
		{ "title\033\\text", 7 },
		{ "\033[0m", 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(lxe_vt_start(cases[i].bytes, strlen(cases[i].bytes)), cases[i].at,
			"case %zu", i);
}

Test(screen, refuses_no_size_at_all)
{
	struct lxe_screen *s = NULL;

	cr_assert_eq(lxe_screen_new(&s, 0, 80), -EINVAL);
	cr_assert_eq(lxe_screen_new(&s, 24, LXE_SCREEN_SIDE_MAX + 1), -EINVAL);
	cr_assert_null(s);
	lxe_screen_free(NULL);
}
