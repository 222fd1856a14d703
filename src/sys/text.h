/* The pages of programs and libraries: what is only read can be read again. */
#ifndef LXE_SYS_TEXT_H
#define LXE_SYS_TEXT_H

#define SYS_REST_MS 250 /* most commands have ended by then: one that has not goes on for longer */

/*
 * Unmap what was read so far of the program's file and its libraries' and is never written: what is
 * used once more is mapped again then (madvise(2), MADV_DONTNEED). A debugger's breakpoints are
 * lost with it. Not of files that have `but` in their path; NULL: of all.
 */
void sys_drop_text(const char *but);

#endif
