#include "keeper/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "keeper/cow.h"
#include "keeper/keeper.h"
#include "keeper/seat.h"
#include "sys/fd.h"
#include "sys/socket.h"

#define HELLO_MS 1000
#define STRANGERS_MAX 512 /* who has not said HELLO yet */

static void note(struct lxe_channel *c, const char *why)
{
	struct lxe_keeper *k = c->keeper;
	char line[256];

	lxe_format(line, sizeof(line), "connection of process %d closed: %s", (int)c->peer, why);
	lxe_sandbox_log(&k->sandbox, line);
}

void lxe_channel_free(struct lxe_channel *c)
{
	struct lxe_keeper *k = c->keeper;
	struct lxe_channel **at = &k->channels;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	lxe_loop_remove(k->loop, &c->source);
	lxe_loop_clear_timer(k->loop, &c->hello);
	if (c->freezes)
		lxe_cow_thaw(k);
	lxe_close(c->fd);
	if (c->attach)
		lxe_msg_release(c->attach);
	free(c->attach);
	free(c);
}

/* The end of a connection: what that means is decided while it still says what it was about. */
static void lose(struct lxe_channel *c)
{
	if (c->role)
		lxe_keeper_lost(c);
	lxe_channel_free(c);
}

void lxe_channel_refuse(struct lxe_channel *c, const char *why)
{
	note(c, why);
	lose(c);
}

static void hello_late(void *channel)
{
	lxe_channel_refuse(channel, "it said nothing for a second");
}

/* Without a hint by how long it took at which byte two nonces differ. */
static bool same_nonce(const unsigned char *a, const unsigned char *b)
{
	unsigned char differ = 0;

	for (size_t i = 0; i < LXE_NONCE_LEN; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

static struct lxe_process *process_numbered(const struct lxe_keeper *k, uint32_t number)
{
	struct lxe_process *p = k->processes;

	while (p && p->number != number)
		p = p->next;
	return p;
}

static void greet(struct lxe_channel *c, const struct lxe_msg *msg)
{
	struct lxe_keeper *k = c->keeper;

	if (msg->type != LXE_MSG_HELLO) {
		lxe_channel_refuse(c, "it did not begin with HELLO");
		return;
	}
	if (!same_nonce(msg->nonce, k->nonce)) {
		lxe_channel_refuse(c, "wrong nonce");
		return;
	}
	c->process = process_numbered(k, msg->process);
	if (!c->process) {
		lxe_channel_refuse(c, "no such process");
		return;
	}
	lxe_loop_clear_timer(k->loop, &c->hello);
	c->role = msg->role;
}

static void take(void *channel, uint32_t events)
{
	struct lxe_channel *c = channel;
	struct lxe_msg msg;
	int r;

	if (events & EPOLLOUT)
		lxe_seat_writable(c);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	r = lxe_msg_recv(c->fd, &msg);
	if (r == -EAGAIN)
		return;
	if (r == 0) {
		lose(c);
	} else if (r < 0) {
		lxe_channel_refuse(c, "not a message of this version");
	} else if (!c->role) {
		greet(c, &msg);
	} else {
		lxe_keeper_take(c, &msg);
	}
	lxe_msg_release(&msg);
}

struct lxe_channel *lxe_channel_new(struct lxe_keeper *k, int fd, enum lxe_role role)
{
	struct lxe_channel *c = calloc(1, sizeof(*c));
	uid_t uid;

	if (!c) {
		lxe_close(fd);
		return NULL;
	}
	c->keeper = k;
	c->fd = fd;
	c->role = role;
	c->peer = sys_peer(fd, &uid);
	c->source = (struct lxe_source){ .fd = -EBADF, .ready = take, .arg = c };
	c->hello = (struct lxe_timer){ .passed = hello_late, .arg = c };
	c->next = k->channels;
	k->channels = c;
	/* A client that does not read must not hold the keeper up. */
	if (sys_set_nonblock(fd, true) < 0 || lxe_loop_add(k->loop, &c->source, fd, EPOLLIN) < 0) {
		lxe_channel_free(c);
		return NULL;
	}
	if (!role)
		lxe_loop_set_timer(k->loop, &c->hello, HELLO_MS);
	return c;
}

void lxe_channel_send(struct lxe_channel *c, const struct lxe_msg *msg)
{
	/* What is said to somebody who does not listen would be lost: better that he is. */
	if (c && lxe_msg_send(c->fd, msg) < 0)
		shutdown(c->fd, SHUT_RDWR);
}

void lxe_channels_let_go(struct lxe_process *p)
{
	struct lxe_keeper *k = p->keeper;

	for (struct lxe_channel *c = k->channels; c; c = c->next) {
		if (c->process != p)
			continue;
		if (c != p->client && (c->waits || p->claimant == c))
			lxe_channel_send_outcome(c, &p->outcome);
		if (c->behind)
			lxe_loop_change(k->loop, &c->source, EPOLLIN);
		c->waits = c->starts = c->watches = c->behind = c->holds = false;
		c->over = true;
		c->process = k->main;
	}
}

void lxe_channel_say(struct lxe_channel *c, enum lxe_msg_type type)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, type);
	lxe_channel_send(c, &msg);
}

void lxe_channel_send_outcome(struct lxe_channel *c, const struct lxe_outcome *outcome)
{
	struct lxe_msg msg;

	lxe_msg_init(&msg, LXE_MSG_DONE);
	msg.outcome = *outcome;
	lxe_channel_send(c, &msg);
}

/*
 * Who means well says HELLO at once: the one that has had the most time goes first. The newcomer
 * instead would mean that whoever keeps all places taken keeps everybody out.
 */
static void make_room(struct lxe_keeper *k)
{
	struct lxe_channel *oldest = NULL;
	unsigned int n = 0;

	for (struct lxe_channel *c = k->channels; c; c = c->next) {
		if (c->role)
			continue;
		oldest = c;
		n++;
	}
	if (n >= STRANGERS_MAX)
		lxe_channel_refuse(oldest, "too many have connected and said nothing");
}

static void listen_again(void *keeper)
{
	struct lxe_keeper *k = keeper;

	if (k->connected.fd < 0 && lxe_loop_add(k->loop, &k->connected, k->listening, EPOLLIN) < 0)
		lxe_loop_set_timer(k->loop, &k->full, LXE_SHORTAGE_MS);
}

/* The caller stays in the queue, which would be news again at once. */
static void pause_listening(struct lxe_keeper *k)
{
	lxe_loop_remove(k->loop, &k->connected);
	lxe_loop_set_timer(k->loop, &k->full, LXE_SHORTAGE_MS);
}

static void accept_one(void *keeper, uint32_t events)
{
	struct lxe_keeper *k = keeper;
	LXE_AUTOCLOSE int fd = accept4(k->listening, NULL, NULL, SOCK_CLOEXEC);
	int failed = errno;
	char line[128];
	uid_t uid = 0;

	(void)events;
	if (fd < 0) {
		if (sys_is_shortage(-failed))
			pause_listening(k);
		return;
	}
	/* An ordinary user's keeper sees root of his sandboxes as 0, and the host's as nobody. */
	if (sys_peer(fd, &uid) < 0 || uid != geteuid()) {
		lxe_format(line, sizeof(line), "connection of user %u closed: not the owner", uid);
		lxe_sandbox_log(&k->sandbox, line);
		return;
	}
	make_room(k);
	lxe_channel_new(k, take_fd(&fd), 0);
}

int lxe_channels_listen(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	k->listening = sys_listen(k->sandbox.dir, LXE_SANDBOX_SOCKET);
	if (k->listening < 0)
		return lxe_fail(
			err, k->listening, "make the socket of sandbox '%s'", k->sandbox.id);
	k->connected = (struct lxe_source){ .fd = -EBADF, .ready = accept_one, .arg = k };
	k->full = (struct lxe_timer){ .passed = listen_again, .arg = k };
	r = lxe_loop_add(k->loop, &k->connected, k->listening, EPOLLIN);
	return r < 0 ? lxe_fail(err, r, "listen on the socket") : 0;
}

void lxe_channels_close(struct lxe_keeper *k)
{
	lxe_loop_clear_timer(k->loop, &k->full);
	lxe_loop_remove(k->loop, &k->connected);
	lxe_drop_fd(&k->listening);
}
