#include "network/together.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "run_fixture.h"
#include "sys/fd.h"

TestSuite(together, .init = make_run, .fini = remove_run);

#define FILTER(body) "*filter\n" body "COMMIT\n"
#define NAT(body) "*nat\n" body "COMMIT\n"

Test(together, a_table_is_there_once)
{
	LXE_AUTOFREE char *all = NULL;

	cr_assert_eq(lxe_together_merge(&all, FILTER("-D 1\n") NAT("-D 2\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n") NAT("-D 2\n"));
	cr_assert_eq(lxe_together_merge(&all, FILTER("-D 3\n-X 3\n")), 0);
	cr_assert_eq(lxe_together_merge(&all, FILTER("") NAT("-D 4\n")), 0);
	cr_assert_str_eq(all, FILTER("-D 1\n-D 3\n-X 3\n") NAT("-D 2\n-D 4\n"));
}

Test(together, half_a_text_is_none)
{
	LXE_AUTOFREE char *all = strdup(FILTER("-D 1\n"));

	cr_assert_eq(lxe_together_merge(&all, "*filter\n-D 2\n"), -EBADMSG);
	cr_assert_eq(lxe_together_merge(&all, ""), -EBADMSG);
	cr_assert_str_eq(all, FILTER("-D 1\n"));
}

static int begin(struct lxe_together *t, const char *id8, const char *text)
{
	const int texts[LXE_TOGETHER_FAMILIES] = { sys_memfd("text", 0), -EBADF };
	int r;

	cr_assert_geq(texts[0], 0);
	cr_assert_eq(sys_write_all(texts[0], text, strlen(text)), 0);
	r = lxe_together_begin(t, run, id8, texts);
	close(texts[0]);
	return r;
}

static size_t queued(void)
{
	char path[64];
	const struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/network", run);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += strstr(entry->d_name, ".undo.") != NULL;
	if (dir)
		closedir(dir);
	return n;
}

static void await_queued(size_t n)
{
	for (int i = 0; i < 5000 && queued() != n; i++)
		poll(NULL, 0, 2);
	cr_assert_eq(queued(), n);
}

/* Its status: 100 when somebody else has done it, or for how many it led. */
static pid_t other(const struct lxe_together *leader, const char *id8, const char *text, bool done)
{
	struct lxe_together t;
	pid_t pid = fork();
	int r;

	cr_assert_geq(pid, 0);
	if (pid > 0)
		return pid;
	/* The lock is a description's, whichever process has it. */
	close(leader->lock);
	r = begin(&t, id8, text);
	lxe_together_end(&t, done);
	_exit(r == 1 ? 100 : r < 0 ? 101 : (int)t.n);
}

static int status_of(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status);
}

Test(together, who_is_first_leads_and_those_behind_him_go_together, .timeout = 30)
{
	struct lxe_together t;
	pid_t a, b;
	int first, second;

	cr_assert_eq(begin(&t, "00000001", FILTER("-D 1\n")), 0);
	cr_assert_eq(t.n, 1);
	cr_assert_str_eq(t.texts[0], FILTER("-D 1\n"));
	cr_assert_null(t.texts[1]);
	a = other(&t, "0000000a", FILTER("-D a\n"), true);
	b = other(&t, "0000000b", FILTER("-D b\n"), true);
	await_queued(3);
	lxe_together_end(&t, true);
	first = status_of(a);
	second = status_of(b);
	cr_assert_eq(first + second, 102, "%d %d", first, second);
	cr_assert_eq(queued(), 0);
}

Test(together, what_fails_for_all_each_does_alone, .timeout = 30)
{
	struct lxe_together t;
	pid_t a, b;
	int first, second;

	cr_assert_eq(begin(&t, "00000001", FILTER("-D 1\n")), 0);
	a = other(&t, "0000000a", FILTER("-D a\n"), false);
	b = other(&t, "0000000b", FILTER("-D b\n"), false);
	await_queued(3);
	lxe_together_end(&t, false);
	first = status_of(a);
	second = status_of(b);
	/* The second one finds his own text still there, and nobody else's. */
	cr_assert_eq(first + second, 3, "%d %d", first, second);
	cr_assert_eq(queued(), 0);
}

Test(together, one_that_is_killed_is_forgotten)
{
	struct lxe_together t;

	cr_assert_eq(begin(&t, "00000001", FILTER("-D 1\n")), 0);
	cr_assert_eq(queued(), 1);
	lxe_together_forget(run, "00000001");
	cr_assert_eq(queued(), 0);
	lxe_together_end(&t, false);
}

Test(together, garbage_in_the_queue_is_left_alone)
{
	struct lxe_together t;
	char command[160];

	cr_assert_eq(begin(&t, "00000001", FILTER("")), 0);
	snprintf(command, sizeof(command),
		"cd %s/network && echo x > \"$(echo *.undo.00000001 | sed s/1$/2/)\"", run);
	cr_assert_eq(system(command), 0);
	lxe_together_end(&t, true);
	cr_assert_eq(begin(&t, "00000003", FILTER("-D 3\n")), 0);
	cr_assert_eq(t.n, 1);
	cr_assert_str_eq(t.texts[0], FILTER("-D 3\n"));
	lxe_together_end(&t, true);
	cr_assert_eq(queued(), 1);
}
