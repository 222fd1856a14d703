/*
 * What a command may do: capabilities, no_new_privs and the system call filter. The filter is
 * compiled once by libseccomp (the only place that knows it) and cached as BPF; the child installs
 * it itself and looks whether it is in force. Functions named _child run between fork and exec and
 * use async-signal-safe calls only.
 */
#ifndef LXE_CONFINE_CONFINE_H
#define LXE_CONFINE_CONFINE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct lxe_filter {
	struct sock_filter *instructions; /* owned */
	unsigned short n;		  /* 0: no filter is wanted */
	bool listens; /* its calls are asked for: whoever installs it gets a descriptor that tells them */
	bool kills; /* it ends a process for some call */
};

struct lxe_filter_how {
	const char *name; /* default, strict, unconfined; or what messages call the profile */
	const char *
		text; /* the profile, in the container engines' JSON format; NULL: a built-in one */
	size_t len;
	uint64_t caps; /* of the command's bounding set */
	bool log;      /* instead of denying */
	bool learn;    /* tell of every call that is permitted */
};

/*
 * The filter: from STATE/cache when this build has compiled it before, else compiled and cached (a
 * cache that cannot be written is no error). Release with lxe_filter_release().
 */
int lxe_filter_load(struct lxe_filter *ret, const char *state, const struct lxe_filter_how *how,
	struct lxe_err *err);
void lxe_filter_release(struct lxe_filter *filter);

struct lxe_rules;

/* The rules that it is compiled from; release with lxe_rules_release(). */
int lxe_filter_rules(struct lxe_rules *ret, const struct lxe_filter_how *how, struct lxe_err *err);

/* What is asked of one command. */
struct lxe_confinement {
	uint64_t caps; /* the bounding set, and root's permitted and effective set */
	bool root;     /* it runs as root inside: nobody else has any capability */
	bool new_privs;
	const struct lxe_filter *filter; /* without instructions: none */
	const struct lxe_watch *watch;	 /* confine/watch.h; NULL: what it is denied is not told */
	const char *apparmor;		 /* the profile to enter, or NULL (confine/apparmor.h) */
};

/*
 * What is permitted and effective until the execve. CAP_SYS_ADMIN among it is what a filter without
 * no_new_privs takes (seccomp(2)); as the bounding set lacks it, the execve takes it away
 * (capabilities(7)).
 */
uint64_t lxe_caps_until_exec(const struct lxe_confinement *c);

/*
 * Become permitted and effective what it is until the execve, and nothing inheritable or ambient.
 * The bounding set is limited before the user is changed, by sys_caps_bound().
 */
int lxe_capabilities_child(const struct lxe_confinement *c);

/* no_new_privs (PR_SET_NO_NEW_PRIVS), read back. */
int lxe_no_new_privs_child(void);

/*
 * Install the filter (needs no_new_privs or CAP_SYS_ADMIN); whether it is in force is looked at from
 * outside, as it need not permit to ask. 0, or the descriptor of one that listens.
 */
int lxe_filter_child(const struct lxe_filter *filter);

#endif
