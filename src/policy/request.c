#include "policy/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/nearest.h"
#include "policy/options.h"

#define STOP_TIMEOUT_MS 10000
#define SETTABLE (LXE_VERB_RUN | LXE_VERB_EXEC)

void lxe_request_init(struct lxe_request *req)
{
	*req = (struct lxe_request){ .output = LXE_OUTPUT_TABLE,
		.detach_keys = LXE_DETACH_DEFAULT,
		.stop_timeout_ms = STOP_TIMEOUT_MS };
	lxe_spec_init(&req->spec);
	lxe_request_next_source(req);
}

void lxe_request_next_source(struct lxe_request *req)
{
	const struct lxe_net_spec *net = &req->spec.net;

	req->caps = (struct lxe_caps_wish){ .base = req->spec.caps };
	req->net_before.allow = net->allow.n;
	req->net_before.deny = net->deny.n;
	req->net_before.publish = net->publish.n;
	req->net_before.proxy = net->proxy || net->proxy_source;
}

void lxe_request_release(struct lxe_request *req)
{
	lxe_spec_release(&req->spec);
	free(req->profile);
	free(req->recipe);
	free(req->include);
	free(req->mirror);
	*req = (struct lxe_request){ 0 };
}

static int unknown(const char *name, struct lxe_err *err)
{
	struct lxe_nearest near = { 0 };
	char shown[128];

	for (const struct lxe_option *o = lxe_options(); o->name; o++)
		if (o->verbs & SETTABLE)
			lxe_nearest_offer(&near, name, strlen(name), o->name);
	if (near.best)
		lxe_hint(err, "did you mean '%s'?", near.best);
	lxe_excerpt(shown, sizeof(shown), name, strlen(name));
	return lxe_fail_msg(err, -EINVAL, "option '%s' is not known", shown);
}

int lxe_request_set(
	struct lxe_request *req, const char *name, const char *value, struct lxe_err *err)
{
	const struct lxe_option *o = lxe_option_find(name, strlen(name), SETTABLE);

	if (!o || strcmp(o->name, "help") == 0)
		return unknown(name, err);
	if (o->placeholder && (!value || !*value))
		return lxe_fail_msg(err, -EINVAL, "option '%s' wants a value", o->name);
	return o->set(req, o, o->name, value, err);
}
