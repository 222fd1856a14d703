/*
 * Ownership by attribute: what a function has acquired is given back when the variable goes out of
 * scope, unless take_fd() or take_ptr() has published it. Closing keeps errno.
 */
#ifndef LXE_BASE_CLEANUP_H
#define LXE_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Linux frees the descriptor whatever close(2) returns, so it is never retried. */
static inline void lxe_close(int fd)
{
	int saved = errno;

	if (fd >= 0)
		close(fd);
	errno = saved;
}

static inline void lxe_autoclose(int *fd)
{
	lxe_close(*fd);
}

static inline void lxe_autofree(void *p)
{
	free(*(void **)p);
}

#define LXE_AUTOCLOSE __attribute__((cleanup(lxe_autoclose)))
#define LXE_AUTOFREE __attribute__((cleanup(lxe_autofree)))

/* Hand over a descriptor: the variable holds -EBADF afterwards. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

/* Close a descriptor that lives in a struct, once. */
static inline void lxe_drop_fd(int *fd)
{
	lxe_close(take_fd(fd));
}

#define take_ptr(p)                     \
	({                              \
		typeof(p) taken_ = (p); \
		(p) = NULL;             \
		taken_;                 \
	})

#endif
