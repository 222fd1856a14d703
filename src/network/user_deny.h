/*
 * What keeps an ordinary user's sandbox from clouds' metadata: slirp4netns(1) and pasta(1) have nothing that denies. Routes
 * that refuse at once, and for packets that are made by hand, or for a device, rules where they leave, in the network
 * namespace of the sandbox: whoever has no CAP_NET_ADMIN there cannot take them away. Owns nothing, blocks nowhere.
 */
#ifndef LXE_NETWORK_USER_DENY_H
#define LXE_NETWORK_USER_DENY_H

/*
 * In the calling process's network namespace, which is the sandbox's and has the device; nothing outside it. Negative: what is
 * denied may be reached, in part or all of it. Before Linux 5.16, or without nf_tables, -EOPNOTSUPP or the like.
 */
int lxe_user_deny(const char *device);

#endif
