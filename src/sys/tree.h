/*
 * Directory trees: removal and size. Never follows a symlink and never leaves the filesystem that
 * the tree's own directory is on. Blocks for as long as the tree is large.
 */
#ifndef LXE_SYS_TREE_H
#define LXE_SYS_TREE_H

#include <stdint.h>
#include <sys/stat.h>

#define SYS_TREE_DEPTH_MAX 256

/*
 * Do something with each entry, children before their directory; `st` was taken without following. It goes on after a
 * failure and returns the first. -ELOOP when the tree is too deep.
 */
typedef int (*sys_tree_visit)(void *arg, int at, const char *name, const struct stat *st);
int sys_tree_walk(int at, const char *name, sys_tree_visit visit, void *arg);

/*
 * Remove what `name` below `at` names: a tree, a file or a symlink. Absent is success. -EXDEV when
 * something is mounted in it (the rest is removed). Of a tree of any depth.
 */
int sys_tree_remove(int at, const char *name);

/* The bytes that the tree below `at` takes on disk; hard links count once per name. */
int sys_tree_size(int at, const char *name, uint64_t *ret);

#endif
