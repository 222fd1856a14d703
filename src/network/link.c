#include "network/link.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "sys/proc.h"

#define UP_MS 2000
#define NEWS (1U << (RTNLGRP_LINK - 1))
#define OPER_UP 6 /* IF_OPER_UP of linux/if.h, which does not go with net/if.h */

/* What has changed is not read from the news: what matters is asked for anyway. */
static void await_news(struct lxe_netlink *nl, int timeout_ms)
{
	struct pollfd p = { .fd = mnl_socket_get_fd(nl->socket), .events = POLLIN };
	char buf[LXE_NETLINK_DUMP];

	if (poll(&p, 1, timeout_ms) > 0)
		(void)!recv(p.fd, buf, sizeof(buf), MSG_DONTWAIT);
}

static int read_state(const struct nlmsghdr *header, void *arg)
{
	const struct nlattr *attr;

	if (header->nlmsg_type == RTM_NEWLINK)
		lxe_netlink_each(attr, header, sizeof(struct ifinfomsg))
		{
			if (mnl_attr_get_type(attr) == IFLA_OPERSTATE)
				*(uint8_t *)arg = mnl_attr_get_u8(attr);
		}
	return MNL_CB_OK;
}

static int ask_state(struct lxe_netlink *nl, unsigned int index, uint8_t *state)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_BUF];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *about;

	header->nlmsg_type = RTM_GETLINK;
	about = mnl_nlmsg_put_extra_header(header, sizeof(*about));
	about->ifi_index = (int)index;
	return lxe_netlink_ask(nl, header, read_state, state);
}

/*
 * The end that was up first drops what it is to send until the kernel's own work has seen that the other
 * one is there: a first packet that is lost costs a second. Since Linux 6.9 the question itself sees to it, for the end
 * that it is about.
 */
int lxe_link_await_up(struct lxe_netlink *nl, struct lxe_netlink *news, unsigned int index)
{
	uint64_t now = sys_now_ms(), end = now + UP_MS;
	int group = RTNLGRP_LINK, r = 0;
	uint8_t state = 0;

	for (bool told = false; r == 0 && state != OPER_UP && now < end; now = sys_now_ms()) {
		r = ask_state(nl, index, &state);
		if (r < 0 || state == OPER_UP)
			break;
		/* What happens between the first question and this is the second one's answer. */
		if (told)
			await_news(news, (int)(end - now));
		else if (mnl_socket_setsockopt(
				 news->socket, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			r = -errno;
		told = true;
	}
	return r == 0 && state != OPER_UP ? -ETIMEDOUT : r;
}

/*
 * A socket of its own: of many devices there may be more news than one has room for, and the kernel would drop the answer to
 * a question that is asked on it as well.
 */
unsigned int lxe_link_await_end(const char *name, int timeout_ms)
{
	uint64_t now = sys_now_ms(), end = now + (uint64_t)timeout_ms;
	struct lxe_netlink news = { 0 };
	/* Before the first look: what happens after that is told. */
	int r = lxe_netlink_open(&news, NETLINK_ROUTE, NEWS);
	unsigned int index;

	while ((index = if_nametoindex(name)) != 0 && r == 0 && now < end) {
		await_news(&news, (int)(end - now));
		now = sys_now_ms();
	}
	lxe_netlink_close(&news);
	return index;
}
