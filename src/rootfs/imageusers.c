#include "rootfs/imageusers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "policy/spec.h"
#include "proto/record.h"
#include "store/sandbox.h"

static bool needs(const struct lxe_record *record, const char *image)
{
	struct lxe_spec spec = { 0 };
	bool yes = lxe_spec_decode(&spec, record->spec, record->spec_len) == 0 && spec.image &&
		   strcmp(spec.image, image) == 0;

	lxe_spec_release(&spec);
	return yes;
}

/* Told of each that needs it; more than 0 is enough. */
typedef int user_visit(void *arg, const char *id, const struct lxe_record *record);

static int visit(const char *base, const char *id, const char *image, user_visit *tell, void *arg)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(base, id);
	struct lxe_record record = { 0 };
	int r = 0;

	if (dir >= 0 && lxe_record_read(&record, dir) == 0 && needs(&record, image))
		r = tell(arg, id, &record);
	lxe_record_release(&record);
	return r;
}

static int visit_all(const char *base, const char *image, user_visit *tell, void *arg)
{
	struct lxe_strv ids = { 0 };
	int r = lxe_sandbox_list(base, &ids, NULL);

	for (size_t i = 0; r == 0 && i < ids.n; i++)
		r = visit(base, ids.v[i], image, tell, arg);
	lxe_strv_release(&ids);
	return r;
}

static int add_id(void *arg, const char *id, const struct lxe_record *record)
{
	(void)record;
	return lxe_strv_add(arg, id);
}

int lxe_image_users(const char *base, const char *image, struct lxe_strv *ids)
{
	return visit_all(base, image, add_id, ids);
}

struct keeper_of {
	char *name;
	size_t size;
};

static int take_kept(void *arg, const char *id, const struct lxe_record *record)
{
	const struct keeper_of *found = arg;

	if (record->keep)
		snprintf(found->name, found->size, "%s", record->name[0] ? record->name : id);
	return record->keep;
}

int lxe_image_kept_by(const char *state, const char *image, char *ret, size_t size)
{
	struct keeper_of found = { ret, size };

	return visit_all(state, image, take_kept, &found);
}
