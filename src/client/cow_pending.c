/* What is written in copy-on-write binds is not a layer's to keep, and not to be lost with it. See cow.h. */
#include <errno.h>

#include "client/cow.h"

int lxe_client_cow_pending(const struct lxe_place *place, const struct lxe_dirs *dirs,
	const struct lxe_sandbox *held, const char *verb, struct lxe_err *err)
{
	struct lxe_cow_how how = {
		.act = LXE_COW_COUNT, .out = -EBADF, .conflicts = -EBADF, .held = held
	};
	struct lxe_cow_told told = { 0 };
	int r = lxe_client_cow(place, dirs, &how, &told, err);

	if (r < 0)
		return lxe_fail(err, r, "%s", verb);
	if (told.added || told.modified || told.deleted)
		return 1;
	/* What a commit that was killed has left in the source is known only to layers that may go now. */
	how.act = LXE_COW_TIDY;
	return lxe_client_cow(place, dirs, &how, &told, err);
}
