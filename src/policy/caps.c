#include "policy/caps.h"

#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>

#include "policy/nearest.h"
#include "sys/caps.h"

#define BIT(cap) (1ULL << (cap))
#define PREFIX "CAP_"
#define NAME_MAX_LEN 32 /* longer than any name */

static const char *const names[] = {
#define NAME(cap) [cap] = #cap
	NAME(CAP_CHOWN),
	NAME(CAP_DAC_OVERRIDE),
	NAME(CAP_DAC_READ_SEARCH),
	NAME(CAP_FOWNER),
	NAME(CAP_FSETID),
	NAME(CAP_KILL),
	NAME(CAP_SETGID),
	NAME(CAP_SETUID),
	NAME(CAP_SETPCAP),
	NAME(CAP_LINUX_IMMUTABLE),
	NAME(CAP_NET_BIND_SERVICE),
	NAME(CAP_NET_BROADCAST),
	NAME(CAP_NET_ADMIN),
	NAME(CAP_NET_RAW),
	NAME(CAP_IPC_LOCK),
	NAME(CAP_IPC_OWNER),
	NAME(CAP_SYS_MODULE),
	NAME(CAP_SYS_RAWIO),
	NAME(CAP_SYS_CHROOT),
	NAME(CAP_SYS_PTRACE),
	NAME(CAP_SYS_PACCT),
	NAME(CAP_SYS_ADMIN),
	NAME(CAP_SYS_BOOT),
	NAME(CAP_SYS_NICE),
	NAME(CAP_SYS_RESOURCE),
	NAME(CAP_SYS_TIME),
	NAME(CAP_SYS_TTY_CONFIG),
	NAME(CAP_MKNOD),
	NAME(CAP_LEASE),
	NAME(CAP_AUDIT_WRITE),
	NAME(CAP_AUDIT_CONTROL),
	NAME(CAP_SETFCAP),
	NAME(CAP_MAC_OVERRIDE),
	NAME(CAP_MAC_ADMIN),
	NAME(CAP_SYSLOG),
	NAME(CAP_WAKE_ALARM),
	NAME(CAP_BLOCK_SUSPEND),
	NAME(CAP_AUDIT_READ),
	NAME(CAP_PERFMON),
	NAME(CAP_BPF),
	NAME(CAP_CHECKPOINT_RESTORE),
#undef NAME
};

#define COUNT (sizeof(names) / sizeof(names[0]))

uint64_t lxe_caps_default(void)
{
	return BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) |
	       BIT(CAP_KILL) | BIT(CAP_SETGID) | BIT(CAP_SETUID) | BIT(CAP_SETPCAP) |
	       BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_NET_RAW) | BIT(CAP_SYS_CHROOT) | BIT(CAP_MKNOD) |
	       BIT(CAP_AUDIT_WRITE) | BIT(CAP_SETFCAP);
}

const char *lxe_cap_name(unsigned int bit)
{
	return bit < COUNT ? names[bit] : NULL;
}

/* The name in capitals and without its prefix; empty when it is too long to be one. */
static void normalize(char name[NAME_MAX_LEN], const char *word, size_t len)
{
	const size_t prefix = strlen(PREFIX);

	if (len > prefix && strncasecmp(word, PREFIX, prefix) == 0) {
		word += prefix;
		len -= prefix;
	}
	if (len >= NAME_MAX_LEN)
		len = 0;
	for (size_t i = 0; i < len; i++)
		name[i] = (char)toupper((unsigned char)word[i]);
	name[len] = '\0';
}

static int unknown(const char *word, size_t len, const char *name, struct lxe_err *err)
{
	struct lxe_nearest near = { 0 };

	for (size_t i = 0; i < COUNT; i++)
		lxe_nearest_offer(&near, name, strlen(name), names[i] + strlen(PREFIX));
	lxe_nearest_offer(&near, name, strlen(name), "ALL");
	if (near.best)
		lxe_hint(err, "did you mean %s?", near.best);
	else
		lxe_hint(err, "capabilities(7) lists them; ALL means all of them");
	return lxe_fail_msg(
		err, -EINVAL, "there is no capability '%.*s'", (int)(len < 48 ? len : 48), word);
}

static int contradiction(const char *name, struct lxe_err *err)
{
	lxe_hint(err, "with ALL on one side, name the exceptions on the other");
	return lxe_fail_msg(err, -EINVAL, "'%s' is both added and dropped", name);
}

static int wish_one(
	struct lxe_caps_wish *w, bool add, const char *word, size_t len, struct lxe_err *err)
{
	char name[NAME_MAX_LEN];
	size_t i = 0;

	normalize(name, word, len);
	if (strcmp(name, "ALL") == 0) {
		*(add ? &w->add_all : &w->drop_all) = true;
		return w->add_all && w->drop_all ? contradiction(name, err) : 0;
	}
	while (i < COUNT && strcmp(names[i] + strlen(PREFIX), name) != 0)
		i++;
	if (i == COUNT)
		return unknown(word, len, name, err);
	if (add && !(sys_caps_known() & BIT(i)))
		return lxe_fail_msg(err, -EINVAL, "this kernel has no capability '%s'", names[i]);
	*(add ? &w->add : &w->drop) |= BIT(i);
	return w->add & w->drop ? contradiction(names[i], err) : 0;
}

int lxe_caps_wish(struct lxe_caps_wish *w, bool add, const char *list, struct lxe_err *err)
{
	static const char between[] = ", \t";
	int r = 0;

	if (!list[strspn(list, between)])
		return lxe_fail_msg(err, -EINVAL, "no capability is named");
	for (list += strspn(list, between); r == 0 && *list; list += strspn(list, between)) {
		size_t len = strcspn(list, between);

		r = wish_one(w, add, list, len, err);
		list += len;
	}
	return r;
}

uint64_t lxe_caps_result(const struct lxe_caps_wish *w)
{
	uint64_t base = w->add_all ? sys_caps_known() : w->drop_all ? 0 : w->base;

	return (base | w->add) & ~w->drop;
}
