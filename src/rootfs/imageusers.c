#include "rootfs/imageusers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/spec.h"
#include "proto/record.h"
#include "store/sandbox.h"

static bool lies_on(const struct lxe_record *record, const char *image)
{
	struct lxe_spec spec = { 0 };
	bool yes = record->keep && lxe_spec_decode(&spec, record->spec, record->spec_len) == 0 &&
		   spec.image && strcmp(spec.image, image) == 0;

	lxe_spec_release(&spec);
	return yes;
}

static bool look_at(const char *state, const char *id, const char *image, char *ret, size_t size)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(state, id);
	struct lxe_record record = { 0 };
	bool yes = dir >= 0 && lxe_record_read(&record, dir) == 0 && lies_on(&record, image);

	if (yes)
		snprintf(ret, size, "%s", record.name[0] ? record.name : id);
	lxe_record_release(&record);
	return yes;
}

int lxe_image_kept_by(const char *state, const char *image, char *ret, size_t size)
{
	struct lxe_strv ids = { 0 };
	bool found = false;
	int r = lxe_sandbox_list(state, &ids, NULL);

	for (size_t i = 0; r == 0 && !found && i < ids.n; i++)
		found = look_at(state, ids.v[i], image, ret, size);
	lxe_strv_release(&ids);
	return r < 0 ? r : found;
}
