#include "network/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "network/netlink.h"
#include "network/plan.h"
#include "network/together.h"
#include "network/tool.h"
#include "sys/fd.h"

#define CHAINS_BEGIN "LXE-"
#define CHAINS CHAINS_BEGIN "%s-"
#define DUMP_TRIES 32
#define TEXT_MAX (256 * 1024 * 1024)
#define FAMILIES 2

static const char *const restore_names[][FAMILIES] = {
	{ "iptables-restore", "ip6tables-restore" },
	{ "iptables-nft-restore", "ip6tables-nft-restore" },
	{ "iptables-legacy-restore", "ip6tables-legacy-restore" },
};
static const char *const save_names[][FAMILIES] = {
	{ "iptables-save", "ip6tables-save" },
	{ "iptables-nft-save", "ip6tables-nft-save" },
	{ "iptables-legacy-save", "ip6tables-legacy-save" },
};
#define VARIANTS (sizeof(save_names) / sizeof(save_names[0]))

/* Texts of both families at the same time; NULL: none. */
static int restore(size_t variant, const char *const texts[FAMILIES], struct lxe_err *err)
{
	const char *words[FAMILIES][4];
	struct lxe_tool tools[FAMILIES];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < FAMILIES; i++) {
		if (!texts[i])
			continue;
		words[n][0] = restore_names[variant][i];
		words[n][1] = "--noflush";
		words[n][2] = "-w";
		words[n][3] = NULL;
		tools[n] = (struct lxe_tool){ .argv = words[n], .text = texts[i] };
		n++;
	}
	r = lxe_tools_run(tools, n);
	for (size_t i = 0; i < n; i++)
		if (tools[i].r < 0) {
			r = lxe_tool_fail(&tools[i], err, "set the firewall's rules");
			break;
		}
	lxe_tools_release(tools, n);
	return r;
}

/* What is left of it in one family, as a text that removes that: *ret is NULL when nothing is. */
static int leftover_of(struct lxe_tool *saved, const char *id8, char **ret, struct lxe_err *err)
{
	LXE_AUTOFREE char *text = NULL;
	int r;

	/* Without the program there are no rules of it that could be in force. */
	if (saved->r == -ENOENT)
		return 0;
	if (saved->r < 0)
		return lxe_tool_fail(saved, err, "read the firewall's rules");
	r = lxe_tool_output(saved, &text);
	if (r == 0)
		r = lxe_net_plan_sweep(ret, text, id8, err);
	return r < 0 ? lxe_fail(err, r, "find what is left of the firewall's rules") : 0;
}

static int sweep_variant(size_t variant, const char *id8, struct lxe_err *err)
{
	const char *const words[FAMILIES][2] = {
		{ save_names[variant][0], NULL },
		{ save_names[variant][1], NULL },
	};
	struct lxe_tool saved[FAMILIES] = {
		{ .argv = words[0] },
		{ .argv = words[1] },
	};
	char *texts[FAMILIES] = { NULL };
	int r = 0;

	lxe_tools_run(saved, FAMILIES);
	for (size_t i = 0; r == 0 && i < FAMILIES; i++)
		r = leftover_of(&saved[i], id8, &texts[i], err);
	lxe_tools_release(saved, FAMILIES);
	if (r == 0 && (texts[0] || texts[1]))
		r = restore(variant, (const char *const[]){ texts[0], texts[1] }, err);
	free(texts[0]);
	free(texts[1]);
	return r;
}

/* The nft variant's chains are asked of the kernel, which takes a tenth of the time that iptables-save does. */

struct search {
	const char *const *ids;
	size_t n;
	bool found;
};

/* Is there one of theirs among what a line, or a name, begins with? */
static bool is_theirs(const struct search *search, const char *name)
{
	char prefix[24];
	bool any = false;

	if (!lxe_starts_with(name, CHAINS_BEGIN))
		return false;
	for (size_t i = 0; !any && i < search->n; i++) {
		snprintf(prefix, sizeof(prefix), CHAINS, search->ids[i]);
		any = lxe_starts_with(name, prefix);
	}
	return any;
}

static int look_at_chain(const struct nlmsghdr *header, void *arg)
{
	struct search *search = arg;
	const struct nlattr *attr;

	lxe_netlink_each(attr, header, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_NAME &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
			is_theirs(search, mnl_attr_get_str(attr)))
			search->found = true;
	}
	return MNL_CB_OK;
}

static int dump_chains(struct search *search)
{
	struct nfgenmsg *about;
	struct lxe_netlink nl;
	union {
		struct nlmsghdr header;
		char bytes[256];
	} m;
	int r;

	r = lxe_netlink_open(&nl, NETLINK_NETFILTER, 0);
	if (r < 0)
		return r;
	mnl_nlmsg_put_header(m.bytes);
	m.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN;
	about = mnl_nlmsg_put_extra_header(&m.header, sizeof(*about));
	about->nfgen_family = AF_UNSPEC;
	r = lxe_netlink_dump(&nl, &m.header, look_at_chain, search);
	lxe_netlink_close(&nl);
	return r;
}

static int nft_has(const char *const *ids, size_t n)
{
	struct search search = { .ids = ids, .n = n };
	int r = -EINTR;

	/* Others change their rules meanwhile: what was found is there, what was not has to be looked for again. */
	for (int i = 0; r == -EINTR && !search.found && i < DUMP_TRIES; i++)
		r = dump_chains(&search);
	if (search.found)
		return 1;
	/* A kernel without nf_tables has none. */
	return r == -EOPNOTSUPP || r == -EPROTONOSUPPORT || r == -EINVAL ? 0 : r;
}

static bool text_has(const char *text, const char *const *ids, size_t n)
{
	char prefix[24];
	bool found = false;

	for (size_t i = 0; !found && i < n; i++) {
		snprintf(prefix, sizeof(prefix), CHAINS, ids[i]);
		found = strstr(text, prefix) != NULL;
	}
	return found;
}

/* Does anybody use the legacy variant here, and are there rules of ours? The list of tables is empty otherwise. */
static int legacy_has(const char *const *ids, size_t n)
{
	static const char *const tables[FAMILIES] = { "/proc/thread-self/net/ip_tables_names",
		"/proc/thread-self/net/ip6_tables_names" };
	char names[256];
	int found = 0, r;

	for (size_t i = 0; found == 0 && i < FAMILIES; i++) {
		const char *const words[] = { save_names[2][i], NULL };
		struct lxe_tool tool = { .argv = words };
		LXE_AUTOFREE char *text = NULL;

		if (sys_read_file(AT_FDCWD, tables[i], names, sizeof(names)) <= 0)
			continue;
		r = lxe_tools_run(&tool, 1);
		if (r == 0)
			r = lxe_tool_output(&tool, &text);
		lxe_tools_release(&tool, 1);
		if (r < 0 && r != -ENOENT)
			return r;
		found = r == 0 && text_has(text, ids, n);
	}
	return found;
}

/* Is there any chain with one of these names? 1, 0, or a negative errno. */
static int has_chains(const char *const *ids, size_t n)
{
	int r = nft_has(ids, n);

	return r == 0 ? legacy_has(ids, n) : r;
}

/* Are the rules of all those gone that end here? */
static bool are_gone(const struct lxe_together *t)
{
	const char *ids[LXE_TOGETHER_MAX];
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->members[i].kind == LXE_TOGETHER_UNDO)
			ids[n++] = t->members[i].id;
	return n == 0 || has_chains(ids, n) == 0;
}

/* Is this one's text done? */
static bool lead(const struct lxe_together *t)
{
	bool gone;

	if (restore(0, (const char *const[]){ t->texts[0], t->texts[1] }, NULL) < 0)
		return false;
	lxe_together_done(t, LXE_TOGETHER_SET);
	gone = are_gone(t);
	if (gone)
		lxe_together_done(t, LXE_TOGETHER_UNDO);
	return gone || t->members[0].kind == LXE_TOGETHER_SET;
}

static bool run_together(const char *run, const char *id8, enum lxe_together_kind kind,
	const char *const texts[FAMILIES])
{
	struct lxe_together t;
	int r = lxe_together_begin(&t, run, id8, kind, texts);
	bool done = r == 1 || (r == 0 && lead(&t));

	lxe_together_end(&t);
	return done;
}

int lxe_net_apply(
	const char *run, const char *id8, const char *v4, const char *v6, struct lxe_err *err)
{
	const char *const texts[FAMILIES] = { v4, v6 };

	/* What fails with others' texts fails alone again, and then says why. */
	return run_together(run, id8, LXE_TOGETHER_SET, texts) ? 0 : restore(0, texts, err);
}

/* What its texts do not remove is looked for, by whichever variant it was made. */
static int sweep(const char *id8, int left, struct lxe_err *err)
{
	struct lxe_err first = { 0 };

	for (size_t i = 0; left != 0 && i < VARIANTS; i++) {
		first = (struct lxe_err){ 0 };
		sweep_variant(i, id8, &first);
		left = has_chains(&id8, 1);
	}
	if (left == 0)
		return 0;
	if (first.code == 0)
		lxe_fail_msg(&first, -EBUSY, "rules with the name LXE-%s are still there", id8);
	if (err)
		*err = first;
	return left < 0 ? left : first.code;
}

static int withdraw(
	const char *run, const char *id8, const char *const texts[FAMILIES], struct lxe_err *err)
{
	if (!texts[0]) {
		lxe_together_forget(run, id8);
		return sweep(id8, has_chains(&id8, 1), err);
	}
	if (run_together(run, id8, LXE_TOGETHER_UNDO, texts))
		return 0;
	/* Others' texts may have made it fail. */
	return sweep(id8, restore(0, texts, NULL) < 0 ? 1 : has_chains(&id8, 1), err);
}

int lxe_net_withdraw(
	const char *run, const char *id8, int undo_v4, int undo_v6, struct lxe_err *err)
{
	LXE_AUTOFREE char *v4 = NULL, *v6 = NULL;
	size_t len;

	/* One that cannot be read is as good as none. */
	if (undo_v4 >= 0 && sys_read_whole(undo_v4, TEXT_MAX, &v4, &len) == 0 && undo_v6 >= 0 &&
		sys_read_whole(undo_v6, TEXT_MAX, &v6, &len) < 0)
		free(take_ptr(v4));
	return withdraw(run, id8, (const char *const[]){ v4, v6 }, err);
}
