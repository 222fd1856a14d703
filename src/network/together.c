#include "network/together.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/merge.h"
#include "network/netns.h"
#include "store/dirs.h"
#include "sys/fd.h"
#include "sys/socket.h"

#define TEXT_MAX (1024 * 1024)
#define NEXT_FAMILY "\f\n" /* between the two */
/* Who waits for the lock itself gets it after so many, however many come. */
#define LEADERS_MAX 16
/* What has ended is taken back in the next turn after so many, however many begin. */
#define SETS_MAX 3
#define LINGER_MS 10
/* Who has come but says nothing has been stopped. */
#define PATIENCE_MS 200

/* With the texts as a file. */
struct request {
	enum lxe_together_kind kind;
	char id[LXE_TOGETHER_ID];
};

/* To lead: with the lock and the queue. */
struct answer {
	bool done;
	unsigned int nth;
};
enum lead { LEAD_LOCK, LEAD_QUEUE, LEAD_FDS };

static int open_dir(const char *run)
{
	char path[PATH_MAX];
	int r = lxe_format(path, sizeof(path), "%s/network", run), fd;

	if (r == 0)
		r = lxe_dirs_make(path, NULL);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

#define NAME_SIZE 32

/* Of this network namespace: others' rules are elsewhere. */
static int name_it(char buf[NAME_SIZE], const char *what)
{
	return lxe_format(buf, NAME_SIZE, "%llu.%s", (unsigned long long)lxe_netns_inode(), what);
}

static int open_lock(int dir)
{
	char name[NAME_SIZE];
	int r = name_it(name, "lock");

	if (r < 0)
		return r;
	/* Inherited by the tools: a leader's death does not end what they are doing. */
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
static int open_queue(int dir)
{
	char name[NAME_SIZE];
	int r = name_it(name, "queue");

	if (r < 0)
		return r;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return sys_listen(dir, name);
}

static void close_queue(struct lxe_together *t)
{
	char name[NAME_SIZE];

	if (t->queue >= 0 && name_it(name, "queue") == 0)
		unlinkat(t->dir, name, 0);
	lxe_drop_fd(&t->queue);
}

static int file_of(const char *const texts[LXE_TOGETHER_FAMILIES])
{
	LXE_AUTOCLOSE int fd = sys_memfd("lxe-texts", 0);
	int r = fd < 0 ? fd : 0;

	for (size_t i = 0; r == 0 && i < LXE_TOGETHER_FAMILIES; i++) {
		if (i > 0)
			r = sys_write_all(fd, NEXT_FAMILY, strlen(NEXT_FAMILY));
		if (r == 0 && texts[i])
			r = sys_write_all(fd, texts[i], strlen(texts[i]));
	}
	return r < 0 ? r : take_fd(&fd);
}

static int take_lead(struct lxe_together *t, const struct answer *answer, const int fds[LEAD_FDS])
{
	lxe_close(t->lock);
	t->lock = fds[LEAD_LOCK];
	t->queue = fds[LEAD_QUEUE];
	t->nth = answer->nth;
	t->crowd = true;
	return sys_set_cloexec(t->lock, false);
}

/* 1: done. 0: this one leads now. Negative: there is no leader who could. */
static int follow(struct lxe_together *t, const struct request *request, int file)
{
	LXE_AUTOCLOSE int socket = -EBADF;
	char name[NAME_SIZE];
	struct answer answer;
	int fds[LEAD_FDS], r = name_it(name, "queue");
	size_t n = LEAD_FDS;
	ssize_t len;

	if (r == 0)
		r = socket = sys_connect(t->dir, name);
	if (r >= 0)
		r = sys_send(socket, request, sizeof(*request), &file, 1);
	if (r < 0)
		return r;
	len = sys_recv(socket, &answer, sizeof(answer), fds, &n);
	if (len == sizeof(answer) && !answer.done && n == LEAD_FDS)
		return take_lead(t, &answer, fds);
	while (len > 0 && n > 0)
		lxe_close(fds[--n]);
	return len == sizeof(answer) && answer.done ? 1 : -ECONNRESET;
}

static void add_member(struct lxe_together *t, const struct request *request, int file, int socket)
{
	struct lxe_together_member *member = &t->members[t->n++];

	*member = (struct lxe_together_member){
		.kind = request->kind, .file = file, .socket = socket
	};
	memcpy(member->id, request->id, sizeof(member->id));
}

static int receive(int socket, struct request *request)
{
	const struct timeval patience = { .tv_usec = PATIENCE_MS * 1000 };
	LXE_AUTOCLOSE int file = -EBADF;
	size_t n = 1;
	ssize_t len;

	if (setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	len = sys_recv(socket, request, sizeof(*request), &file, &n);
	if (len != sizeof(*request) || n != 1 || request->kind >= LXE_TOGETHER_KINDS)
		return len < 0 ? (int)len : -EBADMSG;
	request->id[LXE_TOGETHER_ID - 1] = '\0';
	return take_fd(&file);
}

static int accept_one(const struct lxe_together *t)
{
	int fd = accept4(t->queue, NULL, NULL, SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void take_others(struct lxe_together *t)
{
	struct request request;
	int socket, file;

	while (t->n < LXE_TOGETHER_MAX && (socket = accept_one(t)) >= 0) {
		file = receive(socket, &request);
		if (file >= 0)
			add_member(t, &request, file, socket);
		else
			lxe_close(socket);
	}
}

int lxe_together_begin(struct lxe_together *ret, const char *run, const char *id8,
	enum lxe_together_kind kind, const char *const texts[LXE_TOGETHER_FAMILIES])
{
	struct request request = { .kind = kind };
	LXE_AUTOCLOSE int file = file_of(texts);
	int r;

	*ret = (struct lxe_together){ .dir = open_dir(run), .lock = -EBADF, .queue = -EBADF };
	r = file < 0 ? file : lxe_format(request.id, sizeof(request.id), "%s", id8);
	if (r == 0)
		r = ret->dir < 0 ? ret->dir : (ret->lock = open_lock(ret->dir));
	if (r < 0)
		return r;
	r = lock(ret->lock, LOCK_EX | LOCK_NB);
	if (r == -EWOULDBLOCK)
		r = follow(ret, &request, file);
	if (r < 0)
		r = lock(ret->lock, LOCK_EX);
	if (r != 0)
		return r;
	/* Without one it is slower for those who come meanwhile. */
	if (ret->queue < 0)
		ret->queue = open_queue(ret->dir);
	ret->own_kind = kind;
	add_member(ret, &request, take_fd(&file), -EBADF);
	return 0;
}

/* All of it or nothing. */
static int merge(struct lxe_together *t, const char *const texts[LXE_TOGETHER_FAMILIES])
{
	int r = 0;

	for (size_t i = 0; i < LXE_TOGETHER_FAMILIES; i++)
		if (*texts[i] && !lxe_rules_are_whole(texts[i]))
			return -EBADMSG;
	for (size_t i = 0; r == 0 && i < LXE_TOGETHER_FAMILIES; i++)
		if (*texts[i])
			r = lxe_rules_merge(&t->texts[i], texts[i]);
	return r;
}

static int merge_file(struct lxe_together *t, int file)
{
	LXE_AUTOFREE char *text = NULL;
	char *second;
	size_t len;
	int r = sys_read_whole(file, TEXT_MAX, &text, &len);

	if (r < 0)
		return r;
	second = strstr(text, NEXT_FAMILY);
	if (!second)
		return -EBADMSG;
	*second = '\0';
	second += strlen(NEXT_FAMILY);
	return merge(t, (const char *const[]){ text, second });
}

static void release(struct lxe_together_member *member)
{
	lxe_close(member->file);
	lxe_close(member->socket);
}

static void end_turn(struct lxe_together *t)
{
	size_t left = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->members[i].now)
			release(&t->members[i]);
		else
			t->members[left++] = t->members[i];
	t->n = left;
	for (size_t i = 0; i < LXE_TOGETHER_FAMILIES; i++)
		free(take_ptr(t->texts[i]));
}

/* Those that are set go first, but not for ever. */
static enum lxe_together_kind choose(struct lxe_together *t)
{
	size_t n[LXE_TOGETHER_KINDS] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		n[t->members[i].kind]++;
	if (n[LXE_TOGETHER_SET] && (!n[LXE_TOGETHER_UNDO] || t->sets < SETS_MAX)) {
		t->sets++;
		return LXE_TOGETHER_SET;
	}
	t->sets = 0;
	return LXE_TOGETHER_UNDO;
}

/* In a crowd another one comes soon, and whoever ends tools that have deleted something waits as long anyway. */
static void linger(const struct lxe_together *t)
{
	struct pollfd polled = { .fd = t->queue, .events = POLLIN };

	if (t->crowd && t->own_kind == LXE_TOGETHER_UNDO)
		poll(&polled, 1, LINGER_MS);
}

bool lxe_together_turn(struct lxe_together *t)
{
	end_turn(t);
	take_others(t);
	if (t->n == 0) {
		linger(t);
		take_others(t);
	}
	if (t->n == 0)
		return false;
	t->crowd = t->crowd || t->n > 1;
	t->kind = choose(t);
	for (size_t i = 0; i < t->n; i++) {
		struct lxe_together_member *member = &t->members[i];

		member->now = member->kind == t->kind;
		member->merged = member->now && merge_file(t, member->file) == 0;
	}
	return true;
}

void lxe_together_done(struct lxe_together *t)
{
	const struct answer done = { .done = true };

	for (size_t i = 0; i < t->n; i++) {
		const struct lxe_together_member *member = &t->members[i];

		/* One that cannot be read is its owner's matter. */
		if (!member->merged)
			continue;
		if (member->socket >= 0)
			sys_send(member->socket, &done, sizeof(done), NULL, 0);
		else
			t->own = true;
	}
}

/* To the first who is there to take it. */
static bool hand_on(const struct lxe_together *t)
{
	const struct answer lead = { .nth = t->nth + 1 };
	const int fds[LEAD_FDS] = { [LEAD_LOCK] = t->lock, [LEAD_QUEUE] = t->queue };
	bool given = false;
	int socket;

	if (lead.nth >= LEADERS_MAX)
		return false;
	while (!given && (socket = accept_one(t)) >= 0) {
		struct request request;
		/* Unread it would reset the connection. */
		int file = receive(socket, &request);

		given = file >= 0 && sys_send(socket, &lead, sizeof(lead), fds, LEAD_FDS) == 0;
		lxe_close(file);
		lxe_close(socket);
	}
	return given;
}

void lxe_together_end(struct lxe_together *t)
{
	for (size_t i = 0; i < t->n; i++)
		t->members[i].now = true;
	end_turn(t);
	if (t->queue >= 0 && !hand_on(t))
		close_queue(t);
	lxe_drop_fd(&t->queue);
	lxe_drop_fd(&t->lock);
	lxe_drop_fd(&t->dir);
}

void lxe_together_forget(const char *run, const char *id8)
{
	const char *const nothing[LXE_TOGETHER_FAMILIES] = { NULL };
	struct lxe_together t;

	/* What it had sent was there before, and is taken no later. */
	lxe_together_begin(&t, run, id8, LXE_TOGETHER_SET, nothing);
	lxe_together_end(&t);
}
