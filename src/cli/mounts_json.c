#include "cli/mounts_json.h"

#include <stdio.h>

#include "cli/print.h"

static json_t *mount_of(const struct lxe_mount *m)
{
	json_t *one = json_pack("{s:s, s:o, s:o}", "type", lxe_mount_name(m->kind), "source",
		lxe_json_text(m->src), "destination", lxe_json_text(m->dst));
	char mode[8];

	switch (m->kind) {
	case LXE_MOUNT_BIND:
		json_object_set_new(one, "access",
			json_string(m->cow  ? "cow"
				    : m->ro ? "ro"
					    : "rw"));
		json_object_set_new(one, "shifted", json_boolean(!m->unshifted));
		break;
	case LXE_MOUNT_DISK:
		json_object_set_new(one, "access",
			json_string(m->ro   ? "ro"
				    : m->rw ? "rw"
					    : "auto"));
		json_object_set_new(one, "shifted", json_boolean(!m->unshifted));
		break;
	case LXE_MOUNT_TMPFS:
		json_object_set_new(one, "size", json_integer((json_int_t)m->size));
		break;
	case LXE_MOUNT_FILE:
		snprintf(mode, sizeof(mode), "%o", m->mode);
		json_object_set_new(one, "mode", m->mode ? json_string(mode) : json_null());
		break;
	}
	return one;
}

json_t *lxe_json_mounts(const struct lxe_mounts *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(all, mount_of(&list->v[i]));
	return all;
}
