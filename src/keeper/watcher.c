#include "keeper/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "confine/watch.h"
#include "keeper/denial.h"
#include "keeper/keeper.h"
#include "sys/fd.h"
#include "sys/notice.h"
#include "sys/proc.h"

/* Linux 6.6: whoever asks and whoever answers take turns on one processor. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define IN_TURNS 1UL

/* Looks in a second; calls beyond are only answered. The keeper's time is not limited like the sandbox's. */
#define LOOKS 10000

struct lxe_watcher {
	struct lxe_watcher *next;
	struct lxe_keeper *keeper;
	struct lxe_process *process; /* NULL: given back */
	int listener;
	struct lxe_source asked;
	uint64_t second; /* of the looks that are counted */
	unsigned int looks;
};

/* Where nobody at all may look into others, the listener cannot be had. */
static bool may_look(void)
{
	char text[8];

	return sys_read_file(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) <=
		       0 ||
	       text[0] != '3';
}

static bool is_wanted(const struct lxe_process *p)
{
	const struct lxe_filter *filter = &p->keeper->filter;

	if (p->spec.no_explain || (p->spec.verbose <= 0 && p->request.fds[LXE_FD_RESULT] < 0))
		return false;
	/* A process can have one listener; and without either of the two a filter cannot be had. */
	return !filter->listens && (filter->n || !p->spec.new_privs) && may_look();
}

const struct lxe_watch *lxe_watcher_prepare(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	if (!is_wanted(p))
		return NULL;
	/* One that is too long for it is not watched. */
	if (!k->watch.asks.n && lxe_watch_make(&k->watch, &k->filter, k->main->spec.deny.n) < 0)
		return NULL;
	return &k->watch;
}

static void give_back(struct lxe_watcher *w)
{
	lxe_loop_remove(w->keeper->loop, &w->asked);
	lxe_close(w->listener);
	free(w);
}

static void drop(struct lxe_watcher *w)
{
	struct lxe_watcher **at = &w->keeper->watchers;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	give_back(w);
}

/* What the filter itself has permitted goes on; of what it has not, the number is not in the list. */
static void decide(const struct lxe_watcher *w, struct sys_notice *n)
{
	if (lxe_watch_permits(w->keeper->watch.readers, n->call.data.arch, n->call.data.nr))
		n->answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else
		n->answer.error = -EPERM;
}

static bool has_time(struct lxe_watcher *w)
{
	uint64_t second = sys_now_ms() / 1000;

	if (w->second != second)
		w->looks = 0;
	w->second = second;
	return w->looks++ < LOOKS;
}

static void explain(struct lxe_watcher *w, const struct seccomp_notif *call)
{
	if (!w->process || !has_time(w))
		return;
	if (lxe_watch_permits(w->keeper->watch.readers, call->data.arch, call->data.nr))
		lxe_denial_of_path(w->process, w->listener, call);
	else
		lxe_denial_of_call(w->process, &call->data);
}

static void hear(void *watcher, uint32_t events)
{
	struct lxe_watcher *w = watcher;
	struct sys_notice notice;

	if (!(events & EPOLLIN)) {
		/* Nobody is left who could ask. */
		drop(w);
		return;
	}
	/* Whoever has asked may have been killed meanwhile. */
	if (sys_notice_receive(w->listener, &notice) < 0)
		return;
	explain(w, &notice.call);
	decide(w, &notice);
	sys_notice_answer(w->listener, &notice);
}

int lxe_watcher_begin(struct lxe_process *p, int listener, struct lxe_err *err)
{
	struct lxe_keeper *k = p->keeper;
	LXE_AUTOCLOSE int pidfd = sys_pidfd_open(p->pid);
	LXE_AUTOCLOSE int fd = pidfd < 0 ? pidfd : sys_pidfd_getfd(pidfd, listener);
	struct lxe_watcher *w;
	int r;

	if (fd < 0)
		return lxe_fail(err, fd, "listen to what the command is denied");
	w = calloc(1, sizeof(*w));
	if (!w)
		return lxe_fail(err, -ENOMEM, "listen to what the command is denied");
	*w = (struct lxe_watcher){ .next = k->watchers, .keeper = k, .process = p };
	ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, IN_TURNS);
	w->listener = take_fd(&fd);
	w->asked.fd = -EBADF;
	w->asked.ready = hear;
	w->asked.arg = w;
	k->watchers = w;
	r = lxe_loop_add(k->loop, &w->asked, w->listener, EPOLLIN);
	if (r < 0) {
		drop(w);
		return lxe_fail(err, r, "listen to what the command is denied");
	}
	return 0;
}

void lxe_watcher_forget(const struct lxe_process *p)
{
	for (struct lxe_watcher *w = p->keeper->watchers; w; w = w->next)
		if (w->process == p)
			w->process = NULL;
}

void lxe_watchers_close(struct lxe_keeper *k)
{
	for (struct lxe_watcher *w = k->watchers, *next; w; w = next) {
		next = w->next;
		give_back(w);
	}
	k->watchers = NULL;
	lxe_watch_release(&k->watch);
}
