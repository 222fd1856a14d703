/*
 * Questions to the kernel over netlink(7), and its answers: one socket, one question at a time. Calls
 * block until the kernel has answered, at most five seconds. A message is built by the caller with
 * libmnl in a buffer of his, which this neither keeps nor changes but for its sequence number.
 */
#ifndef LXE_NETWORK_NETLINK_H
#define LXE_NETWORK_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#define LXE_NETLINK_BUF 8192   /* for one question */
#define LXE_NETLINK_DUMP 32768 /* for a part of an answer */

/* The attributes of a message behind its own header, and those in an attribute. */
#define lxe_netlink_each(attr, message, extra)                                     \
	lxe_netlink_each_until(attr, mnl_nlmsg_get_payload_offset(message, extra), \
		mnl_nlmsg_get_payload_tail(message))
#define lxe_netlink_each_in(attr, nest)                          \
	lxe_netlink_each_until(attr, mnl_attr_get_payload(nest), \
		(const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest))
#define lxe_netlink_each_until(attr, start, end)                                      \
	for ((attr) = (start);                                                        \
		mnl_attr_ok(attr, (int)((const char *)(end) - (const char *)(attr))); \
		(attr) = mnl_attr_next(attr))

struct lxe_netlink {
	struct mnl_socket *socket; /* NULL: closed */
	uint32_t seq;
};

/* bus: NETLINK_ROUTE, NETLINK_NETFILTER; groups: whose news are wanted as well, as a mask. */
int lxe_netlink_open(struct lxe_netlink *nl, int bus, unsigned int groups);
void lxe_netlink_close(struct lxe_netlink *nl);

/* Ask for something to be done (NLM_F_ACK is added): 0, or what the kernel says. */
int lxe_netlink_do(struct lxe_netlink *nl, struct nlmsghdr *message);

/* The same for a question about one thing: `each` sees the answer. */
int lxe_netlink_ask(struct lxe_netlink *nl, struct nlmsghdr *message, mnl_cb_t each, void *arg);

/*
 * Ask for all there is of a kind: `each` (libmnl's: MNL_CB_OK, or MNL_CB_ERROR with errno) sees every
 * message of the answer. -EINTR: it changed meanwhile, and what was seen may not be all; ask again.
 */
int lxe_netlink_dump(struct lxe_netlink *nl, struct nlmsghdr *message, mnl_cb_t each, void *arg);

#endif
