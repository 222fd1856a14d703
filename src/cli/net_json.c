#include "cli/net_json.h"

#include "cli/print.h"

static json_t *texts_of(const struct lxe_strv *list)
{
	json_t *texts = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(texts, lxe_json_text(list->v[i]));
	return texts;
}

json_t *lxe_json_net(const struct lxe_net_spec *net)
{
	json_t *all = json_object();
	const char *subnet = net->subnet ? net->subnet : LXE_NET_SUBNET;

	json_object_set_new(all, "mode", lxe_json_text(lxe_net_mode_name(net->mode)));
	json_object_set_new(all, "allow", texts_of(&net->allow));
	json_object_set_new(all, "deny", texts_of(&net->deny));
	json_object_set_new(all, "publish", texts_of(&net->publish));
	json_object_set_new(all, "proxy", lxe_json_text(net->proxy));
	json_object_set_new(
		all, "subnet", lxe_json_text(net->mode == LXE_NET_NONE ? NULL : subnet));
	return all;
}
