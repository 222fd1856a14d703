/* What a sandbox's directory says of it: the record, the state, the name. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "proto/record.h"
#include "store/live.h"
#include "store/names.h"
#include "store/sandbox.h"
#include "sys/tree.h"

static char base[] = "/tmp/lxe-record-XXXXXX";
static struct lxe_dirs dirs;
static struct lxe_err err;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(base));
	lxe_format(dirs.state, sizeof(dirs.state), "%s/state", base);
	lxe_format(dirs.run, sizeof(dirs.run), "%s/run", base);
}

static void tear_down(void)
{
	cr_assert_eq(sys_tree_remove(AT_FDCWD, base), 0);
}

TestSuite(record, .init = set_up, .fini = tear_down);

static struct lxe_record sample(void)
{
	struct lxe_record r = { .id = "0123456789ab",
		.name = "b\xc3\xb6x",
		.keep = true,
		.owner = 4000000000u,
		.creator = 77,
		.origin = "\xff bytes",
		.created_at_ms = 1234567890123,
		.boot = "01234567-89ab-cdef-0123-456789abcdef" };

	memset(r.nonce, 0xa5, sizeof(r.nonce));
	r.spec = (unsigned char *)strdup("spec");
	r.spec_len = 4;
	return r;
}

Test(record, comes_back_as_it_was)
{
	struct lxe_record in = sample(), out;
	unsigned char *bytes, *again;
	size_t len, len_again;

	cr_assert_eq(lxe_record_encode(&in, &bytes, &len), 0);
	cr_assert_eq(lxe_record_decode(&out, bytes, len), 0);
	cr_assert_eq(lxe_record_encode(&out, &again, &len_again), 0);
	cr_assert_eq(len, len_again);
	cr_assert_arr_eq(bytes, again, len);
	cr_assert_str_eq(out.name, in.name);
	cr_assert_eq(out.owner, in.owner);
	cr_assert(out.keep);
	lxe_record_release(&in);
	lxe_record_release(&out);
	free(bytes);
	free(again);
}

Test(record, cut_short_or_changed_is_refused)
{
	struct lxe_record in = sample(), out;
	unsigned char *bytes;
	size_t len;

	cr_assert_eq(lxe_record_encode(&in, &bytes, &len), 0);
	for (size_t n = 0; n < len; n++)
		cr_assert_eq(lxe_record_decode(&out, bytes, n), -EBADMSG, "%zu", n);
	bytes[5] = 99;
	cr_assert_eq(lxe_record_decode(&out, bytes, len), -EPROTONOSUPPORT);
	lxe_record_release(&in);
	free(bytes);
}

Test(record, the_state_is_whole_or_refused)
{
	struct lxe_live live = { .state = 3, .keeper = 5, .pid = 6, .expires_at_ms = 9 }, got;
	int dir = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	cr_assert_eq(lxe_live_read(dir, &got), -ENOENT);
	fd = lxe_live_open(dir);
	cr_assert_geq(fd, 0);
	cr_assert_eq(lxe_live_read(dir, &got), -EBADMSG);
	cr_assert_eq(lxe_live_write(fd, &live), 0);
	cr_assert_eq(lxe_live_read(dir, &got), 0);
	cr_assert_eq(got.pid, 6);
	cr_assert_eq(pwrite(fd, "x", 1, 12), 1);
	cr_assert_eq(lxe_live_read(dir, &got), -EBADMSG);
	cr_assert_eq(lxe_live_write(fd, &live), 0);
	cr_assert_eq(pwrite(fd, "\x63", 1, 4), 1);
	cr_assert_eq(lxe_live_read(dir, &got), -EPROTONOSUPPORT);
	cr_assert_eq(ftruncate(fd, 20), 0);
	close(fd);
	close(dir);
}

Test(record, a_name_is_free_when_its_sandbox_is_gone)
{
	struct lxe_sandbox box;
	char id[LXE_ID_LEN + 1], path[PATH_MAX];

	cr_assert_eq(lxe_sandbox_new(&box, dirs.state, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_name_take(&dirs, "box", box.id, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_name_take(&dirs, "box", "aaaaaaaaaaaa", &err), -EEXIST);
	cr_assert_eq(lxe_name_look_up(&dirs, "box", id), 0);
	cr_assert_str_eq(id, box.id);
	/* Somebody else's is not dropped. */
	cr_assert_eq(lxe_name_path(&dirs, "box", path, sizeof(path)), 0);
	cr_assert_eq(lxe_name_drop(path, "aaaaaaaaaaaa"), 0);
	cr_assert_eq(lxe_name_look_up(&dirs, "box", id), 0);
	cr_assert_eq(lxe_sandbox_remove(&box), 0);
	lxe_sandbox_release(&box);
	cr_assert_eq(lxe_name_take(&dirs, "box", "aaaaaaaaaaaa", &err), 0);
	cr_assert_eq(lxe_name_drop(path, "aaaaaaaaaaaa"), 0);
	cr_assert_eq(lxe_name_drop(path, "aaaaaaaaaaaa"), 0);
	cr_assert_eq(lxe_name_look_up(&dirs, "box", id), -ENOENT);
}

Test(record, what_ends_with_its_owner_frees_its_name_with_it)
{
	struct lxe_sandbox box;

	cr_assert_eq(lxe_sandbox_new(&box, dirs.run, &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_name_take(&dirs, "box", box.id, &err), 0);
	cr_assert_eq(lxe_name_take(&dirs, "box", "aaaaaaaaaaaa", &err), -EEXIST);
	lxe_sandbox_release(&box);
	cr_assert_eq(lxe_name_take(&dirs, "box", "aaaaaaaaaaaa", &err), 0);
}
