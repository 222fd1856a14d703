#include "container/waiter.h"

#include <errno.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "sys/proc.h"

int lxe_waiter_wait(const struct lxe_waiter *w, int fd, int timeout_ms)
{
	if (w && w->wait)
		return w->wait(w->arg, fd, timeout_ms);
	/* What it says of pidfds is true of every descriptor. */
	return sys_pidfd_wait(fd, timeout_ms);
}

int lxe_waiter_pause(const struct lxe_waiter *w, int ms)
{
	/* Never armed, never readable. */
	LXE_AUTOCLOSE int never = sys_timer();
	int r;

	if (never < 0)
		return never;
	r = lxe_waiter_wait(w, never, ms);
	return r == -ETIMEDOUT ? 0 : r;
}

void lxe_waiter_say(const struct lxe_waiter *w, const char *text, size_t len)
{
	if (w && w->say)
		w->say(w->arg, text, len);
}
