/*
 * The parts of a patch as git writes them: names, and files that come or go as a whole. Private to src/changes.
 */
#ifndef LXE_CHANGES_PATCH_H
#define LXE_CHANGES_PATCH_H

#include <stdbool.h>
#include <stdio.h>

/* "diff --git a/PATH b/PATH" */
void lxe_patch_begin(FILE *out, const char *path);

/* The lines before the first hunk; a side that is not there is /dev/null. */
void lxe_patch_sides(FILE *out, const char *path, bool before, bool after);
void lxe_patch_binary(FILE *out, const char *path, bool before, bool after);

/* 1: data, 0: text, or a negative errno. */
int lxe_patch_is_binary(int fd);

/* What a file holds as one hunk of lines that come or go. */
int lxe_patch_whole(FILE *out, const char *path, bool added, int fd);

#endif
