/*
 * The settings of network devices for IPv6, which netlink does not set: files of /proc/sys/net, of the namespace of whoever
 * opens them. A value is one character. While somebody changes any device, the kernel has a writer try again
 * and again instead of letting him sleep: what is so already is not written.
 */
#ifndef LXE_NETWORK_CONF6_H
#define LXE_NETWORK_CONF6_H

#define LXE_CONF6_DEFAULT \
	"default" /* instead of a device: what new ones begin with; newer kernels wait for nobody there */
#define LXE_CONF6_OFF "disable_ipv6"

/* The value, or a negative errno; -ENOENT also when the kernel has no IPv6. */
int lxe_conf6_read(const char *device, const char *what);

int lxe_conf6_set(const char *device, const char *what, int value);

/* The same for whoever knows what it is now. A negative `now` is what comes back. */
int lxe_conf6_change(const char *device, const char *what, int now, int value);

#endif
