/*
 * What the client does for the system call filter: the files that the caller has named, profile and
 * what is learnt, are read and opened with the caller's rights and from his directory, before anything
 * is started.
 */
#ifndef LXE_CLIENT_SECCOMP_H
#define LXE_CLIENT_SECCOMP_H

#include "policy/spec.h"

/* Read and check the profile that the spec names: *ret is its text (the caller's), or NULL: built in. */
int lxe_client_read_seccomp(char **ret, const struct lxe_spec *spec, struct lxe_err *err);

/* The file that gets what is learnt, as it is until then; *ret is left alone when none is asked for. */
int lxe_client_open_learn(int *ret, const struct lxe_spec *spec, struct lxe_err *err);

#endif
