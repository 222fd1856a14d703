#include "keeper/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "keeper/blocked.h"
#include "network/netns.h"
#include "store/rootless.h"

#define ANSWER_MS 20000 /* its programs have 15 s; a client's patience is 30 s */

static bool has_network(const struct lxe_keeper *k)
{
	return k->main && k->main->spec.net.mode != LXE_NET_NONE;
}

size_t lxe_network_entries(
	struct lxe_keeper *k, struct lxe_entry *entries, char text[LXE_NETWORK_TEXT])
{
	/* An ordinary user's leaves nothing behind. */
	if (!has_network(k) || lxe_is_rootless())
		return 0;
	entries[0] = (struct lxe_entry){ LXE_ENTRY_RULES, k->sandbox.id };
	entries[1] = (struct lxe_entry){ LXE_ENTRY_VETH, k->sandbox.id };
	/* Behind the others, so that who replays it knows it first. */
	snprintf(text, LXE_NETWORK_TEXT, "%" PRIu64, lxe_netns_inode());
	entries[2] = (struct lxe_entry){ LXE_ENTRY_NETNS, text };
	return 3;
}

static int fill_ask(const struct lxe_keeper *k, struct lxe_net_ask *ask, enum lxe_net_op op)
{
	*ask = (struct lxe_net_ask){ .op = op, .asker = getpid() };
	memcpy(ask->id, k->sandbox.id, sizeof(ask->id));
	return lxe_format(ask->run, sizeof(ask->run), "%s", k->network->dirs.run);
}

/* With the pipes to the dnsmasqs that there are to be. */
static int ask_for_rules(struct lxe_keeper *k, const struct lxe_net_ask *ask, struct lxe_err *err)
{
	int fds[1 + LXE_RESOLVERS_MAX] = { k->sandbox.dir };
	size_t n = 0;
	int r;

	r = lxe_keeper_resolver_open(k, fds + 1, &n, err);
	if (r < 0)
		return r;
	r = lxe_net_helper_ask(&k->network->helper, ask, fds, 1 + n);
	while (n)
		lxe_close(fds[n--]);
	return r < 0 ? lxe_fail(err, r, "ask " LXE_NET_PROGRAM) : 0;
}

int lxe_network_begin(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_network *net;
	struct lxe_net_ask ask;
	int r;

	if (!has_network(k))
		return 0;
	if (lxe_is_rootless()) {
		r = lxe_user_network_check(&k->main->spec.net, err);
		if (r < 0)
			return r;
	}
	net = calloc(1, sizeof(*net));
	if (!net)
		return lxe_fail(err, -ENOMEM, "begin the sandbox's network");
	net->helper = LXE_NET_HELPER_NONE;
	net->user = LXE_USER_NETWORK_NONE;
	net->lease = net->undo_v4 = net->undo_v6 = net->log = -EBADF;
	k->network = net;
	if (lxe_is_rootless())
		return 0;
	r = lxe_ports_take(&net->ports, &k->main->spec.net, err);
	if (r == 0)
		r = lxe_dirs_find(&net->dirs, err);
	if (r < 0)
		return r;
	r = fill_ask(k, &ask, LXE_NET_RULES);
	if (r < 0)
		return lxe_fail(err, r, "begin the sandbox's network");
	r = lxe_net_helper_start(&net->helper, k->network->dirs.libexec, false, err);
	return r < 0 ? r : ask_for_rules(k, &ask, err);
}

static int await_answer(struct lxe_keeper *k, struct lxe_net_answer *answer, int *fds, size_t *n,
	struct lxe_err *err)
{
	int r = lxe_keeper_wait(k, k->network->helper.socket, ANSWER_MS);

	if (r < 0) {
		*n = 0;
		return lxe_fail(err, r, "wait for the sandbox's network");
	}
	return lxe_net_helper_answer(&k->network->helper, answer, fds, n, 0, err);
}

static int take_rules(struct lxe_keeper *k, struct lxe_err *err)
{
	struct lxe_network *net = k->network;
	struct lxe_net_answer answer = { .r = 0 };
	int fds[LXE_NET_ANSWER_FDS] = { -EBADF, -EBADF, -EBADF, -EBADF }, r;
	size_t n = LXE_NET_ANSWER_FDS;

	r = await_answer(k, &answer, fds, &n, err);
	if (r == 0 && n != 2U + answer.has_undo_v6 + (answer.log_error == 0))
		r = lxe_fail(err, -EPROTO, "take the sandbox's network");
	if (r < 0) {
		while (n)
			lxe_close(fds[--n]);
		return r;
	}
	net->ready = true;
	net->given = answer.given;
	net->lease = fds[0];
	net->undo_v4 = fds[1];
	net->undo_v6 = answer.has_undo_v6 ? fds[2] : -EBADF;
	net->log = answer.log_error < 0 ? answer.log_error : fds[2U + answer.has_undo_v6];
	return 0;
}

static int journal_address(struct lxe_keeper *k, struct lxe_err *err)
{
	char text[INET_ADDRSTRLEN];
	struct lxe_entry entry = { LXE_ENTRY_ADDRESS, text };

	if (!inet_ntop(AF_INET, &k->network->given.guest4, text, sizeof(text)))
		return lxe_fail(err, -errno, "write the sandbox's address");
	return lxe_journal_add(&k->sandbox, &entry, 1, err);
}

static int make_link(struct lxe_keeper *k, struct lxe_err *err)
{
	LXE_AUTOCLOSE int pidfd = lxe_container_pidfd(k->container);
	struct lxe_net_answer answer = { .r = 0 };
	struct lxe_net_ask ask;
	size_t n = 0;
	int r;

	r = pidfd < 0 ? pidfd : fill_ask(k, &ask, LXE_NET_LINK);
	if (r == 0)
		r = lxe_net_helper_ask(&k->network->helper, &ask, &pidfd, 1);
	if (r < 0)
		return lxe_fail(err, r, "connect the container");
	r = await_answer(k, &answer, NULL, &n, err);
	k->network->made = r == 0;
	return r;
}

static int name_things(struct lxe_keeper *k, struct lxe_err *err)
{
	const struct lxe_net_given *g = &k->network->given;
	const struct lxe_resolver_given given = {
		.gateway4 = g->gateway4, .proxy = g->proxy, .n_proxy = g->n_proxy
	};

	return lxe_keeper_resolver_files(k, &given, err);
}

static int take_log(struct lxe_network *net)
{
	int log = net->log;

	net->log = -EBADF;
	return log;
}

int lxe_network_connect(struct lxe_keeper *k, struct lxe_err *err)
{
	int r;

	if (!k->network)
		return 0;
	if (lxe_is_rootless())
		return lxe_user_network_connect(k, &k->network->user, err);
	r = take_rules(k, err);
	/* Before the first packet. */
	if (r == 0)
		lxe_blocked_open(k, take_log(k->network), &k->network->given.subnet);
	if (r == 0)
		r = journal_address(k, err);
	if (r == 0)
		r = make_link(k, err);
	return r < 0 ? r : name_things(k, err);
}

struct lxe_net_helper *lxe_network_undo(struct lxe_keeper *k)
{
	struct lxe_network *net = k->network;
	LXE_AUTOCLOSE int log = -EBADF;
	struct lxe_net_undo_how how;

	if (!net)
		return NULL;
	lxe_user_network_end(&net->user);
	if (lxe_is_rootless())
		return NULL;
	/* In the middle of something, it is not to be waited for. */
	if (!net->made)
		lxe_net_helper_end(&net->helper);
	/* Closed for good it keeps others waiting: by whom and when, see network/together.h. */
	log = lxe_blocked_take_log(k);
	how = (struct lxe_net_undo_how){
		.run = k->network->dirs.run,
		.libexec = k->network->dirs.libexec,
		.guest4 = net->given.guest4,
		.mounts = k->host_view,
		.lease = net->lease,
		.undo_v4 = net->undo_v4,
		.undo_v6 = net->undo_v6,
		.log = log,
		.no_sets = k->resolver.n == 0,
	};
	memcpy(how.id, k->sandbox.id, sizeof(how.id));
	/* One that does not begin is begun again by the replay of the journal, which says why it fails. */
	return lxe_net_undo_begin(&net->helper, &how, NULL) == 0 ? &net->helper : NULL;
}

void lxe_network_reaped(struct lxe_keeper *k, pid_t pid)
{
	if (k->network && k->network->helper.pid == pid)
		k->network->helper.pid = 0;
}

void lxe_network_free(struct lxe_keeper *k)
{
	struct lxe_network *net = take_ptr(k->network);

	if (!net)
		return;
	lxe_user_network_end(&net->user);
	lxe_keeper_resolver_release(k);
	lxe_net_helper_end(&net->helper);
	lxe_ports_release(&net->ports);
	lxe_close(net->lease);
	lxe_close(net->undo_v4);
	lxe_close(net->undo_v6);
	lxe_close(net->log);
	free(net);
}
