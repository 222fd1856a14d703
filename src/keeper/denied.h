/*
 * Paths of a sandbox: what they lead to, and which --deny covers them. For messages only; nothing is decided
 * by it.
 */
#ifndef LXE_KEEPER_DENIED_H
#define LXE_KEEPER_DENIED_H

#include <limits.h>
#include <stdbool.h>

struct lxe_keeper;

/* Where symlinks lead, as far as the sandbox's files tell; else the path as it is, cut. */
void lxe_path_inside(char ret[PATH_MAX], const char *path);

/* Is it that path, or below it? Both absolute. */
bool lxe_path_is_in(const char *path, const char *dir);

/* The text of the --deny that puts the path out of reach; NULL: none. */
const char *lxe_denied_by(const struct lxe_keeper *k, const char *path);

/* One that keeps the sandbox's own checks from a file below /proc, /sys or /dev; NULL: none. */
const char *lxe_denied_to_us(const struct lxe_keeper *k);

#endif
