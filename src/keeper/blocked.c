#include "keeper/blocked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "network/blocked.h"
#include "network/nflog.h"
#include "network/plan.h"

#define TURN_MAX 64 /* datagrams; then somebody else's turn */

struct lxe_keeper_blocked {
	int log;
	struct lxe_source logged;
	/* Of our rules: the group may be others', too. */
	char prefix[LXE_NFLOG_PREFIX];
	struct lxe_net_addr subnet;
	struct lxe_blocked table;
	char text[LXE_BLOCKED_TEXT];
	unsigned char datagram[LXE_NFLOG_DATAGRAM];
};

static bool take_packet(const struct lxe_keeper *k, const struct lxe_nflog_packet *packet)
{
	struct lxe_blocked *table = &k->blocked->table;
	size_t len = strlen(k->blocked->prefix);
	const char *kind = packet->prefix + len;

	if (strncmp(packet->prefix, k->blocked->prefix, len) != 0)
		return false;
	if (!*kind)
		return lxe_blocked_add(table, packet, false, lxe_keeper_name_of(k, &packet->to));
	if (strcmp(kind, LXE_NET_LOG_TO_SANDBOX) == 0)
		return lxe_blocked_add(table, packet, true, lxe_keeper_name_of(k, &packet->to));
	if (strcmp(kind, LXE_NET_LOG_IN) == 0)
		return lxe_blocked_add_in(table, packet, false);
	return strcmp(kind, LXE_NET_LOG_SANDBOX) == 0 && lxe_blocked_add_in(table, packet, true);
}

static bool take_datagram(const struct lxe_keeper *k, size_t len)
{
	const unsigned char *p = k->blocked->datagram;
	struct lxe_nflog_packet packet;
	bool fresh = false;
	int r;

	/* One that makes no sense does not hide those behind it. */
	while ((r = lxe_nflog_next(&packet, &p, &len)) != 0)
		if (r > 0)
			fresh |= take_packet(k, &packet);
	return fresh;
}

static void write_text(struct lxe_keeper *k)
{
	struct lxe_keeper_blocked *b = k->blocked;

	lxe_blocked_text(&b->table, &k->main->spec.net, &b->subnet, b->text, sizeof(b->text));
}

/* Whoever inspects a sandbox that runs sees what there is, and how often when it has ended. */
static void publish(struct lxe_keeper *k)
{
	write_text(k);
	lxe_sandbox_put(
		k->sandbox.dir, LXE_SANDBOX_BLOCKED, k->blocked->text, strlen(k->blocked->text));
}

static void read_log(struct lxe_keeper *k)
{
	struct lxe_keeper_blocked *b = k->blocked;
	bool fresh = false;
	ssize_t n = b->log >= 0;

	lxe_keeper_resolver_read(k);
	for (int i = 0; n > 0 && i < TURN_MAX; i++) {
		n = recv(b->log, b->datagram, sizeof(b->datagram), MSG_DONTWAIT);
		if (n > 0)
			fresh |= take_datagram(k, (size_t)n);
	}
	if (fresh)
		publish(k);
}

static void logged(void *keeper, uint32_t events)
{
	(void)events;
	read_log(keeper);
}

static void not_listening(const struct lxe_keeper *k, int r)
{
	char line[128], why[64];

	snprintf(line, sizeof(line), "what is blocked is not logged: %s",
		lxe_reason(r, why, sizeof(why)));
	lxe_sandbox_log(&k->sandbox, line);
}

static int listen_to(struct lxe_keeper *k, int log)
{
	struct lxe_keeper_blocked *b = k->blocked;
	int r;

	b->log = log;
	if (log < 0)
		return log;
	snprintf(b->prefix, sizeof(b->prefix), "lxe-%.8s", k->sandbox.id);
	r = lxe_loop_add(k->loop, &b->logged, b->log, EPOLLIN);
	if (r < 0)
		lxe_drop_fd(&b->log);
	return r;
}

void lxe_blocked_open(struct lxe_keeper *k, int log, const struct lxe_net_addr *subnet)
{
	int r;

	k->blocked = calloc(1, sizeof(*k->blocked));
	if (!k->blocked) {
		lxe_close(log);
		not_listening(k, -ENOMEM);
		return;
	}
	/* Of an earlier life. */
	unlinkat(k->sandbox.dir, LXE_SANDBOX_BLOCKED, 0);
	k->blocked->subnet = *subnet;
	k->blocked->logged = (struct lxe_source){ .fd = -EBADF, .ready = logged, .arg = k };
	r = listen_to(k, log);
	if (r < 0)
		not_listening(k, r);
}

void lxe_keeper_name_refused(struct lxe_keeper *k, const char *name, size_t len)
{
	char copy[LXE_BLOCKED_NAME];

	/* A longer one is cut: it is a name of nothing then, and says so by its length. */
	snprintf(copy, sizeof(copy), "%.*s", (int)len, name);
	if (k->blocked && lxe_blocked_add_name(&k->blocked->table, copy))
		publish(k);
}

void lxe_blocked_tell(struct lxe_keeper *k, struct lxe_outcome *o)
{
	if (!k->blocked)
		return;
	read_log(k);
	write_text(k);
	memcpy(o->blocked, k->blocked->text, sizeof(o->blocked));
}

int lxe_blocked_take_log(struct lxe_keeper *k)
{
	if (!k->blocked)
		return -EBADF;
	/* Not everybody has been told how he ended. */
	read_log(k);
	lxe_loop_remove(k->loop, &k->blocked->logged);
	return take_fd(&k->blocked->log);
}

void lxe_blocked_close(struct lxe_keeper *k)
{
	struct lxe_keeper_blocked *b = take_ptr(k->blocked);

	if (!b)
		return;
	lxe_loop_remove(k->loop, &b->logged);
	lxe_close(b->log);
	free(b);
}
