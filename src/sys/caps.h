/*
 * Capabilities of the kernel and of the calling thread (capabilities(7)), as masks of bits. Negative
 * errno on failure; all of it is async-signal-safe.
 */
#ifndef LXE_SYS_CAPS_H
#define LXE_SYS_CAPS_H

#include <stdint.h>

/* Those that this kernel has. */
uint64_t sys_caps_known(void);

/* Take everything but `keep` out of the bounding set, for good. Needs CAP_SETPCAP. */
int sys_caps_bound(uint64_t keep);

/* Permitted and effective; the inheritable and the ambient set become empty. */
int sys_caps_set(uint64_t caps);

/* In all four sets but the bounding one, so that a program which is executed keeps them. */
int sys_caps_set_ambient(uint64_t caps);

#endif
