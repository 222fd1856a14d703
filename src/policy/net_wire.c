#include <errno.h>
#include <string.h>

#include "policy/net.h"
#include "proto/wire.h"

/* Never renumber. */
enum tag { TAG_MODE = 1, TAG_ALLOW, TAG_DENY, TAG_PUBLISH, TAG_PROXY, TAG_USERINFO, TAG_SUBNET };

static void put_list(struct lxe_writer *w, enum tag tag, const struct lxe_strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		lxe_put_text(w, (uint8_t)tag, list->v[i]);
}

void lxe_net_encode(struct lxe_writer *w, uint8_t tag, const struct lxe_net_spec *net)
{
	struct lxe_writer inner = { 0 };

	if (net->mode == LXE_NET_NONE)
		return;
	lxe_put_u64(&inner, TAG_MODE, net->mode);
	put_list(&inner, TAG_ALLOW, &net->allow);
	put_list(&inner, TAG_DENY, &net->deny);
	put_list(&inner, TAG_PUBLISH, &net->publish);
	lxe_put_text(&inner, TAG_PROXY, net->proxy);
	lxe_put_text(&inner, TAG_USERINFO, net->proxy_userinfo);
	lxe_put_text(&inner, TAG_SUBNET, net->subnet);
	if (inner.error)
		w->error = inner.error;
	else
		lxe_put_bytes(w, tag, inner.buf, inner.len);
	lxe_writer_release(&inner);
}

static int get_mode(struct lxe_net_spec *net, const struct lxe_field *f)
{
	uint64_t mode;

	if (lxe_field_u64(f, &mode) < 0 || (mode != LXE_NET_FILTERED && mode != LXE_NET_OPEN))
		return -EBADMSG;
	net->mode = (enum lxe_net_mode)mode;
	return 0;
}

/* A text that is not in its one form has not been through our parsers. */
static int get_rule(struct lxe_strv *list, const struct lxe_field *f)
{
	char text[LXE_NET_RULE_TEXT], again[LXE_NET_RULE_TEXT];
	struct lxe_net_rule rule;

	if (lxe_field_copy(f, text, sizeof(text)) < 0 ||
		lxe_net_rule_parse(&rule, text, NULL) < 0 ||
		lxe_net_rule_format(&rule, again, sizeof(again)) < 0 || strcmp(text, again) != 0)
		return -EBADMSG;
	return lxe_strv_add(list, text);
}

static int get_publish(struct lxe_strv *list, const struct lxe_field *f)
{
	char text[128], again[128];
	struct lxe_net_publish p;

	if (lxe_field_copy(f, text, sizeof(text)) < 0 ||
		lxe_net_publish_parse(&p, text, NULL) < 0 ||
		lxe_net_publish_format(&p, again, sizeof(again)) < 0 || strcmp(text, again) != 0 ||
		list->n >= LXE_NET_PUBLISH_MAX)
		return -EBADMSG;
	return lxe_strv_add(list, text);
}

static int get_proxy(struct lxe_net_spec *net, const struct lxe_field *f)
{
	struct lxe_net_proxy proxy;
	int r = lxe_field_text(f, &net->proxy);

	if (r == 0 && (lxe_net_proxy_parse(&proxy, net->proxy, NULL) < 0 || proxy.userinfo))
		return -EBADMSG;
	return r;
}

static int get_subnet(struct lxe_net_spec *net, const struct lxe_field *f)
{
	struct lxe_net_addr subnet;
	int r = lxe_field_text(f, &net->subnet);

	return r == 0 ? lxe_net_subnet_parse(&subnet, net->subnet, NULL) : r;
}

static int get(struct lxe_net_spec *net, const struct lxe_field *f)
{
	switch ((enum tag)f->tag) {
	case TAG_MODE:
		return get_mode(net, f);
	case TAG_ALLOW:
		return get_rule(&net->allow, f);
	case TAG_DENY:
		return get_rule(&net->deny, f);
	case TAG_PUBLISH:
		return get_publish(&net->publish, f);
	case TAG_PROXY:
		return get_proxy(net, f);
	case TAG_USERINFO:
		return lxe_field_text(f, &net->proxy_userinfo);
	case TAG_SUBNET:
		return get_subnet(net, f);
	}
	return -EBADMSG;
}

static bool may_repeat(uint8_t tag)
{
	return tag == TAG_ALLOW || tag == TAG_DENY || tag == TAG_PUBLISH;
}

int lxe_net_decode(struct lxe_net_spec *ret, const struct lxe_field *field)
{
	struct lxe_reader reader = { .p = field->bytes, .left = field->len };
	struct lxe_net_spec net = { 0 };
	struct lxe_field f = { 0 };
	unsigned int seen = 0;
	int r;

	while ((r = lxe_next_field(&reader, &f)) > 0) {
		unsigned int bit = f.tag <= TAG_SUBNET ? 1U << f.tag : 0;

		r = (seen & bit) && !may_repeat(f.tag) ? -EBADMSG : get(&net, &f);
		if (r < 0)
			break;
		seen |= bit;
	}
	if (r == 0 && (net.mode == LXE_NET_NONE || (net.proxy_userinfo && !net.proxy)))
		r = -EBADMSG;
	if (r < 0) {
		lxe_net_release(&net);
		return r == -ENOMEM ? r : -EBADMSG;
	}
	*ret = net;
	return 0;
}
