#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "network/tool.h"

static void block(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

TestSuite(feed, .init = block, .timeout = 60);

static char *output_of(const struct lxe_tool *tool)
{
	char *text = NULL;

	cr_assert_eq(lxe_tool_output(tool, &text), 0);
	return text;
}

static const char *const reader[] = { "cat", NULL };
static const char *const shell[] = { "sh", NULL };

/* Lines of any length, across pages, and nothing but what says nothing behind them. */
Test(feed, every_byte_in_order)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 1000000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *text = malloc(sizes[i] + 1), *got;
		struct lxe_tool tool = { .argv = reader, .text = text };

		for (size_t k = 0; k < sizes[i]; k++)
			text[k] = k % 61 == 60 || k == sizes[i] - 1 ? '\n' : (char)('a' + k % 26);
		text[sizes[i]] = '\0';
		cr_assert_eq(lxe_tools_run(&tool, 1), 0);
		got = output_of(&tool);
		cr_assert_eq(strncmp(got, text, sizes[i]), 0, "%zu bytes", sizes[i]);
		cr_assert_str_eq(got + sizes[i], "#\n#\n");
		lxe_tools_release(&tool, 1);
		free(got);
		free(text);
	}
}

/* The quick one hears of the end of its input only when the slow one has done what it was told. */
Test(feed, nobody_ends_before_all_have_done_their_text)
{
	char path[] = "/tmp/lxe-feed-XXXXXX", quick[128], slow[128], log[64];
	struct lxe_tool tools[] = {
		{ .argv = shell, .text = quick },
		{ .argv = shell, .text = slow },
	};
	int fd = mkstemp(path);
	ssize_t n;

	cr_assert_geq(fd, 0);
	snprintf(quick, sizeof(quick), "trap 'echo end >>%s' EXIT\necho quick >>%s\n", path, path);
	snprintf(slow, sizeof(slow), "sleep 0.3\necho slow >>%s\n", path);
	cr_expect_eq(lxe_tools_run(tools, 2), 0);
	lxe_tools_release(tools, 2);
	n = pread(fd, log, sizeof(log) - 1, 0);
	cr_assert_geq(n, 0);
	log[n] = '\0';
	cr_expect_str_eq(log, "quick\nslow\nend\n");
	close(fd);
	unlink(path);
}

/* Whoever stops reading has failed, for itself alone. */
Test(feed, one_that_does_not_read_on)
{
	char *text = malloc(300001), *got;
	struct lxe_tool tools[] = {
		{ .argv = shell, .text = text },
		{ .argv = reader, .text = text },
	};

	memset(text, 'x', 300000);
	memcpy(text, "exit 3\n", 7);
	text[299999] = '\n';
	text[300000] = '\0';
	cr_expect_eq(lxe_tools_run(tools, 2), -EIO);
	cr_expect_eq(tools[0].r, -EIO);
	cr_expect_eq(tools[1].r, 0);
	got = output_of(&tools[1]);
	cr_expect_eq(strlen(got), 300000 + 4);
	lxe_tools_release(tools, 2);
	free(got);
	free(text);
}

Test(feed, one_that_cannot_be_started_keeps_nobody)
{
	static const char *const missing[] = { "lxe-no-such-program", NULL };
	struct lxe_tool tools[] = {
		{ .argv = missing, .text = "x\n" },
		{ .argv = reader, .text = "y\n" },
	};

	cr_expect_eq(lxe_tools_run(tools, 2), -ENOENT);
	cr_expect_eq(tools[1].r, 0);
	lxe_tools_release(tools, 2);
}

/* One after the other, each done before the next is told; whoever has nothing new keeps nobody. */
Test(feed, text_after_text)
{
	char path[] = "/tmp/lxe-feed-XXXXXX", text[128], log[64];
	struct lxe_tool tools[2];
	int fd = mkstemp(path);
	ssize_t n;

	cr_assert_geq(fd, 0);
	lxe_tool_init(&tools[0], shell);
	lxe_tool_init(&tools[1], shell);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "sleep 0.05\necho %d >>%s\n", i, path);
		tools[0].text = text;
		tools[1].text = i == 1 ? ":\n" : NULL;
		cr_assert_eq(lxe_tools_tell(tools, 2), 0);
		n = pread(fd, log, sizeof(log) - 1, 0);
		cr_assert_eq(n, 2 * (i + 1));
	}
	cr_expect_eq(lxe_tools_end(tools, 2), 0);
	lxe_tools_release(tools, 2);
	close(fd);
	unlink(path);
}

Test(feed, one_that_ends_at_a_later_text_has_failed)
{
	struct lxe_tool tools[2];

	lxe_tool_init(&tools[0], shell);
	lxe_tool_init(&tools[1], shell);
	tools[0].text = tools[1].text = ":\n";
	cr_assert_eq(lxe_tools_tell(tools, 2), 0);
	tools[1].text = "exit 0\n:\n";
	cr_expect_eq(lxe_tools_tell(tools, 2), -EIO);
	cr_expect_eq(tools[0].r, 0);
	cr_expect_eq(tools[1].r, -EIO);
	cr_expect_eq(tools[0].pid, 0);
	cr_expect_eq(tools[1].pid, 0);
	lxe_tools_release(tools, 2);
}
