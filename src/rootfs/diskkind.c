#include "rootfs/diskkind.h"

#include <string.h>

/* ext4's superblock: fs/ext4/ext4.h. */
#define EXT_MAGIC (1024 + 0x38)
#define EXT_INCOMPAT (1024 + 0x60)
#define EXT_RECOVER 0x4

/* Those that begin further in come first: a boot sector may stand before any of them. */
static const struct {
	size_t at;
	const char *bytes;
	unsigned char len;
	struct lxe_diskkind kind;
} kinds[] = {
	{ 0x10040, "_BHRfS_M", 8, { .what = "a btrfs" } },
	{ 0x8001, "CD001", 5, { .what = "an image of a CD (iso9660)" } },
	{ 4086, "SWAPSPACE2", 10, { .what = "swap space" } },
	{ EXT_MAGIC, "\x53\xef", 2, { .type = "ext4" } },
	{ 1024, "\xe2\xe1\xf5\xe0", 4, { .type = "erofs", .read_only = true } },
	{ 1024, "\x10\x20\xf5\xf2", 4, { .what = "an f2fs" } },
	{ 0, "hsqs", 4, { .type = "squashfs", .read_only = true } },
	{ 0, "XFSB", 4, { .what = "an xfs" } },
	{ 0, "QFI\xfb", 4, { .what = "a disk of qemu's (qcow2)" } },
	{ 0, "LUKS\xba\xbe", 6, { .what = "an encrypted disk (LUKS)" } },
	{ 257, "ustar", 5, { .what = "a tar archive" } },
	{ 0, "\x1f\x8b", 2, { .what = "compressed by gzip" } },
	{ 0, "\x28\xb5\x2f\xfd", 4, { .what = "compressed by zstd" } },
	{ 0,
		"\xfd"
		"7zXZ",
		5, { .what = "compressed by xz" } },
	{ 512, "EFI PART", 8, { .what = "a disk with partitions" } },
	{ 54, "FAT1", 4, { .what = "a FAT" } },
	{ 82, "FAT32", 5, { .what = "a FAT" } },
	{ 510, "\x55\xaa", 2, { .what = "a disk with partitions" } },
};

static bool is_zero(const unsigned char *head, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (head[i])
			return false;
	return true;
}

struct lxe_diskkind lxe_diskkind_of(const unsigned char *head, size_t len)
{
	if (len == 0)
		return (struct lxe_diskkind){ .what = "an empty file" };
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct lxe_diskkind found = kinds[i].kind;

		if (len < kinds[i].at + kinds[i].len ||
			memcmp(head + kinds[i].at, kinds[i].bytes, kinds[i].len) != 0)
			continue;
		if (kinds[i].at == EXT_MAGIC && len < EXT_INCOMPAT + 4)
			continue;
		if (kinds[i].at == EXT_MAGIC)
			found.unclean = head[EXT_INCOMPAT] & EXT_RECOVER;
		return found;
	}
	if (is_zero(head, len))
		return (struct lxe_diskkind){
			.what = "nothing but zeros where a file system begins"
		};
	return (struct lxe_diskkind){ .what = "nothing that is known here" };
}
