#include "keeper/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* An address of the family, or all of it; IPv6 alone, because IPv4 has a socket of its own. */
static int take_one(const struct lxe_net_publish *port, enum lxe_net_family family)
{
	LXE_AUTOCLOSE int fd = socket(family == LXE_NET_V4 ? AF_INET : AF_INET6,
		(port->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port->host_port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port->host_port) };
	const int on = 1;
	int r;

	if (fd < 0)
		return -errno;
	if (family == LXE_NET_V4) {
		memcpy(&v4.sin_addr, port->at.bytes, sizeof(v4.sin_addr));
		r = bind(fd, (struct sockaddr *)&v4, sizeof(v4));
	} else {
		memcpy(&v6.sin6_addr, port->at.bytes, sizeof(v6.sin6_addr));
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
		r = bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	}
	return r < 0 ? -errno : take_fd(&fd);
}

static int explain(int r, const char *text, const struct lxe_net_publish *port, struct lxe_err *err)
{
	if (r == -EADDRINUSE) {
		lxe_fail_msg(err, r, "--publish '%s': port %u of this machine is in use", text,
			port->host_port);
		lxe_hint(err, "choose another one%s; ss -lpn 'sport = :%u' tells who has it",
			port->anywhere ? ", or one address: IP:HOSTPORT:PORT" : "",
			port->host_port);
	} else if (r == -EADDRNOTAVAIL) {
		lxe_fail_msg(
			err, r, "--publish '%s': this machine does not have that address", text);
		lxe_hint(err, "ip address lists those that it has");
	} else {
		lxe_fail(err, r, "--publish '%s'", text);
	}
	return r;
}

static int take_both(struct lxe_ports *ports, const struct lxe_net_publish *port)
{
	enum lxe_net_family family = port->anywhere ? LXE_NET_V4 : port->at.family;
	int fd = take_one(port, family);

	if (fd < 0)
		return fd;
	ports->fds[ports->n++] = fd;
	if (!port->anywhere)
		return 0;
	fd = take_one(port, LXE_NET_V6);
	if (fd >= 0)
		ports->fds[ports->n++] = fd;
	/* A host without IPv6. */
	return fd < 0 && fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL ? fd : 0;
}

int lxe_ports_take(struct lxe_ports *ret, const struct lxe_net_spec *net, struct lxe_err *err)
{
	struct lxe_ports ports = { 0 };
	int r = 0;

	if (!net->publish.n)
		return 0;
	ports.fds = calloc(net->publish.n * 2, sizeof(*ports.fds));
	if (!ports.fds)
		return lxe_fail(err, -ENOMEM, "take the ports that are published");
	for (size_t i = 0; r == 0 && i < net->publish.n; i++) {
		struct lxe_net_publish port = { 0 };

		r = lxe_net_publish_parse(&port, net->publish.v[i], err);
		if (r < 0)
			break;
		r = take_both(&ports, &port);
		if (r < 0)
			explain(r, net->publish.v[i], &port, err);
	}
	if (r < 0) {
		lxe_ports_release(&ports);
		return r;
	}
	*ret = ports;
	return 0;
}

void lxe_ports_release(struct lxe_ports *ports)
{
	for (size_t i = 0; i < ports->n; i++)
		lxe_close(ports->fds[i]);
	free(ports->fds);
	*ports = (struct lxe_ports){ 0 };
}
