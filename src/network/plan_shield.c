/* What every sandbox is refused unless a rule names it by address, and whose resolvers it is not to ask. See plan.h. */
#include "network/plan_text.h"

const char *const lxe_net_dns_protos[2] = { "udp", "tcp" };

/* What is on the way to the host itself, or to what tells secrets to whoever asks from here. */
static const char *const always_shielded[][8] = {
	[LXE_NET_V4] = { "169.254.0.0/16", "100.100.100.200", "168.63.129.16", "192.0.0.0/24" },
	[LXE_NET_V6] = { "fe80::/10", "fd00:ec2::254", "fd20:ce::254", "fd00:c1::a9fe:a9fe" },
};

const char *lxe_net_shielded(enum lxe_net_family family, size_t i)
{
	return i < 8 ? always_shielded[family][i] : NULL;
}

bool lxe_net_always_shields(const struct lxe_net_addr *addr)
{
	const char *const *list = always_shielded[addr->family];
	struct lxe_net_addr net;

	for (size_t i = 0; i < 8 && list[i]; i++)
		if (lxe_net_addr_parse(&net, list[i], NULL) == 0 && lxe_net_addr_covers(&net, addr))
			return true;
	return false;
}

void lxe_net_put_shields(const struct lxe_net_text *p)
{
	char text[LXE_NET_ADDR_TEXT];

	fprintf(p->out, "-A %s -m addrtype --dst-type LOCAL,%sANYCAST,MULTICAST -j %s\n", p->egress,
		p->family == LXE_NET_V4 ? "BROADCAST," : "", p->refuse);
	for (size_t i = 0; i < 8 && always_shielded[p->family][i]; i++)
		fprintf(p->out, "-A %s -d %s -j %s\n", p->egress, always_shielded[p->family][i],
			p->refuse);
	for (size_t i = 0; i < p->in->n_shielded; i++) {
		if (p->in->shielded[i].family != p->family)
			continue;
		lxe_net_addr_format(&p->in->shielded[i], text);
		fprintf(p->out, "-A %s -d %s -j %s\n", p->egress, text, p->refuse);
	}
}

/* Of those that were there before: their rules in INPUT come after ours, and an ACCEPT here is the last word. */
void lxe_net_put_others_resolvers(const struct lxe_net_text *p)
{
	char text[LXE_NET_ADDR_TEXT];

	for (size_t i = 0; i < 2 * p->in->n_subnets; i++) {
		const struct lxe_net_addr *net = &p->in->subnets[i / 2];

		if (net->family != p->family)
			continue;
		lxe_net_addr_format(net, text);
		fprintf(p->out, "-A %s -d %s -p %s -m %s --dport %d -j %s\n", p->egress, text,
			lxe_net_dns_protos[i % 2], lxe_net_dns_protos[i % 2], LXE_NET_DNS_PORT,
			p->refuse);
	}
}
