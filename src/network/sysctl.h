/*
 * The kernel's settings of the network: files of /proc/sys/net, of the namespace of whoever opens them. A value is one
 * character. While somebody changes any device, the kernel has a writer of most of them try again and again instead of
 * letting him sleep: what is so already is not written.
 */
#ifndef LXE_NETWORK_SYSCTL_H
#define LXE_NETWORK_SYSCTL_H

/* The value, or a negative errno: -ENOENT where there is no such device, family or setting. */
int lxe_sysctl_read(const char *path);

int lxe_sysctl_set(const char *path, int value);

#endif
