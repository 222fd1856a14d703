/* What the keeper keeps an eye on goes on when there were no descriptors for a moment. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "cgroup/group.h"
#include "keeper/keeper.h"
#include "keeper_fixture.h"
#include "slots_fixture.h"
#include "sys/fd.h"

/* None can be opened from now on; or again. */
static void run_short(bool on)
{
	struct rlimit files;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = on ? 0 : files.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static struct lxe_process *add_command(struct lxe_keeper *k)
{
	struct lxe_msg request;

	lxe_msg_init(&request, 0);
	k->main = lxe_process_new(k, &request, NULL);
	cr_assert_not_null(k->main);
	return k->main;
}

static void has_used(int group, const char *text)
{
	LXE_AUTOCLOSE int fd = openat(group, "cpu.stat", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_eq(sys_write_all(fd, text, strlen(text)), 0);
}

Test(shortage, processor_time_is_limited_all_the_same, .timeout = 30)
{
	char path[] = "/dev/shm/lxe-test-cpu-XXXXXX";
	struct lxe_cgroup group = { .n = 1, .dir[0] = { .fd = -EBADF, .v2 = true } };
	struct lxe_err err = { 0 };
	struct lxe_process *p;
	struct lxe_keeper k;

	keeper_begin(&k);
	cr_assert_not_null(mkdtemp(path));
	group.dir[0].fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	has_used(group.dir[0].fd, "usage_usec 0\n");
	k.cgroup = &group;
	p = add_command(&k);
	p->spec.limits.cpu_time_ms = 20;
	cr_assert_eq(lxe_limits_watch(p, &err), 0, "%s", err.msg);
	run_short(true);
	cr_assert_eq(lxe_loop_turn(k.loop, -1), 1);
	run_short(false);
	has_used(group.dir[0].fd, "usage_usec 20000\n");
	/* Without a timer there is nothing to wait for. */
	while (!p->limits.spent)
		cr_assert_eq(lxe_loop_turn(k.loop, 10000), 1);
	lxe_keeper_clean_up(&k);
	lxe_close(group.dir[0].fd);
	cr_assert_eq(sys_tree_remove(AT_FDCWD, path), 0);
}

Test(shortage, who_asks_for_figures_is_answered_again, .timeout = 30)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *look;
	struct lxe_keeper k;
	uint64_t since;

	cr_assert_eq(setenv("LXC_EXEC_RUN_DIR", run.path, true), 0);
	keeper_begin(&k);
	snprintf(k.sandbox.id, sizeof(k.sandbox.id), "0123456789ab");
	lxe_metrics_open(&k);
	cr_assert_geq(k.metrics.asked, 0);
	cr_assert_eq(lxe_slot_activate(&k.metrics.slot), 0);
	look = slots_open(&run, LXE_SLOTS_LOOK);
	cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
	run_short(true);
	cr_assert_eq(lxe_loop_turn(k.loop, -1), 1);
	cr_assert_eq(lxe_slots_await_fresh(look, since, 0), 0, "with what it has");
	run_short(false);
	cr_assert_eq(lxe_loop_turn(k.loop, 10000), 1);
	cr_assert_eq(lxe_slots_ask(look, &since, NULL), 0);
	cr_assert_eq(lxe_loop_turn(k.loop, 10000), 1);
	cr_assert_eq(lxe_slots_await_fresh(look, since, 0), 0);
	/* And nothing goes on by the clock. */
	cr_assert_eq(lxe_loop_turn(k.loop, 0), 0);
	cr_assert_eq(k.metrics.again.at_ms, 0);
	lxe_metrics_close(&k);
	lxe_keeper_clean_up(&k);
	lxe_slots_close(look);
	slots_run_end(&run);
}
