#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/layers.h"
#include "store/sandbox.h"
#include "sys/tree.h"

#define OWNER 70000u

/* A state directory with layers/, and sandboxes/ in which there is one. */
struct store {
	char state[64];
	int layers, sandboxes, box;
};

static int make_dir(int at, const char *name)
{
	cr_assert_eq(mkdirat(at, name, 0755), 0);
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void set_up(struct store *s)
{
	int top;

	strcpy(s->state, "/tmp/lxe-layers-XXXXXX");
	cr_assert_not_null(mkdtemp(s->state));
	top = open(s->state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->sandboxes = make_dir(top, "sandboxes");
	s->box = make_dir(s->sandboxes, "00000000aaaa");
	close(top);
	s->layers = lxe_layers_lock(s->state, NULL);
	cr_assert_geq(s->layers, 0);
}

static void tear_down(struct store *s)
{
	close(s->layers);
	close(s->box);
	close(s->sandboxes);
	cr_expect_eq(sys_tree_remove(AT_FDCWD, s->state), 0);
}

static void write_file(const struct store *s, const char *name)
{
	char path[64];
	int fd;

	mkdirat(s->box, "rw", 0711);
	mkdirat(s->box, "rw/u", 0755);
	snprintf(path, sizeof(path), "rw/u/%s", name);
	fd = openat(s->box, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	cr_assert_geq(fd, 0);
	close(fd);
}

static bool exists(int at, const char *layer, const char *rest)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", layer, rest);
	return faccessat(at, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* It takes the lock itself. */
static int sweep(struct store *s, bool dry)
{
	int n;

	close(s->layers);
	n = lxe_layers_sweep(s->sandboxes, dry);
	s->layers = lxe_layers_lock(s->state, NULL);
	return n;
}

Test(layers, what_was_written_is_put_aside_as_it_is)
{
	struct lxe_base base, again;
	struct lxe_layer layer;
	struct store s;

	set_up(&s);
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), 0);
	cr_expect_str_eq(base.top, "", "nothing was written");
	write_file(&s, "one");
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), 0);
	cr_expect(exists(s.layers, base.top, "rw/u/one"));
	cr_expect(!exists(s.box, ".", "rw"));
	cr_expect_eq(lxe_layer_read(s.layers, base.top, &layer), 0);
	cr_expect_str_eq(layer.parent, "");
	cr_expect_eq(layer.owner, OWNER);
	cr_expect_eq(layer.depth, 1);
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &again), 0);
	cr_expect_str_eq(again.top, base.top, "nothing was written since");
	write_file(&s, "two");
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER + 1, &again), 0);
	cr_expect_eq(lxe_layer_read(s.layers, again.top, &layer), 0);
	cr_expect_str_eq(layer.parent, base.top);
	cr_expect_eq(layer.depth, 2);
	tear_down(&s);
}

Test(layers, one_that_was_started_and_wrote_nothing_is_no_deeper)
{
	struct lxe_base base, again;
	struct store s;

	set_up(&s);
	write_file(&s, "one");
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), 0);
	mkdirat(s.box, "rw", 0711);
	mkdirat(s.box, "rw/u", 0755);
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &again), 0);
	cr_expect_str_eq(again.top, base.top);
	/* That its root directory looks another way is something. */
	cr_expect_eq(fchmodat(s.box, "rw/u", 0700, 0), 0);
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &again), 0);
	cr_expect_str_neq(again.top, base.top);
	tear_down(&s);
}

Test(layers, there_is_an_end_to_them)
{
	struct lxe_base base;
	struct store s;

	set_up(&s);
	for (int i = 0; i < LXE_LAYERS_MAX; i++) {
		write_file(&s, "one");
		cr_assert_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), 0);
	}
	write_file(&s, "one");
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), -E2BIG);
	cr_expect(exists(s.box, ".", "rw/u/one"));
	cr_expect_eq(sweep(&s, false), 0);
	tear_down(&s);
}

Test(layers, what_is_dropped_is_dropped_once)
{
	struct lxe_base base = { .top = "0123456789ab", .drop = true }, seen;
	struct store s;

	set_up(&s);
	write_file(&s, "one");
	cr_expect_eq(lxe_base_write(s.box, &base), 0);
	/* Whoever was killed behind the rename. */
	cr_expect_eq(mkdirat(s.box, LXE_SANDBOX_DROPPED, 0711), 0);
	cr_expect_eq(lxe_base_settle(s.box), 0);
	cr_expect(!exists(s.box, ".", "rw"));
	cr_expect(!exists(s.box, ".", LXE_SANDBOX_DROPPED));
	cr_expect_eq(lxe_base_read(s.box, &seen), 0);
	cr_expect_str_eq(seen.top, base.top);
	cr_expect_not(seen.drop);
	write_file(&s, "two");
	cr_expect_eq(lxe_base_settle(s.box), 0);
	cr_expect(exists(s.box, ".", "rw/u/two"));
	tear_down(&s);
}

Test(layers, what_nobody_leads_to_is_removed)
{
	struct lxe_snapshot one = { .name = "one" };
	struct lxe_snapshots list = { 0 };
	struct lxe_base base, none = { 0 };
	struct store s;

	set_up(&s);
	write_file(&s, "one");
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), 0);
	memcpy(one.top, base.top, sizeof(one.top));
	cr_expect_eq(lxe_snapshots_add(&list, &one), 0);
	cr_expect_eq(lxe_snapshots_write(s.box, &list), 0);
	write_file(&s, "two");
	cr_expect_eq(lxe_layer_freeze(s.layers, s.box, OWNER, &base), 0);
	cr_expect_eq(sweep(&s, false), 0);
	cr_expect_eq(lxe_base_write(s.box, &none), 0);
	cr_expect_eq(sweep(&s, false), 1);
	cr_expect(!exists(s.layers, base.top, "rw"));
	cr_expect(exists(s.layers, one.top, "rw/u/one"));
	/* What cannot be understood keeps everything. */
	cr_expect_eq(lxe_sandbox_put(s.box, LXE_SANDBOX_BASE, "what\n", 5), 0);
	cr_expect_lt(sweep(&s, false), 0);
	cr_expect(exists(s.layers, one.top, "rw/u/one"));
	cr_expect_eq(lxe_base_write(s.box, &none), 0);
	list.n = 0;
	cr_expect_eq(lxe_snapshots_write(s.box, &list), 0);
	cr_expect_eq(sweep(&s, true), 1);
	lxe_snapshots_release(&list);
	tear_down(&s);
}

Test(layers, names_are_read_as_they_were_written)
{
	static const char *const names[] = { "a", "with spaces in it ", "\xc3\xa4 \xe2\x98\x83",
		"-" };
	struct lxe_snapshots list = { 0 }, seen = { 0 };
	struct store s;

	set_up(&s);
	cr_expect_eq(lxe_snapshots_read(s.box, &seen), 0);
	cr_expect_eq(seen.n, 0);
	for (size_t i = 0; i < 4; i++) {
		struct lxe_snapshot one = { .made_ms = i * 1000000007u };

		snprintf(one.name, sizeof(one.name), "%s", names[i]);
		if (i % 2)
			cr_expect_eq(lxe_id_new(one.top), 0);
		cr_expect_eq(lxe_snapshots_add(&list, &one), 0);
	}
	cr_expect_eq(lxe_snapshots_write(s.box, &list), 0);
	cr_expect_eq(lxe_snapshots_read(s.box, &seen), 0);
	cr_assert_eq(seen.n, 4);
	for (size_t i = 0; i < 4; i++) {
		cr_expect_str_eq(seen.v[i].name, names[i]);
		cr_expect_str_eq(seen.v[i].top, list.v[i].top);
		cr_expect_eq(seen.v[i].made_ms, list.v[i].made_ms);
	}
	cr_expect_null(lxe_snapshots_find(&seen, "none"));
	cr_expect_eq(lxe_snapshots_find(&seen, "-"), &seen.v[3]);
	lxe_snapshots_release(&seen);
	lxe_snapshots_release(&list);
	tear_down(&s);
}

Test(layers, refuses_what_it_has_not_written)
{
	static const char *const bases[] = { "", "\n", "0123\n", "0123456789aB\n",
		"../../../etc\n" };
	static const char *const lists[] = { "", "\n", "x", "- 1 a", "- x a\n", "- 1 \n", "- 1\n",
		"0123456789ab -1 a\n", "- 1 a\n\n" };
	struct lxe_snapshots seen = { 0 };
	struct lxe_base base;
	struct store s;

	set_up(&s);
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		cr_assert_eq(
			lxe_sandbox_put(s.box, LXE_SANDBOX_BASE, bases[i], strlen(bases[i])), 0);
		cr_expect_eq(lxe_base_read(s.box, &base), -EBADMSG, "%s", bases[i]);
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		cr_assert_eq(
			lxe_sandbox_put(s.box, LXE_SANDBOX_SNAPSHOTS, lists[i], strlen(lists[i])),
			0);
		cr_expect_eq(lxe_snapshots_read(s.box, &seen), -EBADMSG, "%zu", i);
	}
	tear_down(&s);
}
