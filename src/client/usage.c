/* What a sandbox takes on disk. See layers.h. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "client/layers.h"
#include "store/sandbox.h"

static int add_layers(struct lxe_usage *usage, int layers, const struct lxe_base *base, bool count)
{
	struct lxe_layer layer;
	char id[LXE_ID_LEN + 1];
	uint64_t size = 0;
	int r = 0;

	memcpy(id, base->top, sizeof(id));
	for (size_t i = 0; r == 0 && id[0] && i < LXE_LAYERS_MAX; i++) {
		r = lxe_layer_read(layers, id, &layer);
		if (r == 0)
			r = lxe_strv_add(&usage->layers, id);
		if (r == 0 && count)
			r = lxe_layer_size(layers, id, &size);
		usage->shared += size;
		memcpy(id, layer.parent, sizeof(id));
	}
	return r;
}

int lxe_client_usage(const struct lxe_place *place, const struct lxe_dirs *dirs, bool count,
	struct lxe_usage *ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);
	LXE_AUTOCLOSE int layers = -EBADF;
	struct lxe_usage usage = { 0 };
	struct lxe_base base = { 0 };
	int r = dir < 0 ? dir : lxe_base_read(dir, &base);

	if (r == 0 && count)
		r = lxe_layers_own_size(dir, &usage.own);
	/* A file that went away while it was counted is counted by somebody else. */
	if (r == -ENOENT)
		r = 0;
	if (r == 0 && base.top[0]) {
		r = layers = lxe_layers_open(dirs->state);
		if (r >= 0)
			r = add_layers(&usage, layers, &base, count);
	}
	if (r < 0) {
		lxe_strv_release(&usage.layers);
		return lxe_fail(err, r, "count what sandbox '%s' takes on disk", place->id);
	}
	*ret = usage;
	return 0;
}
