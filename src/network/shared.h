/*
 * What all sandboxes of a network namespace share: files and sockets that are called
 * RUN/network/<inode of the namespace>.WHAT.
 */
#ifndef LXE_NETWORK_SHARED_H
#define LXE_NETWORK_SHARED_H

#include "base/err.h"

#define LXE_NET_SHARED_NAME 40

/* Where they are: a descriptor. The directory is made when it is missing. */
int lxe_net_shared_dir(const char *run, struct lxe_err *err);

/* What one is called there. */
int lxe_net_shared_name(char buf[LXE_NET_SHARED_NAME], const char *what);

/* A file, made when it is missing: a descriptor. */
int lxe_net_shared_open(const char *run, const char *what, struct lxe_err *err);

#endif
