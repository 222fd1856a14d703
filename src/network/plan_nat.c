/* The table nat of a plan: published ports, and the host's address on the way out. See plan.h. */
#include "network/plan_text.h"

bool lxe_net_wants_localnet(const struct lxe_net_spec *spec)
{
	struct lxe_net_publish port;

	for (size_t i = 0; i < spec->publish.n; i++)
		if (lxe_net_publish_parse(&port, spec->publish.v[i], NULL) == 0 &&
			(port.anywhere ||
				(port.at.family == LXE_NET_V4 && port.at.bytes[0] == 127)))
			return true;
	return false;
}

bool lxe_net_publishes(const struct lxe_net_text *p, const struct lxe_net_publish *port)
{
	return port->anywhere || port->at.family == p->family;
}

static void put_dnat(const struct lxe_net_text *p)
{
	const struct lxe_strv *list = &p->in->spec->publish;
	char at[LXE_NET_ADDR_TEXT];
	struct lxe_net_publish port;

	for (size_t i = 0; i < list->n; i++) {
		if (lxe_net_publish_parse(&port, list->v[i], NULL) < 0 ||
			!lxe_net_publishes(p, &port))
			continue;
		fprintf(p->out, "-A %s", p->dnat);
		if (!port.anywhere) {
			lxe_net_addr_format(&port.at, at);
			fprintf(p->out, " -d %s", at);
		}
		fprintf(p->out,
			p->family == LXE_NET_V4
				? " -p %1$s -m %1$s --dport %2$u -j DNAT --to-destination %3$s:%4$u\n"
				: " -p %1$s -m %1$s --dport %2$u -j DNAT --to-destination [%3$s]:%4$u\n",
			port.udp ? "udp" : "tcp", port.host_port, p->guest, port.port);
	}
}

/* A sandbox that asks the host's address for another's port is refused as the host's guest, not led on. */
static void put_nat_jumps(const struct lxe_net_text *p, const char *verb)
{
	if (p->publishes) {
		/*
		 * What the host sends to its loopback passes OUTPUT. What comes to it from outside has to meet the
		 * kernel's refusal of such addresses, which looks after this table has.
		 */
		fprintf(p->out,
			"-%s PREROUTING ! -i " LXE_NET_VETH_PREFIX
			"+ %s-m addrtype --dst-type LOCAL -j %s\n",
			verb, p->family == LXE_NET_V4 ? "! -d 127.0.0.0/8 " : "", p->dnat);
		fprintf(p->out, "-%s OUTPUT -m addrtype --dst-type LOCAL -j %s\n", verb, p->dnat);
	}
	fprintf(p->out, "-%s POSTROUTING -s %s -j %s\n", verb, p->guest, p->snat);
	if (p->publishes_loopback)
		fprintf(p->out, "-%s POSTROUTING -o %s -j %s\n", verb, p->in->veth, p->snat);
}

void lxe_net_put_nat(const struct lxe_net_text *p)
{
	fputs("*nat\n", p->out);
	if (p->publishes)
		lxe_net_put_chain(p, p->dnat);
	lxe_net_put_chain(p, p->snat);
	put_nat_jumps(p, "I");
	if (p->publishes)
		put_dnat(p);
	fprintf(p->out, "-A %s -s %s ! -o %s -j MASQUERADE\n", p->snat, p->guest, p->in->veth);
	if (p->publishes_loopback)
		fprintf(p->out, "-A %s -s 127.0.0.0/8 -o %s -j MASQUERADE\n", p->snat, p->in->veth);
	fputs("COMMIT\n", p->out);
}

void lxe_net_undo_nat(const struct lxe_net_text *p)
{
	fputs("*nat\n", p->out);
	put_nat_jumps(p, "D");
	if (p->publishes)
		lxe_net_drop_chain(p, p->dnat);
	lxe_net_drop_chain(p, p->snat);
	fputs("COMMIT\n", p->out);
}
