/*
 * Waiting for a network device to be up, where news comes at the worst moment: between the answer to a question and the
 * acknowledgement of it. The kernel's answers are its own but for the state that they tell.
 */
#include "network/link.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOWN 2
#define UP 6

static int answers;
static bool is_up;

/* The loopback's, which the kernel tells of. */
static void come_up(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	is_up = true;
}

static void set_state(const struct nlmsghdr *header)
{
	struct nlattr *attr;

	lxe_netlink_each(attr, header, sizeof(struct ifinfomsg))
	{
		if (mnl_attr_get_type(attr) == IFLA_OPERSTATE)
			*(uint8_t *)mnl_attr_get_payload(attr) = is_up ? UP : DOWN;
	}
}

/* In place of libmnl's. */
ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buf, size_t size)
{
	ssize_t n = recv(mnl_socket_get_fd(socket), buf, size, 0);
	const struct nlmsghdr *header = buf;
	char passed_over[LXE_NETLINK_DUMP];

	cr_assert_geq(n, (ssize_t)sizeof(*header));
	if (header->nlmsg_type == RTM_NEWLINK) {
		answers++;
		set_state(header);
	} else if (answers == 2 && !is_up) {
		come_up();
		while (recv(mnl_socket_get_fd(socket), passed_over, sizeof(passed_over),
			       MSG_DONTWAIT) > 0)
			continue;
	}
	return n;
}

Test(link, news_beside_an_answer_is_not_lost, .timeout = 30)
{
	struct lxe_netlink nl, news;

	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	cr_assert_eq(lxe_netlink_open(&nl, NETLINK_ROUTE, 0), 0);
	cr_assert_eq(lxe_netlink_open(&news, NETLINK_ROUTE, 0), 0);
	cr_assert_eq(lxe_link_await_up(&nl, &news, if_nametoindex("lo")), 0);
	cr_assert_eq(answers, 3);
	lxe_netlink_close(&news);
	lxe_netlink_close(&nl);
}
