#include "container/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/fd.h"
#include "sys/proc.h"

#define TELL_MS 200
#define MIB (1024u * 1024u)

static const char *const gzip[] = { "gzip", "-dc", NULL };
static const char *const xz[] = { "xz", "-dc", NULL };
static const char *const zstd[] = { "zstd", "-dcq", NULL };
static const char *const bzip2[] = { "bzip2", "-dc", NULL };

static const struct {
	const char *magic;
	size_t len;
	const char *const *argv;
	const char *package;
} kinds[] = {
	{ "\x1f\x8b", 2, gzip, "gzip" },
	{ "\xfd\x37zXZ", 6, xz, "xz-utils" }, /* with the zero that ends the string */
	{ "\x28\xb5\x2f\xfd", 4, zstd, "zstd" },
	{ "BZh", 3, bzip2, "bzip2" },
};

int lxe_feed_begin(struct lxe_feed *feed, int input)
{
	ssize_t n;

	*feed = (struct lxe_feed){ .input = input };
	while (feed->n < sizeof(feed->head)) {
		n = sys_read(input, feed->head + feed->n, sizeof(feed->head) - feed->n);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		feed->n += (size_t)n;
	}
	return 0;
}

const char *const *lxe_feed_unpacker(const struct lxe_feed *feed, const char **package)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (feed->n < kinds[i].len || memcmp(feed->head, kinds[i].magic, kinds[i].len) != 0)
			continue;
		*package = kinds[i].package;
		return kinds[i].argv;
	}
	return NULL;
}

static void tell(uint64_t done, uint64_t total)
{
	char line[96];
	int n;

	if (total)
		n = snprintf(line, sizeof(line),
			"read %" PRIu64 " of %" PRIu64 " MiB (%" PRIu64 " %%)\r", done / MIB,
			total / MIB, done * 100 / total);
	else
		n = snprintf(line, sizeof(line), "read %" PRIu64 " MiB\r", done / MIB);
	(void)sys_write(STDERR_FILENO, line, (size_t)n);
}

int lxe_feed_main(void *arg)
{
	struct lxe_feed *feed = arg;
	uint64_t done = feed->n, told = sys_now_ms();
	struct stat st = { 0 };
	char buf[65536];
	ssize_t n;
	int r;

	if (fstat(feed->input, &st) < 0 || !S_ISREG(st.st_mode))
		st.st_size = 0;
	r = sys_write_all(STDOUT_FILENO, feed->head, feed->n);
	while (r == 0 && (n = sys_read(feed->input, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return (int)n;
		r = sys_write_all(STDOUT_FILENO, buf, (size_t)n);
		done += (uint64_t)n;
		if (sys_now_ms() - told < TELL_MS)
			continue;
		told = sys_now_ms();
		tell(done, (uint64_t)st.st_size);
	}
	return r;
}
