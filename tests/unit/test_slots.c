#include "store/slots.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "fds.h"
#include "keeper/state.h"
#include "slots_fixture.h"
#include "sys/fd.h"

/* ---- the file ---- */

Test(slots, states_have_the_values_of_the_keepers)
{
	cr_assert_eq((int)LXE_METRICS_CREATING, (int)LXE_CREATING);
	cr_assert_eq((int)LXE_METRICS_CREATED, (int)LXE_CREATED);
	cr_assert_eq((int)LXE_METRICS_RUNNING, (int)LXE_RUNNING);
	cr_assert_eq((int)LXE_METRICS_STOPPED, (int)LXE_STOPPED);
	cr_assert_eq((int)LXE_METRICS_FAILED, (int)LXE_FAILED);
	cr_assert_str_eq(lxe_metrics_state_name(LXE_METRICS_FAILED), "failed");
	cr_assert_str_eq(lxe_metrics_state_name(77), "unknown");
}

Test(slots, the_file_is_sparse_private_and_leaves_no_descriptor)
{
	struct slots_run run = slots_run_new();
	int before = open_fds();
	struct lxe_slots *s;
	struct stat st;

	umask(0);
	s = slots_own(&run);
	cr_assert_eq(open_fds(), before + 1);
	cr_assert_eq(stat(run.file, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(st.st_size, 4096 + 4096 * 256);
	cr_assert_leq(st.st_blocks * 512, 65536);
	lxe_slots_close(s);
	lxe_slots_close(NULL);
	cr_assert_eq(open_fds(), before);
	slots_run_end(&run);
}

Test(slots, looking_makes_nothing)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = NULL;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_slots_open(&s, run.path, LXE_SLOTS_LOOK, &err), -ENOENT);
	cr_assert_eq(err.code, 0);
	cr_assert_eq(lxe_slots_open(&s, "/tmp/lxe-test-absent", LXE_SLOTS_LOOK, &err), -ENOENT);
	cr_assert_null(s);
	cr_assert_eq(rmdir(run.path), 0, "it must be empty");
}

static int open_it(const struct slots_run *run, struct lxe_err *err)
{
	struct lxe_slots *s = NULL;
	int r;

	*err = (struct lxe_err){ 0 };
	r = lxe_slots_open(&s, run->path, LXE_SLOTS_OWN, err);
	lxe_slots_close(s);
	return r;
}

static void patch(const struct slots_run *run, off_t at, const void *what, size_t len)
{
	int fd = open(run->file, O_RDWR | O_CLOEXEC);

	cr_assert_eq(pwrite(fd, what, len, at), (ssize_t)len);
	close(fd);
}

static void refused(const struct slots_run *run, int r)
{
	int before = open_fds();
	struct lxe_err err;

	cr_assert_eq(open_it(run, &err), r, "%s", err.msg);
	cr_assert_not_null(strstr(err.msg, run->file), "%s", err.msg);
	cr_assert_not_null(strstr(err.hint, run->file), "%s", err.hint);
	cr_assert_eq(open_fds(), before);
}

Test(slots, what_is_none_of_ours_is_refused_with_the_remedy)
{
	struct slots_run run = slots_run_new();
	uint32_t two = 2;
	struct lxe_err err;
	int fd;

	fd = open(run.file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	refused(&run, -EBADMSG); /* empty */
	cr_assert_eq(sys_write_all(fd, "[garbage]\nwhatever = 1\nand more of it\n", 38), 0);
	refused(&run, -EBADMSG);
	close(fd);
	unlink(run.file);
	cr_assert_eq(open_it(&run, &err), 0);
	patch(&run, 8, &two, sizeof(two));
	refused(&run, -EPROTONOSUPPORT);
	two = 1;
	patch(&run, 8, &two, sizeof(two));
	cr_assert_eq(open_it(&run, &err), 0);
	cr_assert_eq(truncate(run.file, 8192), 0);
	refused(&run, -EBADMSG);
	cr_assert_eq(truncate(run.file, 4096 + 4096 * 256), 0);
	cr_assert_eq(chmod(run.file, 0620), 0);
	refused(&run, -EPERM);
	cr_assert_eq(chmod(run.file, 0600), 0);
	cr_assert_eq(chown(run.file, 1, 1), 0);
	refused(&run, -EPERM);
	unlink(run.file);
	cr_assert_eq(symlink("/etc/passwd", run.file), 0);
	refused(&run, -EBADMSG);
	unlink(run.file);
	cr_assert_eq(mkfifo(run.file, 0600), 0);
	refused(&run, -EBADMSG);
	slots_run_end(&run);
}

static void make_at_once(const struct slots_run *run, int gate, int report)
{
	struct lxe_slots *s = NULL;
	struct stat st;
	char byte;

	must(read(gate, &byte, 1) == 0);
	must(lxe_slots_open(&s, run->path, LXE_SLOTS_OWN, NULL) == 0);
	must(stat(run->file, &st) == 0);
	must(write(report, &st.st_ino, sizeof(st.st_ino)) == sizeof(st.st_ino));
	lxe_slots_close(s);
}

Test(slots, twenty_that_come_at_once_make_one_file)
{
	struct slots_run run = slots_run_new();
	int gate[2], report[2];
	ino_t first = 0, inode;

	cr_assert_eq(sys_pipe(gate), 0);
	cr_assert_eq(sys_pipe(report), 0);
	for (int i = 0; i < 20; i++)
		if (slots_fork() == 0) {
			close(gate[1]);
			make_at_once(&run, gate[0], report[1]);
			_exit(CHILD_PASSED);
		}
	close(gate[1]);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(read(report[0], &inode, sizeof(inode)), sizeof(inode));
		if (!first)
			first = inode;
		cr_assert_eq(inode, first);
	}
	slots_children_passed(20);
	slots_run_end(&run);
}

/* ---- one life ---- */

Test(slots, a_life_is_seen_step_by_step)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run), *look = slots_look(&run);
	struct lxe_slot_handle h = LXE_SLOT_NONE, copy;
	struct lxe_metrics m = { .cpu_us = 5, .state = LXE_METRICS_RUNNING, .pid = 77 };
	struct lxe_slot_view view;

	cr_assert_eq(slots_seen(look, NULL), 0);
	cr_assert_eq(lxe_slot_reserve(s, "0123456789ab", &h, NULL), 0);
	cr_assert_eq(slots_seen(look, &view), 1);
	cr_assert_eq(view.phase, LXE_SLOT_RESERVED);
	cr_assert_str_eq(view.id, "0123456789ab");
	cr_assert_eq(view.metrics.state, LXE_METRICS_CREATING);
	cr_assert_gt(view.metrics.created_us, 0);
	cr_assert_eq(lxe_slots_is_owned(look, &view), 1);
	cr_assert_eq(lxe_slot_activate(&h), 0);
	cr_assert_eq(lxe_slot_publish(&h, &m), 0);
	cr_assert_eq(slots_seen(look, &view), 1);
	cr_assert_eq(view.phase, LXE_SLOT_ACTIVE);
	cr_assert_eq(view.metrics.cpu_us, 5);
	cr_assert_eq(view.metrics.pid, 77);
	cr_assert_gt(view.metrics.created_us, 0, "kept from the reservation");
	cr_assert_geq(view.metrics.updated_us, view.metrics.created_us);
	copy = h;
	lxe_slot_release(&h);
	lxe_slot_release(&h);
	cr_assert_eq(slots_seen(look, NULL), 0);
	cr_assert_eq(lxe_slot_publish(&h, &m), 0, "no slot is no failure");
	cr_assert_eq(lxe_slot_publish(&copy, &m), -ESTALE);
	cr_assert_eq(lxe_slot_activate(&copy), -ESTALE);
	lxe_slots_close(look);
	lxe_slots_close(s);
	slots_run_end(&run);
}

Test(slots, what_is_no_id_gets_none)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run);
	struct lxe_slot_handle h = LXE_SLOT_NONE;
	struct lxe_err err = { 0 };

	cr_assert_eq(lxe_slot_reserve(s, "0123456789AB", &h, &err), -EINVAL);
	cr_assert_eq(lxe_slot_reserve(s, "0123", &h, &err), -EINVAL);
	cr_assert_null(h.slots);
	cr_assert_eq(slots_seen(s, NULL), 0);
	lxe_slots_close(s);
	slots_run_end(&run);
}

Test(slots, a_stale_handle_does_not_touch_the_next_owner)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *a = slots_own(&run), *b = slots_own(&run);
	struct lxe_metrics m = { .cpu_us = 666 };
	struct lxe_slot_handle old, mine, again;
	struct lxe_slot_view view;

	cr_assert_eq(lxe_slot_reserve(a, "aaaaaaaaaaaa", &old, NULL), 0);
	mine = old;
	lxe_slot_release(&mine);
	cr_assert_eq(lxe_slot_reserve(b, "bbbbbbbbbbbb", &mine, NULL), 0);
	cr_assert_eq(mine.index, old.index, "the subject of this test");
	cr_assert_gt(mine.generation, old.generation);
	cr_assert_eq(lxe_slot_publish(&old, &m), -ESTALE);
	cr_assert_eq(lxe_slot_activate(&old), -ESTALE);
	again = old;
	lxe_slot_release(&again);
	cr_assert_eq(slots_seen(b, &view), 1);
	cr_assert_str_eq(view.id, "bbbbbbbbbbbb");
	cr_assert_eq(view.phase, LXE_SLOT_RESERVED);
	cr_assert_eq(view.metrics.cpu_us, 0);
	/* The same description gets it back: the lock tells nothing then, the generation does. */
	lxe_slot_release(&mine);
	cr_assert_eq(lxe_slot_reserve(a, "cccccccccccc", &mine, NULL), 0);
	cr_assert_eq(mine.index, old.index);
	cr_assert_eq(lxe_slot_publish(&old, &m), -ESTALE);
	lxe_slots_close(a);
	cr_assert_eq(slots_seen(b, NULL), 0, "closing releases");
	lxe_slots_close(b);
	slots_run_end(&run);
}

/* An owner with a child that lives on: what a keeper is killed with. */
static void own_with_child(const struct slots_run *run, int ready, int gate)
{
	struct lxe_slots *s = slots_own(run);
	struct lxe_metrics m = { .cpu_us = 666 };
	struct lxe_slot_handle h;
	char byte;

	must(lxe_slot_reserve(s, "aaaaaaaaaaaa", &h, NULL) == 0);
	if (fork() == 0) {
		must(lxe_slot_publish(&h, &m) == -ESTALE);
		lxe_slots_close(s);
		must(write(ready, "c", 1) == 1);
		must(read(gate, &byte, 1) == 0);
		_exit(0);
	}
	must(lxe_slot_publish(&h, &m) == 0);
	for (;;)
		pause();
}

Test(slots, a_forked_child_can_neither_write_nor_keep_the_slot)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run);
	struct lxe_slot_view view;
	int gate[2], ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(sys_pipe(gate), 0);
	cr_assert_eq(sys_pipe(ready), 0);
	pid = slots_fork();
	if (pid == 0) {
		close(gate[1]);
		own_with_child(&run, ready[1], gate[0]);
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_assert_eq(slots_seen(s, &view), 1);
	cr_assert_eq(lxe_slots_is_owned(s, &view), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	/* The child lives, and neither what it inherited nor a mapping of it is in the way. */
	cr_assert_eq(lxe_slots_is_owned(s, &view), 0);
	cr_assert_eq(lxe_slots_collect(s, NULL), 1);
	close(gate[1]);
	lxe_slots_close(s);
	slots_run_end(&run);
}

/* ---- more than one ---- */

static void reserve_and_hold(const struct slots_run *run, int n, int gate, int report)
{
	struct lxe_slots *s = NULL;
	char byte;

	must(read(gate, &byte, 1) == 0);
	must(lxe_slots_open(&s, run->path, LXE_SLOTS_OWN, NULL) == 0);
	for (int i = 0; i < n; i++) {
		struct lxe_slot_handle h;

		must(lxe_slot_reserve(s, "0123456789ab", &h, NULL) == 0);
		must(lxe_slot_activate(&h) == 0);
		must(write(report, &h.index, sizeof(h.index)) == sizeof(h.index));
	}
	for (;;)
		pause();
}

/* That many processes reserve that many slots each at the same moment: none is given twice. */
static void reserve_at_once(int processes, int each)
{
	bool taken[LXE_SLOTS_MAX] = { false };
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run);
	int gate[2], report[2];
	pid_t child[20];
	uint32_t index;

	cr_assert_eq(sys_pipe(gate), 0);
	cr_assert_eq(sys_pipe(report), 0);
	for (int i = 0; i < processes; i++) {
		child[i] = slots_fork();
		if (child[i] == 0) {
			close(gate[1]);
			reserve_and_hold(&run, each, gate[0], report[1]);
		}
	}
	close(gate[1]);
	for (int i = 0; i < processes * each; i++) {
		cr_assert_eq(read(report[0], &index, sizeof(index)), sizeof(index));
		cr_assert_lt(index, LXE_SLOTS_MAX);
		cr_assert_not(taken[index], "slot %u was given twice", index);
		taken[index] = true;
	}
	cr_assert_eq(slots_seen(s, NULL), processes * each);
	cr_assert_eq(lxe_slots_collect(s, NULL), 0);
	for (int i = 0; i < processes; i++) {
		kill(child[i], SIGKILL);
		waitpid(child[i], NULL, 0);
	}
	cr_assert_eq(lxe_slots_collect(s, NULL), processes * each);
	cr_assert_eq(slots_seen(s, NULL), 0);
	lxe_slots_close(s);
	slots_run_end(&run);
}

Test(slots, two_reservers_never_share)
{
	reserve_at_once(2, 1);
	reserve_at_once(2, 200);
}

Test(slots, twenty_reservers_never_share)
{
	reserve_at_once(20, 1);
	reserve_at_once(20, 50);
}

Test(slots, a_killed_owners_slot_is_taken_back_when_nothing_else_is_left)
{
	for (int active = 0; active < 2; active++) {
		struct slots_run run = slots_run_new();
		struct lxe_slots *s = slots_own(&run);
		struct lxe_slot_handle h = LXE_SLOT_NONE;
		struct lxe_slot_view view = { 0 };
		struct lxe_err err = { 0 };
		pid_t pid = slots_owner(&run, "dddddddddddd", active);

		for (int i = 0; i < LXE_SLOTS_MAX - 1; i++)
			cr_assert_eq(lxe_slot_reserve(s, "0123456789ab", &h, NULL), 0);
		cr_assert_eq(lxe_slot_reserve(s, "eeeeeeeeeeee", &h, &err), -ENOSPC);
		cr_assert_str_eq(err.msg, "all 4096 metrics slots are taken");
		cr_assert_not_null(strstr(err.hint, "runs without"), "%s", err.hint);
		cr_assert_eq(slots_find(s, "dddddddddddd", &view), 1);
		cr_assert_eq(view.phase, active ? LXE_SLOT_ACTIVE : LXE_SLOT_RESERVED);
		cr_assert_eq(lxe_slots_is_owned(s, &view), 1);
		cr_assert_eq(lxe_slots_collect(s, "dddddddddddd"), 0);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		cr_assert_eq(lxe_slots_is_owned(s, &view), 0);
		cr_assert_eq(lxe_slot_reserve(s, "eeeeeeeeeeee", &h, &err), 0);
		cr_assert_eq(h.index, view.index);
		cr_assert_gt(h.generation, view.generation);
		cr_assert_eq(slots_find(s, "dddddddddddd", &view), 0);
		cr_assert_eq(slots_find(s, "eeeeeeeeeeee", &view), 1);
		lxe_slots_close(s);
		slots_run_end(&run);
	}
}

Test(slots, those_of_one_dead_sandbox_are_collected_by_its_id)
{
	struct slots_run run = slots_run_new();
	struct lxe_slots *s = slots_own(&run), *look = slots_look(&run);
	pid_t dead = slots_owner(&run, "dddddddddddd", true);
	pid_t other = slots_owner(&run, "aaaaaaaaaaaa", true);
	pid_t alive = slots_owner(&run, "bbbbbbbbbbbb", true);

	kill(dead, SIGKILL);
	kill(other, SIGKILL);
	waitpid(dead, NULL, 0);
	waitpid(other, NULL, 0);
	cr_assert_eq(lxe_slots_collect(look, NULL), -EPERM);
	cr_assert_eq(lxe_slots_collect(s, "bbbbbbbbbbbb"), 0);
	cr_assert_eq(lxe_slots_collect(s, "dddddddddddd"), 1);
	cr_assert_eq(lxe_slots_collect(s, "dddddddddddd"), 0);
	cr_assert_eq(slots_seen(look, NULL), 2);
	cr_assert_eq(lxe_slots_collect(s, NULL), 1);
	cr_assert_eq(slots_seen(look, NULL), 1);
	kill(alive, SIGKILL);
	waitpid(alive, NULL, 0);
	lxe_slots_close(look);
	lxe_slots_close(s);
	slots_run_end(&run);
}

static void fill_a_tmpfs(void)
{
	struct slots_run run = slots_run_new();
	struct lxe_slot_handle h;
	struct lxe_slots *s;
	int r = 0, n = 0;

	must(unshare(CLONE_NEWNS) == 0);
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	must(mount("lxe", run.path, "tmpfs", 0, "size=16k") == 0);
	s = slots_own(&run);
	for (n = 0; r == 0 && n < LXE_SLOTS_MAX; n++)
		r = lxe_slot_reserve(s, "0123456789ab", &h, NULL);
	must(r == -ENOSPC && n > 1 && n < 64);
	must(slots_seen(s, NULL) == n - 1);
	lxe_slots_close(s);
	must(umount(run.path) == 0);
	must(rmdir(run.path) == 0);
}

Test(slots, a_full_file_system_is_an_error_and_not_a_signal)
{
	in_child(fill_a_tmpfs);
}
