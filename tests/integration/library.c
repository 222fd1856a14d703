/*
 * A program that uses liblxc-exec, for test_library.py: library TEST. Each test says nothing and
 * ends with 0, or says which assertion failed and aborts.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lxc-exec.h>

#define LIMIT_MS 60000
#define THREADS 20
#define CYCLES 100

static __thread lxe_error *error;

#define CHECK(what)                                                                \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "library.c:%d: %s: %s\n", __LINE__, #what, \
				error ? lxe_error_message(error) : "");            \
			abort();                                                   \
		}                                                                  \
	} while (0)

static lxe_options *options_for(const char *script)
{
	const char *const words[] = { "sh", "-c", script, NULL };
	lxe_options *options;

	CHECK(lxe_options_new(&options, error) == 0);
	CHECK(lxe_options_command(options, words, error) == 0);
	return options;
}

static lxe_sandbox *run(const char *script)
{
	lxe_options *options = options_for(script);
	lxe_sandbox *sandbox;

	CHECK(lxe_run(options, LIMIT_MS, &sandbox, error) == 0);
	lxe_options_free(options);
	return sandbox;
}

static lxe_process *exec(lxe_sandbox *sandbox, const char *script)
{
	lxe_options *options = options_for(script);
	lxe_process *process;

	CHECK(lxe_exec(sandbox, options, LIMIT_MS, &process, error) == 0);
	lxe_options_free(options);
	return process;
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void life(void)
{
	lxe_options *options = options_for("exit 7");
	lxe_sandbox *sandbox;
	lxe_process *process;

	CHECK(lxe_create(options, LIMIT_MS, &sandbox, error) == 0);
	lxe_options_free(options);
	process = lxe_sandbox_process(sandbox);
	CHECK(strcmp(lxe_state(sandbox), "created") == 0 && lxe_pid(process) > 0);
	CHECK(lxe_try_wait(process, error) == 0 && lxe_result_exit_code(process) == -EAGAIN);
	CHECK(lxe_result_cause(process) == NULL && lxe_result_json(process) == NULL);
	CHECK(lxe_start(sandbox, LIMIT_MS, error) == 0);
	CHECK(lxe_wait(process, LIMIT_MS, error) == 0 && lxe_try_wait(process, error) == 1);
	CHECK(lxe_result_exit_code(process) == 7 && lxe_pid(process) == 0);
	CHECK(strcmp(lxe_result_cause(process), "exit") == 0);
	CHECK(strstr(lxe_result_json(process), "\"exit_code\":7"));
	CHECK(strcmp(lxe_state(sandbox), "gone") == 0);
	CHECK(lxe_start(sandbox, LIMIT_MS, error) == -EBUSY);
	CHECK(lxe_kill(process, SIGTERM, LIMIT_MS, error) == -ESRCH);
	lxe_sandbox_close(sandbox);
}

static void cycle(void)
{
	lxe_sandbox *sandbox = run("exec sleep 1000");
	lxe_process *process = exec(sandbox, "exit 3");

	CHECK(lxe_wait(process, LIMIT_MS, error) == 0 && lxe_result_exit_code(process) == 3);
	lxe_process_close(process);
	process = exec(sandbox, "sleep 1000");
	CHECK(lxe_kill(process, SIGKILL, LIMIT_MS, error) == 0);
	CHECK(lxe_wait(process, LIMIT_MS, error) == 0);
	CHECK(strcmp(lxe_result_cause(process), "killed") == 0);
	lxe_process_close(process);
	CHECK(lxe_drain(lxe_sandbox_process(sandbox), LIMIT_MS, error) == 0);
	lxe_sandbox_close(sandbox);
}

static void no_leak(void)
{
	int before;

	cycle(); /* what the C library opens for good is open now */
	before = count_fds();
	for (int i = 0; i < CYCLES; i++)
		cycle();
	CHECK(count_fds() == before);
}

static void *thread(void *arg)
{
	(void)arg;
	error = lxe_error_new();
	for (int i = 0; i < 3; i++)
		cycle();
	lxe_error_free(error);
	return NULL;
}

static void threads(void)
{
	pthread_t all[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&all[i], NULL, thread, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(all[i], NULL) == 0);
}

struct self {
	struct sigaction actions[65];
	sigset_t mask;
	mode_t mask_of_files;
	char dir[4096];
	int subreaper;
	struct stat files[3];
};

static void look(struct self *s)
{
	memset(s, 0, sizeof(*s));
	for (int i = 1; i <= 64; i++)
		sigaction(i, NULL, &s->actions[i]);
	sigprocmask(SIG_BLOCK, NULL, &s->mask);
	s->mask_of_files = umask(0);
	umask(s->mask_of_files);
	CHECK(getcwd(s->dir, sizeof(s->dir)));
	prctl(PR_GET_CHILD_SUBREAPER, &s->subreaper);
	for (int i = 0; i < 3; i++)
		fstat(i, &s->files[i]);
}

static volatile sig_atomic_t children;

static void count(int signal)
{
	(void)signal;
	children++;
}

/* Neither the program's settings change, nor does it hear of a child. */
static void quiet(void)
{
	struct self before, after;

	signal(SIGCHLD, count);
	umask(0);
	look(&before);
	cycle();
	look(&after);
	for (int i = 1; i <= 64; i++)
		CHECK(before.actions[i].sa_handler == after.actions[i].sa_handler);
	CHECK(memcmp(&before.mask, &after.mask, sizeof(before.mask)) == 0);
	CHECK(before.mask_of_files == after.mask_of_files && before.subreaper == after.subreaper);
	CHECK(strcmp(before.dir, after.dir) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(before.files[i].st_dev == after.files[i].st_dev &&
			before.files[i].st_ino == after.files[i].st_ino);
	CHECK(children == 0 && waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

/* A child of the program itself is its own to wait for, whatever is torn down meanwhile. */
static void own_children(void)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(9);
	waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	cycle();
	CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
}

/* What was to be its input is closed by now: told at once, and nothing is left to wait for it. */
static void input_that_is_closed(void)
{
	const int high = 500; /* which nobody else is given */
	lxe_options *options = options_for("true");
	lxe_sandbox *sandbox = NULL;
	time_t begun = time(NULL);

	CHECK(dup2(0, high) == high);
	CHECK(lxe_options_stdio(options, high, -1, -1, error) == 0);
	close(high);
	CHECK(lxe_run(options, LIMIT_MS, &sandbox, error) == -EBADF && !sandbox);
	CHECK(time(NULL) - begun < 8);
	lxe_options_free(options);
}

/* A fork's copies: closing them ends nothing, and keeping them holds nothing. */
static void forks(void)
{
	lxe_sandbox *sandbox = run("exec sleep 1000"), *second = run("exec sleep 1000");
	lxe_process *process = exec(sandbox, "exec sleep 1000");
	int ends[2], status, end_of_second;
	pid_t child;

	CHECK(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		CHECK(lxe_wait(process, 0, error) == -ECHILD);
		CHECK(lxe_kill(process, SIGKILL, 0, error) == -ECHILD);
		lxe_process_close(process);
		lxe_sandbox_close(sandbox);
		close(ends[1]);
		/* With its copies of the second. */
		CHECK(read(ends[0], &status, 1) == 0);
		lxe_sandbox_close(second);
		lxe_error_free(error);
		_exit(0);
	}
	lxe_process_close(exec(sandbox, "true"));
	CHECK(lxe_wait(process, 300, error) == -ETIMEDOUT);
	CHECK(strcmp(lxe_state(sandbox), "running") == 0);
	end_of_second = lxe_fd(lxe_sandbox_process(second));
	CHECK(end_of_second >= 0);
	CHECK(lxe_destroy(second, LIMIT_MS, error) == 0);
	lxe_process_close(process);
	lxe_sandbox_close(sandbox);
	lxe_sandbox_close(second);
	close(ends[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	close(ends[0]);
}

/* The end of an attached handle is the command's, although a child holds a copy of it. */
static void close_beside_a_fork(void)
{
	char id[64];
	lxe_sandbox *sandbox = run("exec sleep 1000"), *again;
	int ends[2], status, r;
	pid_t child;

	snprintf(id, sizeof(id), "%s", lxe_id(sandbox));
	CHECK(pipe(ends) == 0 && (child = fork()) >= 0);
	if (child == 0) {
		close(ends[1]);
		CHECK(read(ends[0], &status, 1) == 0);
		_exit(0);
	}
	CHECK(lxe_attach(id, LIMIT_MS, &again, error) == 0);
	lxe_sandbox_close(sandbox);
	r = lxe_wait(lxe_sandbox_process(again), LIMIT_MS, error);
	CHECK(r == 0);
	lxe_sandbox_close(again);
	close(ends[1]);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	close(ends[0]);
}

/* Words that cross the end of an exec are not about the sandbox. */
static void crossing(void)
{
	lxe_sandbox *sandbox = run("exec sleep 1000");

	for (int i = 0; i < CYCLES; i++) {
		lxe_process *process = exec(sandbox, "true");
		int r = lxe_kill(process, i % 2 ? SIGKILL : SIGTERM, LIMIT_MS, error);

		CHECK(r == 0 || r == -ESRCH);
		CHECK(lxe_wait(process, LIMIT_MS, error) == 0);
		lxe_process_close(process);
	}
	CHECK(lxe_try_wait(lxe_sandbox_process(sandbox), error) == 0);
	CHECK(lxe_destroy(sandbox, LIMIT_MS, error) == 0);
	lxe_sandbox_close(sandbox);
}

static void poll_for_the_end(void)
{
	lxe_sandbox *sandbox = run("exit 5");
	lxe_process *process = lxe_sandbox_process(sandbox);
	struct pollfd polled = { .fd = lxe_fd(process), .events = POLLIN };
	int turns = 0;

	while (lxe_try_wait(process, error) == 0) {
		CHECK(poll(&polled, 1, LIMIT_MS) == 1);
		CHECK(++turns < 100);
	}
	CHECK(poll(&polled, 1, LIMIT_MS) == 1);
	CHECK(lxe_result_exit_code(process) == 5);
	lxe_sandbox_close(sandbox);
}

static lxe_sandbox *kept(const char *name, const char *script)
{
	lxe_options *options = options_for(script);
	lxe_sandbox *sandbox;

	CHECK(lxe_options_set(options, "keep", NULL, error) == 0);
	CHECK(lxe_options_set(options, "name", name, error) == 0);
	CHECK(lxe_run(options, LIMIT_MS, &sandbox, error) == 0);
	lxe_options_free(options);
	return sandbox;
}

static int lives_of(lxe_sandbox *sandbox)
{
	lxe_process *process = lxe_sandbox_process(sandbox);

	CHECK(lxe_wait(process, LIMIT_MS, error) == 0);
	CHECK(strcmp(lxe_state(sandbox), "stopped") == 0 && lxe_pid(process) == 0);
	CHECK(strcmp(lxe_result_cause(process), "exit") == 0 && lxe_result_json(process));
	return lxe_result_exit_code(process);
}

/* It ends with its lives so far. */
#define LIVES "echo >>/srv/lives; exit $(wc -l </srv/lives)"

/* Another life, by the handle of whoever has made it, and by one that was attached. */
static void start_again(void)
{
	lxe_sandbox *sandbox = kept("again", LIVES), *attached;
	int before;

	CHECK(lives_of(sandbox) == 1);
	before = count_fds();
	for (int i = 2; i < 5; i++) {
		CHECK(lxe_start(sandbox, LIMIT_MS, error) == 0);
		CHECK(lives_of(sandbox) == i);
	}
	/* Nothing is open of one that has ended but its connection. */
	CHECK(count_fds() == before);
	CHECK(lxe_attach("again", LIMIT_MS, &attached, error) == 0);
	CHECK(lxe_start(attached, LIMIT_MS, error) == 0 && lives_of(attached) == 5);
	CHECK(lxe_start(attached, LIMIT_MS, error) == 0 && lives_of(attached) == 6);
	lxe_sandbox_close(attached);
	CHECK(lxe_destroy(sandbox, LIMIT_MS, error) == 0);
	CHECK(lxe_start(sandbox, LIMIT_MS, error) == -EBUSY);
	lxe_sandbox_close(sandbox);
}

/* One that runs, or has been started by somebody else, is not started twice. */
static void start_what_runs(void)
{
	lxe_sandbox *sandbox = kept("runs", "test -e /srv/ran && exec sleep 1000; >/srv/ran"),
		    *other;

	CHECK(lives_of(sandbox) == 0);
	CHECK(lxe_attach("runs", LIMIT_MS, &other, error) == 0);
	CHECK(lxe_start(sandbox, LIMIT_MS, error) == 0);
	CHECK(lxe_start(sandbox, LIMIT_MS, error) == -EBUSY);
	CHECK(lxe_start(other, LIMIT_MS, error) == -EBUSY);
	CHECK(strstr(lxe_error_message(error), "running") && *lxe_error_hint(error));
	lxe_process_close(exec(sandbox, "exit 0"));
	lxe_sandbox_close(other);
	CHECK(lxe_destroy(sandbox, LIMIT_MS, error) == 0);
	lxe_sandbox_close(sandbox);
}

/* Its maker's handle ends it as before, an attached one does not; what it has kept stays in any case. */
static void whose_life(void)
{
	lxe_sandbox *sandbox = kept("life", "test -e /srv/ran && exec sleep 1000; >/srv/ran"),
		    *other, *third;

	CHECK(lives_of(sandbox) == 0);
	CHECK(lxe_attach("life", LIMIT_MS, &other, error) == 0);
	CHECK(lxe_start(sandbox, LIMIT_MS, error) == 0);
	CHECK(lxe_attach("life", LIMIT_MS, &third, error) == 0);
	lxe_sandbox_close(sandbox);
	CHECK(lxe_wait(lxe_sandbox_process(third), LIMIT_MS, error) == 0);
	CHECK(strcmp(lxe_result_cause(lxe_sandbox_process(third)), "killed") == 0);
	CHECK(strcmp(lxe_state(other), "stopped") == 0);
	CHECK(lxe_start(other, LIMIT_MS, error) == 0 && lxe_pid(lxe_sandbox_process(other)) > 0);
	lxe_sandbox_close(other);
	CHECK(strcmp(lxe_state(third), "running") == 0);
	lxe_sandbox_close(third);
	CHECK(lxe_attach("life", LIMIT_MS, &third, error) == 0);
	CHECK(strcmp(lxe_state(third), "running") == 0);
	CHECK(lxe_destroy(third, LIMIT_MS, error) == 0);
	lxe_sandbox_close(third);
}

static void terminal_again(void)
{
	lxe_options *options = options_for("tty; stty size");
	lxe_sandbox *sandbox, *attached;
	char text[200];

	CHECK(lxe_options_set(options, "keep", NULL, error) == 0);
	CHECK(lxe_options_set(options, "name", "terminal", error) == 0);
	CHECK(lxe_options_pty(options, 33, 101, error) == 0);
	CHECK(lxe_create(options, LIMIT_MS, &sandbox, error) == 0);
	for (int i = 0; i < 2; i++) {
		size_t n = 0;
		ssize_t got = 1;

		CHECK(lxe_start(sandbox, LIMIT_MS, error) == 0);
		while (got > 0) {
			got = lxe_pty_read(lxe_sandbox_process(sandbox), text + n,
				sizeof(text) - 1 - n, LIMIT_MS, error);
			CHECK(got >= 0);
			n += (size_t)got;
		}
		text[n] = 0;
		CHECK(strstr(text, "/dev/pts/") && strstr(text, "33 101"));
		CHECK(lives_of(sandbox) == 0);
	}
	/* Nobody has to read for one that is not his. */
	CHECK(lxe_attach("terminal", LIMIT_MS, &attached, error) == 0);
	CHECK(lxe_start(attached, LIMIT_MS, error) == 0 && lives_of(attached) == 0);
	lxe_sandbox_close(attached);
	lxe_options_free(options);
	CHECK(lxe_destroy(sandbox, LIMIT_MS, error) == 0);
	lxe_sandbox_close(sandbox);
}

static int hear(void *arg, char change, const char *path, const char *json)
{
	char *heard = arg;

	CHECK(strchr("ADMTm", change) && path[0] == '/' && json[0] == '{');
	heard[strlen(heard)] = change;
	return 0;
}

static int stop(void *arg, char change, const char *path, const char *json)
{
	(void)change, (void)path, (void)json;
	return ++*(int *)arg == 2 ? 7 : 0;
}

static lxe_sandbox *with_changes(const char *top)
{
	lxe_options *options = options_for("mkdir new; echo >new/one; echo >new/two");
	lxe_sandbox *sandbox;
	char bind[4200];

	snprintf(bind, sizeof(bind), "%s:cow", top);
	CHECK(lxe_options_set(options, "keep", NULL, error) == 0);
	CHECK(lxe_options_set(options, "workdir", bind, error) == 0);
	CHECK(lxe_run(options, LIMIT_MS, &sandbox, error) == 0);
	CHECK(lives_of(sandbox) == 0);
	lxe_options_free(options);
	return sandbox;
}

static void changes(void)
{
	char top[] = "/tmp/lxe-library-XXXXXX", path[100], heard[10] = "";
	const char *const one[] = { "new/one", NULL };
	lxe_sandbox *sandbox;
	int n = 0, before;

	CHECK(mkdtemp(top));
	sandbox = with_changes(top);
	before = count_fds();
	CHECK(lxe_diff(sandbox, NULL, hear, heard, LIMIT_MS, error) == 0);
	CHECK(strcmp(heard, "AAA") == 0);
	CHECK(lxe_diff(sandbox, NULL, NULL, NULL, LIMIT_MS, error) == 0);
	CHECK(lxe_diff(sandbox, NULL, stop, &n, LIMIT_MS, error) == 7 && n == 2);
	CHECK(lxe_commit(sandbox, one, NULL, NULL, LIMIT_MS, error) == 0);
	snprintf(path, sizeof(path), "%s/new/one", top);
	CHECK(unlink(path) == 0);
	CHECK(count_fds() == before);
	CHECK(lxe_destroy(sandbox, LIMIT_MS, error) == 0);
	lxe_sandbox_close(sandbox);
	snprintf(path, sizeof(path), "%s/new", top);
	CHECK(rmdir(path) == 0 && rmdir(top) == 0);
}

/*
 * A fork of a program with threads gets an allocator that works from the C library, but not from AddressSanitizer of gcc 12, whose
 * lock another thread may hold at that moment: there it is one thread after the other.
 */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void take_turn(bool take)
{
#ifdef __SANITIZE_ADDRESS__
	CHECK((take ? pthread_mutex_lock : pthread_mutex_unlock)(&turn) == 0);
#else
	(void)take, (void)turn;
#endif
}

static void *commit_and_fork(void *arg)
{
	char top[] = "/tmp/lxe-library-XXXXXX", name[64];
	lxe_sandbox *sandbox, *fork;

	(void)arg;
	take_turn(true);
	error = lxe_error_new();
	CHECK(mkdtemp(top));
	for (int i = 0; i < 3; i++) {
		char heard[10] = "";

		sandbox = with_changes(top);
		snprintf(name, sizeof(name), "fork-of-%s", lxe_id(sandbox));
		CHECK(lxe_diff(sandbox, NULL, hear, heard, LIMIT_MS, error) == 0);
		CHECK(strcmp(heard, "AAA") == 0);
		CHECK(lxe_discard(sandbox, LIMIT_MS, error) == 0);
		CHECK(lxe_fork(sandbox, NULL, name, LIMIT_MS, error) == 0);
		CHECK(lxe_attach(name, LIMIT_MS, &fork, error) == 0);
		CHECK(lxe_destroy(fork, LIMIT_MS, error) == 0);
		CHECK(lxe_destroy(sandbox, LIMIT_MS, error) == 0);
		lxe_sandbox_close(fork);
		lxe_sandbox_close(sandbox);
	}
	CHECK(rmdir(top) == 0);
	lxe_error_free(error);
	take_turn(false);
	return NULL;
}

/* By many threads, and the program hears of no child. */
static void changes_quietly(void)
{
	struct self before, after;
	pthread_t all[4];

	signal(SIGCHLD, count);
	look(&before);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&all[i], NULL, commit_and_fork, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(all[i], NULL) == 0);
	look(&after);
	CHECK(memcmp(&before.mask, &after.mask, sizeof(before.mask)) == 0);
	CHECK(children == 0 && waitpid(-1, NULL, 0) == -1 && errno == ECHILD);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "life", life },
	{ "no_leak", no_leak },
	{ "threads", threads },
	{ "quiet", quiet },
	{ "input_that_is_closed", input_that_is_closed },
	{ "own_children", own_children },
	{ "forks", forks },
	{ "close_beside_a_fork", close_beside_a_fork },
	{ "crossing", crossing },
	{ "poll_for_the_end", poll_for_the_end },
	{ "start_again", start_again },
	{ "start_what_runs", start_what_runs },
	{ "whose_life", whose_life },
	{ "terminal_again", terminal_again },
	{ "changes", changes },
	{ "changes_quietly", changes_quietly },
};

int main(int argc, char **argv)
{
	error = lxe_error_new();
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (argc == 2 && strcmp(argv[1], tests[i].name) == 0) {
			tests[i].run();
			lxe_error_free(error);
			return 0;
		}
	}
	return 2;
}
