/*
 * What comes in by a device that forwards for the sandboxes' sake alone, and is for somebody else. Each sandbox has
 * the rules, because any may be the last one. See plan.h.
 */
#include "network/plan_rules.h"
#include "network/plan_text.h"

static bool has_guard(const struct lxe_net_text *p)
{
	for (size_t i = 0; i < p->in->n_guards; i++)
		if (p->in->guards[i].family == p->family)
			return true;
	return false;
}

static void put_jumps(const struct lxe_net_text *p, const char *verb)
{
	for (size_t i = 0; i < p->in->n_guards; i++)
		if (p->in->guards[i].family == p->family)
			fprintf(p->out, "-%s FORWARD -i %s ! -o " LXE_NET_VETH_PREFIX "+ -j %s\n",
				verb, p->in->guards[i].link, p->foreign);
}

/* With br_netfilter these rules also see what only crosses a bridge, which nobody forwards. */
static void put_bridges(const struct lxe_net_text *p)
{
	for (size_t i = 0; i < p->in->n_guards; i++) {
		const struct lxe_net_guard *g = &p->in->guards[i];

		if (g->family == p->family && g->bridge)
			fprintf(p->out, "-A %s -i %s -o %s -j RETURN\n", p->foreign, g->link,
				g->link);
	}
}

void lxe_net_put_guards(const struct lxe_net_text *p)
{
	if (!has_guard(p))
		return;
	lxe_net_put_chain(p, p->foreign);
	put_jumps(p, "I");
	put_bridges(p);
	fprintf(p->out, "-A %s -j DROP\n", p->foreign);
}

void lxe_net_undo_guards(const struct lxe_net_text *p)
{
	if (!has_guard(p))
		return;
	put_jumps(p, "D");
	lxe_net_drop_chain(p, p->foreign);
}

/* What is allowed by name or everywhere may lead anywhere, also to a bridge that is made later. */
bool lxe_net_looks_at_links(const struct lxe_net_text *p)
{
	if (!p->in->links)
		return false;
	for (size_t i = 0; i < p->n_allowed; i++)
		if (lxe_net_rank(&p->allowed[i]) == LXE_NET_BY_NAME)
			return true;
	return p->in->spec->mode == LXE_NET_OPEN;
}

void lxe_net_put_links(const struct lxe_net_text *p)
{
	for (size_t i = 0; i < p->in->links->n; i++)
		fprintf(p->out, "-A %s -o %s -j RETURN\n", p->known, p->in->links->v[i]);
	fprintf(p->out, "-A %s -j %s\n", p->known, p->refuse);
}
