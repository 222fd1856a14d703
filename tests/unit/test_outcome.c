#include "store/outcome.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/fd.h"

#define EXITED(n) ((n) << 8)
#define CORE 0x80

static const enum lxe_cause causes[] = { LXE_CAUSE_EXIT, LXE_CAUSE_SIGNAL, LXE_CAUSE_TIMEOUT,
	LXE_CAUSE_OOM, LXE_CAUSE_LIMIT, LXE_CAUSE_POLICY, LXE_CAUSE_KILLED, LXE_CAUSE_ERROR };

/* What the command itself would have given. */
static int of_command(bool has_status, int status)
{
	if (!has_status)
		return 125;
	return status & 0x7f ? 128 + (status & 0x7f) : status >> 8 & 0xff;
}

static int model(const struct lxe_outcome *o)
{
	if (!o->teardown_ok)
		return 125;
	if (o->cause == LXE_CAUSE_TIMEOUT)
		return 124;
	if (o->cause == LXE_CAUSE_KILLED)
		return 128 + o->signal;
	if (o->cause == LXE_CAUSE_ERROR)
		return o->error ? o->error : 125;
	return of_command(o->has_status, o->status);
}

Test(outcome, every_ending_has_its_exit_status)
{
	static const int statuses[] = { EXITED(0), EXITED(1), EXITED(42), EXITED(124), EXITED(125),
		EXITED(127), EXITED(128), EXITED(255), SIGHUP, SIGKILL, SIGTERM, SIGSEGV | CORE,
		64 };
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGKILL };
	static const int errors[] = { 0, 125, 126, 127 };

	for (size_t i = 0; i < 8 * 13 * 5 * 4 * 4; i++) {
		struct lxe_outcome o = {
			.cause = causes[i % 8],
			.status = statuses[i / 8 % 13],
			.signal = signals[i / 104 % 5],
			.error = errors[i / 520 % 4],
			.has_status = i / 2080 % 2,
			.teardown_ok = i / 4160 % 2,
		};

		cr_assert_eq(lxe_outcome_exit_status(&o), model(&o), "cause %s status %x",
			lxe_cause_name(o.cause), o.status);
	}
}

Test(outcome, what_was_denied_is_a_list)
{
	struct lxe_outcome o = { .teardown_ok = true, .denied = 3 };
	json_t *root, *list, *one;
	char *text;

	snprintf(o.denials, sizeof(o.denials),
		"open\t/usr/\xff\t'/usr' is read-only\t--image\nmount\t\tseccomp default: mount\t\n");
	text = lxe_outcome_json(&o);
	root = json_loads(text, 0, NULL);
	list = json_object_get(root, "denials");
	cr_assert_eq(json_array_size(list), 2);
	cr_assert_eq(json_integer_value(json_object_get(root, "denied")), 3);
	one = json_array_get(list, 0);
	cr_assert_str_eq(json_string_value(json_object_get(one, "call")), "open");
	cr_assert_str_eq(json_string_value(json_object_get(one, "path")), "/usr/\\xff");
	cr_assert_str_eq(json_string_value(json_object_get(one, "option")), "--image");
	one = json_array_get(list, 1);
	cr_assert(json_is_null(json_object_get(one, "path")));
	cr_assert_str_eq(json_string_value(json_object_get(one, "rule")), "seccomp default: mount");
	cr_assert(json_is_null(json_object_get(one, "option")));
	json_decref(root);
	free(text);
}

Test(outcome, some_endings_by_hand)
{
	struct lxe_outcome o = { .teardown_ok = true, .has_status = true, .status = EXITED(3) };

	cr_assert_eq(lxe_outcome_exit_status(&o), 3);
	o.cause = LXE_CAUSE_OOM;
	o.status = SIGKILL;
	cr_assert_eq(lxe_outcome_exit_status(&o), 137);
	o.cause = LXE_CAUSE_TIMEOUT;
	cr_assert_eq(lxe_outcome_exit_status(&o), 124);
	o.teardown_ok = false;
	cr_assert_eq(lxe_outcome_exit_status(&o), 125);
}

static struct lxe_outcome some_outcome(void)
{
	return (struct lxe_outcome){
		.id = "0123456789ab",
		.cause = LXE_CAUSE_EXIT,
		.has_status = true,
		.status = EXITED(7),
		.created_at_ms = 1700000000123,
		.started_at_ms = 1700000001005,
		.user_us = 11,
		.system_us = 22,
		.max_rss = 33,
		.peak_memory = 44,
		.bytes_out = -1,
		.teardown_ok = true,
	};
}

static json_t *written(const struct lxe_outcome *o)
{
	int fd = sys_memfd("lxe-test", 0);
	json_error_t why;
	char *text = NULL;
	json_t *root;
	size_t len;

	cr_assert_eq(lxe_outcome_write(o, fd, NULL), 0);
	cr_assert_eq(sys_read_whole(fd, 1 << 20, &text, &len), 0);
	cr_assert_eq(strlen(text), len);
	cr_assert_eq(strcspn(text, "\n"), len - 1, "one line");
	root = json_loads(text, 0, &why);
	cr_assert_not_null(root, "%s in %s", why.text, text);
	free(text);
	close(fd);
	return root;
}

static const char *text_of(json_t *root, const char *key)
{
	const char *text = json_string_value(json_object_get(root, key));

	cr_assert_not_null(text, "%s", key);
	return text;
}

static bool is_null(json_t *root, const char *key)
{
	return json_is_null(json_object_get(root, key));
}

Test(outcome, the_record_says_all)
{
	struct lxe_outcome o = some_outcome();
	json_t *root = written(&o), *usage, *teardown;

	cr_assert_str_eq(text_of(root, "id"), "0123456789ab");
	cr_assert(is_null(root, "name"));
	cr_assert_eq(json_integer_value(json_object_get(root, "exit_code")), 7);
	cr_assert(is_null(root, "signal"));
	cr_assert_str_eq(text_of(root, "cause"), "exit");
	cr_assert(is_null(root, "message"));
	cr_assert_str_eq(text_of(root, "created_at"), "2023-11-14T22:13:20.123Z");
	cr_assert_str_eq(text_of(root, "started_at"), "2023-11-14T22:13:21.005Z");
	cr_assert(is_null(root, "ended_at"));
	usage = json_object_get(root, "rusage");
	cr_assert_eq(json_integer_value(json_object_get(usage, "user_us")), 11);
	cr_assert_eq(json_integer_value(json_object_get(usage, "system_us")), 22);
	cr_assert_eq(json_integer_value(json_object_get(usage, "max_rss")), 33);
	cr_assert_eq(json_integer_value(json_object_get(root, "peak_memory")), 44);
	cr_assert(is_null(root, "bytes_out"));
	cr_assert(json_is_false(json_object_get(root, "truncated")));
	teardown = json_object_get(root, "teardown");
	cr_assert(json_is_true(json_object_get(teardown, "ok")));
	cr_assert_eq(json_array_size(json_object_get(teardown, "residue")), 0);
	json_decref(root);
}

Test(outcome, the_record_names_the_signal)
{
	struct lxe_outcome o = some_outcome();
	json_t *root;

	o.cause = LXE_CAUSE_SIGNAL;
	o.status = SIGSEGV | CORE;
	o.bytes_out = 0;
	root = written(&o);
	cr_assert_eq(json_integer_value(json_object_get(root, "signal")), SIGSEGV);
	cr_assert_eq(json_integer_value(json_object_get(root, "exit_code")), 128 + SIGSEGV);
	cr_assert_eq(json_integer_value(json_object_get(root, "bytes_out")), 0);
	json_decref(root);
	o.cause = LXE_CAUSE_KILLED;
	o.signal = SIGTERM;
	o.has_status = false;
	root = written(&o);
	cr_assert_eq(json_integer_value(json_object_get(root, "signal")), SIGTERM);
	json_decref(root);
}

Test(outcome, bytes_that_are_no_utf8_are_escaped)
{
	struct lxe_outcome o = some_outcome();
	json_t *root, *residue;

	snprintf(o.name, sizeof(o.name), "n\xff");
	snprintf(o.message, sizeof(o.message), "run '\xc3\x28 \"q\" \\ \x01': no");
	snprintf(o.hint, sizeof(o.hint), "grüße\n\t\"");
	snprintf(o.residue, sizeof(o.residue), "plain\n/sys/\xfe\xff\nlast");
	root = written(&o);
	cr_assert_str_eq(text_of(root, "name"), "n\\xff");
	cr_assert_str_eq(text_of(root, "message"), "run '\\xc3( \"q\" \\x5c \\x01': no");
	cr_assert_str_eq(text_of(root, "hint"), "grüße\n\t\"", "valid text is JSON's to escape");
	residue = json_object_get(json_object_get(root, "teardown"), "residue");
	cr_assert_eq(json_array_size(residue), 3);
	cr_assert_str_eq(json_string_value(json_array_get(residue, 0)), "plain");
	cr_assert_str_eq(json_string_value(json_array_get(residue, 1)), "/sys/\\xfe\\xff");
	cr_assert_str_eq(json_string_value(json_array_get(residue, 2)), "last");
	json_decref(root);
}

Test(outcome, takes_an_errors_words_and_gives_them_back)
{
	struct lxe_err err = { 0 }, back = { 0 };
	struct lxe_outcome o = some_outcome();
	json_t *root;

	lxe_fail_msg(&err, -EROFS, "write");
	lxe_rule(&err, "the root is read-only");
	lxe_hint(&err, "--tmpfs /tmp");
	lxe_outcome_take_err(&o, &err);
	cr_assert_eq(lxe_outcome_fail(&o, -EBUSY, &back), -EBUSY);
	cr_assert_eq(back.code, -EBUSY);
	cr_assert_str_eq(back.msg, "write");
	cr_assert_str_eq(back.rule, "the root is read-only");
	cr_assert_str_eq(back.hint, "--tmpfs /tmp");
	root = written(&o);
	cr_assert_str_eq(text_of(root, "rule"), "the root is read-only");
	json_decref(root);
	o.rule[0] = '\0';
	root = written(&o);
	cr_assert(json_is_null(json_object_get(root, "rule")));
	json_decref(root);
}

/* Every text as long as it can be, of the bytes that need most room. */
Test(outcome, the_longest_record_is_still_one)
{
	struct lxe_outcome o = some_outcome();
	json_t *root, *residue;

	memset(o.name, 0xff, sizeof(o.name) - 1);
	memset(o.message, 0xff, sizeof(o.message) - 1);
	memset(o.rule, 0xff, sizeof(o.rule) - 1);
	memset(o.hint, 0xff, sizeof(o.hint) - 1);
	memset(o.residue, 0xff, sizeof(o.residue) - 1);
	root = written(&o);
	cr_assert_eq(strlen(text_of(root, "message")), 4 * (sizeof(o.message) - 1));
	residue = json_object_get(json_object_get(root, "teardown"), "residue");
	cr_assert_geq(
		strlen(json_string_value(json_array_get(residue, 0))), 4 * (sizeof(o.residue) - 2));
	json_decref(root);
}

Test(outcome, it_is_written_behind_what_is_there)
{
	struct lxe_outcome o = some_outcome();
	int fd = sys_memfd("lxe-test", 0), ends[2];
	char piped[20000], *text = NULL;
	size_t len, first;

	cr_assert_eq(sys_write_all(fd, "old\n", 4), 0);
	cr_assert_eq(lxe_outcome_write(&o, fd, NULL), 0);
	cr_assert_eq(sys_read_whole(fd, sizeof(piped), &text, &len), 0);
	cr_assert_eq(memcmp(text, "old\n{", 5), 0);
	cr_assert_eq(text[len - 1], '\n');
	first = len - 4;
	close(fd);

	cr_assert_eq(sys_pipe(ends), 0);
	cr_assert_eq(lxe_outcome_write(&o, ends[1], NULL), 0);
	cr_assert_eq(sys_read(ends[0], piped, sizeof(piped)), (ssize_t)first);
	cr_assert_eq(memcmp(piped, text + 4, first), 0);
	close(ends[0]);
	close(ends[1]);
	free(text);
}

Test(outcome, what_cannot_be_written_is_an_error)
{
	struct lxe_outcome o = some_outcome();
	struct lxe_err err = { 0 };
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);

	cr_assert_eq(lxe_outcome_write(&o, full, &err), -ENOSPC);
	cr_assert_str_eq(err.msg, "write the result record: no space left on device");
	cr_assert_eq(lxe_outcome_write(&o, closed, NULL), -EBADF);
	close(full);
	close(closed);
}
