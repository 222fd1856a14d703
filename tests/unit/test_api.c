/* The parts of the public library that need no sandbox. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/api.h"
#include "sys/fd.h"
#include "sys/proc.h"
#include "sys/socket.h"

static lxe_error *error;
static lxe_options *options;

static void set_up(void)
{
	/* Nobody's defaults but the built-in ones. */
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	error = lxe_error_new();
	cr_assert_eq(lxe_options_new(&options, error), 0, "%s", lxe_error_message(error));
}

static void tear_down(void)
{
	lxe_options_free(options);
	lxe_error_free(error);
}

TestSuite(api, .init = set_up, .fini = tear_down);

Test(api, options_are_those_of_the_command_line)
{
	struct lxe_spec spec;

	cr_assert_eq(lxe_options_set(options, "memory", "64M", error), 0);
	cr_assert_eq(lxe_options_set(options, "env", "A=1", error), 0);
	cr_assert_eq(lxe_options_set(options, "keep", NULL, error), 0);
	spec = lxe_api_spec(options);
	cr_assert_eq(spec.memory, 64 << 20);
	cr_assert_str_eq(spec.env.v[0], "A=1");
	cr_assert(spec.keep);
	cr_assert_eq(lxe_options_set(options, "keep", "no", error), 0);
	cr_assert_not(lxe_api_spec(options).keep);
	cr_assert_eq(lxe_error_code(error), 0);
}

Test(api, what_is_wrong_with_an_option_is_said)
{
	static const char *const bad[][2] = { { "memory", "1X" }, { "memory", NULL },
		{ "memory", "" }, { "help", NULL }, { "patch", "yes" }, { "", "x" },
		{ "tty", "yes" }, { "keep", "perhaps" }, { "profile", NULL } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(lxe_options_set(options, bad[i][0], bad[i][1], error), -EINVAL, "%s",
			bad[i][0]);
		cr_assert_eq(lxe_error_code(error), -EINVAL);
		cr_assert(*lxe_error_message(error));
	}
	cr_assert_eq(lxe_options_set(options, "memroy", "1G", error), -EINVAL);
	cr_assert_str_eq(lxe_error_hint(error), "did you mean 'memory'?");
	cr_assert_eq(lxe_options_set(options, "memroy", "1G", NULL), -EINVAL);
}

Test(api, the_command_is_copied_and_replaced)
{
	char word[] = "one";
	const char *first[] = { word, NULL }, *second[] = { "two", "words", NULL };

	cr_assert_eq(lxe_options_command(options, first, error), 0);
	word[0] = 'X';
	cr_assert_str_eq(lxe_api_spec(options).argv.v[0], "one");
	cr_assert_eq(lxe_options_command(options, second, error), 0);
	cr_assert_eq(lxe_api_spec(options).argv.n, 2);
}

Test(api, a_terminal_or_three_files)
{
	struct lxe_err err = { 0 };
	struct lxe_msg msg;
	int null = -EBADF, spill = -EBADF;

	cr_assert_eq(lxe_options_stdio(options, -1, STDOUT_FILENO, -1, error), 0);
	cr_assert_eq(lxe_api_spec(options).tty, LXE_TTY_OFF);
	lxe_msg_init(&msg, LXE_MSG_EXEC);
	cr_assert_eq(lxe_api_give_stdio(options, &msg, &null, &spill, &err), 0);
	cr_assert(null >= 0 && msg.fds[LXE_FD_STDIN] == null && msg.fds[LXE_FD_STDERR] == null);
	cr_assert_lt(spill, 0);
	cr_assert_eq(msg.fds[LXE_FD_STDOUT], STDOUT_FILENO);
	close(null);
	cr_assert_eq(lxe_options_stdio(options, -2, -1, -1, error), -EBADF);
	cr_assert_eq(lxe_options_stdio(options, 999, -1, -1, error), -EBADF);

	cr_assert_eq(lxe_options_pty(options, 33, 99, error), 0);
	cr_assert_eq(lxe_api_spec(options).tty, LXE_TTY_ON);
	cr_assert_eq(lxe_api_spec(options).rows, 33);
	cr_assert_str_eq(lxe_api_spec(options).term, "xterm");
	cr_assert_eq(lxe_options_set(options, "env", "TERM=vt100", error), 0);
	cr_assert_null(lxe_api_spec(options).term);
	cr_assert_eq(lxe_options_pty(options, 65536, 1, error), -ERANGE);
}

/* A handle, and the keeper's end of its connection. */
static struct lxe_process_handle handle_to(int *keeper)
{
	struct lxe_process_handle p;
	int ends[2];

	cr_assert_eq(sys_socketpair(ends), 0);
	*keeper = ends[1];
	lxe_handle_init(&p, ends[0]);
	return p;
}

static void say(int keeper, enum lxe_msg_type type, const char *message, uint64_t created)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, type);
	msg.pid = 1234;
	msg.outcome = (struct lxe_outcome){ .cause = LXE_CAUSE_ERROR,
		.created_at_ms = created,
		.bytes_out = -1,
		.teardown_ok = true };
	snprintf(msg.outcome.message, sizeof(msg.outcome.message), "%s", message);
	cr_assert_eq(lxe_msg_send(keeper, &msg), 0);
}

Test(api, a_refusal_is_no_end)
{
	struct lxe_err err = { 0 };
	struct lxe_msg msg;
	int keeper;
	struct lxe_process_handle p = handle_to(&keeper);

	say(keeper, LXE_MSG_DONE, "not in this state", 0);
	lxe_msg_init(&msg, LXE_MSG_SIGNAL);
	cr_assert_eq(lxe_handle_ask(&p, &msg, lxe_api_end(1000), &err), -EBUSY);
	cr_assert_str_eq(err.msg, "not in this state");
	cr_assert_not(p.done);
	say(keeper, LXE_MSG_OK, "", 0);
	cr_assert_eq(lxe_handle_ask(&p, &msg, lxe_api_end(1000), &err), 0);
	say(keeper, LXE_MSG_DONE, "", 1);
	cr_assert_eq(lxe_handle_ask(&p, &msg, lxe_api_end(1000), &err), -EIO);
	cr_assert(p.done && !p.lost);
	lxe_handle_release(&p);
	close(keeper);
}

/* An answer that comes too late is not the answer to the next question. */
Test(api, late_answers_are_counted)
{
	struct lxe_err err = { 0 };
	struct lxe_msg msg;
	int keeper;
	struct lxe_process_handle p = handle_to(&keeper);

	lxe_msg_init(&msg, LXE_MSG_SIGNAL);
	cr_assert_eq(lxe_handle_ask(&p, &msg, lxe_api_end(0), &err), -ETIMEDOUT);
	say(keeper, LXE_MSG_DONE, "the first was refused", 0);
	cr_assert_eq(lxe_handle_ask(&p, &msg, lxe_api_end(10), &err), -ETIMEDOUT);
	say(keeper, LXE_MSG_OK, "", 0);
	lxe_msg_init(&msg, LXE_MSG_SIGNAL);
	say(keeper, LXE_MSG_OK, "", 0);
	cr_assert_eq(lxe_handle_ask(&p, &msg, lxe_api_end(1000), &err), 0);
	lxe_handle_release(&p);
	close(keeper);
}

Test(api, a_keeper_that_goes_without_a_word_is_an_error)
{
	struct lxe_err err = { 0 };
	int keeper;
	struct lxe_process_handle p = handle_to(&keeper);

	close(keeper);
	cr_assert_eq(lxe_handle_await(&p, NULL, LXE_FOREVER, &err), 0);
	cr_assert(p.done && p.lost);
	cr_assert_eq(lxe_result_exit_code(&p), 125);
	cr_assert_str_eq(lxe_result_cause(&p), "error");
	lxe_handle_release(&p);
}

Test(api, a_limit_is_kept)
{
	struct lxe_err err = { 0 };
	int keeper;
	struct lxe_process_handle p = handle_to(&keeper);
	uint64_t begun = sys_now_ms();

	cr_assert_eq(lxe_handle_await(&p, NULL, lxe_api_end(50), &err), -ETIMEDOUT);
	cr_assert(sys_now_ms() - begun >= 49);
	cr_assert_eq(lxe_try_wait(&p, error), 0);
	/* What is never read fills the connection, and then there is a limit as well. */
	for (int i = 0, r = 0; r == 0; i++) {
		cr_assert_lt(i, 100000);
		r = lxe_kill(&p, SIGKILL, 0, error);
		cr_assert(r == 0 || r == -ETIMEDOUT);
	}
	lxe_handle_release(&p);
	close(keeper);
}

Test(api, a_forked_copy_ends_nothing)
{
	struct lxe_msg msg;
	int keeper, status;
	struct lxe_process_handle p = handle_to(&keeper);
	pid_t child = fork();

	if (child == 0) {
		int r = lxe_wait(&p, 0, error) == -ECHILD && lxe_try_wait(&p, error) == -ECHILD &&
			lxe_kill(&p, SIGKILL, 0, error) == -ECHILD;

		lxe_handle_release(&p);
		_exit(r ? 0 : 1);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	sys_set_nonblock(keeper, true);
	cr_assert_eq(lxe_msg_recv(keeper, &msg), -EAGAIN, "the connection is still there");
	lxe_handle_release(&p);
	cr_assert_eq(lxe_msg_recv(keeper, &msg), 0);
	close(keeper);
}
