/* A sandbox's network device among many others, in a network namespace of the test's own. */
#include "network/veth.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "network/setup.h"
#include "sys/proc.h"
#include "sys/tree.h"

#define NAME "ours"

/* Two pieces of news each time, of a device that is nothing to us. */
static void turn_off_and_on(int fd, int times)
{
	struct ifreq lo = { .ifr_name = "lo" };

	for (int i = 0; i < times; i++) {
		lo.ifr_flags = IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
			_exit(1);
		lo.ifr_flags = 0;
		if (ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
			_exit(1);
	}
}

static pid_t make_news(void)
{
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);;)
		turn_off_and_on(fd, 1000);
}

static void end(pid_t child)
{
	cr_assert_eq(kill(child, SIGKILL), 0);
	cr_assert_eq(waitpid(child, NULL, 0), child);
}

static void make_device(struct lxe_netlink *nl, const char *name)
{
	_Alignas(struct nlmsghdr) char buf[LXE_NETLINK_BUF];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buf);
	struct nlattr *info;

	header->nlmsg_type = RTM_NEWLINK;
	header->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(header, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(header, IFLA_IFNAME, name);
	info = mnl_attr_nest_start(header, IFLA_LINKINFO);
	mnl_attr_put_strz(header, IFLA_INFO_KIND, "veth");
	mnl_attr_nest_end(header, info);
	cr_assert_eq(lxe_netlink_do(nl, header), 0);
}

/* Its device does not end with a container here: to be removed it has to be asked for. */
static void undo(const char *run)
{
	struct lxe_net_ask ask = { .has = LXE_NET_HAS_NO_SETS, .id = "0123456789ab" };
	const struct lxe_net_undo all = {
		.ask = &ask, .lease = -EBADF, .applied = LXE_NET_APPLIED_NONE
	};
	struct lxe_err err = { 0 };
	struct lxe_netlink nl;
	char id8[9], veth[IFNAMSIZ];

	snprintf(ask.run, sizeof(ask.run), "%s", run);
	lxe_net_names(ask.id, id8, veth);
	cr_assert_eq(lxe_netlink_open(&nl, NETLINK_ROUTE, 0), 0);
	make_device(&nl, veth);
	lxe_netlink_close(&nl);
	cr_assert_eq(lxe_net_undo(&all, &err), 0, "%s", err.msg);
	cr_assert_eq(if_nametoindex(veth), 0);
}

Test(veth, news_of_others_do_not_cost_the_answer_to_a_question, .timeout = 30)
{
	char run[] = "/dev/shm/lxe-test-veth-XXXXXX";
	pid_t busy[2];

	cr_assert_not_null(mkdtemp(run));
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	for (size_t i = 0; i < 2; i++)
		busy[i] = make_news();
	undo(run);
	for (size_t i = 0; i < 2; i++)
		end(busy[i]);
	cr_assert_eq(sys_tree_remove(AT_FDCWD, run), 0);
}

Test(veth, its_end_is_seen_when_it_comes, .timeout = 30)
{
	struct lxe_netlink nl;
	uint64_t begun;
	pid_t child;

	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	cr_assert_eq(lxe_netlink_open(&nl, NETLINK_ROUTE, 0), 0);
	make_device(&nl, NAME);
	child = fork();
	if (child == 0) {
		struct lxe_netlink other;

		if (lxe_netlink_open(&other, NETLINK_ROUTE, 0) == 0)
			lxe_veth_await_end(&other, NAME, 0);
		_exit(0);
	}
	begun = sys_now_ms();
	cr_assert_eq(lxe_veth_await_end(&nl, NAME, 20000), 0);
	cr_assert_lt(sys_now_ms() - begun, 10000);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	lxe_netlink_close(&nl);
}
