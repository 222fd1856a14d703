/*
 * What several of doctor's files look at. Nothing here changes anything on the host: what is
 * mounted for a look is attached nowhere and ends with its descriptor.
 */
#ifndef LXE_CLI_DOCTOR_PROBE_H
#define LXE_CLI_DOCTOR_PROBE_H

#include <stdbool.h>

#define LXE_REMEDY_KERNEL "apt-get install linux-image-amd64, then reboot into it"

#define LXE_SUBUID_FILE "/etc/subuid"
#define LXE_SUBGID_FILE "/etc/subgid"

/* Can the filesystem of this directory be mounted with shifted owners? Needs root. */
int lxe_probe_idmap(const char *path);

/* Does this failure of lxe_probe_idmap() speak of the filesystem, and not of the attempt? */
bool lxe_probe_blames_filesystem(int r);

/* The name of the filesystem of a file, "unknown" when it cannot be found out. */
void lxe_probe_filesystem(const char *path, char *buf, unsigned int size);

#endif
