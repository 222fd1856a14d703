#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/mounts.h"

/* "kind src dst flags" of what a text means, or "- message". */
static const char *means(enum lxe_mount_kind kind, const char *text)
{
	static char said[2 * PATH_MAX];
	struct lxe_err err = { 0 };
	struct lxe_mount m = { 0 };

	if (lxe_mount_parse(&m, kind, text, &err) < 0) {
		cr_assert_neq(err.hint[0] + (strstr(err.msg, "second") != NULL), '\0', "%s", text);
		snprintf(said, sizeof(said), "- %s", err.msg);
		return said;
	}
	snprintf(said, sizeof(said), "%s %s%s%s %llu %o", m.src ? m.src : "-", m.dst,
		m.ro	? " ro"
		: m.cow ? " cow"
		: m.rw	? " rw"
			: "",
		m.unshifted ? " off" : "", (unsigned long long)m.size, m.mode);
	lxe_mount_release(&m);
	return said;
}

#define BIND(text, what) cr_assert_str_eq(means(LXE_MOUNT_BIND, text), what)
#define TMPFS(text, what) cr_assert_str_eq(means(LXE_MOUNT_TMPFS, text), what)
#define DISK(text, what) cr_assert_str_eq(means(LXE_MOUNT_DISK, text), what)
#define COPY(text, what) cr_assert_str_eq(means(LXE_MOUNT_FILE, text), what)

Test(mounts, a_bind_has_a_source_perhaps_a_place_and_words)
{
	BIND("/a", "/a /a 0 0");
	BIND("//a/./b//", "/a/b /a/b 0 0");
	BIND("/a:/b", "/a /b 0 0");
	BIND("/a:/b/:ro", "/a /b ro 0 0");
	BIND("/a:ro", "/a /a ro 0 0");
	BIND("/a:rw:shift=off", "/a /a off 0 0");
	BIND("/a:cow", "/a /a cow 0 0");
	BIND("/a:/b:shift=off:cow", "/a /b cow off 0 0");
	BIND("/a:/b:shift=off:ro", "/a /b ro off 0 0");
	BIND("/a\\:b:/c\\\\d\\e", "/a:b /c\\d\\e 0 0");
	BIND("/a b\nc", "/a b\nc /a b\nc 0 0");
	BIND("/...:/..a/b..", "/... /..a/b.. 0 0");
	BIND("/:/a", "/ /a 0 0");
	BIND("/usr/../usr/./bin/..", "/usr /usr 0 0");
}

Test(mounts, a_disk_has_a_place_and_words)
{
	DISK("/i:/d", "/i /d 0 0");
	DISK("/i:/d:ro", "/i /d ro 0 0");
	DISK("/i:/d:rw:shift=off", "/i /d rw off 0 0");
	DISK("/i", "- '' is no path inside");
	DISK("/i:ro", "- 'ro' is not an absolute path");
	DISK("/i:/d:cow", "- 'cow' is not known here");
	DISK("/i:/d:rw:ro", "- 'ro' says for a second time what may be done");
}

Test(mounts, what_is_wrong_is_said)
{
	BIND("", "- it has no source");
	BIND(":/a", "- it has no source");
	BIND("/", "- '/' would be all of the sandbox's files");
	BIND("/a:/./", "- '/./' would be all of the sandbox's files");
	BIND("/a:", "- '' is not known here");
	BIND("/a:b", "- 'b' is not known here");
	BIND("/a:/b:/c", "- '/c' is not known here");
	BIND("/a:/b/..", "- '/b/..' holds a '..'");
	BIND("/a:ro:rw", "- 'rw' says for a second time what may be done");
	BIND("/a:cow:ro", "- 'ro' says for a second time what may be done");
	TMPFS("/a:cow", "- 'cow' is not known here");
	BIND("/a:\x1b[2J", "- '\x1b[2J' is not known here");
	BIND("/a:/b:ro:a:b:c:d", "- '/a:/b:ro:a:b:c:d' has too many parts");
	BIND("/none/../a", "- find '/none/../a': no such file or directory");
	TMPFS("a", "- 'a' is not an absolute path");
	TMPFS("/a:size=1", "- 'size=1' is no size");
	TMPFS("/a:size=x", "- 'size=x' is no size");
	TMPFS("/a:ro", "- 'ro' is not known here");
	COPY("/a", "- '' is no path inside");
	COPY("/a:b", "- 'b' is not an absolute path");
	COPY("/a:/b:0", "- '0' is no mode");
	COPY("/a:/b:1777", "- '1777' is no mode");
	COPY("/a:/b:8", "- '8' is no mode");
	COPY("/a:/b:", "- '' is no mode");
	COPY("/:/", "- '/' would be all of the sandbox's files");
	COPY("/a:b/", "- 'b/a' is not an absolute path");
}

Test(mounts, tmpfs_and_files)
{
	TMPFS("/a", "- /a 536870912 0");
	TMPFS("/a:size=1M", "- /a 1048576 0");
	COPY("/a:/b", "/a /b 0 0");
	COPY("/a/c:/b/", "/a/c /b/c 0 0");
	COPY("/a/c/:/b//:600", "/a/c /b/c 0 600");
	COPY("/c:/", "/c /c 0 0");
	COPY("/a:/b:0640", "/a /b 0 640");
}

Test(mounts, a_relative_source_is_the_working_directorys)
{
	char cwd[PATH_MAX], wanted[2 * PATH_MAX + 32];

	cr_assert(getcwd(cwd, sizeof(cwd)));
	snprintf(wanted, sizeof(wanted), "%s/a %s/a 0 0", cwd, cwd);
	BIND("./a", wanted);
	snprintf(wanted, sizeof(wanted), "%s %s 0 0", cwd, cwd);
	BIND(".", wanted);
}

Test(mounts, one_place_shows_one_thing)
{
	struct lxe_mounts list = { 0 };
	struct lxe_mount m = { 0 };
	char text[32];

	for (int i = 0; i < LXE_MOUNTS_MAX; i++) {
		snprintf(text, sizeof(text), "/a:/%d", i);
		cr_assert_eq(lxe_mount_parse(&m, LXE_MOUNT_BIND, text, NULL), 0);
		cr_assert_eq(lxe_mounts_add(&list, &m, NULL), 0);
		cr_assert_null(m.dst);
	}
	cr_assert_eq(lxe_mount_parse(&m, LXE_MOUNT_TMPFS, "//7/.", NULL), 0);
	cr_assert_eq(lxe_mounts_add(&list, &m, NULL), -EEXIST);
	cr_assert_eq(lxe_mount_parse(&m, LXE_MOUNT_TMPFS, "/x", NULL), 0);
	cr_assert_eq(lxe_mounts_add(&list, &m, NULL), -E2BIG);
	lxe_mounts_release(&list);
}

static int decodes(const struct lxe_mount *m)
{
	struct lxe_mounts list = { .v = (struct lxe_mount *)m, .n = 1 }, back = { 0 };
	struct lxe_writer w = { 0 };
	struct lxe_reader reader;
	struct lxe_field f;
	int r;

	lxe_mounts_encode(&w, 9, &list);
	reader = (struct lxe_reader){ .p = w.buf, .left = w.len };
	cr_assert_eq(lxe_next_field(&reader, &f), 1);
	r = lxe_mounts_decode(&back, &f);
	lxe_mounts_release(&back);
	lxe_writer_release(&w);
	return r;
}

Test(mounts, what_was_not_parsed_is_not_taken_from_the_wire)
{
	struct lxe_mount good = { .kind = LXE_MOUNT_BIND, .src = "/a", .dst = "/b" }, bad = good;

	cr_assert_eq(decodes(&good), 0);
	for (size_t i = 0; i < 7; i++) {
		static char *const wrong[] = { "/", "b", "/b/", "/b//c", "/b/../c", "/./b", "" };

		bad.dst = wrong[i];
		cr_assert_eq(decodes(&bad), -EBADMSG, "%s", wrong[i]);
	}
	bad = good, bad.src = "a";
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad = good, bad.src = NULL;
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad = good, bad.kind = LXE_MOUNT_TMPFS;
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad = good, bad.kind = 7;
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad = good, bad.rw = true;
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad.kind = LXE_MOUNT_DISK;
	cr_assert_eq(decodes(&bad), 0);
	bad.ro = true;
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad = good, bad.cow = true;
	cr_assert_eq(decodes(&bad), 0);
	bad.ro = true;
	cr_assert_eq(decodes(&bad), -EBADMSG);
	bad = good, bad.mode = 01000;
	cr_assert_eq(decodes(&bad), -EBADMSG);
}
