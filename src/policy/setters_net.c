/* The options about the network. See setters.h and net.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/secret.h"
#include "policy/setters.h"

/* The first `n` of a list, which "none" may have emptied since they were counted. */
static void forget(struct lxe_strv *list, size_t n)
{
	n = n < list->n ? n : list->n;
	for (size_t i = 0; i < n; i++)
		free(list->v[i]);
	if (n)
		memmove(list->v, list->v + n, (list->n - n + 1) * sizeof(*list->v));
	list->n -= n;
}

static void forget_proxy(struct lxe_net_spec *net)
{
	lxe_str_set(&net->proxy, NULL);
	lxe_str_set(&net->proxy_source, NULL);
}

/* What other sources have asked for gives way; what this one asks for contradicts it. */
static void take_back(struct lxe_request *req, enum lxe_net_mode mode)
{
	struct lxe_net_spec *net = &req->spec.net;

	if (mode == LXE_NET_NONE) {
		forget(&net->allow, req->net_before.allow);
		forget(&net->deny, req->net_before.deny);
		forget(&net->publish, req->net_before.publish);
		req->net_before.allow = req->net_before.deny = req->net_before.publish = 0;
	}
	if (mode != LXE_NET_FILTERED && req->net_before.proxy) {
		forget_proxy(net);
		req->net_before.proxy = false;
	}
}

LXE_SETTER(lxe_set_network)
{
	(void)o;
	for (enum lxe_net_mode mode = LXE_NET_NONE; mode <= LXE_NET_OPEN; mode++) {
		if (strcmp(text, lxe_net_mode_name(mode)) != 0)
			continue;
		take_back(req, mode);
		req->spec.net.mode = mode;
		req->spec.net.chosen = true;
		return 0;
	}
	lxe_fail_msg(err, -EINVAL, "%s '%s' is neither none, filtered nor open", as, text);
	lxe_hint(err,
		"filtered: nothing but what --allow names; open: all but what --deny-net names");
	return -EINVAL;
}

static int add_rule(struct lxe_strv *list, const char *as, const char *text, struct lxe_err *err)
{
	char form[LXE_NET_RULE_TEXT];
	struct lxe_net_rule rule;
	int r;

	if (strcmp(text, "none") == 0) {
		lxe_strv_release(list);
		return 0;
	}
	r = lxe_net_rule_parse(&rule, text, err);
	if (r == 0)
		r = lxe_net_rule_format(&rule, form, sizeof(form));
	if (r == 0)
		r = lxe_strv_add(list, form);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

static struct lxe_strv *rules_of(struct lxe_request *req, const struct lxe_option *o)
{
	return (struct lxe_strv *)((char *)req + o->offset);
}

LXE_SETTER(lxe_set_net_rule)
{
	return add_rule(rules_of(req, o), as, text, err);
}

typedef int add_word(struct lxe_strv *list, const char *as, const char *text, struct lxe_err *err);

/* A list with blanks between its words. */
static int add_words(
	struct lxe_strv *list, const char *as, const char *text, add_word *add, struct lxe_err *err)
{
	char word[LXE_NET_RULE_TEXT];
	size_t len;
	int r = 0;

	for (text += strspn(text, " \t"); r == 0 && *text; text += strspn(text, " \t")) {
		len = strcspn(text, " \t");
		if (lxe_format(word, sizeof(word), "%.*s", (int)len, text) < 0)
			return lxe_fail_msg(err, -EINVAL, "%s: a word is too long", as);
		r = add(list, as, word, err);
		text += len;
	}
	return r;
}

/* LABEL=RULE RULE...: the label is for people. */
LXE_SETTER(lxe_set_net_rules)
{
	const char *rules = strchrnul(text, '=');

	rules += *rules != '\0';
	if (rules[strspn(rules, " \t")] == '\0') {
		lxe_fail_msg(err, -EINVAL, "%s: '%s' has no rule", as, text);
		lxe_hint(err, "LABEL = RULE, or several with blanks between them");
		return -EINVAL;
	}
	return add_words(rules_of(req, o), as, rules, add_rule, err);
}

static int add_publish(struct lxe_strv *list, const char *as, const char *text, struct lxe_err *err)
{
	struct lxe_net_publish p;
	char form[128];
	int r;

	if (strcmp(text, "none") == 0) {
		lxe_strv_release(list);
		return 0;
	}
	r = lxe_net_publish_parse(&p, text, err);
	if (r == 0)
		r = lxe_net_publish_format(&p, form, sizeof(form));
	if (r == 0 && list->n >= LXE_NET_PUBLISH_MAX) {
		r = lxe_fail_msg(err, -E2BIG, "more than %d ports", LXE_NET_PUBLISH_MAX);
		lxe_hint(err, "publish fewer of them, or one that a program inside shares out");
	}
	if (r == 0)
		r = lxe_strv_add(list, form);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_publish)
{
	(void)o;
	return add_publish(&req->spec.net.publish, as, text, err);
}

LXE_SETTER(lxe_set_publish_list)
{
	(void)o;
	return add_words(&req->spec.net.publish, as, text, add_publish, err);
}

/* The same words as for a secret, and checked by the same parser. */
static int set_proxy_source(
	struct lxe_net_spec *net, const char *as, const char *text, struct lxe_err *err)
{
	struct lxe_secret_source source;
	char pair[4096 + 8];
	int r = lxe_format(pair, sizeof(pair), "proxy=%s", text);

	if (r == 0)
		r = lxe_secret_parse(&source, pair, NULL);
	if (r < 0) {
		lxe_fail_msg(err, -EINVAL, "%s does not say where the URL is", as);
		lxe_hint(err, "env:VARIABLE, file:PATH or fd:N");
		return -EINVAL;
	}
	forget_proxy(net);
	r = lxe_str_set(&net->proxy_source, text);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

static bool is_source(const char *text)
{
	return lxe_starts_with(text, "env:") || lxe_starts_with(text, "file:") ||
	       lxe_starts_with(text, "fd:");
}

static int set_proxy_url(
	struct lxe_net_spec *net, const char *as, const char *text, struct lxe_err *err)
{
	char form[LXE_NET_RULE_TEXT];
	struct lxe_net_proxy proxy;
	int r;

	if (strchr(text, '@')) {
		lxe_fail_msg(err, -EINVAL, "%s has a user or a password in it", as);
		lxe_hint(err,
			"here everybody could read it: env:VARIABLE, file:PATH or fd:N, with the "
			"whole URL in it");
		return -EINVAL;
	}
	r = lxe_net_proxy_parse(&proxy, text, err);
	if (r == 0)
		r = lxe_net_proxy_format(&proxy, form, sizeof(form));
	if (r < 0)
		return lxe_fail(err, r, "%s", as);
	forget_proxy(net);
	r = lxe_str_set(&net->proxy, form);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}

LXE_SETTER(lxe_set_proxy)
{
	struct lxe_net_spec *net = &req->spec.net;

	(void)o;
	req->net_before.proxy = false;
	if (strcmp(text, "none") == 0) {
		forget_proxy(net);
		return 0;
	}
	return is_source(text) ? set_proxy_source(net, as, text, err)
			       : set_proxy_url(net, as, text, err);
}

/* As with secrets: a profile is used from any directory and with any descriptors. */
LXE_SETTER(lxe_set_proxy_in_profile)
{
	if (!lxe_starts_with(text, "fd:") &&
		(!lxe_starts_with(text, "file:") || text[strlen("file:")] == '/'))
		return lxe_set_proxy(req, o, as, text, err);
	lxe_fail_msg(err, -EINVAL, "%s '%s' is not for a profile", as, text);
	lxe_hint(err, "env:VARIABLE, or file: and an absolute path; fd:N is for the command line");
	return -EINVAL;
}

LXE_SETTER(lxe_set_subnet)
{
	char form[LXE_NET_ADDR_TEXT];
	struct lxe_net_addr subnet;
	int r = lxe_net_subnet_parse(&subnet, text, err);

	(void)o;
	if (r < 0)
		return lxe_fail(err, r, "%s", as);
	lxe_net_addr_format(&subnet, form);
	r = lxe_str_set(&req->spec.net.subnet, form);
	return r < 0 ? lxe_fail(err, r, "%s", as) : 0;
}
