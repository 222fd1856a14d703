#include "network/chains.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/tool.h"
#include "sys/fd.h"

#define CHAINS "LXE-"
#define DUMP_TRIES 32
/* Anywhere else: it is to be seen that it is there. */
#define ELSEWHERE LXE_CHAINS_IN(LXE_FAMILIES, 0)

struct search {
	struct lxe_chains *list;
	size_t n;
};

/* What a name, or a line, begins with. */
static void note(const struct search *search, const char *name, unsigned int where)
{
	if (!lxe_starts_with(name, CHAINS))
		return;
	name += strlen(CHAINS);
	for (size_t i = 0; i < search->n; i++) {
		struct lxe_chains *one = &search->list[i];
		size_t len = strlen(one->id);

		if (strncmp(name, one->id, len) == 0 && name[len] == '-')
			one->in |= where;
	}
}

static unsigned int bit_of(uint8_t family, const char *table)
{
	for (enum lxe_table t = 0; t < LXE_TABLES; t++)
		if (strcmp(table, lxe_table_names[t]) == 0 &&
			(family == AF_INET || family == AF_INET6))
			return LXE_CHAINS_IN(family == AF_INET6, t);
	return ELSEWHERE;
}

static const char *text_in(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0 ? "" : mnl_attr_get_str(attr);
}

/* The nft variant's are asked of the kernel, which takes a tenth of the time of iptables-save. */
static int look_at_chain(const struct nlmsghdr *header, void *search)
{
	const struct nfgenmsg *about = mnl_nlmsg_get_payload(header);
	const char *name = "", *table = "";
	const struct nlattr *attr;

	lxe_netlink_each(attr, header, sizeof(*about))
	{
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME)
			name = text_in(attr);
		else if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			table = text_in(attr);
	}
	note(search, name, bit_of(about->nfgen_family, table));
	return MNL_CB_OK;
}

static int dump_chains(struct lxe_netlink *nl, struct search *search)
{
	struct nfgenmsg *about;
	union {
		struct nlmsghdr header;
		char bytes[256];
	} m;
	int r;

	r = nl->socket ? 0 : lxe_netlink_open(nl, NETLINK_NETFILTER, 0);
	if (r < 0)
		return r;
	mnl_nlmsg_put_header(m.bytes);
	m.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	about = mnl_nlmsg_put_extra_header(&m.header, sizeof(*about));
	about->nfgen_family = AF_UNSPEC;
	return lxe_netlink_dump(nl, &m.header, look_at_chain, search);
}

/* Others change their rules meanwhile: only what is read in one piece is all there is. */
static int look_in_nft(struct lxe_netlink *nl, struct search *search)
{
	int r = -EINTR;

	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		for (size_t k = 0; k < search->n; k++)
			search->list[k].in = 0;
		r = dump_chains(nl, search);
		/* The rest of what was not read is still in it. */
		if (r < 0)
			lxe_netlink_close(nl);
	}
	/* A kernel without nf_tables has none. */
	return r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -EINVAL ? 0 : r;
}

static void look_in_text(const struct search *search, const char *text, bool v6)
{
	unsigned int where = ELSEWHERE;
	char table[32];

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (*line == '*') {
			lxe_excerpt(table, sizeof(table), line + 1, strcspn(line + 1, "\n"));
			where = bit_of(v6 ? AF_INET6 : AF_INET, table);
		} else if (*line == ':') {
			note(search, line + 1, where);
		}
	}
}

/*
 * By the first of these that there is: where there is no other variant, its programs have no other
 * names.
 */
static int look_with(const struct search *search, const char *const names[], size_t n, bool v6)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < n; i++) {
		const char *const words[] = { names[i], NULL };
		struct lxe_tool tool = { .argv = words };
		LXE_AUTOFREE char *text = NULL;

		r = lxe_tools_run(&tool, 1);
		if (r == 0)
			r = lxe_tool_output(&tool, &text);
		lxe_tools_release(&tool, 1);
		if (r == 0)
			look_in_text(search, text, v6);
	}
	return r;
}

/* Does anybody use the legacy variant here? The list of tables is empty otherwise. */
static int look_in_legacy(const struct search *search)
{
	static const char *const lists[LXE_FAMILIES] = { "/proc/thread-self/net/ip_tables_names",
		"/proc/thread-self/net/ip6_tables_names" };
	static const char *const save[LXE_FAMILIES][2] = {
		{ "iptables-legacy-save", "iptables-save" },
		{ "ip6tables-legacy-save", "ip6tables-save" },
	};
	char names[256];
	int r = 0;

	for (size_t i = 0; r == 0 && i < LXE_FAMILIES; i++) {
		ssize_t n = sys_read_file(AT_FDCWD, lists[i], names, sizeof(names));

		if (n > 0)
			r = look_with(search, save[i], 2, i == 1);
		else if (n < 0 && n != -ENOENT)
			r = (int)n;
	}
	return r;
}

static bool is_so(const struct lxe_chains *one)
{
	return one->wanted ? (one->in & one->wanted) == one->wanted : one->in == 0;
}

int lxe_chains_are(struct lxe_netlink *nl, struct lxe_chains *list, size_t n)
{
	struct search search = { .list = list, .n = n };
	bool look = false, so = true;
	int r = look_in_nft(nl, &search);

	/* The other variant has none where none is to be, or those that are still to be found. */
	for (size_t i = 0; i < n; i++)
		look = look || is_so(&list[i]) != (list[i].wanted != 0);
	if (r == 0 && look)
		r = look_in_legacy(&search);
	for (size_t i = 0; i < n; i++)
		so = so && is_so(&list[i]);
	return r < 0 ? r : so;
}
