/*
 * getuid(2) for liblxc: the executable's stands before the C library's (ld.so(8)).
 *
 * The first process of a container runs liblxc's lxc_ambient_caps_up(), which does nothing when
 * getuid() is 0 or geteuid() is not. In a new user namespace neither is 0 until the monitor writes
 * the map, which it does at that very moment. When the container's root is the keeper's, as an
 * ordinary user's is, and the map comes between the two calls, the answers are those of a program
 * that is setuid root: it raises all capabilities, for good, and then gives free(3) what is
 * libcap's, which aborts (liblxc 5.0.2; one of 8000 runs).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/cleanup.h"

static uid_t real_uid(void)
{
	uid_t real = 0, effective, saved;

	getresuid(&real, &effective, &saved);
	return real;
}

/* A map is written once, so it is not for long, user_namespaces(7). */
static bool nobody_has_an_id(void)
{
	const int saved = errno;
	LXE_AUTOCLOSE int map = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	char byte;
	bool so = map >= 0 && read(map, &byte, 1) == 0;

	errno = saved;
	return so;
}

/* As the C library's; but where nobody has an id yet whoever asks is root, as he soon will be. */
__attribute__((visibility("default"))) uid_t getuid(void)
{
	const uid_t uid = real_uid();

	if (uid == 0 || nobody_has_an_id())
		return 0;
	/* It may have been written since. */
	return real_uid();
}
