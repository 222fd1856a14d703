/*
 * Which boot of the kernel this is.
 */
#ifndef LXE_SYS_BOOT_H
#define LXE_SYS_BOOT_H

#define SYS_BOOT_ID_LEN 36

/* As random(4) has it: 0, or a negative errno and nothing is touched. */
int sys_boot_id(char boot[SYS_BOOT_ID_LEN + 1]);

#endif
