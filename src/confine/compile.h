/*
 * From rules to the kernel's filter: for each architecture the rules that look at arguments, denials
 * first, and then a table of whole calls. libseccomp gives the numbers of the calls; its own compiler
 * can neither order rules nor except an argument from what it allows, makes filters five times as long,
 * and takes time without end for some fifty comparisons (docs/adr/0010).
 */
#ifndef LXE_CONFINE_COMPILE_H
#define LXE_CONFINE_COMPILE_H

#include <stdint.h>

#include "confine/confine.h"
#include "confine/rules.h"

/* Compile; the caller releases *ret (lxe_filter_release()). */
int lxe_compile(struct lxe_filter *ret, const struct lxe_rules *rules, struct lxe_err *err);

/* What would be denied is logged, and happens. */
void lxe_compile_log(struct lxe_filter *filter);

/*
 * What is permitted is asked for first (SECCOMP_RET_USER_NOTIF), but for what the command's own process
 * has to do behind the filter until its execve: lxe_compile_always(), which ends with NULL.
 */
int lxe_compile_learn(struct lxe_filter *filter);
const char *const *lxe_compile_always(void);

/* The name of a call as notifications tell it (AUDIT_ARCH_… and its number), allocated; or NULL. */
char *lxe_compile_name(uint32_t arch, int number);

#endif
