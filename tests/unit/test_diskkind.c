#include <criterion/criterion.h>
#include <string.h>

#include "rootfs/diskkind.h"

static unsigned char head[LXE_DISK_HEAD];

static struct lxe_diskkind with(size_t at, const char *bytes, size_t len)
{
	memset(head, 0, sizeof(head));
	memcpy(head + at, bytes, len);
	return lxe_diskkind_of(head, sizeof(head));
}

Test(diskkind, the_three_that_are_mounted)
{
	struct lxe_diskkind k = with(1080, "\x53\xef", 2);

	cr_assert_str_eq(k.type, "ext4");
	cr_assert(!k.read_only && !k.unclean);
	head[1024 + 0x60] = 4;
	k = lxe_diskkind_of(head, sizeof(head));
	cr_assert(k.unclean);
	k = with(0, "hsqs", 4);
	cr_assert_str_eq(k.type, "squashfs");
	cr_assert(k.read_only && !k.unclean);
	k = with(1024, "\xe2\xe1\xf5\xe0", 4);
	cr_assert_str_eq(k.type, "erofs");
	cr_assert(k.read_only);
}

Test(diskkind, what_else_there_is_has_a_name)
{
	cr_assert_str_eq(with(0, "XFSB", 4).what, "an xfs");
	cr_assert_null(with(0, "XFSB", 4).type);
	cr_assert_str_eq(with(510, "\x55\xaa", 2).what, "a disk with partitions");
	cr_assert_str_eq(with(LXE_DISK_HEAD - 4, "abcd", 4).what, "nothing that is known here");
	cr_assert_str_eq(with(0, "", 0).what, "nothing but zeros where a file system begins");
	cr_assert_str_eq(lxe_diskkind_of(head, 0).what, "an empty file");
}

/* A boot sector may stand before a file system; a short file has no more than it has. */
Test(diskkind, every_prefix_is_read_within_its_bounds)
{
	struct lxe_diskkind k = with(1080, "\x53\xef", 2);

	memcpy(head + 510, "\x55\xaa", 2);
	k = lxe_diskkind_of(head, sizeof(head));
	cr_assert_str_eq(k.type, "ext4");
	for (size_t len = 0; len < 1200; len++) {
		unsigned char *part = malloc(len ? len : 1);

		memcpy(part, head, len);
		k = lxe_diskkind_of(part, len);
		cr_assert_eq(k.type != NULL, len >= 1024 + 0x64, "%zu", len);
		free(part);
	}
}
