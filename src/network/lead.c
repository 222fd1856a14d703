#include "network/lead.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/shared.h"
#include "sys/fd.h"
#include "sys/socket.h"

/* Who waits for the lock itself gets it after so many, however many come. */
#define LEADERS_MAX 16
/* Who has come but says nothing has been stopped. */
#define PATIENCE_MS 200

static const char *const queue_names[LXE_TOGETHER_KINDS] = { "set", "undo" };

/* To lead: with the lock and the queues. */
struct answer {
	bool done;
	unsigned int nth;
};
enum { LEAD_LOCK, LEAD_QUEUES, LEAD_FDS = LEAD_QUEUES + LXE_TOGETHER_KINDS };

static int open_lock(int dir)
{
	char name[LXE_NET_SHARED_NAME];
	int r = lxe_net_shared_name(name, "lock");

	if (r < 0)
		return r;
	/* Inherited by the tools: until they are dead as well, nobody else leads. */
	r = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	return r < 0 ? -errno : r;
}

static int lock(int fd, int how)
{
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* With the lock: what is there is a dead leader's. */
static int open_queue(int dir, enum lxe_together_kind kind)
{
	char name[LXE_NET_SHARED_NAME];
	int r = lxe_net_shared_name(name, queue_names[kind]);

	if (r < 0)
		return r;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return sys_listen(dir, name);
}

static void close_queues(struct lxe_lead *lead)
{
	char name[LXE_NET_SHARED_NAME];

	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++) {
		if (lead->queues[kind] >= 0 && lxe_net_shared_name(name, queue_names[kind]) == 0)
			unlinkat(lead->dir, name, 0);
		lxe_drop_fd(&lead->queues[kind]);
	}
}

/* Without them it is slower for those who come meanwhile. */
static void open_queues(struct lxe_lead *lead)
{
	bool all = true;

	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++) {
		lead->queues[kind] = open_queue(lead->dir, kind);
		all = all && lead->queues[kind] >= 0;
	}
	if (!all)
		close_queues(lead);
}

static int take_lead(struct lxe_lead *lead, const struct answer *answer, const int fds[LEAD_FDS])
{
	lxe_close(lead->lock);
	lead->lock = fds[LEAD_LOCK];
	memcpy(lead->queues, &fds[LEAD_QUEUES], sizeof(lead->queues));
	lead->nth = answer->nth;
	return sys_set_cloexec(lead->lock, false);
}

/* 1: done. 0: this one leads now. Negative: there is no leader who could. */
static int follow(struct lxe_lead *lead, const struct lxe_lead_request *request,
	const struct lxe_lead_files *files)
{
	const int sent[] = { files->texts, files->later };
	LXE_AUTOCLOSE int socket = -EBADF;
	char name[LXE_NET_SHARED_NAME];
	struct answer answer;
	int fds[LEAD_FDS], r = lxe_net_shared_name(name, queue_names[request->kind]);
	size_t n = LEAD_FDS;
	ssize_t len;

	if (r == 0)
		r = socket = sys_connect(lead->dir, name);
	if (r >= 0)
		r = sys_send(socket, request, sizeof(*request), sent, files->later < 0 ? 1 : 2);
	if (r < 0)
		return r;
	len = sys_recv(socket, &answer, sizeof(answer), fds, &n);
	if (len == sizeof(answer) && !answer.done && n == LEAD_FDS)
		return take_lead(lead, &answer, fds);
	while (len > 0 && n > 0)
		lxe_close(fds[--n]);
	return len == sizeof(answer) && answer.done ? 1 : -ECONNRESET;
}

static int lock_or_follow(struct lxe_lead *lead, const struct lxe_lead_request *request,
	const struct lxe_lead_files *files)
{
	int r = lock(lead->lock, LOCK_EX | LOCK_NB);

	if (r == -EWOULDBLOCK)
		r = follow(lead, request, files);
	return r < 0 ? lock(lead->lock, LOCK_EX) : r;
}

int lxe_lead_get(struct lxe_lead *ret, const char *run, const struct lxe_lead_request *request,
	const struct lxe_lead_files *files)
{
	int r;

	*ret = LXE_LEAD_NONE;
	ret->dir = lxe_net_shared_dir(run, NULL);
	r = ret->dir < 0 ? ret->dir : (ret->lock = open_lock(ret->dir));
	if (r >= 0)
		r = lock_or_follow(ret, request, files);
	if (r == 0 && ret->queues[0] < 0)
		open_queues(ret);
	return r;
}

unsigned int lxe_lead_look(const struct lxe_lead *lead, int timeout_ms)
{
	struct pollfd polled[LXE_TOGETHER_KINDS];
	unsigned int waiting = 0;

	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++)
		polled[kind] = (struct pollfd){ .fd = lead->queues[kind], .events = POLLIN };
	if (poll(polled, LXE_TOGETHER_KINDS, timeout_ms) <= 0)
		return 0;
	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++)
		waiting |= polled[kind].revents ? 1U << kind : 0;
	return waiting;
}

static int receive(int socket, struct lxe_lead_request *request, struct lxe_lead_files *files)
{
	const struct timeval patience = { .tv_usec = PATIENCE_MS * 1000 };
	int fds[2] = { -EBADF, -EBADF };
	size_t n = 2;
	ssize_t len;

	if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	len = sys_recv(socket, request, sizeof(*request), fds, &n);
	if (len < 0)
		return (int)len;
	*files = (struct lxe_lead_files){ .texts = fds[0], .later = fds[1] };
	if (len != sizeof(*request) || n < 1 || request->kind >= LXE_TOGETHER_KINDS) {
		lxe_lead_close(files);
		return -EBADMSG;
	}
	request->id[LXE_TOGETHER_ID - 1] = '\0';
	return 0;
}

void lxe_lead_close(struct lxe_lead_files *files)
{
	lxe_drop_fd(&files->texts);
	lxe_drop_fd(&files->later);
}

int lxe_lead_accept(const struct lxe_lead *lead, enum lxe_together_kind kind,
	struct lxe_lead_request *ret, struct lxe_lead_files *files)
{
	int socket, r;

	*files = LXE_LEAD_NO_FILES;
	do {
		socket = accept4(lead->queues[kind], NULL, NULL, SOCK_CLOEXEC);
		if (socket < 0)
			return -errno;
		r = receive(socket, ret, files);
		if (r < 0)
			lxe_close(socket);
	} while (r < 0 && r != -EAGAIN);
	return r < 0 ? -ETIMEDOUT : socket;
}

void lxe_lead_answer(int socket)
{
	const struct answer done = { .done = true };

	sys_send(socket, &done, sizeof(done), NULL, 0);
}

/* To the first who is there to take it. */
static bool hand_on_to(const struct lxe_lead *lead, enum lxe_together_kind kind)
{
	const struct answer answer = { .nth = lead->nth + 1 };
	struct lxe_lead_request request;
	struct lxe_lead_files files;
	int fds[LEAD_FDS] = { [LEAD_LOCK] = lead->lock }, socket;
	bool given = false;

	memcpy(&fds[LEAD_QUEUES], lead->queues, sizeof(lead->queues));
	/* What he has sent is read: unread it would reset the connection. */
	while (!given) {
		socket = lxe_lead_accept(lead, kind, &request, &files);
		if (socket == -ETIMEDOUT)
			continue;
		if (socket < 0)
			break;
		given = sys_send(socket, &answer, sizeof(answer), fds, LEAD_FDS) == 0;
		lxe_lead_close(&files);
		lxe_close(socket);
	}
	return given;
}

void lxe_lead_end(struct lxe_lead *lead)
{
	bool given = lead->queues[0] >= 0 && lead->nth + 1 < LEADERS_MAX &&
		     (hand_on_to(lead, LXE_TOGETHER_UNDO) || hand_on_to(lead, LXE_TOGETHER_SET));

	if (!given)
		close_queues(lead);
	for (enum lxe_together_kind kind = 0; kind < LXE_TOGETHER_KINDS; kind++)
		lxe_drop_fd(&lead->queues[kind]);
	lxe_drop_fd(&lead->lock);
	lxe_drop_fd(&lead->dir);
}
