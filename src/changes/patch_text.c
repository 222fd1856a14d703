#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "changes/patch.h"
#include "sys/fd.h"

/* As git tells text from data. */
#define LOOK 8000
#define LARGE (512L * 1024 * 1024)

/* ---- names, as git writes them ---- */

static bool is_plain(const char *path)
{
	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\')
			return false;
	return true;
}

static void put_name(FILE *out, const char *side, const char *path)
{
	if (is_plain(path)) {
		fprintf(out, "%s%s", side, path);
		return;
	}
	fprintf(out, "\"%s", side);
	for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < 0x20 || *p >= 0x7f)
			fprintf(out, "\\%03o", *p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}

void lxe_patch_begin(FILE *out, const char *path)
{
	fputs("diff --git ", out);
	put_name(out, "a/", path);
	fputc(' ', out);
	put_name(out, "b/", path);
	fputc('\n', out);
}

/* A name with a blank in it ends at a tab. */
static void put_side(FILE *out, const char *sign, const char *side, const char *path)
{
	fprintf(out, "%s ", sign);
	if (side)
		put_name(out, side, path);
	else
		fputs("/dev/null", out);
	fputs(side && strchr(path, ' ') ? "\t\n" : "\n", out);
}

void lxe_patch_sides(FILE *out, const char *path, bool before, bool after)
{
	put_side(out, "---", before ? "a/" : NULL, path);
	put_side(out, "+++", after ? "b/" : NULL, path);
}

void lxe_patch_binary(FILE *out, const char *path, bool before, bool after)
{
	fputs("Binary files ", out);
	put_name(out, before ? "a/" : "", before ? path : "/dev/null");
	fputs(" and ", out);
	put_name(out, after ? "b/" : "", after ? path : "/dev/null");
	fputs(" differ\n", out);
}

/* ---- a whole file, line by line ---- */

int lxe_patch_is_binary(int fd)
{
	char buf[LOOK];
	struct stat st;
	ssize_t n;

	/* diff(1) has it all in memory, and a sandbox may write any number of holes. */
	if (fstat(fd, &st) == 0 && st.st_size > LARGE)
		return 1;
	n = pread(fd, buf, sizeof(buf), 0);
	return n < 0 ? -errno : n > 0 && memchr(buf, 0, (size_t)n) != NULL;
}

struct count {
	size_t lines;
	bool open; /* the last one has no end */
};

static void put_block(FILE *out, char sign, const char *buf, size_t n, struct count *count)
{
	while (n) {
		const char *end = memchr(buf, '\n', n);
		size_t len = end ? (size_t)(end - buf) + 1 : n;

		if (!count->open) {
			count->lines++;
			if (out)
				fputc(sign, out);
		}
		if (out)
			fwrite(buf, 1, len, out);
		count->open = !end;
		buf += len;
		n -= len;
	}
}

/* Without `out` it is only counted. */
static int put_lines(FILE *out, char sign, int fd, struct count *count)
{
	char buf[64 * 1024];
	ssize_t n;

	*count = (struct count){ 0 };
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	while ((n = sys_read(fd, buf, sizeof(buf))) > 0 && !(out && ferror(out)))
		put_block(out, sign, buf, (size_t)n, count);
	if (n == 0 && out && count->open)
		fputs("\n\\ No newline at end of file\n", out);
	return n < 0 ? (int)n : 0;
}

static void put_range(FILE *out, const char *before, size_t lines, const char *after)
{
	fputs(before, out);
	if (lines == 1)
		fputs("1", out);
	else
		fprintf(out, "1,%zu", lines);
	fputs(after, out);
}

int lxe_patch_whole(FILE *out, const char *path, bool added, int fd)
{
	struct count count;
	int r = lxe_patch_is_binary(fd);

	if (r > 0)
		lxe_patch_binary(out, path, !added, added);
	if (r != 0)
		return r < 0 ? r : 0;
	r = put_lines(NULL, 0, fd, &count);
	if (r < 0)
		return r;
	/* Nothing else says that it comes or goes: this is how git names what is empty. */
	if (count.lines == 0)
		fputs(added ? "index 0000000..e69de29\n" : "index e69de29..0000000\n", out);
	if (count.lines == 0)
		return 0;
	lxe_patch_sides(out, path, !added, added);
	if (added)
		put_range(out, "@@ -0,0 +", count.lines, " @@\n");
	else
		put_range(out, "@@ -", count.lines, " +0,0 @@\n");
	return put_lines(out, added ? '+' : '-', fd, &count);
}
