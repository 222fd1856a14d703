#include "network/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "sys/fd.h"
#include "sys/proc.h"

#define STACK_SIZE 16384
#define OUTPUT_MAX (256 * 1024 * 1024)

static const char *const directories[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };

int lxe_tool_find(char path[LXE_TOOL_PATH], const char *name)
{
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if (lxe_format(path, LXE_TOOL_PATH, "%s/%s", directories[i], name) == 0 &&
			access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

struct become {
	const struct lxe_tool *tool;
	const char *path;
	int input;
	pid_t parent;
};

/* In a process with the caller's memory. Its exit status, when it cannot be executed. */
static int become(void *arg)
{
	static char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		NULL };
	const struct become *b = arg;
	const struct lxe_tool *tool = b->tool;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != b->parent)
		return 127;
	if (dup2(b->input, STDIN_FILENO) < 0 || dup2(tool->output, STDOUT_FILENO) < 0 ||
		dup2(tool->errors, STDERR_FILENO) < 0)
		return 127;
	execve(b->path, (char *const *)tool->argv, environment);
	return 127;
}

/* As vfork(2): what is executed next needs no copy of our memory. */
static pid_t spawn(struct become *b)
{
	char *stack = malloc(STACK_SIZE);
	pid_t pid;

	if (!stack)
		return -ENOMEM;
	pid = clone(become, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, b);
	if (pid < 0)
		pid = -errno;
	free(stack);
	return pid;
}

static int start(struct lxe_tool *tool)
{
	LXE_AUTOCLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char path[LXE_TOOL_PATH];
	struct become b = { .tool = tool, .path = path, .parent = getpid() };
	int r;

	r = null < 0 ? -errno : lxe_tool_find(path, tool->argv[0]);
	if (r == 0 && tool->text)
		r = lxe_feed_open(&tool->feed, tool->text);
	if (r < 0)
		return r;
	b.input = tool->text ? tool->feed.reading : null;
	tool->output = sys_memfd("lxe-output", 0);
	tool->errors = sys_memfd("lxe-errors", 0);
	if (tool->output < 0 || tool->errors < 0)
		return tool->output < 0 ? tool->output : tool->errors;
	tool->pid = spawn(&b);
	r = tool->pid < 0 ? tool->pid : 0;
	/* So that its end is seen. */
	lxe_drop_fd(&tool->feed.reading);
	return r;
}

static int finish(struct lxe_tool *tool)
{
	LXE_AUTOCLOSE int pidfd = sys_pidfd_open(tool->pid);
	uint64_t now = sys_now_ms(), end = tool->end;
	int r = pidfd < 0 ? pidfd : sys_pidfd_wait(pidfd, now < end ? (int)(end - now) : 0);
	int ended = r;

	if (r < 0)
		kill(tool->pid, SIGKILL);
	r = sys_wait(tool->pid, &tool->status);
	tool->pid = 0;
	if (ended < 0 || r < 0)
		return ended < 0 ? ended : r;
	return WIFEXITED(tool->status) && WEXITSTATUS(tool->status) == 0 ? 0 : -EIO;
}

/*
 * The end of its input would be the end of what it was told: one that has not had all of it must not
 * see that.
 */
static int abandon(struct lxe_tool *tool, int why)
{
	kill(tool->pid, SIGKILL);
	sys_wait(tool->pid, &tool->status);
	tool->pid = 0;
	return why;
}

/* Those that are not told everything are ended. */
static void feed(struct lxe_tool *tools, size_t n)
{
	struct lxe_feed *feeds[LXE_TOOLS_MAX] = { NULL };
	uint64_t end = UINT64_MAX;
	int r;

	if (n > LXE_TOOLS_MAX)
		return;
	for (size_t i = 0; i < n; i++) {
		feeds[i] = &tools[i].feed;
		if (tools[i].pid > 0 && tools[i].end < end)
			end = tools[i].end;
	}
	r = lxe_feed_all(feeds, n, end);
	for (size_t i = 0; i < n; i++) {
		struct lxe_tool *tool = &tools[i];

		if (tool->pid > 0 && tool->text && !tool->feed.gone &&
			!lxe_feed_is_read(&tool->feed))
			tool->r = abandon(tool, tool->feed.r < 0 ? tool->feed.r : r);
	}
}

void lxe_tool_init(struct lxe_tool *tool, const char *const *argv)
{
	*tool = (struct lxe_tool){
		.argv = argv, .output = -EBADF, .errors = -EBADF, .feed = LXE_FEED_NONE
	};
}

static void begin(struct lxe_tool *tool)
{
	tool->end = sys_now_ms() + LXE_TOOL_TIMEOUT_MS;
	tool->r = start(tool);
	if (tool->r < 0)
		lxe_feed_close(&tool->feed);
}

int lxe_tools_end(struct lxe_tool *tools, size_t n)
{
	int r = 0;

	/*
	 * When iptables-restore closes its socket, the kernel waits until it is done with what was
	 * deleted, with the lock that the other family's needs: so they end together.
	 */
	for (size_t i = 0; i < n; i++)
		lxe_feed_close(&tools[i].feed);
	for (size_t i = 0; i < n; i++) {
		if (tools[i].pid > 0)
			tools[i].r = finish(&tools[i]);
		/* It ended well with a part of it. */
		if (tools[i].r == 0 && tools[i].feed.gone)
			tools[i].r = -EIO;
		if (r == 0)
			r = tools[i].r;
	}
	return r;
}

int lxe_tools_tell(struct lxe_tool *tools, size_t n)
{
	bool failed = false;

	for (size_t i = 0; i < n; i++) {
		if (!tools[i].text)
			continue;
		if (tools[i].pid > 0)
			lxe_feed_next(&tools[i].feed, tools[i].text);
		else
			begin(&tools[i]);
	}
	feed(tools, n);
	for (size_t i = 0; i < n; i++)
		failed = failed || tools[i].r < 0 || tools[i].feed.gone;
	return failed ? lxe_tools_end(tools, n) : 0;
}

int lxe_tools_run(struct lxe_tool *tools, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *text = tools[i].text;

		lxe_tool_init(&tools[i], tools[i].argv);
		tools[i].text = text;
		if (n > LXE_TOOLS_MAX)
			tools[i].r = -E2BIG;
		else
			begin(&tools[i]);
	}
	feed(tools, n);
	return lxe_tools_end(tools, n);
}

void lxe_tools_release(struct lxe_tool *tools, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		lxe_drop_fd(&tools[i].output);
		lxe_drop_fd(&tools[i].errors);
	}
}

int lxe_tool_output(const struct lxe_tool *tool, char **ret)
{
	size_t len;

	return sys_read_whole(tool->output, OUTPUT_MAX, ret, &len);
}

/* "… v1.8.9 (nf_tables): line 3: Bad IP address" and then how to get help: the first line that says something. */
static void say(const struct lxe_tool *tool, char *buf, size_t size)
{
	LXE_AUTOFREE char *text = NULL;
	const char *at;
	size_t len = 0;

	buf[0] = '\0';
	if (tool->errors < 0 || sys_read_whole(tool->errors, 65536, &text, &len) < 0)
		return;
	for (at = text; *at == '\n' || lxe_starts_with(at, "#"); at++)
		at += strcspn(at, "\n");
	len = strcspn(at, "\n");
	if (len && at[len - 1] == '.')
		len--;
	lxe_excerpt(buf, size, at, len);
}

int lxe_tool_fail(const struct lxe_tool *tool, struct lxe_err *err, const char *what)
{
	char said[240];

	if (tool->r == -ENOENT) {
		lxe_hint(err, "install it (Debian: apt-get install %s), or use --network none",
			lxe_starts_with(tool->argv[0], "ipset") ? "ipset" : "iptables");
		return lxe_fail_msg(err, tool->r, "%s: '%s' is not installed on this host", what,
			tool->argv[0]);
	}
	say(tool, said, sizeof(said));
	if (tool->r == -ETIMEDOUT)
		lxe_hint(err, "see who holds its lock: lsof /run/xtables.lock");
	else
		lxe_hint(err, "see what this host's firewall can do: lxc-exec doctor");
	if (tool->r != -EIO || !said[0])
		return lxe_fail(err, tool->r, "%s: run '%s'", what, tool->argv[0]);
	return lxe_fail_msg(err, tool->r, "%s: %s", what, said);
}
