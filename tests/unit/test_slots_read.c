/*
 * Reading while others write, asking, waiting, and what all of it costs. Figures go to standard
 * error; their limits are those of the requirements, many times what is measured.
 */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"
#include "slots_fixture.h"
#include "sys/proc.h"

#define DEADLINE_MS 20000
#define LOOKS 200000

#if defined(__SANITIZE_ADDRESS__)
#define SLACK 10
#else
#define SLACK 1
#endif

/* ---- torn data ---- */

/* All figures of one write are made from one number. */
static struct lxe_metrics of_number(uint64_t n)
{
	return (struct lxe_metrics){
		.cpu_us = n,
		.memory_now = n * 3,
		.memory_peak = n * 5,
		.bytes_in = n * 7,
		.bytes_out = ~n,
		.created_us = n + 1,
		.started_us = n + 2,
		.stopped_us = n + 3,
		.pids = (uint32_t)n,
		.execs = (uint32_t)n + 1,
	};
}

static bool is_whole(const struct lxe_metrics *m)
{
	struct lxe_metrics want = of_number(m->cpu_us);

	want.updated_us = m->updated_us;
	return memcmp(&want, m, sizeof(want)) == 0;
}

/* Owner after owner of the same slot, each writing as fast as it can. */
static void hammer(const struct slots_run *run)
{
	struct lxe_slots *s = slots_own(run);

	for (uint64_t n = 1;; n++) {
		const char *id = n & 1 ? "aaaaaaaaaaaa" : "bbbbbbbbbbbb";
		struct lxe_slot_handle h;

		must(lxe_slot_reserve(s, id, &h, NULL) == 0);
		for (uint64_t i = 0; i < 50; i++) {
			struct lxe_metrics m = of_number(n << 20 | i);

			m.state = (uint32_t)(n & 1);
			must(lxe_slot_publish(&h, &m) == 0);
			must(lxe_slot_activate(&h) == 0);
		}
		lxe_slot_release(&h);
	}
}

struct torn {
	unsigned int seen, torn, swapped;
	uint64_t last, changes;
};

static int look_for_tears(void *arg, const struct lxe_slot_view *view)
{
	struct torn *t = arg;
	struct lxe_metrics m = view->metrics;
	const char *id = m.state ? "aaaaaaaaaaaa" : "bbbbbbbbbbbb";

	/* Reserved: nothing was published yet, or it was, and is not announced as active yet. */
	if (m.cpu_us == 0)
		return 0;
	if (strcmp(view->id, id) != 0)
		t->swapped++;
	m.state = 0;
	t->seen++;
	t->torn += !is_whole(&m);
	t->changes += m.cpu_us != t->last;
	t->last = m.cpu_us;
	return 0;
}

Test(slots_read, a_reader_never_sees_half_of_a_write)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run), *look = slots_look(&run);
	struct torn t = { 0 };
	uint64_t end = sys_now_ms() + DEADLINE_MS;
	pid_t pid = slots_fork();

	if (pid == 0)
		hammer(&run);
	for (uint64_t i = 0; i < LOOKS || (t.changes < LOOKS / 100 && sys_now_ms() < end); i++)
		lxe_slots_read(look, look_for_tears, &t);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fprintf(stderr, "torn reads: %u of %u, %llu changes seen\n", t.torn, t.seen,
		(unsigned long long)t.changes);
	cr_assert_eq(t.torn, 0);
	cr_assert_eq(t.swapped, 0, "an id with the figures of another");
	cr_assert_geq(t.changes, LOOKS / 100, "the writer must have been at it");
	lxe_slots_close(look);
	lxe_slots_close(s);
	slots_run_end(&run);
}

Test(slots_read, what_a_writer_leaves_that_is_killed_anywhere_is_whole)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run);

	for (int i = 0; i < 100; i++) {
		struct torn t = { 0 };
		struct lxe_slot_handle h;
		uint64_t end = sys_now_ms() + DEADLINE_MS;
		pid_t pid = slots_fork();

		if (pid == 0)
			hammer(&run);
		while (!t.seen && sys_now_ms() < end)
			lxe_slots_read(s, look_for_tears, &t);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		lxe_slots_read(s, look_for_tears, &t);
		lxe_slots_collect(s, NULL);
		cr_assert_eq(slots_seen(s, NULL), 0);
		cr_assert_eq(lxe_slot_reserve(s, "cccccccccccc", &h, NULL), 0);
		cr_assert_eq(slots_find(s, "cccccccccccc", NULL), 1);
		lxe_slot_release(&h);
		cr_assert(t.seen > 0 && t.torn == 0 && t.swapped == 0);
	}
	lxe_slots_close(s);
	slots_run_end(&run);
}

/* ---- asking ---- */

static bool hung_up(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

Test(slots_read, each_question_reaches_everybody_who_listens_once)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run), *look = slots_look(&run);
	uint64_t since;
	int before, a, b;

	cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0, "nobody has ever listened");
	before = open_fds();
	a = lxe_slots_watch(run.path, NULL);
	b = lxe_slots_watch(run.path, NULL);
	cr_assert(a >= 0 && b >= 0);
	cr_assert_not(hung_up(a, 0));
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
		cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
		cr_assert(hung_up(a, DEADLINE_MS) && hung_up(b, DEADLINE_MS));
		cr_assert_eq(lxe_slots_asked(a), 0);
		cr_assert_not(hung_up(a, 0));
		cr_assert(hung_up(b, 0), "one who answers does not answer for all");
		cr_assert_eq(lxe_slots_asked(b), 0);
		cr_assert_not(hung_up(b, 0));
	}
	close(a);
	close(b);
	cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0, "nobody listens any more");
	cr_assert_eq(open_fds(), before);
	lxe_slots_close(look);
	lxe_slots_close(s);
	slots_run_end(&run);
}

Test(slots_read, what_somebody_writes_into_the_fifo_does_not_report_for_ever)
{
	struct slots_run run = slots_run_new();
	int watch = lxe_slots_watch(run.path, NULL), fd;
	char path[96];

	snprintf(path, sizeof(path), "%s/slots.ask", run.path);
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	cr_assert_eq(write(fd, path, sizeof(path)), sizeof(path));
	close(fd);
	cr_assert(hung_up(watch, DEADLINE_MS));
	cr_assert_eq(lxe_slots_asked(watch), 0);
	cr_assert_not(hung_up(watch, 0));
	close(watch);
	slots_run_end(&run);
}

Test(slots_read, a_fifo_that_is_none_is_refused)
{
	struct slots_run run = slots_run_new();
	struct lxe_err err = { 0 };
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/slots.ask", run.path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	cr_assert_eq(lxe_slots_watch(run.path, &err), -EBADMSG);
	cr_assert_not_null(strstr(err.hint, "remove"));
	cr_assert_lt(lxe_slots_watch("/tmp/lxe-test-absent", &err), 0);
	slots_run_end(&run);
}

/* What a keeper does: it sleeps until it is asked, and publishes once. */
static void keep(const struct slots_run *run, const char *id, int ready)
{
	struct lxe_slots *s = slots_own(run);
	int watch = lxe_slots_watch(run->path, NULL);
	struct lxe_slot_handle h;

	must(watch >= 0);
	must(lxe_slot_reserve(s, id, &h, NULL) == 0);
	must(lxe_slot_activate(&h) == 0);
	must(write(ready, "r", 1) == 1);
	for (uint64_t n = 1;; n++) {
		struct lxe_metrics m = { .cpu_us = n, .state = LXE_METRICS_RUNNING };

		must(hung_up(watch, -1));
		must(lxe_slots_asked(watch) == 0);
		must(lxe_slot_publish(&h, &m) == 0);
	}
}

#define KEEPERS 20

static int check_fresh(void *arg, const struct lxe_slot_view *view)
{
	cr_assert_geq(view->metrics.updated_us, *(const uint64_t *)arg);
	return 0;
}

static void kill_all(const pid_t *pid, int n)
{
	for (int i = 0; i < n; i++) {
		kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
}

Test(slots_read, an_answer_of_all_keepers_is_waited_for_and_no_longer)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *look;
	pid_t pid[KEEPERS];
	uint64_t since, took = 0;
	int ready[2];
	char byte;

	cr_assert_eq(sys_pipe(ready), 0);
	for (int i = 0; i < KEEPERS; i++) {
		pid[i] = slots_fork();
		if (pid[i] == 0)
			keep(&run, "0123456789ab", ready[1]);
	}
	for (int i = 0; i < KEEPERS; i++)
		cr_assert_eq(read(ready[0], &byte, 1), 1);
	look = slots_look(&run);
	for (int i = 0; i < 10; i++) {
		uint64_t start = sys_now_us();

		cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
		cr_assert_eq(lxe_slots_await_fresh(look, since, DEADLINE_MS), 0);
		took += sys_now_us() - start;
		cr_assert_eq(lxe_slots_read(look, check_fresh, &since), KEEPERS);
	}
	fprintf(stderr, "ask and fresh answers of %d keepers: %llu us\n", KEEPERS,
		(unsigned long long)took / 10);
	/* One stops answering: it alone is old when the time is up. */
	kill(pid[3], SIGSTOP);
	cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
	cr_assert_eq(lxe_slots_await_fresh(look, since, 200), 1);
	kill_all(pid, KEEPERS);
	/* The dead are not waited for. */
	cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
	took = sys_now_ms();
	cr_assert_eq(lxe_slots_await_fresh(look, since, DEADLINE_MS), 0);
	cr_assert_lt(sys_now_ms() - took, DEADLINE_MS / 2);
	lxe_slots_close(look);
	slots_run_end(&run);
}

/* ---- what it costs ---- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return v[n / 2];
}

#define ROUNDS 101

static uint64_t read_time(const struct slots_run *run, int want)
{
	uint64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = sys_now_us();
		struct lxe_slots *look = slots_look(run);

		cr_assert_eq(slots_seen(look, NULL), want);
		took[i] = sys_now_us() - start;
		lxe_slots_close(look);
	}
	return median(took, ROUNDS);
}

static uint64_t one_shot_time(const struct slots_run *run)
{
	uint64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start = sys_now_us();
		struct lxe_slots *s = slots_own(run);
		struct lxe_metrics m = { .state = LXE_METRICS_RUNNING };
		struct lxe_slot_handle h;

		cr_assert_eq(lxe_slot_reserve(s, "0123456789ab", &h, NULL), 0);
		cr_assert_eq(lxe_slot_activate(&h), 0);
		cr_assert_eq(lxe_slot_publish(&h, &m), 0);
		lxe_slot_release(&h);
		lxe_slots_close(s);
		took[i] = sys_now_us() - start;
	}
	return median(took, ROUNDS);
}

Test(slots_read, a_thousand_are_read_in_two_milliseconds)
{
	struct slots_run run = slots_run_new();
	uint64_t alone = one_shot_time(&run), crowded, reading;
	struct lxe_slots *s[1000];
	struct rlimit files;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	/* A thousand open file descriptions, as a thousand keepers have. */
	for (int i = 0; i < 1000; i++) {
		struct lxe_slot_handle h;

		s[i] = slots_own(&run);
		cr_assert_eq(lxe_slot_reserve(s[i], "0123456789ab", &h, NULL), 0);
		cr_assert_eq(lxe_slot_activate(&h), 0);
	}
	reading = read_time(&run, 1000);
	crowded = one_shot_time(&run);
	fprintf(stderr,
		"1000 active slots, open and read: %llu us\n"
		"open, reserve, activate, publish, release, close: %llu us, beside 1000: %llu us\n",
		(unsigned long long)reading, (unsigned long long)alone,
		(unsigned long long)crowded);
	cr_assert_leq(reading, 2000 * SLACK);
	cr_assert_leq(alone, 500 * SLACK);
	for (int i = 0; i < 1000; i++)
		lxe_slots_close(s[i]);
	slots_run_end(&run);
}

/* Private pages of the mappings of the file, in KiB. */
static long private_of(const char *file)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool ours = false;
	char line[512];
	long sum = 0, kib;

	while (fgets(line, sizeof(line), smaps)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			ours = strstr(line, file) != NULL;
		if (ours && (sscanf(line, "Private_Dirty: %ld", &kib) == 1 ||
				    sscanf(line, "Private_Clean: %ld", &kib) == 1))
			sum += kib;
	}
	fclose(smaps);
	return sum;
}

Test(slots_read, the_mapping_costs_no_private_memory)
{
	struct slots_run run = slots_run_new();
	pid_t other = slots_owner(&run, "aaaaaaaaaaaa", true);
	struct lxe_slots *s = slots_own(&run);
	struct lxe_slot_handle h;

	cr_assert_eq(lxe_slot_reserve(s, "bbbbbbbbbbbb", &h, NULL), 0);
	cr_assert_eq(slots_seen(s, NULL), 2);
	fprintf(stderr, "private memory of the mapping: %ld KiB\n", private_of(run.file));
	cr_assert_eq(private_of(run.file), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
	lxe_slots_close(s);
	slots_run_end(&run);
}
