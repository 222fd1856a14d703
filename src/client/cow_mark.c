#include "client/cow_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"

/*
 * Whoever finds a sandbox that nobody owns keeps what is on record as kept: so a commit that was begun can be completed,
 * whoever was killed. Such a one is as if it had been made to be kept.
 */
int lxe_cow_mark(const struct lxe_place *place, bool keep, struct lxe_err *err)
{
	LXE_AUTOCLOSE int dir = lxe_sandbox_open(place->base, place->id);
	LXE_AUTOFREE unsigned char *bytes = NULL;
	struct lxe_record record = { 0 };
	struct lxe_spec spec = { 0 };
	size_t len = 0;
	int r = dir < 0 ? dir : lxe_record_read(&record, dir);

	if (r == 0)
		r = lxe_spec_decode(&spec, record.spec, record.spec_len);
	if (r == 0) {
		spec.keep = record.keep = keep;
		spec.settling = (struct lxe_settling){ 0 };
		free(take_ptr(record.spec));
		r = lxe_spec_encode(&spec, &record.spec, &record.spec_len);
	}
	if (r == 0)
		r = lxe_record_encode(&record, &bytes, &len);
	if (r == 0)
		r = lxe_sandbox_put(dir, LXE_SANDBOX_RECORD, bytes, len);
	lxe_spec_release(&spec);
	lxe_record_release(&record);
	return r < 0 ? lxe_fail(err, r, "write the record of sandbox '%s'", place->id) : 0;
}

int lxe_cow_begin(const struct lxe_cow_layers *layers, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = -EBADF;

	if (layers->held.dir < 0)
		return 0;
	fd = openat(layers->held.dir, LXE_SANDBOX_COMMIT,
		O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? lxe_fail(err, -errno, "note that a commit has begun") : 0;
}

void lxe_cow_end(const struct lxe_cow_layers *layers)
{
	if (layers->held.dir >= 0)
		lxe_sandbox_drop(layers->held.dir, LXE_SANDBOX_COMMIT);
}
