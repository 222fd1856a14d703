#include "network/restore.h"

#include <errno.h>

static const char *const names[LXE_VARIANTS][LXE_FAMILIES] = {
	{ "iptables-restore", "ip6tables-restore" },
	{ "iptables-nft-restore", "ip6tables-nft-restore" },
	{ "iptables-legacy-restore", "ip6tables-legacy-restore" },
};

void lxe_restore_init(struct lxe_restore *ret, enum lxe_variant variant)
{
	for (size_t i = 0; i < LXE_FAMILIES; i++) {
		ret->argv[i][0] = names[variant][i];
		ret->argv[i][1] = "--noflush";
		ret->argv[i][2] = "-w";
		ret->argv[i][3] = NULL;
		lxe_tool_init(&ret->tools[i], ret->argv[i]);
	}
}

int lxe_restore_tell(struct lxe_restore *t, const char *const texts[LXE_FAMILIES])
{
	for (size_t i = 0; i < LXE_FAMILIES; i++)
		t->tools[i].text = texts[i];
	return lxe_tools_tell(t->tools, LXE_FAMILIES);
}

int lxe_restore_fail(const struct lxe_restore *t, int r, struct lxe_err *err)
{
	for (size_t i = 0; i < LXE_FAMILIES; i++)
		if (t->tools[i].r < 0)
			return lxe_tool_fail(&t->tools[i], err, "set the firewall's rules");
	return r;
}

int lxe_restore_end(struct lxe_restore *t)
{
	return lxe_tools_end(t->tools, LXE_FAMILIES);
}

void lxe_restore_release(struct lxe_restore *t)
{
	lxe_tools_release(t->tools, LXE_FAMILIES);
}
