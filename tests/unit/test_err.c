#include "base/err.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

static void fill(char *buf, size_t n, char c)
{
	memset(buf, c, n);
	buf[n] = '\0';
}

Test(err, the_first_failure_says_what_and_why)
{
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_fail(&err, -ENOENT, "open image '%s'", "foo"), -ENOENT);
	cr_assert_str_eq(err.msg, "open image 'foo': no such file or directory");
	cr_assert_eq(err.code, -ENOENT);
	cr_assert_str_eq(err.hint, "");
}

Test(err, each_layer_puts_its_words_in_front)
{
	struct lxe_err err = { 0 };

	lxe_fail(&err, -EACCES, "open '%s'", "/x");
	cr_assert_eq(lxe_fail(&err, -EIO, "start container '%s'", "web"), -EIO);
	lxe_fail(&err, -EIO, "run");
	cr_assert_str_eq(err.msg, "run: start container 'web': open '/x': permission denied");
	cr_assert_eq(err.code, -EACCES, "the code is the first failure's");
}

Test(err, a_reason_of_ours_stands_alone_and_is_wrapped_like_any_other)
{
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_fail_msg(&err, -EPROTO, "the keeper died"), -EPROTO);
	cr_assert_str_eq(err.msg, "the keeper died");
	lxe_fail(&err, -EIO, "build image '%s'", "busybox");
	cr_assert_str_eq(err.msg, "build image 'busybox': the keeper died");
	cr_assert_eq(err.code, -EPROTO);
}

Test(err, everything_takes_no_error_value)
{
	cr_assert_eq(lxe_fail(NULL, -ENOENT, "open"), -ENOENT);
	cr_assert_eq(lxe_fail_msg(NULL, -EIO, "no"), -EIO);
	lxe_hint(NULL, "do something");
}

Test(err, the_first_hint_stays)
{
	struct lxe_err err = { 0 };

	lxe_hint(&err, "near %d", 1);
	lxe_hint(&err, "far");
	cr_assert_str_eq(err.hint, "near 1");
	lxe_fail(&err, -EIO, "x");
	cr_assert_str_eq(err.hint, "near 1");
}

Test(err, the_first_rule_stays)
{
	struct lxe_err err = { 0 };

	lxe_rule(NULL, "nobody listens");
	lxe_rule(&err, "near %d", 1);
	lxe_rule(&err, "far");
	cr_assert_str_eq(err.rule, "near 1");
	lxe_fail_msg(&err, -EIO, "x");
	cr_assert_str_eq(err.rule, "near 1");
}

Test(err, long_words_leave_room_for_the_reason)
{
	struct lxe_err err = { 0 };
	char words[1000];

	fill(words, 900, 'w');
	lxe_fail(&err, -ENOENT, "%s", words);
	cr_assert_eq(strlen(err.msg), LXE_ERR_MSG_MAX - 1);
	cr_assert_str_eq(err.msg + strspn(err.msg, "w"), ": no such file or directory");
}

Test(err, what_fits_is_not_cut)
{
	struct lxe_err err = { 0 };
	char words[1000];

	fill(words, 400, 'w');
	lxe_fail(&err, -ENOENT, "%s", words);
	fill(words, 60, 'v');
	lxe_fail(&err, -ENOENT, "%s", words);
	cr_assert_eq(strspn(err.msg, "v"), 60);
	cr_assert_eq(strspn(err.msg + 62, "w"), 400);
	cr_assert_str_eq(err.msg + 462, ": no such file or directory");
}

Test(err, a_long_tail_does_not_push_out_what_was_attempted)
{
	struct lxe_err err = { 0 };
	char words[LXE_ERR_MSG_MAX + 100];

	fill(words, LXE_ERR_MSG_MAX + 50, 't');
	lxe_fail_msg(&err, -EIO, "%s", words);
	cr_assert_eq(strlen(err.msg), LXE_ERR_MSG_MAX - 1);
	lxe_fail(&err, -EIO, "attach");
	cr_assert(strncmp(err.msg, "attach: ttt", 11) == 0);
	for (int i = 0; i < 50; i++) {
		lxe_fail(&err, -EIO, "layer %d", i);
		cr_assert_lt(strlen(err.msg), sizeof(err.msg));
	}
	cr_assert(strncmp(err.msg, "layer 49: layer 48: ", 20) == 0);
}

Test(err, a_long_hint_is_cut)
{
	struct lxe_err err = { 0 };
	char words[1000];

	fill(words, 900, 'h');
	lxe_hint(&err, "%s", words);
	cr_assert_eq(strlen(err.hint), LXE_ERR_HINT_MAX - 1);
	cr_assert_str_eq(err.msg, "");
}

Test(err, a_reason_begins_small_unless_it_is_an_abbreviation)
{
	char buf[128], small[8];

	for (int e = 1; e < 140; e++) {
		lxe_reason(-e, buf, sizeof(buf));
		cr_assert(buf[0] && (!isupper(buf[0]) || !islower(buf[1])), "%d is '%s'", e, buf);
		cr_assert_neq(buf[strlen(buf) - 1], '.', "%d is '%s'", e, buf);
	}
	cr_assert_str_eq(lxe_reason(-EDOTDOT, buf, sizeof(buf)), "RFS specific error");
	cr_assert_str_eq(lxe_reason(ENOENT, buf, sizeof(buf)), "no such file or directory");
	cr_assert_str_eq(lxe_reason(-99999, buf, sizeof(buf)), "error -99999");
	cr_assert_str_eq(lxe_reason(-ENOENT, small, sizeof(small)), "no such");
}
