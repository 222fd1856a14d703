/*
 * futex(2) on a word that processes share. The one who waits looks at its condition again after
 * every return: it may have been woken for nothing.
 */
#ifndef LXE_SYS_FUTEX_H
#define LXE_SYS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * Block while the word is `value`, for at most timeout_us: 0 when woken, interrupted, or when the
 * word was another already; -ETIMEDOUT.
 */
int sys_futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t timeout_us);

void sys_futex_wake_all(_Atomic uint32_t *word);

#endif
