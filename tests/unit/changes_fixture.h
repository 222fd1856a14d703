/*
 * Two directories as an overlay leaves them, made by hand, and a list of changes as text.
 */
#ifndef LXE_TESTS_CHANGES_FIXTURE_H
#define LXE_TESTS_CHANGES_FIXTURE_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "changes/changes.h"
#include "sys/tree.h"

struct world {
	char path[64];
	int top, lower, upper;
	struct lxe_cow_layer layer;
};

static int open_dir(int at, const char *name)
{
	return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct world world_new(void)
{
	struct world w = { .path = "/var/tmp/lxe-test-changes-XXXXXX" };
	struct timespec same[2] = { { 1000000000, 5 }, { 1000000000, 5 } };

	umask(022);
	cr_assert_not_null(mkdtemp(w.path));
	w.top = open_dir(AT_FDCWD, w.path);
	mkdirat(w.top, "lower", 0755);
	mkdirat(w.top, "upper", 0755);
	w.lower = open_dir(w.top, "lower");
	w.upper = open_dir(w.top, "upper");
	cr_assert_geq(w.upper, 0);
	futimens(w.lower, same);
	futimens(w.upper, same);
	w.layer = (struct lxe_cow_layer){
		.lower = w.lower,
		.upper = w.upper,
		.record = openat(w.top, "record", O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.where = "/src",
	};
	return w;
}

/* Removing what is nested too deeply for us takes more than one go. */
static void world_free(struct world *w)
{
	char command[128];

	close(w->top), close(w->lower), close(w->upper), close(w->layer.record);
	snprintf(command, sizeof(command), "rm -rf %s", w->path);
	cr_assert_eq(system(command), 0);
}

static void write_file(int at, const char *name, const char *text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

__attribute__((unused)) static void whiteout(int at, const char *name)
{
	cr_assert_eq(mknodat(at, name, S_IFCHR, makedev(0, 0)), 0);
}

__attribute__((unused)) static void set_time(int at, const char *name, struct timespec t)
{
	cr_assert_eq(utimensat(at, name, (struct timespec[]){ t, t }, AT_SYMLINK_NOFOLLOW), 0);
}

__attribute__((unused)) static void set_xattr(
	int at, const char *name, const char *key, const void *value, size_t size)
{
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);

	cr_assert_eq(fsetxattr(fd, key, value, size, 0), 0, "%s", key);
	close(fd);
}

__attribute__((unused)) static struct lxe_change *entry(struct lxe_changes *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].path, path) == 0)
			return &c->v[i];
	cr_assert_fail("no entry for %s", path);
	return NULL;
}

/* One line for each change that is shown: letter, path, and what of it if that is all. */
__attribute__((unused)) static void expect(const struct world *w, const char *wanted)
{
	struct lxe_changes c = { 0 };
	struct lxe_err err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	cr_assert_eq(lxe_changes_scan(&c, &w->layer, &err), 0, "%s", err.msg);
	for (size_t i = 0; i < c.n; i++) {
		if (c.v[i].kind == LXE_CHANGE_NONE)
			continue;
		fprintf(out, "%c %s", "ADMTm"[c.v[i].kind], c.v[i].path);
		if (c.v[i].kind == LXE_CHANGE_META)
			fprintf(out, " %u", c.v[i].what);
		fputc('\n', out);
	}
	fclose(out);
	cr_assert_str_eq(text, wanted);
	free(text);
	lxe_changes_release(&c);
}

#endif
