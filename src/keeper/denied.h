/*
 * Paths of a sandbox: what they lead to, and which --deny covers them. For messages only; nothing is decided
 * by it.
 */
#ifndef LXE_KEEPER_DENIED_H
#define LXE_KEEPER_DENIED_H

struct lxe_keeper;

/* The text of the --deny that puts the path out of reach; NULL: none. */
const char *lxe_denied_by(const struct lxe_keeper *k, const char *path);

/* One that keeps the sandbox's own checks from a file below /proc, /sys or /dev; NULL: none. */
const char *lxe_denied_to_us(const struct lxe_keeper *k);

#endif
