/*
 * What a command may do: capabilities, no_new_privs and the system call filter. The filter is
 * compiled once by libseccomp (the only place that knows it) and cached as BPF; the child installs
 * it itself and looks whether it is in force. Functions named _child run between fork and exec and
 * use async-signal-safe calls only.
 */
#ifndef LXE_CONFINE_CONFINE_H
#define LXE_CONFINE_CONFINE_H

#include <linux/filter.h>

#include "base/err.h"

struct lxe_filter {
	struct sock_filter *instructions; /* owned */
	unsigned short n;
};

/*
 * The default filter: from STATE/cache when this build has compiled it before, else compiled and
 * cached (a cache that cannot be written is no error). Release with lxe_filter_release().
 */
int lxe_filter_load(struct lxe_filter *ret, const char *state, struct lxe_err *err);
void lxe_filter_release(struct lxe_filter *filter);

/*
 * Leave only the default capabilities, in the bounding, permitted and effective sets; none are
 * inheritable or ambient. Needs CAP_SETPCAP, so it comes before the user is changed.
 */
int lxe_capabilities_child(void);

/* no_new_privs (PR_SET_NO_NEW_PRIVS), read back. */
int lxe_no_new_privs_child(void);

/* Install the filter (needs no_new_privs) and read back that a filter is in force. */
int lxe_filter_child(const struct lxe_filter *filter);

#endif
