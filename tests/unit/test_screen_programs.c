/*
 * The redraw with what real programs write: each is run on a pty, and its output redrawn at many
 * moments.
 */
#include "terminal/screen.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "screen_compare.h"

#define ROWS 24
#define COLS 80
#define QUIET_MS 300
#define RECORD_MS 10000

struct program {
	const char *argv[8];
	const char *keys; /* typed one after the other, each when the program is quiet */
};

static pid_t start(const struct program *p, int *master)
{
	struct winsize size = { .ws_row = ROWS, .ws_col = COLS };
	pid_t pid = forkpty(master, NULL, NULL, &size);

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	setenv("TERM", "xterm-256color", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("HOME", "/nonexistent", 1);
	execvp(p->argv[0], (char *const *)p->argv);
	_exit(127);
}

/* Until the program is gone, or has been quiet with nothing left to type. */
static void record(const struct program *p, struct lxe_outbuf *out)
{
	const char *key = p->keys;
	char buf[4096];
	int master, status;
	pid_t pid = start(p, &master);
	ssize_t n;

	for (int waits = 0; waits < RECORD_MS / QUIET_MS;) {
		struct pollfd wait = { .fd = master, .events = POLLIN };

		if (poll(&wait, 1, QUIET_MS) == 0) {
			waits++;
			if (!*key)
				break;
			cr_assert_eq(write(master, key++, 1), 1);
			continue;
		}
		n = read(master, buf, sizeof(buf));
		if (n <= 0)
			break;
		lxe_outbuf_put(out, buf, (size_t)n);
	}
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	close(master);
	cr_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 127, "%s is not installed",
		p->argv[0]);
}

static struct lxe_screen *fresh(void)
{
	struct lxe_screen *s = NULL;

	cr_assert_eq(lxe_screen_new(&s, ROWS, COLS), 0);
	return s;
}

/* Redraw after `at` bytes, then feed both with the rest. */
static void check_at(const struct lxe_outbuf *out, size_t at, const char *name)
{
	struct lxe_screen *a = fresh(), *b = fresh();
	const char *what;
	char *bytes = NULL;
	size_t len = 0;

	lxe_screen_feed(b, out->p, out->len);
	lxe_screen_feed(b, "\033[?69h\033[5;9s\033[3;7r\033[?6h\033)0\016\033[4hgarbage", 36);
	lxe_screen_feed(a, out->p, at);
	cr_assert_eq(lxe_screen_redraw(a, &bytes, &len), 0);
	lxe_screen_feed(b, bytes, len);
	free(bytes);
	what = screens_differ(a, b);
	cr_assert(!what, "%s redrawn at byte %zu: %s", name, at, what);
	lxe_screen_feed(a, out->p + at, out->len - at);
	lxe_screen_feed(b, out->p + at, out->len - at);
	what = screens_differ(a, b);
	cr_assert(!what, "%s redrawn at byte %zu, at its end: %s", name, at, what);
	lxe_screen_free(a);
	lxe_screen_free(b);
}

static void check(const struct program *p)
{
	struct lxe_outbuf out = { 0 };

	record(p, &out);
	cr_assert_gt(out.len, 100, "%s wrote %zu bytes", p->argv[0], out.len);
	for (size_t at = 0; at < out.len; at += 1 + out.len / 150)
		check_at(&out, at, p->argv[0]);
	check_at(&out, out.len, p->argv[0]);
	lxe_outbuf_release(&out);
}

Test(screen_programs, vim, .timeout = 60)
{
	check(&(struct program){ .argv = { "vim", "-u", "NONE", "-i", "NONE", "-n", NULL },
		.keys = ":syntax on\rihello \xc3\xa9\xe6\xbc\xa2\033:split\roabc\033" });
}

Test(screen_programs, top, .timeout = 60)
{
	check(&(struct program){ .argv = { "top", "-d", "1", "-n", "3", NULL }, .keys = "z" });
}

Test(screen_programs, htop, .timeout = 60)
{
	check(&(struct program){ .argv = { "htop", "-d", "5", NULL }, .keys = "hq" });
}

Test(screen_programs, less, .timeout = 60)
{
	check(&(struct program){
		.argv = { "less", "/proc/cpuinfo", NULL }, .keys = " /cache\r  b" });
}
