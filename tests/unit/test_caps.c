#include <criterion/criterion.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "policy/caps.h"
#include "policy/request.h"
#include "policy/profile.h"
#include "sys/caps.h"

#define BIT(cap) (1ULL << (cap))

static uint64_t result(const char *add, const char *drop)
{
	struct lxe_caps_wish w = { .base = lxe_caps_default() };
	struct lxe_err err = { 0 };

	cr_assert_eq(add ? lxe_caps_wish(&w, true, add, &err) : 0, 0, "%s", err.msg);
	cr_assert_eq(drop ? lxe_caps_wish(&w, false, drop, &err) : 0, 0, "%s", err.msg);
	return lxe_caps_result(&w);
}

Test(caps, the_default_is_the_engines)
{
	uint64_t gone = BIT(CAP_NET_ADMIN) | BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE) |
			BIT(CAP_SYS_MODULE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SYS_RAWIO);

	cr_assert_eq(lxe_caps_default(), 0xa80425fb);
	cr_assert_eq(lxe_caps_default() & gone, 0);
	cr_assert_eq(lxe_caps_default() & ~sys_caps_known(), 0);
}

Test(caps, names_as_people_spell_them)
{
	uint64_t with = lxe_caps_default() | BIT(CAP_NET_ADMIN);

	cr_assert_eq(result("NET_ADMIN", NULL), with);
	cr_assert_eq(result("cap_net_admin", NULL), with);
	cr_assert_eq(result("Cap_Net_Admin,,", NULL), with);
	cr_assert_eq(result(" CHOWN, net_admin", NULL), with);
	cr_assert_eq(result(NULL, "CHOWN MKNOD"),
		lxe_caps_default() & ~(BIT(CAP_CHOWN) | BIT(CAP_MKNOD)));
	for (unsigned int bit = 0; bit <= CAP_LAST_CAP; bit++)
		cr_assert_eq(result("ALL", lxe_cap_name(bit)), sys_caps_known() & ~BIT(bit));
	cr_assert_null(lxe_cap_name(64));
}

Test(caps, all_has_exceptions)
{
	cr_assert_eq(result("all", NULL), sys_caps_known());
	cr_assert_eq(result(NULL, "cap_all"), 0);
	cr_assert_eq(result("chown", "ALL"), BIT(CAP_CHOWN));
	cr_assert_eq(result("ALL", "chown"), sys_caps_known() & ~BIT(CAP_CHOWN));
	cr_assert_eq(result("ALL,chown", NULL), sys_caps_known());
}

static void refused(const char *add, const char *drop, const char *message, const char *hint)
{
	struct lxe_caps_wish w = { .base = lxe_caps_default() };
	struct lxe_err err = { 0 };
	int r = lxe_caps_wish(&w, true, add, &err);

	if (r == 0)
		r = lxe_caps_wish(&w, false, drop, &err);
	cr_assert_eq(r, -EINVAL, "%s", add);
	cr_assert_str_eq(err.msg, message);
	cr_assert_str_eq(err.hint, hint);
}

Test(caps, what_is_wrong_is_named)
{
	static const char many[] =
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
	static const char list[] = "capabilities(7) lists them; ALL means all of them";
	static const char both[] = "with ALL on one side, name the exceptions on the other";

	refused("NET_ADMN", NULL, "there is no capability 'NET_ADMN'", "did you mean NET_ADMIN?");
	refused("CHOWN,cap_sys_ptrac", NULL, "there is no capability 'cap_sys_ptrac'",
		"did you mean SYS_PTRACE?");
	refused("CAP_", NULL, "there is no capability 'CAP_'", list);
	refused("\x1b[31m", NULL, "there is no capability '\x1b[31m'", list);
	refused(many, NULL,
		"there is no capability 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'", list);
	refused("12", NULL, "there is no capability '12'", list);
	refused(" ,", NULL, "no capability is named", "");
	refused("chown", "CAP_CHOWN", "'CAP_CHOWN' is both added and dropped", both);
	refused("ALL", "all", "'ALL' is both added and dropped", both);
}

/* A later source may take back what one before it has said; one source must not contradict itself. */
Test(caps, later_sources_win)
{
	static const char profile[] = "[run]\ncap-drop = NET_RAW, MKNOD\ncap-add = SYS_PTRACE\n";
	static const char wrong[] = "[run]\ncap-drop = ALL\ncap-add = ALL\n";
	struct lxe_request req;
	struct lxe_err err = { 0 };

	lxe_request_init(&req);
	cr_assert_eq(
		lxe_profile_parse(&req, "p", profile, strlen(profile), &err), 0, "%s", err.msg);
	cr_assert_eq(req.spec.caps,
		(lxe_caps_default() | BIT(CAP_SYS_PTRACE)) & ~(BIT(CAP_NET_RAW) | BIT(CAP_MKNOD)));
	lxe_request_next_source(&req);
	cr_assert_eq(lxe_request_set(&req, "cap-add", "NET_RAW", &err), 0, "%s", err.msg);
	cr_assert_eq(lxe_request_set(&req, "cap-drop", "SYS_PTRACE", &err), 0, "%s", err.msg);
	cr_assert_eq(req.spec.caps, lxe_caps_default() & ~BIT(CAP_MKNOD));
	cr_assert_eq(lxe_request_set(&req, "cap-add", "SYS_PTRACE", &err), -EINVAL);
	cr_assert_eq(lxe_profile_parse(&req, "p", wrong, strlen(wrong), &err), -EINVAL);
	cr_assert_str_eq(err.msg, "p:3: cap-add: 'ALL' is both added and dropped");
	lxe_request_release(&req);
}
