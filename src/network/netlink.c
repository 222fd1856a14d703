#include "network/netlink.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PATIENCE_S 5

int lxe_netlink_open(struct lxe_netlink *nl, int bus, unsigned int groups)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int r;

	*nl = (struct lxe_netlink){ .seq = 1 };
	nl->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl->socket)
		return -errno;
	if (mnl_socket_bind(nl->socket, groups, MNL_SOCKET_AUTOPID) < 0 ||
		setsockopt(mnl_socket_get_fd(nl->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
			sizeof(patience)) < 0) {
		r = -errno;
		lxe_netlink_close(nl);
		return r;
	}
	return 0;
}

void lxe_netlink_close(struct lxe_netlink *nl)
{
	int saved = errno;

	if (nl->socket)
		mnl_socket_close(nl->socket);
	nl->socket = NULL;
	errno = saved;
}

static int send_it(struct lxe_netlink *nl, struct nlmsghdr *message)
{
	message->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->socket, message, message->nlmsg_len) < 0)
		return -errno;
	return 0;
}

/* Until the answer is complete. News that come in between have no sequence number, and are passed over. */
static int receive(struct lxe_netlink *nl, mnl_cb_t each, void *arg)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_DUMP];
	ssize_t n;
	int r;

	do {
		n = mnl_socket_recvfrom(nl->socket, buf, sizeof(buf));
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (((const struct nlmsghdr *)buf)->nlmsg_seq == 0) {
			r = MNL_CB_OK;
			continue;
		}
		r = mnl_cb_run(
			buf, (size_t)n, nl->seq, mnl_socket_get_portid(nl->socket), each, arg);
		if (r < 0)
			return -errno;
	} while (r > MNL_CB_STOP);
	return 0;
}

int lxe_netlink_ask(struct lxe_netlink *nl, struct nlmsghdr *message, mnl_cb_t each, void *arg)
{
	int r;

	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	r = send_it(nl, message);
	return r < 0 ? r : receive(nl, each, arg);
}

int lxe_netlink_do(struct lxe_netlink *nl, struct nlmsghdr *message)
{
	return lxe_netlink_ask(nl, message, NULL, NULL);
}

int lxe_netlink_dump(struct lxe_netlink *nl, struct nlmsghdr *message, mnl_cb_t each, void *arg)
{
	int r;

	message->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
	r = send_it(nl, message);
	return r < 0 ? r : receive(nl, each, arg);
}
