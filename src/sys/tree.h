/*
 * Directory trees: removal and size. Never follows a symlink and never leaves the filesystem that
 * the tree's own directory is on. Blocks for as long as the tree is large.
 */
#ifndef LXE_SYS_TREE_H
#define LXE_SYS_TREE_H

#include <stdint.h>

#define SYS_TREE_DEPTH_MAX 256

/*
 * Remove what `name` below `at` names: a tree, a file or a symlink. Absent is success. -EXDEV when
 * something is mounted in it (the rest is removed), -ELOOP when it is too deep.
 */
int sys_tree_remove(int at, const char *name);

/* The bytes that the tree below `at` takes on disk; hard links count once per name. */
int sys_tree_size(int at, const char *name, uint64_t *ret);

#endif
